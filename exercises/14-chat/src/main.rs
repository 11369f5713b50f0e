//! Chat: many people, several rooms, and one who never listens. The task is in README.md, beside this folder.

#![allow(dead_code, reason = "until the gaps are filled; then this line can go")]

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// At most this many bytes are a line, without its newline.
const LONGEST_LINE: usize = 512;
/// At most this many lines wait for a client that does not read.
const LONGEST_QUEUE: usize = 512;
/// Who has been said goodbye has so long to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// When the server stops, the last lines have so long to leave.
const GRACE: Duration = Duration::from_millis(500);

/// Where everybody begins.
const LOBBY: &str = "lobby";

// What the server says of itself begins with a star. No name does, so nobody can speak for it.
const WHO_ARE_YOU: &str = "* who are you?";
const NO_NAME: &str = "* a name has 1 to 16 letters and digits";
const NO_TEXT: &str = "* a line is text";
const NO_COMMAND: &str = "* no such command";
const GOODBYE: &str = "* goodbye";
const TOO_LONG: &str = "* line too long";
const STOPPING: &str = "* the server stops";

fn main() -> Result<()> {
    let _listener = listen(address()?)?;
    // Gap 1: print where you listen. Ask who comes for a name, and tell all in the lobby who has joined it. For this
    //        you need your model: threads, a loop or tasks, and something that knows who is there.
    // Gap 2: what one says is heard by all others in the room.
    // Gap 3: refuse a name that is taken or none.
    // Gap 4: lines come in pieces, and several in one.
    // Gap 5: say goodbye to who quits or has finished. Whatever way a client leaves, the others hear of it, and its name
    //        is free.
    // Gap 6: rooms, and the commands. `understand` tells you which it is.
    // Gap 7: a line that is too long ends its connection.
    // Gap 8: who does not read keeps nobody waiting, and is cut off when too much waits for it.
    // Gap 9: on Ctrl-C everybody is told, and the program ends, in any case.
    bail!("nobody lets clients in yet (gap 1 in src/main.rs)")
}

/// What a line of a client that has a name asks for. This is done, and `understand` finds out.
enum Command<'a> {
    Say(&'a str),
    Join(&'a str),
    Who,
    Quit,
    Nothing,
    /// Nothing that can be done, and this is why.
    Wrong(&'static str),
}

/// What a line asks for, without its `\n` or `\r\n`. It holds what the README says of commands and of text.
fn understand(line: &[u8]) -> Command<'_> {
    // A control character could move the cursor of everybody's terminal.
    let text = str::from_utf8(line).ok();
    let Some(text) = text.filter(|text| !text.contains(char::is_control)) else {
        return Command::Wrong(NO_TEXT);
    };
    match (text, text.strip_prefix("/join ")) {
        ("", _) => Command::Nothing,
        ("/who", _) => Command::Who,
        ("/quit", _) => Command::Quit,
        (_, Some(room)) if is_name(room) => Command::Join(room),
        (_, Some(_)) => Command::Wrong(NO_NAME),
        _ if text.starts_with('/') => Command::Wrong(NO_COMMAND),
        _ => Command::Say(text),
    }
}

/// Whether clients and rooms may be called so. This is done.
fn is_name(name: &str) -> bool {
    (1..=16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A listener of the standard library. For mio or tokio, call `set_nonblocking(true)` and hand it to their own `from_std`.
/// This is done.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// Where to listen: `--bind ADDRESS`. This is done.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: chat --bind ADDRESS"),
    }
}
