//! Echo: every byte comes back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

/// What one read takes, in bytes: few calls for a bulk, and all the memory that a client can make the server use.
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
    let mut buffer = [0; PIECE];
    loop {
        // Sleeps until there is at least one byte, and then takes what is there.
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            // The client has finished sending, and all of it is sent back. The stream is dropped here,
            // which closes the connection; what the kernel still holds for the client, it delivers.
            return Ok(());
        }
        // Only these bytes: behind them the buffer is empty, or holds what an earlier read brought. One
        // `write` may take fewer; `write_all` goes on until the kernel has taken them all. While the client
        // does not read, that is never: this waits, nothing more is read, the buffers on the way fill
        // up, and in the end TCP makes the client wait.
        stream.write_all(&buffer[..count])?;
    }
}
