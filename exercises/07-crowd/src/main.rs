//! Crowd: many clients at once, and one of them is rude. The task is in README.md, beside this folder.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

/// At most this many clients are served at once.
const MOST: usize = 4;
/// At most this many bytes are a line. What is longer counts as several.
const LONGEST: u64 = 1024;

fn main() -> Result<()> {
    let listener = listen(address()?)?;
    println!("listening on {}", listener.local_addr()?);
    println!("serving 0 of {MOST}");
    loop {
        // Gap 3: no more than MOST at once. Count those who are served, and print `serving N of 4` on every change.
        // While the house is full, take nobody out of the queue: sleep until one has left.
        match listener.accept() {
            // Gap 2: a thread for each client, so that nobody waits for another.
            // Gap 4: a place is given back however the thread comes to its end, also by a panic.
            Ok((stream, peer)) => {
                if let Err(error) = serve(stream) {
                    eprintln!("error: client {peer}: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    // Gap 1: a listener on this address. You have written one in every exercise since `listener`.
    bail!("cannot listen on {address}: nobody has written that yet (gap 1 in src/main.rs)")
}

/// Answers one client's lines until it has finished sending. This is done.
fn serve(stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(&stream), &stream);
    let mut line = Vec::new();
    while (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        writer.write_all(answer(&line).as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// The reply to a line. Somebody else has written this, and it has a fault: it panics if the line is no text. Programs
/// have such faults. Leave it as it is, and see to it that nobody else suffers.
fn answer(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).expect("a line is text");
    format!("received: {}\n", line.strip_suffix('\n').unwrap_or(line))
}

/// Where to listen: `--bind ADDRESS`. This is done.
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
