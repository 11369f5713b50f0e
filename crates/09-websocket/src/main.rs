//! Step 9: let both sides speak whenever they like.
//!
//! New here: WebSocket (RFC 6455), file by file: `handshake`, `frame`, `message`, `talk`, `member`, `chat`, `clock`.
//! Try it: `just step websocket`, then open <http://127.0.0.1:9000> in two windows of a browser.
//! Left out on purpose: TLS (`wss:`), compression, subprotocols; and of HTTP all that a handshake does not need.

mod chat;
mod clients;
mod clock;
mod frame;
mod handshake;
mod member;
mod message;
mod page;
mod stream;
mod talk;

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};

use chat::Room;
use clients::Clients;
use handshake::Handshake;
use member::Member;
use message::Messages;
use page::Answer;
use stream::linger;
use talk::talk;

/// How long to wait after an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Talk WebSocket: / echoes, /clock says the time, /chat is for all
#[derive(Clone, Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 128)]
    backlog: u16,

    /// Serve at most this many clients at once; others wait
    #[arg(long, value_name = "CLIENTS", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 100)]
    max_clients: u16,

    /// On Ctrl-C, give the clients this long to finish
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=3600), default_value_t = 5)]
    grace: u32,

    /// Give a client this long for its head, a pong, or to read
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), default_value_t = 30)]
    timeout: u32,

    /// Refuse messages that are longer than this
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_message: u32,

    /// Let in pages of this origin, such as https://example.org
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
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
    let room = Arc::new(Room::default());
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
        let (args, room) = (args.clone(), Arc::clone(&room));
        let work = move || {
            let _place = place; // given back at the end, and also if this thread panics
            if let Err(error) = serve(stream, peer, &args, &room) {
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
    room.close(frame::close(1001, "the server stops"));
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

fn serve(mut stream: TcpStream, peer: SocketAddr, args: &Args, room: &Room) -> Result<()> {
    let patience = Duration::from_secs(args.timeout.into());
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?; // a small frame does not wait for those before it (RFC 9293, section 3.7.4)
    let deadline = Instant::now() + patience;
    let handshake = match Handshake::receive(&stream, deadline, &args.allow_origin) {
        Ok(handshake) => handshake,
        Err(Answer::NONE) => return Ok(()),
        Err(answer) => {
            println!("client {peer} gets {}", answer.0);
            stream.write_all(answer.to_http().as_bytes())?;
            linger(&stream);
            return Ok(());
        }
    };
    println!("client {peer} upgraded to {}", handshake.path);
    let mut messages = Messages::of_at_most(args.max_message as usize);
    messages.push(&handshake.rest);
    let member = Arc::new(Member::new(peer, handshake.path, stream));
    member.offer(handshake.answer().as_bytes()); // goes out when it is in the room: whoever reads this misses nothing
    let code = talk(&member, room, messages, patience);
    if let Ok(code) = &code {
        println!("client {peer} closed with {code}");
    }
    linger(&member.stream);
    code.map(drop)
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
