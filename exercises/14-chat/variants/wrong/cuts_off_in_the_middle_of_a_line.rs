//! Cuts off a client while the others are told a line: some of them hear that it left before that line, and some behind it.
//!
//! Caught by:
//! - a-reader-that-never-reads-harms-nobody-and-is-cut-off

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// At most this many bytes are a line, without its newline.
const LONGEST_LINE: usize = 512;
/// At most this many lines wait for a client that does not read. With names and newlines that is 270 KiB.
const LONGEST_QUEUE: usize = 512;
/// This many events may wait for the main task. Whoever has one more waits with it, and reads nothing meanwhile.
const MOST_EVENTS: usize = 64;
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let listener = listen(address()?).await?;
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    println!("listening on {}", listener.local_addr()?);
    let (arrivals, mut arrived) = mpsc::channel(1);
    let door = tokio::spawn(let_clients_in(listener, arrivals));
    let (events, mut happened) = mpsc::channel(MOST_EVENTS);
    let (mut house, mut tasks) = (House::default(), JoinSet::new());
    loop {
        tokio::select! {
            Some((stream, peer)) = arrived.recv() => {
                let (id, mail) = house.enter();
                let events = Events { id, events: events.clone() };
                tasks.spawn(look_after(stream, peer, events, mail));
            }
            Some((id, event)) = happened.recv() => house.hear(id, event),
            Some(_) = tasks.join_next() => {} // forget the task of one who has left
            heard = &mut ctrl_c => break heard.context("cannot hear of Ctrl-C")?,
        }
        house.cut_off_who_does_not_read();
    }
    door.abort(); // and with it goes the listener
    drop(happened); // nobody hears any more what clients say
    house.close();
    // Each task ends when its last letter has left and its client has hung up; at the latest with the program.
    let _ = timeout(GRACE, tasks.join_all()).await;
    Ok(())
}

