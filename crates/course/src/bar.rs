//! A progress bar: one line of a terminal, gone when it is done.

use std::io::{self, IsTerminal, Write};

/// How wide the bar itself is.
const WIDTH: usize = 20;

/// Progress in so many steps, on standard error if that is a terminal.
pub struct Bar {
    done: usize,
    count: usize,
    terminal: bool,
}

impl Bar {
    pub fn start(count: usize) -> Self {
        Self {
            done: 0,
            count,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Says what is being done.
    pub fn show(&self, text: &str) {
        self.write(&format!("{} {text}", render(self.done, self.count)));
    }

    /// One step is done.
    pub fn step(&mut self) {
        self.done += 1;
    }

    fn write(&self, text: &str) {
        if self.terminal {
            let mut stderr = io::stderr().lock();
            // Back to the start of the line, and clear it (ECMA-48, section 8.3.41). Progress is no loss.
            let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.write("");
    }
}

/// `██████░░░░ 3/5`.
pub fn render(done: usize, count: usize) -> String {
    let full = (done * WIDTH).checked_div(count).unwrap_or(0);
    format!(
        "{}{} {done}/{count}",
        "█".repeat(full),
        "░".repeat(WIDTH - full)
    )
}
