//! A client after the handshake, and what waits to be sent to it. Many threads put frames in there, and one writes
//! them: so no frame gets into the middle of another.

use std::io::Write;
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;

/// When so many bytes are waiting there is no room for another frame. So what is kept for a client that does not read
/// is this and one message, and as much again that is being written.
const ENOUGH: usize = 256 << 10;
/// A thread that can go on has a processor after this time, also on a busy machine.
const MOMENT: Duration = Duration::from_secs(1);

pub struct Member {
    pub peer: SocketAddr,
    pub path: &'static str,
    pub stream: TcpStream,
    outbox: Mutex<Outbox>,
    changed: Condvar,
}

#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    /// Whether the thread that writes has taken some, and is not through with them.
    is_writing: bool,
    is_finished: bool,
}

impl Member {
    pub fn new(peer: SocketAddr, path: &'static str, stream: TcpStream) -> Self {
        let (outbox, changed) = (Mutex::default(), Condvar::new());
        Self {
            peer,
            path,
            stream,
            outbox,
            changed,
        }
    }

    /// Waits until there is room, or nothing to wait for.
    pub fn wait_for_room(&self) {
        let is_full = |outbox: &mut Outbox| outbox.bytes.len() >= ENOUGH && !outbox.is_finished;
        drop(self.changed.wait_while(self.lock(), is_full));
    }

    /// Waits until our own thread has begun to write, should there be no room because it has not: a client is not slow
    /// if it was sent nothing. That takes a moment, and no client can make it longer.
    pub fn wait_for_writer(&self) {
        let is_ours = |outbox: &mut Outbox| {
            outbox.bytes.len() >= ENOUGH && !outbox.is_writing && !outbox.is_finished
        };
        drop(
            self.changed
                .wait_timeout_while(self.lock(), MOMENT, is_ours),
        );
    }

    /// Sends this if there is room, and returns whether there was. Never waits.
    pub fn offer(&self, frame: &[u8]) -> bool {
        let mut outbox = self.lock();
        if outbox.is_finished {
            return true; // and sends nothing: a close frame is the last (RFC 6455, section 5.5.1)
        }
        let has_room = outbox.bytes.len() < ENOUGH;
        if has_room {
            outbox.bytes.extend(frame);
            self.changed.notify_all();
        }
        has_room
    }

    /// Sends this, if anything, and nothing after it. Returns false if something else was the last already.
    pub fn finish(&self, frame: &[u8]) -> bool {
        let mut outbox = self.lock();
        let is_first = !mem::replace(&mut outbox.is_finished, true);
        if is_first {
            outbox.bytes.extend(frame);
        }
        self.changed.notify_all();
        is_first
    }

    /// Waits for the end, for so long at most. Returns whether it has come.
    pub fn is_finished_within(&self, time: Duration) -> bool {
        let goes_on = |outbox: &mut Outbox| !outbox.is_finished;
        let waited = self.changed.wait_timeout_while(self.lock(), time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_finished
    }

    /// Gives up a client that does not take what it is sent. With a linger time of zero the kernel throws away what
    /// lies there for it (socket(7)), and after the shutdown no thread of ours waits for it any more.
    pub fn cut(&self, why: &str) {
        if self.finish(&[]) {
            eprintln!("error: client {}: {why}", self.peer);
        }
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Writes what is put in, until the last of it is written.
    pub fn write(&self) {
        let is_idle = |outbox: &mut Outbox| outbox.bytes.is_empty() && !outbox.is_finished;
        loop {
            let outbox = self.changed.wait_while(self.lock(), is_idle);
            let mut outbox = outbox.unwrap_or_else(PoisonError::into_inner);
            let bytes = mem::take(&mut outbox.bytes);
            outbox.is_writing = true;
            drop(outbox);
            self.changed.notify_all(); // there is room again
            if bytes.is_empty() {
                return;
            }
            if let Err(error) = (&self.stream).write_all(&bytes) {
                self.cut(&format!("it takes nothing more: {error}"));
            }
            self.lock().is_writing = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
