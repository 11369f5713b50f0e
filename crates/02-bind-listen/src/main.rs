//! Step 2: give the socket an address and a queue.
//!
//! New here: `bind` and `listen`. From then on the kernel lets clients in, and nobody talks to them.
//! Try it: `just step bind-listen`, then in a second terminal `nc 127.0.0.1 9000`: you are in, and that is all.
//! Left out on purpose: nobody takes a client out of the queue; `accept` does.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};

/// Listen for clients and leave them in the queue
#[derive(Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 5)]
    backlog: u16,
}

fn main() -> ExitCode {
    // A server has no good end of its own: it runs until it is stopped, or fails.
    let Err(error) = run(&Args::parse());
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(args: &Args) -> Result<Infallible> {
    let listener = match listen(args) {
        Ok(listener) => listener,
        Err(error) => bail!("cannot listen on {}: {}", args.bind, explain(&error)),
    };
    println!("listening on {}", listener.local_addr()?);
    println!("backlog {}", args.backlog);
    loop {
        std::thread::park();
    }
}

/// What `TcpListener::bind` does in one call: here each call of the kernel can be seen.
fn listen(args: &Args) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(args.bind), Type::STREAM, None)?;
    // Connections that a server left open when it ended keep its port for a minute (TIME_WAIT). With
    // this option a new server may have the port at once. On Windows the option means something else:
    // a second program could take a port that is in use. A restart needs no help there.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&args.bind.into())?;
    socket.listen(args.backlog.into())?;
    Ok(socket.into())
}

/// Says what the system's refusal means, and what to do next.
fn explain(error: &io::Error) -> String {
    let text = error.to_string();
    let (problem, hint) = match error.kind() {
        ErrorKind::AddrInUse => (
            "address already in use",
            "stop whoever has it, or try --bind 127.0.0.1:0",
        ),
        ErrorKind::PermissionDenied => (
            "permission denied",
            "ports below 1024 need root; try --bind 127.0.0.1:8080",
        ),
        ErrorKind::AddrNotAvailable => (
            "no such address on this machine",
            "try --bind 127.0.0.1:9000",
        ),
        _ => (text.as_str(), "try --bind 127.0.0.1:9000"),
    };
    format!("{problem}\nhint: {hint}")
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let help = "not an IP address and a port\nhint: try 127.0.0.1:9000 or [::1]:9000";
    text.parse().or(Err(help))
}
