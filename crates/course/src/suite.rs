//! Runs the test program of an exercise or a step, and reads what it reports.
//!
//! The report is a file, and the programs that are judged run beside it under the same user. So each
//! run gives its suite a secret word, which a true report repeats (see `--seal` of the suites), and a
//! suite that did not end by itself has reported nothing, whatever is in the file.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::Report;

use tour::build;
use tour::catalog::{self, Lesson};

/// A check has 60 s at most, and most checks run side by side.
const LONGEST: Duration = Duration::from_secs(300);

/// The test programs of these exercises.
pub fn programs(exercises: &[Lesson]) -> Result<Vec<PathBuf>> {
    let mut arguments = vec!["test", "--no-run", "--test", "checks"];
    arguments.extend(
        exercises
            .iter()
            .flat_map(|exercise| ["--package", &exercise.name]),
    );
    let built = build::cargo(&arguments)?;
    let suite = |exercise: &Lesson| {
        let suite = built
            .iter()
            .find(|built| built.folder == exercise.folder && built.target == "checks");
        let suite =
            suite.with_context(|| format!("{} is missing", exercise.path("tests/checks.rs")))?;
        Ok(suite.executable.clone())
    };
    exercises.iter().map(suite).collect()
}

/// A test program, and what it is asked.
pub struct Suite {
    command: Command,
}

impl Suite {
    /// The test program `executable` of the package in `folder`.
    pub fn new(executable: &Path, folder: &Path) -> Self {
        let mut command = Command::new(executable);
        command
            .current_dir(folder)
            .args(["--quiet", "--test-threads", "8"]);
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

    /// Runs it to its end.
    pub fn judge(self) -> Result<Report> {
        self.start()?.wait()
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Run> {
        let seal = format!("{:032x}", fastrand::u128(..));
        let file = report_file()?;
        self.command.arg("--seal").arg("--report").arg(&file);
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
        thread::spawn(move || {
            let mut words = String::new();
            // Bytes that are no text do not come from our suites.
            let _ = stderr.read_to_string(&mut words);
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
            let _ = send_end.send(words); // nobody may wait any more
        });
        let deadline = Instant::now() + LONGEST;
        Ok(Run {
            child: Arc::new(Mutex::new(child)),
            seal,
            file,
            ended,
            deadline,
        })
    }
}

/// A suite that runs. When it is dropped it is ended, and its servers with it.
pub struct Run {
    child: Arc<Mutex<Child>>,
    seal: String,
    file: PathBuf,
    /// Tells, when the suite has ended, what it said on its standard error.
    ended: Receiver<String>,
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
        let words = match self.ended.recv_timeout(left) {
            Ok(words) => words,
            Err(RecvTimeoutError::Timeout) => {
                bail!("the checks took more than {} s", LONGEST.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => String::new(),
        };
        let status = lock(&self.child)
            .wait()
            .context("the checks came to no end")?;
        // 0: all passed; 101: not all did, as with every test program.
        if !matches!(status.code(), Some(0 | 101)) {
            bail!(
                "the checks were broken off ({status})\n{}",
                words.trim_end()
            );
        }
        let json = fs::read(&self.file).context("the checks left no report")?;
        let report: Report = serde_json::from_slice(&json).context("the report makes no sense")?;
        ensure!(
            report.seal.as_ref() == Some(&self.seal),
            "the report is a forgery"
        );
        Ok(report)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Errors mean that it has ended and that there is no file.
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// A name that no other run has.
fn report_file() -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = catalog::target().join("reports");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(folder.join(format!("{}-{count}.json", std::process::id())))
}
