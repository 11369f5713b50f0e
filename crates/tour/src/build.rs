//! Builds packages with cargo, and says what came out.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::catalog;

/// A program that cargo has built.
pub struct Built {
    /// Where its package is.
    pub folder: PathBuf,
    /// The binary's or test program's name.
    pub target: String,
    /// The program itself.
    pub executable: PathBuf,
    /// Whether it is a test program.
    pub is_test: bool,
}

/// What came of building packages, one of which may fail while others do not.
#[derive(Default)]
pub struct Outcome {
    /// What was built.
    pub built: Vec<Built>,
    /// What the compiler said, by the folder of the package that it said it of.
    pub said: HashMap<PathBuf, Said>,
}

/// What the compiler said of a package.
#[derive(Default)]
pub struct Said {
    /// All of it.
    pub text: String,
    /// Whether one of its words was an error.
    pub failed: bool,
}

/// One line that cargo prints with `--message-format json`; see its reference, "External tools".
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    message: Option<Diagnostic>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// The cargo that started this program, or the one in the PATH.
pub fn command(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(folder);
    cargo
}

fn no_cargo(error: io::Error) -> anyhow::Error {
    anyhow!(
        "cannot run cargo: {error}\nhint: is Rust installed, and cargo in the PATH? see https://rustup.rs"
    )
}

/// Runs a cargo command that builds, with a progress line, and returns the programs it built. What the
/// compiler says goes to the terminal.
pub fn cargo(arguments: &[&str]) -> Result<Vec<Built>> {
    let mut cargo = command(catalog::root());
    cargo
        .args(arguments)
        .args(["--quiet", "--message-format", "json-render-diagnostics"]);
    let mut cargo = cargo.stdout(Stdio::piped()).spawn().map_err(no_cargo)?;
    let outcome = read_messages(cargo.stdout.take().context("cargo has no output")?, true)?;
    if !cargo.wait()?.success() {
        bail!("this does not build\nhint: mend what is named above, then try again");
    }
    Ok(outcome.built)
}

/// How a build is shown.
#[derive(Clone, Copy)]
pub struct Look {
    /// Whether the compiler's words have colours.
    pub colour: bool,
    /// Whether there is a progress line, if standard error is a terminal.
    pub progress: bool,
}

/// Runs a cargo command that builds packages of the workspace in `folder`, as many as build. What the
/// compiler says is kept. What takes longer than `patience` is ended; an interruption does not end it
/// then, for a build that can be ended whole is a process group of its own.
pub fn cargo_in(
    folder: &Path,
    arguments: &[&str],
    look: Look,
    patience: Option<Duration>,
) -> Result<Outcome> {
    let format = if look.colour {
        "json-diagnostic-rendered-ansi"
    } else {
        "json"
    };
    let mut cargo = command(folder);
    cargo
        .args(arguments)
        .args(["--quiet", "--message-format", format]);
    #[cfg(unix)]
    if patience.is_some() {
        std::os::unix::process::CommandExt::process_group(&mut cargo, 0);
    }
    let cargo = cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut cargo = cargo.spawn().map_err(no_cargo)?;
    let timer = patience.map(|patience| (Timer::start(&cargo, patience), patience));
    let mut stderr = cargo.stderr.take().context("cargo has no output")?;
    let words = thread::spawn(move || io::read_to_string(&mut stderr));
    let outcome = read_messages(
        cargo.stdout.take().context("cargo has no output")?,
        look.progress,
    )?;
    let words = words
        .join()
        .map_or(String::new(), Result::unwrap_or_default);
    let success = cargo.wait()?.success();
    if let Some((timer, patience)) = timer
        && !timer.stop()
    {
        bail!("building took more than {} s", patience.as_secs());
    }
    if !success && !outcome.said.values().any(|said| said.failed) {
        bail!("cargo fails\n{}", words.trim_end());
    }
    Ok(outcome)
}

/// Ends a build that takes too long, and the compilers that it has started.
struct Timer {
    stop: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Timer {
    fn start(cargo: &Child, patience: Duration) -> Self {
        let (stop, stopped) = channel();
        let id = cargo.id();
        let thread = thread::spawn(move || {
            let in_time = stopped.recv_timeout(patience) != Err(RecvTimeoutError::Timeout);
            if !in_time {
                end_group(id);
            }
            in_time
        });
        Self { stop, thread }
    }

    /// The build is over. Returns whether it was in time.
    fn stop(self) -> bool {
        let _ = self.stop.send(()); // which it may not wait for any more
        self.thread.join().unwrap_or(true)
    }
}

/// Ends a process that leads a group, and what it has started.
#[cfg(unix)]
pub fn end_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL); // an error means that it has ended
    }
}

/// Ends a process, and what it has started.
#[cfg(not(unix))]
pub fn end_group(leader: u32) {
    let _ = Command::new("taskkill")
        .args(["/F", "/T", "/PID", &leader.to_string()])
        .output();
}

fn read_messages(stdout: ChildStdout, progress: bool) -> Result<Outcome> {
    let mut progress = Progress::start(progress);
    let mut outcome = Outcome::default();
    for line in BufReader::new(stdout).lines() {
        let Ok(message) = serde_json::from_str::<Message>(&line?) else {
            continue; // not all that cargo prints is of this form
        };
        let (Some(manifest), Some(target)) = (message.manifest_path, message.target) else {
            continue;
        };
        let folder = manifest.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(diagnostic) = message.message {
            let said = outcome.said.entry(folder).or_default();
            said.failed |= diagnostic.level.starts_with("error");
            said.text.push_str(&diagnostic.rendered.unwrap_or_default());
            continue;
        }
        if !message.fresh {
            progress.show(&target.name);
        }
        if let Some(executable) = message.executable {
            let is_test = message.profile.is_some_and(|profile| profile.test);
            outcome.built.push(Built {
                folder,
                target: target.name,
                executable,
                is_test,
            });
        }
    }
    Ok(outcome)
}

/// How far a build is.
struct Progress {
    count: u32,
    line: Line,
}

impl Progress {
    fn start(wanted: bool) -> Self {
        let line = Line::start(wanted);
        line.show("building ...");
        Self { count: 0, line }
    }

    fn show(&mut self, name: &str) {
        self.count += 1;
        let text = format!("building: {} done, the last was {name}", self.count);
        self.line.show(&text);
    }
}

/// A line on standard error, if that is a terminal, which is written over and over, and gone at the end.
pub struct Line {
    terminal: bool,
}

impl Line {
    /// A line that shows nothing yet, and never does if it is not wanted.
    pub fn start(wanted: bool) -> Self {
        let terminal = wanted && io::stderr().is_terminal();
        Self { terminal }
    }

    /// Writes it anew.
    pub fn show(&self, text: &str) {
        if self.terminal {
            let mut stderr = io::stderr().lock();
            // Back to the start of the line, and clear it (ECMA-48, section 8.3.41). Progress is no loss.
            let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.show("");
    }
}
