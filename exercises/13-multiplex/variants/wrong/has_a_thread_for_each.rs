//! Starts a thread for each client, which remembers for it.
//!
//! Caught by:
//! - one-thread-serves-200-clients-at-once

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

/// At most this many bytes are a line, its newline included. What is longer counts as several.
const LONGEST: u64 = 1024;
/// So much the kernel is to keep of what a client does not take, in bytes. By itself Linux would keep up to 4 MiB.
const SEND_BUFFER: usize = 16 * 1024;

fn main() -> Result<()> {
    let address = address()?;
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let work = move || {
                    if let Err(error) = serve(&stream) {
                        eprintln!("error: client {peer}: {error}");
                    }
                };
                if let Err(error) = thread::Builder::new().spawn(work) {
                    eprintln!("error: client {peer}: no thread for it: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn serve(stream: &std::net::TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut line = Vec::new();
    while (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        writer.write_all(&[b"received: ", text, b"\n"].concat())?;
        line.clear();
    }
    Ok(())
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: multiplex --bind ADDRESS"),
    }
}
