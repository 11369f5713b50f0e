//! Lists everybody, whatever the room.
//!
//! Caught by:
//! - who-names-those-in-the-room-in-order

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::SockRef;

/// At most this many bytes are a line, without its newline.
const LONGEST_LINE: usize = 512;
/// At most this many lines wait for a client that does not read. With names and newlines that is 270 KiB.
const LONGEST_QUEUE: usize = 512;
/// A client that takes nothing for so long is left.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who has been said goodbye has so long to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// When the server stops, the last lines have so long to leave.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait after an error that may come again at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

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
    let listener = listen(address()?)?;
    let house = Arc::new(House::default());
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || _ = stop.send(())).context("cannot hear of Ctrl-C")?;
    println!("listening on {}", listener.local_addr()?);
    let door = Arc::clone(&house);
    // Nothing wakes a thread that waits in `accept` but a client. It need not be woken: it ends with the program.
    thread::spawn(move || let_clients_in(&listener, &door));
    stopped.recv()?;
    house.close();
    Ok(())
}

fn let_clients_in(listener: &TcpListener, house: &Arc<House>) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let house = Arc::clone(house);
                let work = move || {
                    if let Err(error) = serve(stream, &house) {
                        eprintln!("error: client {peer}: {error}");
                    }
                };
                if let Err(error) = thread::Builder::new().spawn(work) {
                    eprintln!("error: client {peer}: no thread for it: {error}");
                }
            }
            Err(error) => {
                eprintln!("error: accept: {error}");
                thread::park_timeout(PAUSE);
            }
        }
    }
}

/// A client's reader, from its first line to its last.
fn serve(stream: TcpStream, house: &Arc<House>) -> io::Result<()> {
    stream.set_nodelay(true)?; // lines are small, and none has to wait until the one before is acknowledged
    stream.set_write_timeout(Some(PATIENCE))?;
    let stream = Arc::new(stream);
    let (mailbox, letters) = mpsc::sync_channel(LONGEST_QUEUE);
    let Some((id, place)) = house.enter(mailbox, &stream) else {
        return Ok(()); // it has come too late: the server stops
    };
    let writer = Arc::clone(&stream);
    let spawned = thread::Builder::new().spawn(move || {
        let _place = place; // given back when the last letter has left
        deliver(&writer, letters);
    });
    let conversed = spawned.and_then(|_| converse(&stream, house, id));
    // However the conversation has ended, the others hear that this client is gone, and its name is free.
    house.leave(id, conversed.as_ref().ok().copied());
    conversed.map(|_| linger(&stream))
}

/// Hears line after line. Returns what is said to the client at the end.
fn converse(stream: &TcpStream, house: &House, id: Id) -> io::Result<&'static str> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = LONGEST_LINE as u64 + 1; // with its newline
        (&mut reader).take(most).read_until(b'\n', &mut line)?;
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            // There is no more room, or the client has finished: half a line is none.
            let is_too_long = line.len() > LONGEST_LINE;
            return Ok(if is_too_long { TOO_LONG } else { GOODBYE });
        }
        line.pop_if(|byte| *byte == b'\r'); // telnet ends its lines so
        if !house.hear(id, &line) {
            return Ok(GOODBYE);
        }
    }
}

/// A client's writer: sends what comes into the mailbox, until nobody can put anything into it any more.
fn deliver(stream: &TcpStream, letters: Receiver<Arc<str>>) {
    let mut writer = stream;
    let sent = letters
        .iter()
        .try_for_each(|letter| writer.write_all(letter.as_bytes()));
    // After the last letter its own direction ends. If one could not be sent, both do, so that the reader ends as well.
    let _ = stream.shutdown(match sent {
        Ok(()) => Shutdown::Write,
        Err(_) => Shutdown::Both,
    });
}

/// Reads on until the client has hung up, for a second at most: a close while bytes are unread is a reset, and that may
/// overtake the last line.
fn linger(mut stream: &TcpStream) {
    let until = Instant::now() + LINGER;
    let _ = stream.set_read_timeout(Some(LINGER));
    let mut rest = [0; 4096];
    while Instant::now() < until && matches!(stream.read(&mut rest), Ok(1..)) {}
}

type Id = u64;

/// Who is here. Whoever says something to several clients holds the lock meanwhile, so they all hear everything in the
/// same order. It is never held for long: putting a letter into a mailbox does not wait.
#[derive(Default)]
struct House {
    state: Mutex<State>,
    one_left: Condvar,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<Id, Client>,
    /// How many writers still have something to send, or may have.
    writers: usize,
    next: Id,
    is_closed: bool,
}

struct Client {
    mailbox: SyncSender<Arc<str>>,
    stream: Arc<TcpStream>,
    /// None as long as it has not said its name. Then it hears nothing, and nobody hears of it.
    seat: Option<Seat>,
}

#[derive(Clone)]
struct Seat {
    name: String,
    room: String,
}

