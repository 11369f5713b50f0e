//! Takes a file that is not there for an empty one.
//!
//! Caught by:
//! - a-file-that-is-not-there-is-refused-with-550

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

/// A file has at most so many bytes.
const LARGEST: u64 = 1 << 20;

/// A command line has at most so many bytes, its end included.
const LONGEST: u64 = 512;

fn main() -> Result<()> {
    let address = address()?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    let files = Arc::new(Files::with_documents());
    loop {
        let (control, peer) = match listener.accept() {
            Ok(client) => client,
            Err(error) => {
                eprintln!("error: accept: {error}");
                continue;
            }
        };
        let files = Arc::clone(&files);
        let work = move || {
            if let Err(error) = serve(control, files) {
                eprintln!("error: client {peer}: {error}");
            }
        };
        if let Err(error) = thread::Builder::new().spawn(work) {
            eprintln!("error: client {peer}: no thread for it: {error}");
        }
    }
}

/// Where to listen: `--bind ADDRESS`, an IPv4 address, as PASV has room for no other.
fn address() -> Result<SocketAddrV4> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddrV4::new([127, 0, 0, 1].into(), 9000)),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IPv4 address and a port")),
        _ => bail!("usage: transfer --bind ADDRESS"),
    }
}

/// Obeys the commands of one client, a line each, until it has left.
fn serve(control: TcpStream, files: Arc<Files>) -> io::Result<()> {
    // Without this a reply may wait until the client has acknowledged the one before (Nagle's algorithm).
    control.set_nodelay(true)?;
    let mut commands = BufReader::new(control.try_clone()?);
    let mut session = Session {
        control,
        files,
        representation: Type::Ascii, // the default (RFC 959, section 5.1)
        passive: None,
    };
    session.reply("220 Welcome.")?;
    loop {
        let mut line = Vec::new();
        (&mut commands).take(LONGEST).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok(()); // the client has left, or sends no commands
        }
        let line = String::from_utf8_lossy(&line);
        let (command, argument) = line
            .trim_end()
            .split_once(' ')
            .unwrap_or((line.trim_end(), ""));
        if command.eq_ignore_ascii_case("QUIT") {
            return session.reply("221 Goodbye.");
        }
        session.obey(&command.to_ascii_uppercase(), argument)?;
    }
}

/// One client: its control connection, and what it has asked for so far.
struct Session {
    control: TcpStream,
    files: Arc<Files>,
    representation: Type,
    /// Where the next data connection is to come in, after a PASV.
    passive: Option<TcpListener>,
}

/// What becomes of line ends in a transfer (RFC 959, section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// TYPE A: text. A line ends with "\r\n" on the way, and with "\n" here.
    Ascii,
    /// TYPE I: bytes, and none of them is touched.
    Image,
}

impl Session {
    fn obey(&mut self, command: &str, argument: &str) -> io::Result<()> {
        match (command, argument) {
            ("USER", _) => self.reply("331 Any password will do."),
            ("PASS", _) => self.reply("230 You are logged in."),
            ("NOOP", _) => self.reply("200 Here I am."),
            ("STAT", "") => self.status(),
            ("TYPE", "A" | "a" | "A N" | "a n") => self.represent(Type::Ascii),
            ("TYPE", "I" | "i") => self.represent(Type::Image),
            ("TYPE", _) => self.reply("504 There are TYPE A and TYPE I."),
            ("PASV", "") => self.passive(),
            ("RETR" | "STOR", "") => self.reply("501 Which file?"),
            ("RETR", name) => self.retrieve(name),
            ("STOR", name) => self.store(name),
            _ => self.reply("502 There is no such command here."),
        }
    }

    fn represent(&mut self, representation: Type) -> io::Result<()> {
        self.representation = representation;
        self.reply(&format!("200 The type is {representation:?}."))
    }

    /// STAT: what the session knows.
    fn status(&self) -> io::Result<()> {
        let port = match &self.passive {
            Some(listener) => format!("data port {}", listener.local_addr()?.port()),
            None => "no data port".to_owned(),
        };
        let representation = self.representation;
        self.reply(&format!("211 Type {representation:?}, {port}."))
    }

    /// Sends a line on the control connection: three digits for programs, some words for people.
    fn reply(&self, line: &str) -> io::Result<()> {
        (&self.control).write_all(format!("{line}\r\n").as_bytes())
    }
}

