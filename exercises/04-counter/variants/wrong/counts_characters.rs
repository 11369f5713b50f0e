//! Counts characters instead of bytes.
//!
//! Caught by:
//! - bytes-that-are-no-text-are-counted-as-they-are

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

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
        _ => bail!("usage: counter --bind ADDRESS"),
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    // Two numbers are all that is kept, however much is sent. A usize would do on most machines; a u64
    // counts 16 EiB on every one.
    let mut bytes: u64 = 0;
    let mut lines: u64 = 0;
    let mut buffer = [0; 8192];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break; // the client has finished sending, and still listens
        }
        // Only this much of the buffer is new; what is behind it is from an earlier piece.
        let piece = &buffer[..count];
        bytes += String::from_utf8_lossy(piece).chars().count() as u64;
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    stream.write_all(format!("{bytes} bytes, {lines} lines\n").as_bytes())
}
