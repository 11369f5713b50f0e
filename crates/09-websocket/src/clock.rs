//! The clock: at `/clock` the server speaks each second, without being asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::frame::{TEXT, frame};
use crate::member::Member;

/// Says the time until it is over. Where there is no room it is left out: a time that comes late is worth nothing.
pub fn push(member: &Member) {
    let mut second = nearest_second();
    // Each wait is reckoned from the clock. Who waits a second, and a second again, is a little later each time.
    while !member.is_finished_within(Duration::from_secs(second + 1).saturating_sub(now())) {
        second = nearest_second();
        let (hours, minutes) = (second / 3600 % 24, second / 60 % 60);
        let time = format!("{hours:02}:{minutes:02}:{:02} UTC", second % 60);
        member.offer(&frame(TEXT, time.as_bytes()));
    }
}

/// Since 1970.
fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// Not the last one: a wait may end a little too early, if the clock was set meanwhile.
fn nearest_second() -> u64 {
    (now() + Duration::from_millis(500)).as_secs()
}
