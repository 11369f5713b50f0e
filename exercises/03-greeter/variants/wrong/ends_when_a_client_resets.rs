//! Ends with the first client that is in trouble.
//!
//! Caught by:
//! - clients-that-reset-before-their-turn-do-not-stop-the-server

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let address = address()?;
    // The standard library sets SO_REUSEADDR on Unix, and listens with a backlog of its own: a burst fits into it.
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        // Sleeps until the kernel has let a client in.
        match listener.accept() {
            Ok((stream, peer)) => {
                greet(stream, peer).with_context(|| format!("client {peer}"))?;
            }
            // Some systems tell here that a client left while it waited. The next one may still be there.
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
        _ => bail!("usage: greeter --bind ADDRESS"),
    }
}

/// Greets a client and closes the connection: it owns the stream, and so its end closes the stream's descriptor.
fn greet(mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    // `peer` comes from accept. `stream.peer_addr()` asks again, and fails if the client is gone by now.
    // In one write: the greeting leaves in one piece.
    stream.write_all(format!("hello {peer}\n").as_bytes())
}
