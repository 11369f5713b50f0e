//! Does not wait for a slow reader: what the kernel does not take at once is lost.
//!
//! Caught by:
//! - the-server-sleeps-while-there-is-nothing-to-do
//! - the-server-stops-reading-from-a-client-that-does-not-read

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What one read takes, in bytes.
const PIECE: usize = 64 * 1024;

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
        _ => bail!("usage: echo --bind ADDRESS"),
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut buffer = [0; PIECE];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) => return Err(error),
        };
        let _ = stream.write(&buffer[..count]);
    }
}
