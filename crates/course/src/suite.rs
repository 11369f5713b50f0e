//! Runs the test program of an exercise or a step, and reads what it reports.
//!
//! The report comes through a pipe, and the programs that are judged run beside it under the same user.
//! So each run gives its suite a secret word, which a true report repeats (see `--seal` of the suites),
//! and a suite that did not end by itself has reported nothing, whatever came.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::Report;

use crate::foreground;

use tour::build::{self, Built, Look};
use tour::catalog::{self, Lesson};

/// No report is larger, in bytes.
const LARGEST: u64 = 1 << 24;
/// A check has 60 s at most, and most checks run side by side.
const LONGEST: Duration = Duration::from_secs(300);

/// The test program of an exercise, and that of a step.
pub const CHECKS: &str = "checks";
pub const CONVERSATION: &str = "conversation";

/// The test programs of this name of these lessons, as many as build: cargo builds a lesson's own program as
/// well, and that of an exercise may be unfinished.
pub fn programs(lessons: &[Lesson], test: &str) -> Result<Vec<Result<PathBuf>>> {
    if lessons.is_empty() {
        return Ok(Vec::new()); // cargo would take that for all of them
    }
    let mut arguments = vec!["test", "--no-run", "--no-fail-fast", "--test", test];
    let packages: Vec<String> = lessons.iter().map(Lesson::package).collect();
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    let look = Look {
        colour: false,
        progress: true,
    };
    let outcome = build::cargo_in(catalog::root(), &arguments, look, None)?;
    let suite = |lesson: &Lesson| {
        if let Some(said) = outcome.said.get(&lesson.folder).filter(|said| said.failed) {
            bail!("{} does not build\n{}", lesson.source(), said.text);
        }
        let is_suite = |built: &&Built| built.folder == lesson.folder && built.is_test;
        let suite = outcome.built.iter().find(is_suite);
        let suite = suite
            .with_context(|| format!("{} is missing", lesson.path(&format!("tests/{test}.rs"))))?;
        Ok(suite.executable.clone())
    };
    Ok(lessons.iter().map(suite).collect())
}

/// A test program, and what it is asked.
pub struct Suite {
    command: Command,
}

impl Suite {
    /// The test program `executable` of the package in `folder`.
    pub fn new(executable: &Path, folder: &Path) -> Self {
        let mut command = Command::new(executable);
        command.current_dir(folder).args(["--test-threads", "8"]);
        Self { command }
    }

    /// Adds arguments, such as `--exact`, `--server` or `--program`.
    #[must_use]
    pub fn with<S: AsRef<std::ffi::OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it in this program's own folder: paths of a command line are meant from there.
    pub fn run_from_here(mut self) -> Result<Self> {
        self.command
            .current_dir(std::env::current_dir().context("this folder is gone")?);
        Ok(self)
    }

    /// Sets a variable for it and for the servers that it starts.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it by way of another program, such as a tracer.
    #[must_use]
    pub fn through<'a>(self, mut words: impl Iterator<Item = &'a std::ffi::OsStr>) -> Self {
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .arg(self.command.get_program())
            .args(self.command.get_args());
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        let set = self.command.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        Self { command }
    }

    /// Judges another binary, which may do little: see [`crate::confine`].
    pub fn confined(self, binary: &Path) -> Result<Self> {
        let course = foreground::this_program()?;
        let words = [course.to_str(), Some("confine"), Some("--")];
        let words: Option<Vec<&str>> = words.into_iter().collect();
        let through = shlex::try_join(words.context("a path that is no text")?)?;
        Ok(self
            .with(["--program".as_ref(), binary.as_os_str()])
            .with(["--through", &through]))
    }

    /// Runs it to its end.
    pub fn judge(self) -> Result<Report> {
        self.start()?.wait()
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Run> {
        let seal = format!("{:032x}", fastrand::u128(..));
        self.command.args(["--seal", "--report", "-"]);
        let (input, output) = (Stdio::piped(), Stdio::piped());
        let mut child = self
            .command
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!(
                    "cannot run {}",
                    Path::new(self.command.get_program()).display()
                )
            })?;
        let mut stdin = child.stdin.take().context("no way in")?;
        writeln!(stdin, "{seal}").context("the suite takes no word")?;
        let (send_end, ended) = channel();
        let mut stdout = child.stdout.take().context("no way out")?;
        let mut stderr = child.stderr.take().context("no way out")?;
        let words = thread::spawn(move || {
            let mut words = String::new();
            // Bytes that are no text do not come from our suites.
            let _ = stderr.read_to_string(&mut words);
            words
        });
        thread::spawn(move || {
            let mut json = Vec::new();
            let _ = (&mut stdout).take(LARGEST).read_to_end(&mut json); // half a report is none
            drop(stdout); // a suite that has more to say ends by that
            let words = words.join().unwrap_or_default();
            let _ = send_end.send(Said { json, words }); // nobody may wait any more
        });
        let deadline = Instant::now() + LONGEST;
        Ok(Run {
            child: Arc::new(Mutex::new(child)),
            seal,
            ended,
            deadline,
        })
    }
}

/// All that a suite has said.
#[derive(Default)]
struct Said {
    json: Vec<u8>,
    /// On its standard error.
    words: String,
}

/// A suite that runs. When it is dropped it is ended, and its servers with it.
pub struct Run {
    child: Arc<Mutex<Child>>,
    seal: String,
    /// Tells, when the suite has ended, what it said.
    ended: Receiver<Said>,
    deadline: Instant,
}

/// Ends a suite that somebody else waits for.
pub struct Stopper(Arc<Mutex<Child>>);

impl Stopper {
    /// Ends it; whoever waits gets an error.
    pub fn stop(&self) {
        let _ = lock(&self.0).kill(); // an error means that it has ended
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    /// A way to end it early.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.child))
    }

    /// Waits for its end. The error says why there is no report that can be trusted.
    pub fn wait(self) -> Result<Report> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let said = match self.ended.recv_timeout(left) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => {
                bail!("the checks took more than {} s", LONGEST.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => Said::default(),
        };
        let status = lock(&self.child)
            .wait()
            .context("the checks came to no end")?;
        // 0: all passed; 101: not all did, as with every test program.
        if !matches!(status.code(), Some(0 | 101)) {
            bail!(
                "the checks were broken off ({status})\n{}",
                said.words.trim_end()
            );
        }
        let report: Report =
            serde_json::from_slice(&said.json).context("the report makes no sense")?;
        ensure!(
            report.seal.as_ref() == Some(&self.seal),
            "the report is a forgery"
        );
        Ok(report)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // An error means that it has ended.
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}