/// The files of all clients, by name. They live as long as this program.
struct Files(Mutex<HashMap<String, Vec<u8>>>);

impl Files {
    /// A text, a file with every byte there is, and one with none.
    fn with_documents() -> Self {
        let files = Self(Mutex::default());
        files.put("lines.txt", b"one\ntwo\nthree\n".to_vec());
        files.put("bytes.bin", (0..=255).collect());
        files.put("empty.txt", Vec::new());
        files
    }

    /// A copy of a file, if there is one of this name.
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().get(name).cloned()
    }

    /// Puts a file in the place of the one that had this name.
    fn put(&self, name: &str, bytes: Vec<u8>) {
        self.lock().insert(name.to_owned(), bytes);
    }

    /// A thread that panicked while it held the lock has poisoned it. What it did is done or not, so it does not matter.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// What was to be written.

impl Session {
    /// PASV: listens for one data connection, and says where (RFC 959, section 4.1.2).
    fn passive(&mut self) -> io::Result<()> {
        // The address that this client has reached is one that it can reach.
        let ip = self.control.local_addr()?.ip();
        let listener = TcpListener::bind((ip, 0))?;
        let [high, low] = listener.local_addr()?.port().to_be_bytes();
        // A listener of an earlier PASV is dropped, and whoever waits in its queue is reset.
        self.passive = Some(listener);
        let host = ip.to_string().replace('.', ",");
        self.reply(&format!("227 Entering Passive Mode ({host},{high},{low})."))
    }

    /// RETR: sends a file to the client.
    fn retrieve(&mut self, name: &str) -> io::Result<()> {
        let mut bytes = self.files.get(name).unwrap_or_default();
        let Some(mut data) = self.open()? else {
            return self.reply("425 Say PASV first.");
        };
        if self.representation == Type::Ascii {
            bytes = to_wire(&bytes);
        }
        let sent = data.write_all(&bytes);
        drop(data); // the end of the connection is the end of the file
        match sent {
            Ok(()) => self.reply("226 The file is through."),
            Err(_) => self.reply("426 The data connection broke off."),
        }
    }

    /// STOR: takes a file from the client.
    fn store(&mut self, name: &str) -> io::Result<()> {
        let Some(data) = self.open()? else {
            return self.reply("425 Say PASV first.");
        };
        let mut bytes = Vec::new();
        // One byte more than there may be tells that it is too much.
        let read = data.take(LARGEST + 1).read_to_end(&mut bytes);
        // Until here nothing was stored: the old file, if there is one, is whole.
        match read {
            Err(_) => self.reply("426 It broke off; nothing is stored."),
            Ok(count) if count as u64 > LARGEST => {
                self.reply("552 It is too large; nothing is stored.")
            }
            Ok(_) => {
                if self.representation == Type::Ascii {
                    bytes = from_wire(&bytes);
                }
                self.files.put(name, bytes);
                self.reply("226 The file is stored.")
            }
        }
    }

    /// Opens the data connection for one transfer; nothing if no PASV went before.
    fn open(&mut self) -> io::Result<Option<TcpStream>> {
        // Taken out: the next transfer needs a PASV of its own.
        let Some(listener) = self.passive.take() else {
            return Ok(None);
        };
        // Some clients wait for this before they connect.
        self.reply("150 About to open the data connection.")?;
        let client = self.control.peer_addr()?.ip();
        loop {
            let (data, peer) = listener.accept()?;
            if peer.ip() == client {
                return Ok(Some(data));
            }
            // Whoever this is has guessed the port, and hopes for somebody else's file. It is dropped.
        }
    }
}

/// How a text travels: each newline as "\r\n". One that has its carriage return already gets no other.
fn to_wire(text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len());
    for &byte in text {
        if byte == b'\n' && wire.last() != Some(&b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}

/// How it is stored: each "\r\n" as a newline. Other carriage returns stay. All of it is here, so it does
/// not matter in which pieces it came; a server with files on a disk has to keep a carriage return at the
/// end of a piece until it knows what follows.
fn from_wire(wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(wire.len());
    for &byte in wire {
        if byte == b'\n' && text.last() == Some(&b'\r') {
            text.pop();
        }
        text.push(byte);
    }
    text
}
