//! Step 7: answer datagrams.
//!
//! New here: `recv_from` and `send_to`. A message is a datagram, and one socket hears all who send one.
//! Try it: `just step udp`, then in a second terminal `nc -u 127.0.0.1 9000`.
//! Left out on purpose: what is lost stays lost. Clients ask again; the exercise `datagrams` is about that.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};

/// How long to wait after an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Answer each datagram with a prefix and its bytes
#[derive(Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Take datagrams of at most this many bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=65535), default_value_t = 1024)]
    buffer: u32,

    /// Begin each reply with this text
    #[arg(long, value_name = "TEXT", default_value = "received: ")]
    prefix: String,
}

fn main() -> ExitCode {
    // A server has no good end of its own: it runs until it is stopped, or fails.
    let Err(error) = run(&Args::parse());
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(args: &Args) -> Result<Infallible> {
    let socket = match listen(args) {
        Ok(socket) => socket,
        Err(error) => bail!("cannot listen on {}: {}", args.bind, explain(&error)),
    };
    println!("listening on {}", socket.local_addr()?);
    // Linux and macOS cut what does not fit, and say nothing. With one byte more than is wanted, it shows.
    let mut buffer = vec![0; args.buffer as usize + 1];
    loop {
        let next = socket.recv_from(&mut buffer).inspect_err(complain);
        let Ok((count, peer)) = next else { continue };
        if let Err(error) = serve(&socket, peer, &buffer[..count], args) {
            eprintln!("error: peer {peer}: {error}");
        }
    }
}

/// What `UdpSocket::bind` does in one call: here each call of the kernel can be seen.
fn listen(args: &Args) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(args.bind), Type::DGRAM, None)?;
    // There are no connections, so there is no queue of them, and none that could keep the port for a minute. With
    // SO_REUSEADDR a second program could take this port, and our datagrams.
    socket.bind(&args.bind.into())?;
    Ok(socket.into())
}

fn serve(socket: &UdpSocket, peer: SocketAddr, datagram: &[u8], args: &Args) -> Result<()> {
    let count = datagram.len(); // 0 is no end: an empty datagram is a message as well
    if count > args.buffer as usize {
        bail!("a datagram of more than {} bytes was cut", args.buffer);
    }
    // For people only. Printed with `{:?}`, it cannot move the cursor or colour the terminal.
    let text = String::from_utf8_lossy(datagram);
    println!("received {count} bytes from {peer}: {text:?}");
    // Bytes, never decoded: what the client sent comes back whole, text or not.
    let reply = [args.prefix.as_bytes(), datagram].concat();
    socket.send_to(&reply, peer)?; // whole or not at all: there is no `write_all`
    Ok(())
}

/// Says why nothing was received. An error that lasts must not keep a processor busy.
fn complain(error: &io::Error) {
    eprintln!("error: recv_from: {error}");
    // On Windows it may be about one peer: a datagram was cut (WSAEMSGSIZE), or an answer found nobody (WSAECONNRESET).
    if !matches!(error.raw_os_error(), Some(10040 | 10054)) {
        thread::park_timeout(PAUSE);
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
