//! Reads in one thread and writes in another; what waits between them has no bound.
//!
//! Caught by:
//! - the-server-stops-reading-from-a-client-that-does-not-read

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

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
    let (answers, waiting) = mpsc::channel::<Vec<u8>>();
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn(move || {
        waiting
            .iter()
            .try_for_each(|piece| writer.write_all(&piece))
    });
    let mut buffer = [0; PIECE];
    let reading = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) if answers.send(buffer[..count].to_vec()).is_ok() => {}
            Ok(_) => break Ok(()), // the writer is gone, and says why
            Err(error) => break Err(error),
        }
    };
    drop(answers); // the writer sends what is left, and ends
    let written = writing
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
    reading.and(written)
}
