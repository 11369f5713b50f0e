//! Prints what was asked for, and creates IPv4 sockets for TCP whatever that was.
//!
//! Caught by:
//! - a-udp-socket-is-created-when-it-is-asked-for
//! - an-ipv6-socket-is-created-when-it-is-asked-for

use std::io;
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
    for _ in 0..wanted.count {
        let socket = create(wanted).context("cannot create a socket")?;
        println!("{}", describe(&socket, wanted)?);
        sockets.push(socket);
    }
    wait().context("cannot read the standard input")
}

/// Until nobody looks any more: the sockets are open as long as this program is there.
fn wait() -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

fn create(wanted: &Wanted) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if let Some(size) = wanted.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    Ok(socket)
}

fn describe(socket: &Socket, wanted: &Wanted) -> io::Result<String> {
    let (family, address) = match wanted.family {
        Domain::IPV4 => ("ipv4", "0.0.0.0:0"),
        _ => ("ipv6", "[::]:0"),
    };
    let kind = match wanted.kind {
        Type::STREAM => "tcp",
        _ => "udp",
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
