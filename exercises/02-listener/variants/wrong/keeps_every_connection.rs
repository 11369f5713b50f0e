//! Keeps every connection, and so closes none.
//!
//! Caught by:
//! - a-client-that-is-gone-does-not-stop-the-server
//! - a-restart-has-the-same-port-at-once
//! - each-client-is-let-in-and-sees-the-end
//! - it-listens-on-ipv6-when-it-is-told-so
//! - twenty-clients-that-come-at-once-are-all-let-in

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

/// How many clients the kernel may keep in the queue until they are let in. Many may come in one
/// moment, and a place in the queue costs little; the system has a greatest number of its own.
const BACKLOG: i32 = 128;

fn main() -> ExitCode {
    let address = match address() {
        Ok(address) => address,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    // A server has no good end of its own: it runs until it is stopped, or fails.
    let Err(error) = run(address);
    eprintln!("error: cannot listen on {address}: {error}");
    eprintln!("hint: {}", hint(&error));
    ExitCode::FAILURE
}

/// Returns only if it cannot listen.
fn run(address: SocketAddr) -> io::Result<Infallible> {
    let listener = listen(address)?;
    // The address that was asked for may have port 0. The socket knows which one it got.
    println!("listening on {}", listener.local_addr()?);
    let mut streams = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, _)) => streams.push(stream),
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

/// What `TcpListener::bind` does in one call.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Whoever closes a connection first keeps its port for a minute (TIME_WAIT), and here that is the
    // server. With this option its next start may have the port nevertheless. On Windows the option
    // means something else, a port that is in use could be taken; a restart needs no help there.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "stop whoever has this port, or let the system choose one: --bind 127.0.0.1:0"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; try --bind 127.0.0.1:9000"
        }
        ErrorKind::PermissionDenied => "ports below 1024 may need root; try --bind 127.0.0.1:9000",
        _ => "try --bind 127.0.0.1:9000",
    }
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(word)) => word
            .parse()
            .with_context(|| format!("{word} is not an IP address and a port")),
        _ => bail!("usage: listener --bind ADDRESS"),
    }
}
