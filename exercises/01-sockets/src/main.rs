//! Sockets: what the kernel says of the sockets that it created. The task is in README.md, beside this folder.

use std::io;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use socket2::Socket;

/// What stands after each option of the command line, or its default.
struct Words {
    family: String,
    kind: String,
    count: String,
    receive_buffer: Option<String>,
}

fn main() -> ExitCode {
    // Gap 5: a word that means nothing is wrong usage, exit status 2, before any socket is created.
    // What the kernel refuses stays exit status 1.
    match words().and_then(|words| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &Words) -> Result<()> {
    // Gap 3: as many sockets as the count says, a line for each, and all of them open until the end.
    // Gap 4: a receive buffer, and at the end of the line what the kernel made of it.
    if words.count != "1" || words.receive_buffer.is_some() {
        bail!(
            "one socket, as the kernel made it, is all there is so far (gaps 3 and 4 in src/main.rs)"
        );
    }
    let socket = create(words)?;
    println!("{}", describe(&socket)?);
    wait()?;
    Ok(())
}

fn create(words: &Words) -> Result<Socket> {
    // Gap 1: a socket of this family and kind, from Socket::new. Step 1, create-socket, has one.
    let Words { family, kind, .. } = words;
    bail!(
        "cannot create an {family} {kind} socket: nobody has written that yet (gap 1 in src/main.rs)"
    )
}

fn describe(socket: &Socket) -> io::Result<String> {
    // Gap 2: the whole line. Ask the socket itself: local_addr() and r#type() are the kernel's words.
    Ok(format!("descriptor {}", descriptor(socket)))
}

/// Until the standard input ends (Ctrl-D in a terminal), so that others can look at the sockets. This is done.
fn wait() -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

/// The command line, an option and a value each time. This is done.
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

/// The number by which this program calls the socket. This is done.
#[cfg(unix)]
fn descriptor(socket: &Socket) -> std::os::fd::RawFd {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

/// The number by which this program calls the socket. This is done.
#[cfg(windows)]
fn descriptor(socket: &Socket) -> std::os::windows::io::RawSocket {
    std::os::windows::io::AsRawSocket::as_raw_socket(socket)
}
