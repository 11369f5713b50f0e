//! An exercise's program, tried out by hand: it runs, and what it prints is shown.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::check::{self, Trouble};
use tour::build;
use tour::catalog::Lesson;

/// So many lines are kept.
const KEPT: usize = 500;

/// A program that runs until this is dropped.
pub struct Running {
    pub lines: VecDeque<String>,
    heard: Receiver<String>,
    child: Arc<Mutex<State>>,
    /// Whether it was said that the program has ended.
    pub over: bool,
}

/// What there is to end.
enum State {
    Building,
    Runs(Child),
    Unwanted,
}

impl Running {
    /// Builds the program and starts it, all in the background.
    pub fn start(exercise: &Lesson) -> Self {
        let (tell, heard) = sync_channel(KEPT); // who prints faster than it is shown waits
        let child = Arc::new(Mutex::new(State::Building));
        let (exercise, state) = (exercise.clone(), Arc::clone(&child));
        thread::spawn(move || build_and_start(&exercise, &tell, &state));
        let lines = VecDeque::from(["building ...".to_owned()]);
        Self {
            lines,
            heard,
            child,
            over: false,
        }
    }

    /// Takes what was printed. Returns whether there was something.
    pub fn listen(&mut self) -> bool {
        // A flood is taken a bit at a time, so that the keys are heard.
        for taken in 0..KEPT {
            let line = match self.heard.try_recv() {
                Ok(line) => Some(line),
                // All that was printed is here.
                Err(TryRecvError::Disconnected) if !self.over => self.how_it_ended(),
                Err(_) => None,
            };
            let Some(line) = line else { return taken > 0 };
            self.lines.push_back(line);
            let too_many = self.lines.len().saturating_sub(KEPT);
            self.lines.drain(..too_many);
        }
        true
    }

    /// How it ended, once. A program can close its output and go on.
    fn how_it_ended(&mut self) -> Option<String> {
        let mut state = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let how = match &mut *state {
            State::Runs(child) => format!("(it has ended: {})", child.try_wait().ok()??),
            _ => "(it was not started)".to_owned(),
        };
        self.over = true;
        Some(how)
    }
}

fn build_and_start(exercise: &Lesson, tell: &SyncSender<String>, state: &Mutex<State>) {
    let say = |text: &str| {
        text.lines()
            .for_each(|line| drop(tell.send(line.to_owned())))
    };
    let ready = match check::prepare(exercise, super::LOOK) {
        Ok(ready) => ready,
        Err(Trouble::DoesNotBuild(text)) => return say(&text),
        Err(Trouble::Other(error)) => return say(&format!("error: {error:#}")),
    };
    let mut command = Command::new(&ready.program);
    let command = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, State::Unwanted) {
        return;
    }
    match command.spawn() {
        Ok(mut child) => {
            let outputs = (child.stdout.take(), child.stderr.take());
            if let (Some(stdout), Some(stderr)) = outputs {
                listen_to(stdout, tell);
                listen_to(stderr, tell);
            }
            *state = State::Runs(child);
        }
        Err(error) => say(&format!("error: cannot start it: {error}")),
    }
}

fn listen_to(output: impl Read + Send + 'static, tell: &SyncSender<String>) {
    let tell = tell.clone();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // A line without an end is taken in parts, so that it cannot fill the memory.
        while let Ok(1..) = (&mut output).take(4096).read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line)
                .trim_end()
                .escape_debug()
                .to_string();
            let text = text.replace("\\\"", "\"").replace("\\'", "'");
            if tell.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Runs(mut child) = std::mem::replace(&mut *state, State::Unwanted) {
            if matches!(child.try_wait(), Ok(None)) {
                build::end_group(child.id());
            }
            let _ = child.wait(); // an error means that it has ended by itself
        }
    }
}