async fn let_clients_in(listener: TcpListener, arrivals: mpsc::Sender<(TcpStream, SocketAddr)>) {
    loop {
        match listener.accept().await {
            Ok(client) => _ = arrivals.send(client).await, // it fails when the server stops
            Err(error) => {
                eprintln!("error: accept: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// What a client's task tells the main task.
enum Event {
    /// It has sent a line, here without its end.
    Line(Vec<u8>),
    /// It goes, and this is to be said to it.
    Goes(&'static str),
    /// It is gone.
    Gone,
}

/// Where a client's task sends its events to.
struct Events {
    id: Id,
    events: mpsc::Sender<(Id, Event)>,
}

impl Events {
    async fn tell(&self, event: Event) {
        let _ = self.events.send((self.id, event)).await; // it fails when the server stops
    }
}

/// What a client's task is told by the main task.
struct Mail {
    letters: mpsc::Receiver<Arc<str>>,
    cut_off: oneshot::Receiver<()>,
}

/// A client's task, from its first line to its last.
async fn look_after(mut stream: TcpStream, peer: SocketAddr, events: Events, mail: Mail) {
    let _ = stream.set_nodelay(true); // lines are small, and none has to wait until the one before is acknowledged
    let (reader, writer) = stream.split();
    let conversation = async {
        if let Err(error) = converse(reader, writer, &events, mail.letters).await {
            eprintln!("error: client {peer}: {error}");
            events.tell(Event::Gone).await;
        }
    };
    let is_cut_off = tokio::select! {
        () = conversation => false,
        Ok(()) = mail.cut_off => true,
    };
    if is_cut_off {
        let _ = stream.set_zero_linger(); // a reset: the kernel, too, forgets what waits there
    }
}

/// Reads and writes at the same time, until nothing more is to be said to the client and it has hung up.
async fn converse(
    reader: ReadHalf<'_>,
    writer: WriteHalf<'_>,
    events: &Events,
    letters: mpsc::Receiver<Arc<str>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut writing = pin!(deliver(writer, letters));
    tokio::select! {
        // It has finished. What is in its mailbox is still sent.
        heard = hear(&mut reader, events) => {
            heard?;
            writing.await?;
        }
        // It has been said goodbye, and what it says now counts no more.
        sent = &mut writing => sent?,
    }
    // Reads on for a while: a close while bytes are unread is a reset, and that may overtake the last line.
    let _ = timeout(LINGER, tokio::io::copy(&mut reader, &mut tokio::io::sink())).await;
    Ok(())
}

/// Hears line after line, until the client has finished, or a line is too long.
async fn hear(reader: &mut BufReader<ReadHalf<'_>>, events: &Events) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let most = LONGEST_LINE as u64 + 1; // with its newline
        reader.take(most).read_until(b'\n', &mut line).await?;
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            // There is no more room, or the client has finished: half a line is none.
            let is_too_long = line.len() > LONGEST_LINE;
            events
                .tell(Event::Goes(if is_too_long { TOO_LONG } else { GOODBYE }))
                .await;
            return Ok(());
        }
        line.pop_if(|byte| *byte == b'\r'); // telnet ends its lines so
        events.tell(Event::Line(line)).await;
    }
}

/// Sends what comes into the mailbox, until nobody can put anything into it any more. Then its own direction ends.
async fn deliver(
    mut writer: WriteHalf<'_>,
    mut letters: mpsc::Receiver<Arc<str>>,
) -> io::Result<()> {
    while let Some(letter) = letters.recv().await {
        timeout(PATIENCE, writer.write_all(letter.as_bytes())).await??;
    }
    writer.shutdown().await
}

type Id = u64;

/// Who is here. Only the main task has it.
#[derive(Default)]
struct House {
    clients: BTreeMap<Id, Client>,
    next: Id,
    /// Those whose mailbox had no more room.
    stuck: Vec<Id>,
}

struct Client {
    mailbox: mpsc::Sender<Arc<str>>,
    cut_off: oneshot::Sender<()>,
    /// None as long as it has not said its name. Then it hears nothing, and nobody hears of it.
    seat: Option<Seat>,
}

#[derive(Clone)]
struct Seat {
    name: String,
    room: String,
}

impl House {
    fn enter(&mut self) -> (Id, Mail) {
        let id = self.next;
        self.next += 1;
        let (mailbox, letters) = mpsc::channel(LONGEST_QUEUE);
        let (sender, cut_off) = oneshot::channel();
        let client = Client {
            mailbox,
            cut_off: sender,
            seat: None,
        };
        self.clients.insert(id, client);
        self.tell(id, WHO_ARE_YOU);
        (id, Mail { letters, cut_off })
    }

    fn hear(&mut self, id: Id, event: Event) {
        match event {
            Event::Line(line) => self.hear_line(id, &line),
            Event::Goes(last) => self.say_goodbye(id, last),
            Event::Gone => drop(self.leave(id)),
        }
    }

    /// Does what a line says.
    fn hear_line(&mut self, id: Id, line: &[u8]) {
        let Some(client) = self.clients.get(&id) else {
            return; // it has been said goodbye already
        };
        let Some(Seat { name, room }) = client.seat.clone() else {
            return self.name(id, line);
        };
        match understand(line) {
            Command::Say(text) => self.tell_room(&room, &format!("{name}: {text}"), Some(id)),
            Command::Join(other) => {
                self.stand_up(id);
                self.sit_down(id, &name, other);
            }
            Command::Who => self.tell(id, &self.who(&room)),
            Command::Wrong(why) => self.tell(id, why),
            Command::Nothing => {}
            Command::Quit => self.say_goodbye(id, GOODBYE),
        }
    }

    fn say_goodbye(&mut self, id: Id, last: &str) {
        self.tell(id, last);
        self.leave(id);
    }

    /// Takes a client out, and its mailbox with it: its task sends what is in there, and ends.
    fn leave(&mut self, id: Id) -> Option<Client> {
        self.stand_up(id);
        self.clients.remove(&id)
    }

    fn cut_off_who_does_not_read(&mut self) {
        // The others hear of it, and one of them may be stuck as well.
        while let Some(id) = self.stuck.pop() {
            if let Some(client) = self.leave(id) {
                let _ = client.cut_off.send(()); // its task may have ended already
            }
        }
    }

    /// Says goodbye to everybody.
    fn close(self) {
        let letter: Arc<str> = format!("{STOPPING}\n").into();
        for client in self.clients.values() {
            let _ = client.mailbox.try_send(Arc::clone(&letter)); // who has no room for it does not read
        }
    }

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
        let here = self.seats().filter(|seat| seat.room == room);
        let mut names: Vec<&str> = here.map(|seat| seat.name.as_str()).collect();
        names.sort_unstable();
        format!("* {room}: {}", names.join(" "))
    }

    fn tell(&mut self, id: Id, line: &str) {
        if let Some(client) = self.clients.get(&id)
            && client.mailbox.try_send(format!("{line}\n").into()).is_err()
        {
            self.stuck.push(id);
        }
    }

    fn tell_room(&mut self, room: &str, line: &str, except: Option<Id>) {
        let letter: Arc<str> = format!("{line}\n").into();
        let is_here = |client: &Client| client.seat.as_ref().is_some_and(|seat| seat.room == room);
        let clients = self.clients.iter();
        let here = clients.filter(|(id, client)| is_here(client) && Some(**id) != except);
        for id in here.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(client) = self.clients.get(&id)
                && client.mailbox.try_send(Arc::clone(&letter)).is_err()
                && let Some(client) = self.leave(id)
            {
                let _ = client.cut_off.send(()); // its task may have ended already
            }
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

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}"))
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
