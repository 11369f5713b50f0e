//! Reads a String, which holds UTF-8 and nothing else.
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
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let bytes = text.len();
    let lines = text.bytes().filter(|byte| *byte == b'\n').count();
    stream.write_all(format!("{bytes} bytes, {lines} lines\n").as_bytes())
}
