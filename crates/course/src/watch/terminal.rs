//! The terminal while it is ours: drawn whole, and given back as it was, whatever happens.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};

/// The terminal in raw mode, on its second screen. It is restored when this is dropped, and before a panic speaks.
pub struct Terminal {
    /// Set when the system asks this program to end.
    asked_to_end: Arc<AtomicBool>,
}

impl Terminal {
    pub fn take() -> io::Result<Self> {
        let asked_to_end = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ] {
            signal_hook::flag::register(signal, Arc::clone(&asked_to_end))?;
        }
        let speak = panic::take_hook();
        let ends = Arc::clone(&asked_to_end);
        panic::set_hook(Box::new(move |panic| {
            give_back();
            ends.store(true, Ordering::Relaxed); // whichever thread it is: nothing is drawn any more
            speak(panic);
        }));
        enable_raw_mode()?;
        let terminal = Self { asked_to_end };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(terminal)
    }

    /// Whether the system asks this program to end: a signal that is no key.
    pub fn asked_to_end(&self) -> bool {
        self.asked_to_end.load(Ordering::Relaxed)
    }

    /// Waits until there is something to hear, for `waiting` at most. Returns whether the terminal has
    /// been closed: crossterm would read its end again and again.
    #[cfg(unix)]
    pub fn is_gone_within(&self, waiting: Duration) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdin = io::stdin();
        let mut input = [PollFd::new(&stdin, PollFlags::IN)];
        let waiting = Timespec {
            tv_sec: 0,
            tv_nsec: waiting.subsec_nanos().into(),
        };
        match poll(&mut input, Some(&waiting)) {
            Ok(_) => Ok(input[0].revents().contains(PollFlags::HUP)),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, where closing a terminal ends its programs.
    #[cfg(not(unix))]
    pub fn is_gone_within(&self, waiting: Duration) -> io::Result<bool> {
        crossterm::event::poll(waiting).map(|_| false)
    }

    /// How many columns and rows there are.
    pub fn size(&self) -> (usize, usize) {
        match terminal::size() {
            Ok((columns @ 1.., rows @ 1..)) => (usize::from(columns), usize::from(rows)),
            _ => (80, 24), // some have not been told their size
        }
    }

    /// Draws `lines` from the top, and `footer` at the bottom.
    pub fn draw(&self, lines: &[String], footer: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate, MoveTo(0, 0))?;
        let room = self.size().1.saturating_sub(footer.len());
        let blank = std::iter::repeat("");
        let lines = lines.iter().map(String::as_str);
        let body = lines.chain(blank).take(room);
        for (row, line) in body.chain(footer.iter().map(String::as_str)).enumerate() {
            queue!(out, MoveTo(0, u16::try_from(row).unwrap_or(u16::MAX)))?;
            // Before it is written: a full row leaves the cursor on its last character.
            queue!(out, Clear(ClearType::UntilNewLine))?;
            write!(out, "{line}")?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // Nothing can be done if the terminal is gone.
    let _ = execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
