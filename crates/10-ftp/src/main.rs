//! Step 10: speak FTP, and move files in both directions.
//!
//! New here: a second connection for each file, opened by either side, and text that changes on its way (RFC 959).
//! Try it: `just step ftp --root docs`, then in a second terminal `curl ftp://127.0.0.1:9000/`.
//! Left out on purpose: users and passwords, encryption (RFC 4217), names with `*`, servers behind a NAT.

mod ascii;
mod clients;
mod command;
mod control;
mod data;
mod files;
mod listing;
mod pace;
mod reply;
mod service;
mod session;
mod transfer;
mod upload;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Parser;
use socket2::{Domain, Socket, Type};

use clients::Clients;
use session::Session;

/// How long to wait after an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Let clients list, fetch and send the files of a directory
#[derive(Clone, Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 128)]
    backlog: u16,

    /// Serve what is in this directory, and nothing outside
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    root: PathBuf,

    /// Let clients change, add and remove files
    #[arg(long)]
    writable: bool,

    /// Wait so long for a data connection, and for each piece
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), default_value_t = 60)]
    timeout: u32,

    /// Let a client say nothing for so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), default_value_t = 300)]
    idle: u32,

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
    let Ok(root) = Dir::open_ambient_dir(&args.root, ambient_authority()) else {
        let root = args.root.display();
        bail!("cannot serve {root}: no directory that can be read\nhint: try --root .");
    };
    let root = Arc::new(root);
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
        let (args, root, clients) = (args.clone(), Arc::clone(&root), Arc::clone(&clients));
        let work = move || {
            let _place = place; // given back at the end, and also if this thread panics
            let session = Session::new(stream, root, args);
            if let Err(error) = session.and_then(|session| session.serve(peer, &clients)) {
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
