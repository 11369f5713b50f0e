//! How long a server may take. The machine may be busy, so what counts is the time that the server had.

use std::time::{Duration, Instant};

use crate::kernel;

/// A server has this long for the next byte, and to make room for one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// One that is late has as much again of a processor's time, and so long to get that.
const BUSY: Duration = Duration::from_secs(30);

/// What a program still has to say, when it was heard before or is late, comes within this time.
pub(crate) const AFTERTHOUGHT: Duration = Duration::from_millis(20);

/// What a program does that is late.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits for something to happen; taken for granted where nobody can tell.
    Waits,
    /// It works, and the answer may be what it works on.
    Works,
    /// It has had the time for any answer, and still does not wait: it is in a loop.
    Spins,
}

/// A program that has let its time pass, with all that it has started.
pub(crate) struct Late {
    process: Option<u32>,
    /// How long it had, and has once more.
    time: Duration,
    since: Instant,
    /// How long it had worked then.
    worked: Duration,
}

impl Late {
    pub fn from_now_on(process: Option<u32>, time: Duration) -> Self {
        Self {
            process,
            time,
            since: Instant::now(),
            worked: process.and_then(kernel::worked).unwrap_or_default(),
        }
    }

    pub fn doing(&self) -> Doing {
        if self.process.and_then(kernel::all_asleep).unwrap_or(true) {
            return Doing::Waits;
        }
        let worked = self.process.and_then(kernel::worked).unwrap_or_default();
        let had_time = worked.saturating_sub(self.worked) >= self.time;
        match had_time || self.since.elapsed() > BUSY {
            true => Doing::Spins,
            false => Doing::Works,
        }
    }
}

/// Looks for something of a program's for so long, and longer for as long as it works. Else, what it does instead.
pub(crate) fn look_patiently<T>(
    process: Option<u32>,
    waiting: Duration,
    mut look: impl FnMut(Duration) -> Option<T>,
) -> Result<T, Doing> {
    if let Some(found) = look(waiting) {
        return Ok(found); // as nearly always: nobody is late
    }
    let late = Late::from_now_on(process, PATIENCE);
    loop {
        match late.doing() {
            // It may have answered just now, before it fell asleep.
            Doing::Waits => return look(AFTERTHOUGHT).ok_or(Doing::Waits),
            Doing::Works => {
                if let Some(found) = look(AFTERTHOUGHT) {
                    return Ok(found);
                }
            }
            Doing::Spins => return Err(Doing::Spins),
        }
    }
}
