//! Many clients at once, all of them in one thread: each sends a message, waits for the answer, compares it, and sends
//! the next.
//!
//! This must cost less than the server does. A message is a call to write and one to read, and a part of a call that
//! waits for the next of all of them: nothing is allocated for it, and no interest is changed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Registry, Token};

use super::client::{Client, PATIENCE, Trouble};
use super::content::Content;

/// So many clients at most are at the door at a time: the queue of a listener is short. Python's has room for 100.
const AT_THE_DOOR: usize = 64;
/// All of them are there within this time, or the rest stays away.
const GATHERING: Duration = Duration::from_secs(20);
/// So many clients at most are told of by one call to the kernel.
const EVENTS: usize = 1024;
/// A read takes as much as this. It is more than any message, so that one read is enough.
const BUFFER: usize = 64 * 1024;

/// The clients, and how the kernel tells of them.
pub struct Crowd<'a> {
    poll: Poll,
    events: Events,
    clients: Clients<'a>,
}

/// By number. Who was in trouble has left.
struct Clients<'a> {
    all: Vec<Option<Client>>,
    content: &'a mut Content,
    length: usize,
    buffer: Vec<u8>,
    /// How many wait for a connection or an answer.
    waiting: usize,
    troubles: BTreeMap<Trouble, usize>,
}

/// What was answered in a while.
#[derive(Default)]
pub struct Answers {
    /// How many came before the time was up.
    pub count: usize,
    /// How long that was.
    pub time: Duration,
    /// How long each took, in nanoseconds; also of those that came when the time was up.
    pub latencies: Vec<u64>,
}

impl<'a> Crowd<'a> {
    /// Nobody yet. Their messages will have this length.
    ///
    /// # Errors
    ///
    /// If the kernel gives no means to wait for many.
    pub fn new(content: &'a mut Content, length: usize) -> io::Result<Self> {
        let clients = Clients {
            all: Vec::new(),
            content,
            length,
            buffer: vec![0; BUFFER],
            waiting: 0,
            troubles: BTreeMap::new(),
        };
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            clients,
        })
    }

    /// Lets so many more connect, a few at a time, and returns how many of them were answered once. A client may be
    /// connected and nobody's: the kernel lets in whom the server has not accepted.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of them any more.
    pub fn gather(&mut self, address: SocketAddr, count: usize) -> io::Result<usize> {
        let all = self.clients.all.len() + count;
        let mut answered = 0;
        let begin = Instant::now();
        let mut last = begin;
        loop {
            if self.clients.all.len() < all && self.clients.waiting < AT_THE_DOOR {
                self.clients.admit(address, self.poll.registry());
                continue;
            }
            let patience = PATIENCE.saturating_sub(last.elapsed());
            let patience = patience.min(GATHERING.saturating_sub(begin.elapsed()));
            if self.clients.waiting == 0 || patience.is_zero() {
                break;
            }
            wait(&mut self.poll, &mut self.events, patience)?;
            for event in &self.events {
                let waiting = self.clients.waiting;
                answered += usize::from(self.clients.go_on(event.token()).is_some());
                if self.clients.waiting < waiting {
                    last = Instant::now();
                }
            }
        }
        self.clients.give_up();
        let untried = all - self.clients.all.len();
        if untried > 0 {
            *self.clients.troubles.entry(Trouble::Untried).or_default() += untried;
        }
        Ok(answered)
    }

    /// Lets the first so many clients ask again and again, for so long.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of them any more.
    pub fn ping_pong(&mut self, count: usize, time: Duration) -> io::Result<Answers> {
        let mut answers = Answers::default();
        let begin = Instant::now();
        for number in 0..count.min(self.clients.all.len()) {
            self.clients.ask(Token(number), Instant::now());
        }
        while begin.elapsed() < time && self.clients.waiting > 0 {
            let left = time.saturating_sub(begin.elapsed());
            wait(&mut self.poll, &mut self.events, left)?;
            for event in &self.events {
                if let Some(asked) = self.clients.go_on(event.token()) {
                    let now = Instant::now();
                    answers.add(now - asked);
                    self.clients.ask(event.token(), now);
                }
            }
        }
        answers.count = answers.latencies.len();
        answers.time = begin.elapsed();
        Ok(answers)
    }

    /// Waits for the last answers, 2 s at most. Whoever has none by then has waited for too long.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of them any more.
    pub fn finish(&mut self, answers: &mut Answers) -> io::Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE && self.clients.waiting > 0 {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            wait(&mut self.poll, &mut self.events, left)?;
            for event in &self.events {
                if let Some(asked) = self.clients.go_on(event.token()) {
                    answers.add(asked.elapsed());
                }
            }
        }
        self.clients.give_up();
        Ok(())
    }

    /// What befell clients, and how many.
    pub fn troubles(&self) -> &BTreeMap<Trouble, usize> {
        &self.clients.troubles
    }
}

/// Waits until the kernel has something to tell, for so long at most.
pub fn wait(poll: &mut Poll, events: &mut Events, patience: Duration) -> io::Result<()> {
    match poll.poll(events, Some(patience)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}

impl Clients<'_> {
    fn admit(&mut self, address: SocketAddr, registry: &Registry) {
        let token = Token(self.all.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        let client = Client::connect(address).and_then(|mut client| {
            registry.register(&mut client.stream, token, both)?;
            Ok(client)
        });
        match client {
            Ok(client) => {
                self.all.push(Some(client));
                self.waiting += 1;
            }
            Err(trouble) => {
                self.all.push(None);
                *self.troubles.entry(trouble).or_default() += 1;
            }
        }
    }

    fn ask(&mut self, token: Token, now: Instant) {
        let Some(client) = &mut self.all[token.0] else {
            return;
        };
        self.waiting += 1;
        let place = self.content.next_place();
        let message = self.content.message(place, self.length);
        if let Err(trouble) = client.ask(place, message, now) {
            self.leave(token, trouble);
        }
    }

    /// Something has happened to this client. Returns when its message was sent if now the answer is there.
    fn go_on(&mut self, token: Token) -> Option<Instant> {
        let client = self.all[token.0].as_mut()?;
        let answered = client.connects().and_then(|connects| match connects {
            true => {
                let place = self.content.next_place();
                let message = self.content.message(place, self.length);
                client.ask(place, message, Instant::now()).map(|()| None)
            }
            false => {
                let message = self.content.message(client.place, self.length);
                client.go_on(message, &mut self.buffer)
            }
        });
        let answered = answered.unwrap_or_else(|trouble| {
            self.leave(token, trouble);
            None
        });
        self.waiting -= usize::from(answered.is_some());
        answered
    }

    fn leave(&mut self, token: Token, trouble: Trouble) {
        let client = self.all[token.0].take();
        self.waiting -= usize::from(client.is_some_and(|client| client.is_waiting()));
        *self.troubles.entry(trouble).or_default() += 1;
    }

    /// Whoever still waits has waited for too long.
    fn give_up(&mut self) {
        for number in 0..self.all.len() {
            if self.all[number].as_ref().is_some_and(Client::is_waiting) {
                self.leave(Token(number), Trouble::Silent);
            }
        }
    }
}

impl Answers {
    fn add(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.push(nanoseconds);
    }
}
