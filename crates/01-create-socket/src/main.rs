//! Step 1: ask the kernel for a socket.
//!
//! New here: `socket`. It returns a descriptor: the number by which this program calls a socket of the kernel's.
//! Try it: `just step create-socket`, then `just step create-socket --family ipv6 --kind udp`.
//! Left out on purpose: the socket has no address, so nobody can reach it; `bind-listen` gives it one.

use std::fmt::Debug;
use std::io;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use socket2::{Domain, Protocol, Socket, Type};

/// Create a socket and print what the kernel says of it
#[derive(Parser)]
struct Args {
    /// Use this kind of address
    #[arg(long, value_enum, default_value = "ipv4")]
    family: Family,

    /// Create only this kind [default: both]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    Ipv4,
    Ipv6,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Tcp,
    Udp,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = run(&args) {
        eprintln!("error: {error:#}");
        eprintln!("hint: {}", hint(args.family));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(args: &Args) -> Result<()> {
    let kinds = match args.kind {
        Some(kind) => vec![kind],
        None => vec![Kind::Tcp, Kind::Udp],
    };
    // All are kept until the end: a descriptor that is closed would be given out again.
    let mut sockets = Vec::new();
    for kind in kinds {
        let socket = create(args.family, kind)
            .with_context(|| format!("cannot create a {kind:?} socket"))?;
        println!("{}", describe(&socket));
        sockets.push(socket);
    }
    Ok(())
}

fn create(family: Family, kind: Kind) -> io::Result<Socket> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    // A stream is bytes in order, without borders. A datagram is one message, which may get lost.
    match kind {
        Kind::Tcp => Socket::new(domain, Type::STREAM, Some(Protocol::TCP)),
        Kind::Udp => Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)),
    }
}

/// Every word comes from the kernel. A program that prints its own wishes proves nothing.
fn describe(socket: &Socket) -> String {
    let address = socket.local_addr(); // getsockname(2); Windows has no answer before bind
    let family = told(address.as_ref().map(|address| address.domain()));
    let address = address.ok().and_then(|address| address.as_socket());
    let address = address.map_or("none yet".to_owned(), |address| address.to_string());
    let kind = told(socket.r#type()); // getsockopt(2), SO_TYPE
    #[cfg(not(target_vendor = "apple"))]
    let protocol = told(socket.protocol().map(|answer| answer.unwrap_or(0.into()))); // SO_PROTOCOL
    #[cfg(target_vendor = "apple")]
    let protocol = "not told"; // macOS has no such question
    #[cfg(unix)]
    let number = format!("descriptor {}", std::os::fd::AsRawFd::as_raw_fd(socket));
    #[cfg(windows)]
    let number = format!(
        "handle {}",
        std::os::windows::io::AsRawSocket::as_raw_socket(socket)
    );
    format!("family {family}, type {kind}, protocol {protocol}, {number}, address {address}")
}

/// The kernel's answer, by its name in C.
fn told<T: Debug, E>(answer: Result<T, E>) -> String {
    answer.map_or("not told".to_owned(), |answer| format!("{answer:?}"))
}

fn hint(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "has this process too many files open? see `ulimit -n`",
        Family::Ipv6 => "this system may have no IPv6; try --family ipv4",
    }
}