/// A writer at work, until it is dropped.
struct Place(Arc<House>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().writers -= 1;
        self.0.one_left.notify_all();
    }
}

impl House {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in, unless the server stops.
    fn enter(
        self: &Arc<Self>,
        mailbox: SyncSender<Arc<str>>,
        stream: &Arc<TcpStream>,
    ) -> Option<(Id, Place)> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let (id, stream) = (state.next, Arc::clone(stream));
        let client = Client {
            mailbox,
            stream,
            seat: None,
        };
        state.clients.insert(id, client);
        state.next += 1;
        state.writers += 1;
        state.tell(id, WHO_ARE_YOU);
        Some((id, Place(Arc::clone(self))))
    }

    /// Does what a line says. Returns whether the client stays.
    fn hear(&self, id: Id, line: &[u8]) -> bool {
        let mut state = self.lock();
        let Some(client) = state.clients.get(&id) else {
            return false; // it has been said goodbye already
        };
        let Some(seat) = client.seat.clone() else {
            state.name(id, line);
            return true;
        };
        match understand(line) {
            Command::Say(text) => {
                state.tell_room(&seat.room, &format!("{}: {text}", seat.name), Some(id));
            }
            Command::Join(room) => state.join(id, &seat.name, room),
            Command::Who => state.tell(id, &state.who(&seat.room)),
            Command::Wrong(why) => state.tell(id, why),
            Command::Nothing => {}
            Command::Quit => return false,
        }
        true
    }

    /// Takes a client out, with a last word to it if it can still hear. Without its mailbox its writer ends, too.
    fn leave(&self, id: Id, last: Option<&str>) {
        let mut state = self.lock();
        if let Some(last) = last {
            state.tell(id, last);
        }
        state.stand_up(id);
        state.clients.remove(&id);
    }

    /// Says goodbye to everybody, and waits until that has left, for a while at most.
    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state
            .clients
            .keys()
            .for_each(|id| state.tell(*id, STOPPING));
        state.clients.clear();
        let are_writing = |state: &mut State| state.writers > 0;
        drop(self.one_left.wait_timeout_while(state, GRACE, are_writing));
    }
}

impl State {
    /// Takes a line as the client's name.
    fn name(&mut self, id: Id, line: &[u8]) {
        let Some(name) = str::from_utf8(line).ok().filter(|name| is_name(name)) else {
            return self.tell(id, NO_NAME);
        };
        if self.seats().any(|seat| seat.name == name) {
            return self.tell(id, &format!("* {name} is taken"));
        }
        self.sit_down(id, name, LOBBY);
    }

    fn join(&mut self, id: Id, name: &str, room: &str) {
        self.stand_up(id);
        self.sit_down(id, name, room);
    }

    fn sit_down(&mut self, id: Id, name: &str, room: &str) {
        if let Some(client) = self.clients.get_mut(&id) {
            let (name, room) = (name.to_owned(), room.to_owned());
            client.seat = Some(Seat { name, room });
        }
        self.tell_room(room, &format!("* {name} joined {room}"), None);
    }

    fn stand_up(&mut self, id: Id) {
        let client = self.clients.get_mut(&id);
        if let Some(Seat { name, room }) = client.and_then(|client| client.seat.take()) {
            self.tell_room(&room, &format!("* {name} left {room}"), None);
        }
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        let clients = self.clients.values();
        clients.filter_map(|client| client.seat.as_ref())
    }

    fn who(&self, room: &str) -> String {
        let mut names: Vec<&str> = self.seats().map(|seat| seat.name.as_str()).collect();
        names.sort_unstable();
        format!("* {room}: {}", names.join(" "))
    }

    fn tell(&self, id: Id, line: &str) {
        if let Some(client) = self.clients.get(&id) {
            client.put(&format!("{line}\n").into());
        }
    }

    fn tell_room(&self, room: &str, line: &str, except: Option<Id>) {
        let letter: Arc<str> = format!("{line}\n").into();
        for (id, client) in &self.clients {
            let is_here = client.seat.as_ref().is_some_and(|seat| seat.room == room);
            if is_here && Some(*id) != except {
                client.put(&letter);
            }
        }
    }
}

impl Client {
    /// Puts a letter into the mailbox. Whoever lets so many lie that there is no room is cut off.
    fn put(&self, letter: &Arc<str>) {
        if self.mailbox.try_send(Arc::clone(letter)).is_err() {
            // A reset: the kernel, too, forgets what waits there. The client's threads are woken by an error or the end
            // of the stream, and its reader tells the others.
            let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

/// What a line asks for.
enum Command<'a> {
    Say(&'a str),
    Join(&'a str),
    Who,
    Quit,
    Nothing,
    /// Nothing that can be done, and this is why.
    Wrong(&'static str),
}

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

/// Whether clients and rooms may be called so.
fn is_name(name: &str) -> bool {
    (1..=16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// Where to listen: `--bind ADDRESS`.
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
