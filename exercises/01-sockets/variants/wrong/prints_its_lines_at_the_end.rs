//! Prints its lines when it ends, and nobody can look at the sockets that they speak of.
//!
//! Caught by:
//! - a-tcp-socket-is-created-and-described

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Error, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

/// What stands after each option of the command line, or its default.
struct Words {
    family: String,
    kind: String,
    count: String,
    receive_buffer: Option<String>,
}

/// What the words mean.
struct Wanted {
    family: Domain,
    kind: Type,
    count: usize,
    /// In bytes.
    receive_buffer: Option<usize>,
}

fn main() -> ExitCode {
    // All words are understood before the first socket: wrong usage has no effect at all.
    let wanted = match words().and_then(|words| understand(&words)) {
        Ok(wanted) => wanted,
        Err(error) => return complain(&error, 2),
    };
    match run(&wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// On stderr, so that whoever reads the output of this program finds only sockets in it.
fn complain(error: &Error, status: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(status)
}

fn run(wanted: &Wanted) -> Result<()> {
    // A socket is closed when its variable goes, and its descriptor is given out again. So all are kept.
    let mut sockets = Vec::new();
    let mut lines = String::new();
    for _ in 0..wanted.count {
        let socket = create(wanted).context("cannot create a socket")?;
        lines += &format!("{}\n", describe(&socket, wanted)?);
        sockets.push(socket);
    }
    wait().context("cannot read the standard input")?;
    print!("{lines}");
    Ok(())
}

/// Until nobody looks any more: the sockets are open as long as this program is there.
fn wait() -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

fn create(wanted: &Wanted) -> io::Result<Socket> {
    let protocol = match wanted.kind {
        Type::STREAM => Protocol::TCP,
        _ => Protocol::UDP,
    };
    let socket = Socket::new(wanted.family, wanted.kind, Some(protocol))?;
    if let Some(size) = wanted.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    Ok(socket)
}

/// Every word comes from the kernel, which may have understood us in another way.
fn describe(socket: &Socket, wanted: &Wanted) -> io::Result<String> {
    // getsockname(2). Windows has no answer before bind.
    let address = socket
        .local_addr()
        .ok()
        .and_then(|address| address.as_socket());
    let family = match address {
        Some(SocketAddr::V4(_)) => "ipv4",
        Some(SocketAddr::V6(_)) => "ipv6",
        None => "unknown",
    };
    let address = address.map_or("unknown".to_owned(), |address| address.to_string());
    let kind = match socket.r#type()? {
        Type::STREAM => "tcp",
        Type::DGRAM => "udp",
        _ => "unknown",
    };
    let mut line = format!(
        "{family} {kind} descriptor {} address {address}",
        descriptor(socket)
    );
    if wanted.receive_buffer.is_some() {
        // Linux doubles the size, for it keeps its own notes in there as well, and has a least and a
        // greatest one (socket(7), SO_RCVBUF).
        line += &format!(" receive buffer {} bytes", socket.recv_buffer_size()?);
    }
    Ok(line)
}

fn understand(words: &Words) -> Result<Wanted> {
    let family = match words.family.as_str() {
        "ipv4" => Domain::IPV4,
        "ipv6" => Domain::IPV6,
        other => bail!("unknown family {other}: ipv4 or ipv6?"),
    };
    let kind = match words.kind.as_str() {
        "tcp" => Type::STREAM,
        "udp" => Type::DGRAM,
        other => bail!("unknown kind {other}: tcp or udp?"),
    };
    let count = number(&words.count)?;
    ensure!(count > 0, "a count of 0 asks for nothing");
    let receive_buffer = words.receive_buffer.as_deref().map(number).transpose()?;
    Ok(Wanted {
        family,
        kind,
        count,
        receive_buffer,
    })
}

fn number(word: &str) -> Result<usize> {
    word.parse()
        .with_context(|| format!("{word} is not a number that can be used here"))
}

/// The command line, an option and a value each time.
fn words() -> Result<Words> {
    let mut words = Words {
        family: "ipv4".to_owned(),
        kind: "tcp".to_owned(),
        count: "1".to_owned(),
        receive_buffer: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--family" => words.family = value,
            "--kind" => words.kind = value,
            "--count" => words.count = value,
            "--receive-buffer" => words.receive_buffer = Some(value),
            _ => bail!("unknown option {option}"),
        }
    }
    Ok(words)
}

/// The number by which this program calls the socket.
#[cfg(unix)]
fn descriptor(socket: &Socket) -> std::os::fd::RawFd {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

/// The number by which this program calls the socket.
#[cfg(windows)]
fn descriptor(socket: &Socket) -> std::os::windows::io::RawSocket {
    std::os::windows::io::AsRawSocket::as_raw_socket(socket)
}
