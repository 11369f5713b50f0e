//! A transfer has a thread of its own, so that the session's can listen to the client meanwhile.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::control::Replies;
use crate::pace::Paced;
use crate::reply::Reply;

/// A transfer under way.
pub struct Transfer {
    data: TcpStream,
    is_broken_off: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Transfer {
    /// Lets `work` go on with the data connection, and tells the client at the end how it went.
    pub fn start<W>(
        data: TcpStream,
        patience: Duration,
        replies: Replies,
        work: W,
    ) -> io::Result<Self>
    where
        W: FnOnce(Paced, &dyn Fn() -> bool) -> io::Result<()> + Send + 'static,
    {
        let ours = data.try_clone()?;
        let is_broken_off = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_broken_off);
        let run = move || {
            // Who dies in the middle of a file ends the data, too; but the control connection as well.
            let is_cut_short = || flag.load(Ordering::SeqCst) || replies.has_ended();
            let reply = outcome(work(Paced::new(&data, patience), &is_cut_short));
            // The end of the data is the end of the file. Then comes the reply, not before (RFC 959, section 5.2).
            let _ = data.shutdown(Shutdown::Both);
            replies.send(&reply);
        };
        Ok(Self {
            data: ours,
            is_broken_off,
            thread: thread::Builder::new().spawn(run)?,
        })
    }

    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Whatever the thread waits for on the data connection, it finds its end.
    pub fn break_off(&self) {
        self.is_broken_off.store(true, Ordering::SeqCst);
        let _ = self.data.shutdown(Shutdown::Both);
    }

    pub fn wait(self) {
        let _ = self.thread.join();
    }
}

/// What the client is told at the end.
fn outcome(result: io::Result<()>) -> Reply {
    use ErrorKind::*;
    let Err(error) = result else {
        return Reply::new(226, "transfer complete");
    };
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset => Reply::new(426, "broken off"),
        TimedOut | WouldBlock => Reply::new(426, "too slow"),
        StorageFull => Reply::of(452, &error),
        FileTooLarge | QuotaExceeded => Reply::of(552, &error),
        _ => Reply::of(451, &error),
    }
}
