//! Sends replies without their newline.
//!
//! Caught by:
//! - a-line-of-1024-bytes-is-answered-a-longer-one-is-an-error
//! - a-carriage-return-before-the-newline-is-not-part-of-the-line
//! - a-character-split-over-two-pieces-survives
//! - a-client-that-resets-does-not-stop-the-server
//! - a-last-line-without-a-newline-is-answered-too
//! - a-line-that-arrives-in-pieces-is-answered-once
//! - half-a-line-waits-for-its-other-half
//! - one-line-gets-one-reply-and-so-does-the-next
//! - several-lines-in-one-piece-get-a-reply-each

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
    // What has arrived and is not answered yet: the start of a line.
    let mut waiting = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        waiting.extend_from_slice(&buffer[..count]);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let line = &line[..end];
            if !answer(&mut stream, line.strip_suffix(b"\r").unwrap_or(line))? {
                return Ok(());
            }
        }
        if waiting.len() > LONGEST + 1 || (waiting.len() > LONGEST && !waiting.ends_with(b"\r")) {
            return refuse(&mut stream);
        }
    }
    if !waiting.is_empty() {
        answer(&mut stream, &waiting)?;
    }
    Ok(())
}

/// Answers a line, which is without its end. Returns whether the conversation goes on.
fn answer(stream: &mut TcpStream, line: &[u8]) -> io::Result<bool> {
    if line.len() > LONGEST {
        refuse(stream)?;
        return Ok(false);
    }
    // In one write: the reply leaves in one piece.
    stream.write_all(&[b"received: ", line].concat())?;
    Ok(true)
}

fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"error: line too long\n")
}
