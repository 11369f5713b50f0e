//! Lets the kernel queue one client, and no more.
//!
//! Caught by:
//! - clients-that-reset-before-their-turn-do-not-stop-the-server
//! - a-burst-of-30-clients-is-greeted-one-and-all
//! - when-100-clients-have-come-and-gone-nothing-of-them-is-left-open

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

fn main() -> Result<()> {
    let address = address()?;
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        // Sleeps until the kernel has let a client in.
        match listener.accept() {
            Ok((stream, peer)) => {
                // Who resets before its turn is still handed out by accept; only the write tells.
                if let Err(error) = greet(stream, peer) {
                    eprintln!("error: client {peer}: {error}");
                }
            }
            // Some systems tell here that a client left while it waited. The next one may still be there.
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    Ok(socket.into())
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
