//! Chat: one loop in one thread, and no lock.
//!
//! Only `poll` waits: the kernel says which sockets can be read or written. What a thread would remember on its stack is
//! the state of a client here: the part of a line that has come, and the lines that are still to go.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use socket2::SockRef;

/// At most this many bytes are a line, without its newline.
const LONGEST_LINE: usize = 512;
/// At most this many bytes wait for a client that does not read.
const LONGEST_QUEUE: usize = 256 * 1024;
/// Who has been said goodbye has so long to take the last lines, and to hang up.
const LINGER: Duration = Duration::from_secs(1);
/// When the server stops, the last lines have so long to leave.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait after an error of `accept` that may come again at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// Somebody who sends without end has so many reads, and then it is the others' turn.
const TURN: usize = 16;

// What events are called. That of a client is called by its slot.
const LISTENER: Token = Token(usize::MAX);
const CTRL_C: Token = Token(usize::MAX - 1);

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
    let address = listener.local_addr()?;
    let server = Server::new(listener)?;
    let waker = Waker::new(server.poll.registry(), CTRL_C)?;
    ctrlc::set_handler(move || _ = waker.wake()).context("cannot hear of Ctrl-C")?;
    println!("listening on {address}");
    server.run()
}

type Slot = usize;

/// All that there is.
struct Server {
    poll: Poll,
    /// None when the server stops.
    listener: Option<TcpListener>,
    /// Whether somebody may be in the queue.
    is_called: bool,
    clients: Slab<Client>,
    /// Those whose time is over, or whose connection is.
    gone: Vec<Slot>,
    /// When to look whose time is over, or to call `accept` again.
    alarm: Option<Instant>,
}

struct Client {
    stream: TcpStream,
    /// What has come of a line that is not whole yet.
    inbox: Vec<u8>,
    /// What the kernel has had no room for.
    outbox: VecDeque<u8>,
    /// None as long as it has not said its name. Then it hears nothing, and nobody hears of it.
    seat: Option<Seat>,
    /// If it has been said goodbye: how long it has.
    until: Option<Instant>,
}

#[derive(Clone)]
struct Seat {
    name: String,
    room: String,
}

