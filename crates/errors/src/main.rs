//! Errors that everyone meets who writes a server, made on purpose.
//!
//! Try it: `cargo run --package errors -- broken-pipe`. Each function makes one, and nothing else.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use socket2::SockRef;

/// Make an error on purpose, and print what Rust says of it
#[derive(Parser)]
struct Args {
    /// Which one
    #[arg(value_enum)]
    error: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    AddressInUse,
    ConnectionRefused,
    ConnectionReset,
    BrokenPipe,
    WouldBlock,
    #[cfg(unix)]
    TooManyOpenFiles,
}

/// Whatever goes otherwise than planned must not wait for ever.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let made = match Args::parse().error {
        Which::AddressInUse => address_in_use(),
        Which::ConnectionRefused => connection_refused(),
        Which::ConnectionReset => connection_reset(),
        Which::BrokenPipe => broken_pipe(),
        Which::WouldBlock => would_block(),
        #[cfg(unix)]
        Which::TooManyOpenFiles => too_many_open_files(),
    };
    match made {
        Ok(error) => {
            println!("{error}");
            println!("{}", kind(&error));
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("error: {trouble:#}");
            ExitCode::FAILURE
        }
    }
}

/// The name of its kind, if Rust has one: what has none is only printed so.
fn kind(error: &io::Error) -> String {
    match format!("{:?}", error.kind()).as_str() {
        "Uncategorized" => "no ErrorKind: see raw_os_error()".to_owned(),
        kind => format!("ErrorKind::{kind}"),
    }
}

/// Two listeners, one port.
fn address_in_use() -> Result<io::Error> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind(first.local_addr()?);
    second.err().context("both have the port")
}

/// A port that had a listener, and has none any more.
fn connection_refused() -> Result<io::Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    drop(listener);
    let client = TcpStream::connect(address);
    client.err().context("somebody else listens there by now")
}

/// A client that throws the connection away, and a server that reads from it.
fn connection_reset() -> Result<io::Error> {
    let (client, mut server) = connection()?;
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    let read = server.read(&mut [0; 16]);
    read.err().context("there was something to read")
}

/// A client that is gone, and a server that goes on sending.
fn broken_pipe() -> Result<io::Error> {
    let (client, mut server) = connection()?;
    drop(client);
    // The first bytes are sent, and come back as a reset. From then on there is nobody to send to.
    for _ in 0..1 << 20 {
        match server.write(b"hello?\n") {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Ok(error),
            Ok(_) => {}
        }
    }
    bail!("somebody takes it all");
}

/// A socket that may not wait, and nothing there to read.
fn would_block() -> Result<io::Error> {
    let (_client, mut server) = connection()?;
    server.set_nonblocking(true)?;
    let read = server.read(&mut [0; 16]);
    read.err().context("there was something to read")
}

/// A server that keeps every connection, and may have 32 descriptors.
#[cfg(unix)]
fn too_many_open_files() -> Result<io::Error> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(32),
        maximum,
    };
    setrlimit(Resource::Nofile, limit)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut kept = Vec::new();
    for _ in 0..64 {
        let client = match TcpStream::connect(address) {
            Ok(client) => client,
            Err(error) => return Ok(error),
        };
        match listener.accept() {
            Ok((stream, _)) => kept.push((client, stream)),
            Err(error) => return Ok(error),
        }
    }
    bail!("64 connections fit");
}

/// Both ends of a connection of this program with itself: the client's and the server's.
fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.set_write_timeout(Some(PATIENCE))?;
    Ok((client, server))
}
