//! A child process in a group of its own, its output, and its certain end.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bytes::escape_controls;
use crate::conversation::{Recorder, What};
use crate::failure::cannot_judge;
use crate::group::Group;
use crate::kernel;
use crate::output::{Lines, Output, Stream};
use crate::patience::{Doing, Late, PATIENCE};

/// How often a wait looks whether the process has ended; output wakes it sooner.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// How often a late program is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What a program has printed arrives within this time of its end.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);
/// A program that dies has closed its connections this long before it has ended, at most.
pub(crate) const DYING: Duration = Duration::from_millis(250);
/// How long a killed group may take to be gone and let go of its output.
const LAST_BREATH: Duration = Duration::from_millis(500);

/// What a program finds on its standard input: nothing comes, and it ends at once or when it is told to.
#[derive(Clone, Copy)]
pub(crate) enum Input {
    Ended,
    Open,
}

/// A started program. When it is dropped its whole group is gone, children included.
pub(crate) struct Process {
    group: Mutex<Group>,
    pub id: u32,
    pub started: Instant,
    pub output: Output,
    recorder: Recorder,
}

impl Process {
    /// Starts `words`, a program and its arguments.
    pub fn start(words: &[String], input: Input, recorder: &Recorder) -> Self {
        let Some((program, arguments)) = words.split_first() else {
            cannot_judge("there is no program to start");
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(match input {
                Input::Ended => Stdio::null(),
                Input::Open => Stdio::piped(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.env("RUST_BACKTRACE", "0"); // it would bury the message that a learner should read
        let started = Instant::now();
        let mut group = match Group::start(&mut command) {
            Ok(group) => group,
            Err(error) => cannot_judge(format!("cannot start {program}: {error}")),
        };
        let child = group.child();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            cannot_judge(format!("{program} has no output to read"));
        };
        let output = match Output::reading(stdout, stderr, recorder) {
            Ok(output) => output,
            Err(error) => cannot_judge(format!("cannot read what {program} prints: {error}")),
        };
        Self {
            id: group.id(),
            group: Mutex::new(group),
            started,
            output,
            recorder: recorder.clone(),
        }
    }

    fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the program ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        let status = self.group().ended()?;
        let after = self.started.elapsed();
        Some(Ended { status, after })
    }

    /// Ends its standard input, and says so in the conversation.
    pub fn end_input(&self) {
        if self.group().child().stdin.take().is_some() {
            self.recorder.server(What::InputEnded);
        }
    }

    /// Waits for the program to end by itself, and for its last words.
    pub fn wait(&self, deadline: Instant) -> Option<Ended> {
        let ended = self.output.wait(deadline, TICK, |_| self.ended())?;
        self.wait_for_output(Instant::now() + LAST_WORDS);
        self.recorder.server(What::Ended { how: ended.how() });
        Some(ended)
    }

    /// Waits for the program to end, 2 s and longer for as long as it works, and for its last words.
    pub fn wait_for_end(&self) -> Option<Ended> {
        self.wait_patiently(|_| self.ended())?;
        self.wait(Instant::now())
    }

    /// Waits until what it has printed is what `found` looks for: 2 s, and longer for as long as it works.
    pub fn wait_patiently<T>(&self, found: impl FnMut(&mut Lines) -> Option<T>) -> Option<T> {
        self.wait_while_it_works(PATIENCE, found)
    }

    /// Waits for so long, and longer for as long as it works, for it may be on a busy machine.
    pub fn wait_while_it_works<T>(
        &self,
        waiting: Duration,
        found: impl FnMut(&mut Lines) -> Option<T>,
    ) -> Option<T> {
        self.wait_for_what_lasts(waiting, LOOK_AGAIN, found)
    }

    /// The same, for something that is found only after it has lasted for a while.
    pub fn wait_for_what_lasts<T>(
        &self,
        waiting: Duration,
        lasts: Duration,
        mut found: impl FnMut(&mut Lines) -> Option<T>,
    ) -> Option<T> {
        let mut wait = |waiting| self.output.wait(Instant::now() + waiting, TICK, &mut found);
        let some = wait(waiting);
        if some.is_some() {
            return some; // as nearly always: nobody is late
        }
        let late = Late::from_now_on(Some(self.id), waiting);
        while late.doing() == Doing::Works {
            let some = wait(LOOK_AGAIN);
            if some.is_some() {
                return some;
            }
        }
        // It may have begun just now, before it fell asleep. On a busy machine this wait may be over with one look at it;
        // the last one then sees whether it has lasted.
        wait(lasts).or_else(|| wait(Duration::ZERO))
    }

    /// Gives a program that is about to die the time to do so: it is not asleep.
    pub fn settle(&self) {
        self.wait_while_it_works(DYING, |_| {
            let asleep = kernel::asleep(self.id).unwrap_or(false);
            (asleep || self.ended().is_some()).then_some(())
        });
    }

    /// How the program ended, if it is dying.
    pub fn dies(&self) -> Option<Ended> {
        self.wait_while_it_works(DYING, |_| self.ended())
    }

    /// Waits until all that was printed has been read, its children's words included.
    pub fn wait_for_output(&self, deadline: Instant) -> Option<()> {
        self.output
            .wait(deadline, TICK, |lines| lines.ended().then_some(()))
    }

    /// The last lines the program printed on its standard error, each safe to print.
    pub fn last_words(&self) -> Option<String> {
        let words = self.output.lines().stream(Stream::Stderr).last_words();
        let lines: Vec<String> = words.lines().map(escape_controls).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Sends a signal to the program's group, and says so in the conversation.
    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal, what: What) {
        if let Err(error) = self.group().signal(signal) {
            cannot_judge(format!("cannot send {signal:?}: {error}"));
        }
        self.recorder.server(what);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group().end();
        // Children of the program hold its output until they are gone as well.
        self.wait_for_output(Instant::now() + LAST_BREATH);
    }
}

/// How and when a program ended.
#[derive(Clone, Copy)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub after: Duration,
}

impl Ended {
    /// `exit status 3`, `killed by signal 11 (SIGSEGV)`.
    pub fn how(&self) -> String {
        let status = self.status.to_string().replace(" (core dumped)", "");
        status
            .replace("signal: ", "killed by signal ")
            .replace(": ", " ")
    }
}