impl Server {
    fn new(mut listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener: Some(listener),
            is_called: false,
            clients: Slab::new(),
            gone: Vec::new(),
            alarm: None,
        })
    }

    /// Serves until nobody can come any more, and everybody has gone.
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.listener.is_some() || !self.clients.is_empty() {
            self.wait(&mut events)?;
            for event in &events {
                match event.token() {
                    LISTENER => self.is_called = true,
                    CTRL_C => self.stop(),
                    Token(slot) => {
                        self.send(slot);
                        self.read(slot);
                    }
                }
                self.forget_the_gone();
            }
            self.look_whose_time_is_over();
            // Last: a new client must not get a slot while there are events left that mean the one before it.
            self.let_in();
        }
        Ok(())
    }

    /// Nothing else in this program waits.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let left = self.alarm;
        let left = left.map(|alarm| alarm.saturating_duration_since(Instant::now()));
        match self.poll.poll(events, left) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()), // a signal; there are no events
            polled => polled,
        }
    }

    fn wake_at(&mut self, time: Instant) {
        self.alarm = Some(self.alarm.map_or(time, |alarm| alarm.min(time)));
    }

    /// Lets in everybody who is in the queue: the kernel calls once for all of them (epoll(7), edge-triggered).
    fn let_in(&mut self) {
        while self.is_called
            && let Some(listener) = &self.listener
        {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if let Err(error) = self.welcome(stream) {
                        eprintln!("error: client {peer}: {error}");
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_called = false,
                Err(error) => {
                    eprintln!("error: accept: {error}");
                    return self.wake_at(Instant::now() + PAUSE);
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?; // lines are small, and none has to wait until the one before is acknowledged
        let entry = self.clients.vacant_entry();
        let (slot, registry) = (entry.key(), self.poll.registry());
        // Edge-triggered: an event says that there is more to read, or room again, and then not again.
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(slot), both)?;
        entry.insert(Client {
            stream,
            inbox: Vec::new(),
            outbox: VecDeque::new(),
            seat: None,
            until: None,
        });
        self.tell(slot, WHO_ARE_YOU);
        Ok(())
    }

    /// Reads what has come, until there is nothing more for now.
    fn read(&mut self, slot: Slot) {
        let mut buffer = [0; 4096];
        for _ in 0..TURN {
            let Some(client) = self.clients.get_mut(slot) else {
                return;
            };
            match client.stream.read(&mut buffer) {
                Ok(0) => return self.has_finished(slot),
                // It has been said goodbye. This is read all the same: a close while bytes are unread is a reset, and
                // that may overtake the last line.
                Ok(_) if client.until.is_some() => {}
                Ok(count) => self.hear(slot, &buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.gone.push(slot),
            }
        }
        self.come_back_to(slot);
    }

    /// There may be more. Whoever says again what it waits for is told again, behind the others.
    fn come_back_to(&mut self, slot: Slot) {
        if let Some(client) = self.clients.get_mut(slot) {
            let both = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if let Err(error) = registry.reregister(&mut client.stream, Token(slot), both) {
                eprintln!("error: {error}");
                self.gone.push(slot);
            }
        }
    }

    /// A client has sent all that it is going to send. Half a line is none.
    fn has_finished(&mut self, slot: Slot) {
        self.say_goodbye(slot, GOODBYE);
        if self.clients[slot].outbox.is_empty() {
            self.gone.push(slot);
        }
    }

    /// Takes a piece apart into lines, and does what they say.
    fn hear(&mut self, slot: Slot, piece: &[u8]) {
        let mut rest = piece;
        // Until it has been said goodbye.
        while let Some(client) = self
            .clients
            .get_mut(slot)
            .filter(|client| client.until.is_none())
        {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            client.inbox.extend_from_slice(part);
            if client.inbox.len() > LONGEST_LINE {
                return self.say_goodbye(slot, TOO_LONG);
            }
            let Some((_, after)) = after.split_first() else {
                return; // the line goes on in the next piece
            };
            let mut line = std::mem::take(&mut client.inbox);
            line.pop_if(|byte| *byte == b'\r'); // telnet ends its lines so
            self.hear_line(slot, &line);
            rest = after;
        }
    }

    /// Does what a line says.
    fn hear_line(&mut self, slot: Slot, line: &[u8]) {
        let Some(Seat { name, room }) = self.clients[slot].seat.clone() else {
            return self.name(slot, line);
        };
        match understand(line) {
            Command::Say(text) => self.tell_room(&room, &format!("{name}: {text}"), Some(slot)),
            Command::Join(other) => {
                self.stand_up(slot);
                self.sit_down(slot, &name, other);
            }
            Command::Who => self.tell(slot, &self.who(&room)),
            Command::Wrong(why) => self.tell(slot, why),
            Command::Nothing => {}
            Command::Quit => self.say_goodbye(slot, GOODBYE),
        }
    }

    /// Says a last line to a client, if none was said yet. It has a time to take it, and to hang up.
    fn say_goodbye(&mut self, slot: Slot, last: &str) {
        if self.clients[slot].until.is_some() {
            return;
        }
        self.stand_up(slot);
        self.tell(slot, last);
        let until = Instant::now() + LINGER;
        self.clients[slot].until = Some(until);
        self.wake_at(until);
        self.send(slot); // if there is nothing more to send, its direction ends
    }

    /// Lets nobody in any more, and says goodbye to everybody.
    fn stop(&mut self) {
        self.listener = None;
        let until = Instant::now() + GRACE;
        let slots: Vec<Slot> = self.clients.iter().map(|(slot, _)| slot).collect();
        for slot in &slots {
            // Nobody hears that the others leave.
            self.clients[*slot].seat = None;
        }
        for slot in slots {
            self.say_goodbye(slot, STOPPING);
            self.clients[slot].until = Some(until);
        }
        self.wake_at(until);
    }

    fn look_whose_time_is_over(&mut self) {
        let now = Instant::now();
        if self.alarm.is_none_or(|alarm| now < alarm) {
            return;
        }
        let times = self
            .clients
            .iter()
            .filter_map(|(slot, client)| Some((slot, client.until?)));
        let (over, left): (Vec<_>, Vec<_>) = times.partition(|(_, until)| *until <= now);
        self.gone.extend(over.into_iter().map(|(slot, _)| slot));
        self.alarm = left.into_iter().map(|(_, until)| until).min();
        self.forget_the_gone();
    }

    /// Takes out who is gone. The others hear of it, and that may be too much for one of them.
    fn forget_the_gone(&mut self) {
        while let Some(slot) = self.gone.pop() {
            if self.clients.contains(slot) {
                self.stand_up(slot);
                self.clients.remove(slot); // its stream is closed here
            }
        }
    }

    /// Takes a line as the client's name.
    fn name(&mut self, slot: Slot, line: &[u8]) {
        let Some(name) = str::from_utf8(line).ok().filter(|name| is_name(name)) else {
            return self.tell(slot, NO_NAME);
        };
        if self.seats().any(|seat| seat.name == name) {
            return self.tell(slot, &format!("* {name} is taken"));
        }
        self.sit_down(slot, name, LOBBY);
    }

    fn sit_down(&mut self, slot: Slot, name: &str, room: &str) {
        if let Some(client) = self.clients.get_mut(slot) {
            let (name, room) = (name.to_owned(), room.to_owned());
            client.seat = Some(Seat { name, room });
        }
        self.tell_room(room, &format!("* {name} joined {room}"), None);
    }

    fn stand_up(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        if let Some(Seat { name, room }) = client.and_then(|client| client.seat.take()) {
            self.tell_room(&room, &format!("* {name} left {room}"), None);
        }
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        let clients = self.clients.iter();
        clients.filter_map(|(_, client)| client.seat.as_ref())
    }

    fn who(&self, room: &str) -> String {
        let here = self.seats().filter(|seat| seat.room == room);
        let mut names: Vec<&str> = here.map(|seat| seat.name.as_str()).collect();
        names.sort_unstable();
        format!("* {room}: {}", names.join(" "))
    }

    fn tell(&mut self, slot: Slot, line: &str) {
        if let Some(client) = self.clients.get_mut(slot) {
            client.outbox.extend(line.as_bytes());
            client.outbox.push_back(b'\n');
            self.send(slot);
        }
    }

    fn tell_room(&mut self, room: &str, line: &str, except: Option<Slot>) {
        let is_here = |client: &Client| client.seat.as_ref().is_some_and(|seat| seat.room == room);
        let here = self.clients.iter().filter(|(_, client)| is_here(client));
        let others: Vec<Slot> = here
            .map(|(slot, _)| slot)
            .filter(|slot| Some(*slot) != except)
            .collect();
        for slot in others {
            self.tell(slot, line);
        }
    }

    /// Sends what there is for a client, as far as the kernel has room for it. Who lets too much lie is cut off.
    fn send(&mut self, slot: Slot) {
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        let sent = client.send();
        if client.outbox.len() > LONGEST_QUEUE {
            // A reset: the kernel, too, forgets what waits there.
            let _ = SockRef::from(&client.stream).set_linger(Some(Duration::ZERO));
            self.gone.push(slot);
        } else if sent.is_err() {
            self.gone.push(slot);
        }
    }
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(self.outbox.as_slices().0) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()), // an event will say when
                Err(error) => return Err(error),
            }
        }
        match self.until {
            Some(_) => self.stream.shutdown(Shutdown::Write), // the last line is on its way
            None => Ok(()),
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
