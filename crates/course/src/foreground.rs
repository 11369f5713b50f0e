//! A step in the foreground.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{Outcome, build, steps};

/// Builds a step and becomes it, so that a Ctrl-C and the exit status are its own.
pub fn run(wanted: &str, arguments: &[OsString]) -> Outcome {
    let step = steps::find(wanted)?;
    let binaries = build::cargo(&["build", "--package", &step.name, "--bins"])?;
    let binary = binaries
        .first()
        .with_context(|| format!("{} has no binary", step.source()))?;
    let mut command = Command::new(&binary.executable);
    command.args(arguments);
    become_it(command).with_context(|| format!("cannot run {}", binary.executable.display()))
}

#[cfg(unix)]
fn become_it(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> std::io::Result<ExitCode> {
    // A Ctrl-C reaches every program of the console: the step ends by it, and so does this one.
    let code = command.status()?.code();
    Ok(code.map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)))
}
