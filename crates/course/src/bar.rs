//! A progress bar: one line of a terminal, gone when it is done.

use tour::build::Line;

/// How wide the bar itself is.
const WIDTH: usize = 10;

/// Progress in so many steps, on standard error if that is a terminal.
pub struct Bar {
    done: usize,
    count: usize,
    line: Line,
}

impl Bar {
    pub fn start(count: usize) -> Self {
        Self {
            done: 0,
            count,
            line: Line::start(true),
        }
    }

    /// Says what is being done.
    pub fn show(&self, text: &str) {
        let text = format!("{} {text}", render(self.done, self.count));
        // What does not fit would be in a second line, and the first one would stay when the second is cleared.
        let columns = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let fits: String = text.chars().take(columns.saturating_sub(1)).collect();
        self.line.show(&fits);
    }

    /// Makes room for what is printed.
    pub fn clear(&self) {
        self.line.show("");
    }

    /// One step is done.
    pub fn step(&mut self) {
        self.done += 1;
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
