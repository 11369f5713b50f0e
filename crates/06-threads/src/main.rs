//! Step 6: serve many clients at once.
//!
//! New here: a thread for each client, a limit on them, and an end on Ctrl-C that lets them finish.
//! Try it: `just step threads --max-clients 2`, then in three more terminals `nc 127.0.0.1 9000`.
//! Left out on purpose: a client that says nothing keeps its place for ever; from `http` on it has a time to speak.

mod clients;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};

use clients::Clients;

/// How long to wait after an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Answer each piece of many clients with a prefix and its bytes
#[derive(Clone, Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 128)]
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

    /// Serve at most this many clients at once; others wait
    #[arg(long, value_name = "CLIENTS", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 100)]
    max_clients: u16,

    /// On Ctrl-C, give the clients this long to finish
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=3600), default_value_t = 5)]
    grace: u32,
}

fn main() -> ExitCode {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(args: &Args) -> Result<()> {
    let listener = match listen(args) {
        Ok(listener) => listener,
        Err(error) => bail!("cannot listen on {}: {}", args.bind, explain(&error)),
    };
    let clients = Clients::at_most(args.max_clients.into());
    stop_on_ctrl_c(&clients, listener.local_addr()?)?;
    println!("listening on {}", listener.local_addr()?);
    println!("backlog {}", args.backlog);
    while let Some(place) = clients.wait_for_room() {
        let client = listener.accept().inspect_err(complain);
        let Ok((stream, peer)) = client else { continue };
        if clients.is_closed() {
            break; // this is whoever came last, or `wake`
        }
        println!("client {peer} connected");
        let args = args.clone();
        let work = move || {
            let _place = place; // given back at the end, and also if this thread panics
            if let Err(error) = serve(stream, peer, &args) {
                eprintln!("error: client {peer}: {error}");
            }
            println!("client {peer} disconnected");
        };
        if let Err(error) = thread::Builder::new().spawn(work) {
            eprintln!("error: client {peer}: no thread for it: {error}");
        }
    }
    drop(listener); // who waits in the queue is reset, who comes now is refused
    println!("stopping: the last clients have {} s", args.grace);
    let left = clients.wait_until_gone(Duration::from_secs(args.grace.into()));
    println!("stopped; clients cut off: {left}");
    Ok(())
}

/// Says why nobody was accepted. Where no descriptor is left (EMFILE), the client stays in the queue, and the next try
/// fails as well: an error that lasts must not keep a processor busy.
fn complain(error: &io::Error) {
    eprintln!("error: accept: {error}");
    thread::park_timeout(PAUSE);
}

/// On Ctrl-C, or when a service manager asks (SIGTERM): nobody is let in any more. The second time ends it at once.
fn stop_on_ctrl_c(clients: &Arc<Clients>, address: SocketAddr) -> Result<()> {
    let clients = Arc::clone(clients);
    let stop = move || {
        if !clients.close() {
            process::exit(130); // as a shell counts it: 128, and the number of SIGINT
        }
        wake(address);
    };
    ctrlc::set_handler(stop).context("cannot hear of Ctrl-C")
}

/// Only a client wakes a thread that waits in `accept`, so this is one.
fn wake(mut address: SocketAddr) {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    // If the queue has no room for it, others are in there, and they do as well.
    let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
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
