//! A step or an exercise in the foreground.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use tour::catalog::Lesson;
use tour::{Outcome, build};

/// Builds a program and becomes it.
pub fn build_and_run(lesson: &Lesson, arguments: &[OsString]) -> Outcome {
    let binaries = build::cargo(&["build", "--package", &lesson.package(), "--bins"])?;
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

/// Another program answers a question within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// What another program prints, if it is there and ends well.
pub fn ask(program: &Path, arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let mut command = Command::new(program);
    let command = command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
        return Ok(None);
    };
    let mut stdout = child.stdout.take().context("it has no output")?;
    let (send, said) = channel();
    thread::spawn(move || {
        let _ = send.send(io::read_to_string(&mut stdout)); // nobody may wait any more
    });
    let said = said.recv_timeout(PATIENCE);
    if said.is_err() {
        let _ = child.kill(); // an error means that it has ended
    }
    let ended_well = child.wait()?.success();
    match said {
        Ok(said) => Ok(said.ok().filter(|_| ended_well)),
        Err(_) => bail!(
            "{} does not answer\nhint: what does `{} {}` do when you run it?",
            program.display(),
            program.display(),
            arguments.join(" ")
        ),
    }
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
