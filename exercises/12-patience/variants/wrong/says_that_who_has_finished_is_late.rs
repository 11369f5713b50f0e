//! Takes the end of sending for a time-out.
//!
//! Caught by:
//! - every-line-gets-a-reply-and-who-has-finished-is-not-late
//! - a-client-that-does-not-read-its-reply-is-cut-off
//! - clients-that-keep-it-waiting-harm-nobody-else

use std::fmt::{self, Display, Formatter};
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::SockRef;

/// At most this many bytes are a line, its newline included. What is longer counts as several.
const LONGEST: u64 = 1 << 20;
/// So much the kernel is to keep of a reply that is not read, in bytes. By itself Linux would keep up to 4 MiB.
const SEND_BUFFER: usize = 1 << 16;

/// What a client is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Wait {
    /// The first byte of its next line.
    Idle,
    /// The rest of that line.
    Line,
    /// Its taking the reply.
    Reply,
}

/// How long, for each of these.
#[derive(Clone, Copy)]
struct Times {
    idle: Duration,
    line: Duration,
    reply: Duration,
}

impl Display for Wait {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Idle => "idle",
            Self::Line => "line",
            Self::Reply => "reply",
        })
    }
}

impl Times {
    fn of(self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.idle,
            Wait::Line => self.line,
            Wait::Reply => self.reply,
        }
    }
}

/// A client's connection, on which nothing takes longer than until the deadline. Time-outs of the socket would not do:
/// they hold for one call, and begin anew with the next.
struct Timed<'stream> {
    stream: &'stream TcpStream,
    times: Times,
    wait: Wait,
    deadline: Instant,
}

fn main() -> Result<()> {
    let (address, times) = arguments()?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    let Times { idle, line, reply } = times;
    println!("idle {idle:?}, line {line:?}, reply {reply:?}");
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let work = move || look_after(&stream, peer, times);
                if let Err(error) = thread::Builder::new().spawn(work) {
                    eprintln!("error: client {peer}: no thread for it: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

/// One client, in a thread of its own.
fn look_after(stream: &TcpStream, peer: SocketAddr, times: Times) {
    let mut client = BufReader::new(Timed::new(stream, times));
    match serve(&mut client) {
        Ok(()) => hang_up(stream),
        Err(error) if error.kind() == TimedOut => {
            let client = client.get_mut();
            let wait = client.wait;
            println!("client {peer} timed out: {wait}");
            if wait == Wait::Reply {
                return; // who does not read has no use for last words
            }
            let last_words = format!("timed out: {wait}\n");
            if client.say(last_words.as_bytes()).is_ok() {
                hang_up(stream);
            }
        }
        Err(error) => eprintln!("error: client {peer}: {error}"),
    }
}

/// Answers one client's lines until it has finished sending.
fn serve(client: &mut BufReader<Timed>) -> io::Result<()> {
    SockRef::from(client.get_ref().stream).set_send_buffer_size(SEND_BUFFER)?;
    loop {
        client.get_mut().begin(Wait::Idle);
        if client.fill_buf()?.is_empty() {
            return Err(TimedOut.into());
        }
        // Its first byte is there. However many reads the rest takes, they share one time.
        client.get_mut().begin(Wait::Line);
        let mut line = Vec::new();
        client.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        client.get_mut().say(&answer(&line))?;
    }
}

impl<'stream> Timed<'stream> {
    fn new(stream: &'stream TcpStream, times: Times) -> Self {
        Self {
            stream,
            times,
            wait: Wait::Idle,
            deadline: Instant::now(),
        }
    }

    /// From now on the client is waited for in this way, and has the time that belongs to it.
    fn begin(&mut self, wait: Wait) {
        self.wait = wait;
        self.deadline = Instant::now() + self.times.of(wait);
    }

    /// Sends words, for which the client has the time of a reply.
    fn say(&mut self, words: &[u8]) -> io::Result<()> {
        self.begin(Wait::Reply);
        self.write_all(words)
    }

    /// Makes a call that may take what is left of the time, and is made again if it was disturbed. That its time is over
    /// is said differently: WouldBlock on Unix, TimedOut on Windows. Here the clock decides, and it is always TimedOut.
    fn call(
        &self,
        mut call: impl FnMut(&TcpStream, Duration) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TimedOut.into()); // to a socket, zero would be no time-out
            }
            match call(self.stream, left) {
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
                result => return result,
            }
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|mut stream, left| {
            stream.set_read_timeout(Some(left))?;
            stream.read(buffer)
        })
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|mut stream, left| {
            stream.set_write_timeout(Some(left))?;
            stream.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends a connection so that the last words arrive: a close while bytes are unread is a reset, and that may overtake
/// what was sent before. So one direction ends first, and the other is read for a while: 4 times, for 250 ms each.
fn hang_up(mut stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write); // who has gone already needs no goodbye
    let _ = stream.set_read_timeout(Some(Duration::from_millis(250)));
    let mut rest = [0; 4096];
    for _ in 0..4 {
        if stream.read(&mut rest).is_ok_and(|count| count == 0) {
            break;
        }
    }
}

/// The reply to a line.
fn answer(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    [b"received: ", line, b"\n"].concat()
}

/// Where to listen and how long to wait: `--bind ADDRESS`, `--idle-ms N`, `--line-ms N`, `--reply-ms N`.
fn arguments() -> Result<(SocketAddr, Times)> {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 9000));
    let [idle, line, reply] = [60, 10, 10].map(Duration::from_secs);
    let mut times = Times { idle, line, reply };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match name.as_str() {
            "--bind" => {
                address = value
                    .parse()
                    .with_context(|| format!("{value} is not an IP address and a port"))?;
            }
            "--idle-ms" => times.idle = millis(&value)?,
            "--line-ms" => times.line = millis(&value)?,
            "--reply-ms" => times.reply = millis(&value)?,
            _ => bail!("usage: patience --bind ADDRESS --idle-ms N --line-ms N --reply-ms N"),
        }
    }
    Ok((address, times))
}

fn millis(text: &str) -> Result<Duration> {
    let millis: u32 = text
        .parse()
        .with_context(|| format!("{text} is no number of milliseconds"))?;
    Ok(Duration::from_millis(millis.into()))
}
