//! Asks who a client is, and ends if nobody is there any more.
//!
//! Caught by:
//! - clients-that-reset-give-their-places-back

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

/// At most this many clients are served at once.
const MOST: usize = 4;
/// At most this many bytes are a line. What is longer counts as several.
const LONGEST: u64 = 1024;

/// Who is served. All threads share it.
#[derive(Default)]
struct Crowd {
    count: Mutex<usize>,
    one_left: Condvar,
}

/// One of those who are served, until it is dropped: also when its thread panics, for that drops what it owns.
struct Place(Arc<Crowd>);

fn main() -> Result<()> {
    let listener = listen(address()?)?;
    println!("listening on {}", listener.local_addr()?);
    println!("serving 0 of {MOST}");
    let crowd = Arc::new(Crowd::default());
    loop {
        crowd.wait_for_room();
        match listener.accept() {
            Ok((stream, _)) => {
                let peer = stream.peer_addr()?;
                let place = crowd.enter();
                let work = move || {
                    let _place = place;
                    let _ = serve(stream); // how many could say their error before the end is a matter of luck
                };
                if let Err(error) = thread::Builder::new().spawn(work) {
                    eprintln!("error: client {peer}: no thread for it: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

impl Crowd {
    /// Only the main thread lets clients in, so the room is still there when it does.
    fn wait_for_room(&self) {
        let is_full = |count: &mut usize| *count == MOST;
        drop(self.one_left.wait_while(self.count(), is_full));
    }

    fn enter(self: &Arc<Self>) -> Place {
        self.change(|count| count + 1);
        Place(Arc::clone(self))
    }

    /// Says it under the lock, so that the lines come in the order of the changes.
    fn change(&self, change: impl Fn(usize) -> usize) {
        let mut count = self.count();
        *count = change(*count);
        println!("serving {count} of {MOST}");
    }

    /// A thread that panicked while it held the lock has poisoned it. The count is still right.
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(|count| count - 1);
        self.0.one_left.notify_one();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// Answers one client's lines until it has finished sending.
fn serve(stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(&stream), &stream);
    let mut line = Vec::new();
    while (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        writer.write_all(answer(&line).as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// The reply to a line. Somebody else has written this, and it has a fault: it panics if the line is no text.
fn answer(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).expect("a line is text");
    format!("received: {}\n", line.strip_suffix('\n').unwrap_or(line))
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: crowd --bind ADDRESS"),
    }
}
