//! A step or an exercise in the foreground.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use tour::catalog::Lesson;
use tour::{Outcome, build};

/// Builds a program and becomes it.
pub fn build_and_run(lesson: &Lesson, arguments: &[OsString]) -> Outcome {
    let binaries = build::cargo(&["build", "--package", &lesson.name, "--bins"])?;
    let binary = binaries
        .first()
        .with_context(|| format!("{} has no binary", lesson.source()))?;
    let mut command = Command::new(&binary.executable);
    command.args(arguments);
    replace(command)
}

/// Becomes another program, so that a Ctrl-C and the exit status are its own.
pub fn replace(mut command: Command) -> Outcome {
    become_it(&mut command)
        .with_context(|| format!("cannot run {}", Path::new(command.get_program()).display()))
}

#[cfg(unix)]
fn become_it(command: &mut Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> std::io::Result<ExitCode> {
    // A Ctrl-C reaches every program of the console: the step ends by it, and so does this one.
    let code = command.status()?.code();
    Ok(code.map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)))
}

/// Where this program is. A build may have put a new one in its place; then that one is meant.
pub fn this_program() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe().context("where is this program?")?;
    // Linux marks a file that is gone (proc(5), `/proc/PID/exe`).
    let path = path
        .to_str()
        .map(|path| path.trim_end_matches(" (deleted)"));
    path.map(PathBuf::from).context("a path that is no text")
}
