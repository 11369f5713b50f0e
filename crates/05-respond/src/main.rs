//! Step 5: answer what a client sends.
//!
//! New here: a reply in our own words, put together as bytes and sent whole.
//! Try it: `just step respond`, then in a second terminal `nc 127.0.0.1 9000`.
//! Left out on purpose: a message that arrives in two pieces gets two replies; the exercise `lines` mends that.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};

/// Answer each piece with a prefix and its bytes
#[derive(Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 5)]
    backlog: u16,

    /// Read at most this many bytes at a time
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20), default_value_t = 1024)]
    buffer: u32,

    /// Begin each reply with this text
    #[arg(long, value_name = "TEXT", default_value = "received: ")]
    prefix: String,

    /// Do not print what arrives
    #[arg(long)]
    quiet: bool,
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
    let complain = |error: &io::Error| eprintln!("error: accept: {error}");
    loop {
        let client = listener.accept().inspect_err(complain);
        let Ok((stream, peer)) = client else { continue };
        println!("client {peer} connected");
        if let Err(error) = serve(stream, peer, args) {
            eprintln!("error: client {peer}: {error}");
        }
        println!("client {peer} disconnected");
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

fn serve(mut stream: TcpStream, peer: SocketAddr, args: &Args) -> io::Result<()> {
    let mut buffer = vec![0; args.buffer as usize];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(()); // the client has finished sending
        }
        let piece = &buffer[..count];
        if !args.quiet {
            // For people only. A piece may end inside a character, so this text may be damaged; the bytes
            // are not. Printed with `{:?}`, it cannot move the cursor or colour the terminal.
            let text = String::from_utf8_lossy(piece);
            println!("received {count} bytes from {peer}: {text:?}");
        }
        // Bytes, never decoded: what the client sent comes back whole, text or not.
        let reply = [args.prefix.as_bytes(), piece].concat();
        stream.write_all(&reply)?;
    }
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
