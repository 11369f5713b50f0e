//! Reads lines as text, so a client whose bytes are not UTF-8 is in trouble.
//!
//! Caught by:
//! - a-line-of-1024-bytes-is-answered-a-longer-one-is-an-error
//! - a-character-split-over-two-pieces-survives

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

/// The longest line, without its end, in bytes.
const LONGEST: usize = 1024;

fn main() -> Result<()> {
    let address = address()?;
    // The standard library sets SO_REUSEADDR on Unix, and listens with a backlog of its own.
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                if let Err(error) = serve(stream) {
                    eprintln!("error: client {peer}: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: lines --bind ADDRESS"),
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = io::BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        let count = io::BufRead::read_line(&mut (&mut reader).take(LONGEST as u64 + 2), &mut line)?;
        if count == 0 {
            return Ok(());
        }
        let whole = line.strip_suffix('\n');
        let line = whole.map_or(&line[..], |line| line.strip_suffix('\r').unwrap_or(line));
        if !answer(&mut stream, line.as_bytes())? {
            return Ok(());
        }
    }
}

/// Answers a line, which is without its end. Returns whether the conversation goes on.
fn answer(stream: &mut TcpStream, line: &[u8]) -> io::Result<bool> {
    if line.len() > LONGEST {
        refuse(stream)?;
        return Ok(false);
    }
    // In one write: the reply leaves in one piece.
    stream.write_all(&[b"received: ", line, b"\n"].concat())?;
    Ok(true)
}

fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"error: line too long\n")
}
