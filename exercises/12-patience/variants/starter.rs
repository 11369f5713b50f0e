//! Patience: how long a client may keep you waiting. The task is in README.md, beside this folder. Its gaps are in
//! `look_after` and `serve`; the rest is done.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use socket2::SockRef;

/// At most this many bytes are a line, its newline included. What is longer counts as several.
const LONGEST: u64 = 1 << 20;
/// So much the kernel is to keep of a reply that is not read, in bytes. By itself Linux would keep up to 4 MiB.
const SEND_BUFFER: usize = 1 << 16;

/// How long a client is waited for.
#[derive(Clone, Copy)]
struct Times {
    /// For the first byte of its next line.
    idle: Duration,
    /// For the rest of that line.
    line: Duration,
    /// For its taking the reply.
    reply: Duration,
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
    match serve(stream, times) {
        Ok(()) => hang_up(stream),
        // Gap 1: a time-out is an event and no error: print `client IP:PORT timed out: idle` on stdout. Tell the client,
        // too, with the line `timed out: idle`, and hang up. Later it may have been `line` or `reply`.
        Err(error) => eprintln!("error: client {peer}: {error}"),
    }
}

/// Answers one client's lines until it has finished sending.
fn serve(stream: &TcpStream, times: Times) -> io::Result<()> {
    SockRef::from(stream).set_send_buffer_size(SEND_BUFFER)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let _ = times; // the compiler would complain that nobody uses it yet
    loop {
        // Gap 1: wait `times.idle` for the first byte of a line, and no longer (`fill_buf` waits for no more than that).
        // Gap 2: from then on the client has `times.line` for the rest.
        // Gap 3: that is one time for all the reads that it takes. `read_until` makes many.
        let mut line = Vec::new();
        if (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // Gap 4: the client has `times.reply` to take this.
        // Gap 5: that is one time for all the writes that it takes. `write_all` makes many.
        writer.write_all(&answer(&line))?;
    }
}

/// Ends a connection so that the last words arrive: a close while bytes are unread is a reset, and that may overtake
/// what was sent before. So one direction ends first, and the other is read for a while: 4 times, for 250 ms each. This
/// is done.
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

/// The reply to a line. This is done.
fn answer(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    [b"received: ", line, b"\n"].concat()
}

/// Where to listen and how long to wait: `--bind ADDRESS`, `--idle-ms N`, `--line-ms N`, `--reply-ms N`. This is done.
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
