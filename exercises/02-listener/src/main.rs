//! Listener: bind, listen, and say where. The task is in README.md, beside this folder.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use socket2::Socket;

fn main() -> ExitCode {
    // Gap 4: an address that is none is wrong usage, exit status 2.
    // Gap 5: what the system refuses is exit status 1, and a line "hint: ..." says what to do next.
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let word = word()?;
    let address: SocketAddr = word
        .parse()
        .with_context(|| format!("{word} is not an IP address and a port"))?;
    let _listener = listen(address)?;
    // Gap 2: print where it listens, with the port that the system gave.
    // Gap 3: let every client in, and close its connection at once.
    bail!("nobody is let in yet (gap 2 in src/main.rs)")
}

/// What `TcpListener::bind` does in one call: here it is yours to do, call by call.
fn listen(address: SocketAddr) -> Result<Socket> {
    // Gap 1: a socket, an option that lets a restart have the port at once, bind, listen.
    bail!("cannot listen on {address}: nobody has written that yet (gap 1 in src/main.rs)")
}

/// What the command line says of where to listen: `--bind ADDRESS`. This is done.
fn word() -> Result<String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok("127.0.0.1:9000".to_owned()),
        (Some("--bind"), Some(word)) => Ok(word),
        _ => bail!("usage: listener --bind ADDRESS"),
    }
}
