//! Step 11: serve thousands of clients on one thread.
//!
//! New here: only `poll` waits. It says which sockets can be read or written, and each client is a few bytes of state.
//! Try it: `just step event-loop`, then in more terminals `nc 127.0.0.1 9000`.
//! Left out on purpose: an end on Ctrl-C, and a time for those who say nothing; `async` has both.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

/// What the listener is called in an event. A client is called by its slot.
const LISTENER: Token = Token(usize::MAX);
/// As many events are taken from the kernel at once. If more are waiting, the next call has them.
const EVENTS: usize = 1024;
/// Somebody who sends without end has so many reads, and then it is the others' turn.
const TURN: usize = 16;
/// How long to wait after an error of `accept` that may come again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Answer each piece of thousands of clients on one thread
#[derive(Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 128)]
    backlog: u16,

    /// Read at most this many bytes at a time
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20), default_value_t = 1024)]
    buffer: u32,

    /// Begin each reply with this text
    #[arg(long, value_name = "TEXT", default_value = "received: ")]
    prefix: String,

    /// Do not print what arrives
    #[arg(long)]
    quiet: bool,
}

/// All that there is. One thread owns it, so there is no lock.
struct Server<'a> {
    args: &'a Args,
    poll: Poll,
    listener: TcpListener,
    /// Whether somebody may be in the queue, and if `accept` has failed, when it may be tried again.
    is_called: bool,
    paused_until: Option<Instant>,
    clients: Slab<Client>,
    /// The prefix, and room for what is read: together they are the reply. It is lent to one client after the other.
    reply: Vec<u8>,
}

/// What a thread would keep on its stack.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    /// The end of a reply that the client's side had no room for. As long as there is one, nothing more is read, so
    /// there is never more than one. That is all the memory that a client who does not read can have.
    unsent: VecDeque<u8>,
}

fn main() -> ExitCode {
    // A server has no good end of its own: it runs until it is stopped, or fails.
    let Err(error) = run(&Args::parse());
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(args: &Args) -> Result<Infallible> {
    let listener = match listen(args) {
        Ok(listener) => listener,
        Err(error) => bail!("cannot listen on {}: {}", args.bind, explain(&error)),
    };
    let mut server = Server::new(listener, args)?;
    println!("listening on {}", server.listener.local_addr()?);
    println!("backlog {}", args.backlog);
    let mut events = Events::with_capacity(EVENTS);
    loop {
        server.wait(&mut events)?;
        for event in &events {
            match event.token() {
                LISTENER => server.is_called = true,
                Token(slot) => server.serve(slot, event),
            }
        }
        // Last, for `serve` may have freed slots. A new client must not get one while there are events left that mean the
        // client before it.
        server.let_in();
    }
}

/// What `TcpListener::bind` does in one call: here each call of the kernel can be seen.
fn listen(args: &Args) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(args.bind), Type::STREAM, None)?;
    // Connections that a server left open when it ended keep its port for a minute (TIME_WAIT). With
    // this option a new server may have the port at once. On Windows the option means something else:
    // a second program could take a port that is in use. A restart needs no help there.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&args.bind.into())?;
    socket.listen(args.backlog.into())?;
    // From now on `accept` says "would block" (EAGAIN) where it would wait. mio asks for the same with each stream.
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl<'a> Server<'a> {
    fn new(mut listener: TcpListener, args: &'a Args) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut reply = args.prefix.clone().into_bytes();
        reply.resize(reply.len() + args.buffer as usize, 0);
        Ok(Self {
            args,
            poll,
            listener,
            is_called: false,
            paused_until: None,
            clients: Slab::new(),
            reply,
        })
    }

    /// Waits for the first of all the things that can happen. Nothing else in this program waits.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let pause = self.paused_until;
        let pause = pause.map(|end| end.saturating_duration_since(Instant::now()));
        match self.poll.poll(events, pause) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()), // a signal; there are no events
            result => result,
        }
    }

    /// Lets in everybody who is in the queue. The kernel calls once for all of them (edge-triggered, epoll(7)), so we ask
    /// until nobody is left.
    fn let_in(&mut self) {
        if self.paused_until.is_some_and(|end| Instant::now() < end) {
            return;
        }
        let has_failed = self.paused_until.take().is_some();
        while self.is_called {
            match self.listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_called = false,
                // Who was next has reset the connection. Linux lets such a client in; others say so here, once.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Where no descriptor is left (EMFILE), whoever is next stays in the queue, and no event will say so
                    // again. So this is remembered, and tried when somebody has left, or after the pause.
                    if !has_failed {
                        eprintln!("error: accept: {error}"); // and not again each second
                    }
                    self.paused_until = Some(Instant::now() + PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, peer: SocketAddr) {
        let slot = self.clients.vacant_entry();
        let token = Token(slot.key());
        let registry = self.poll.registry();
        if let Err(error) = registry.register(&mut stream, token, Interest::READABLE) {
            eprintln!("error: client {peer}: {error}");
            return;
        }
        println!("client {peer} connected");
        slot.insert(Client {
            stream,
            peer,
            unsent: VecDeque::new(),
        });
    }

    /// Does what can be done for a client now, without waiting for it.
    fn serve(&mut self, slot: usize, event: &Event) {
        // No event is for somebody who has gone, but nothing here should depend on that.
        let Some(client) = self.clients.get(slot) else {
            return;
        };
        let peer = client.peer;
        let stays = match client.unsent.is_empty() {
            true => self.answer(slot, event),
            false => self.send_more(slot, event),
        };
        let stays = stays.unwrap_or_else(|error| {
            eprintln!("error: client {peer}: {error}");
            false
        });
        if !stays {
            self.clients.remove(slot); // its stream is closed here, which also takes it out of the poll
            println!("client {peer} disconnected");
            self.paused_until = None; // there is a descriptor now
        }
    }

    /// Answers what has come from a client. Returns whether the client stays.
    fn answer(&mut self, slot: usize, event: &Event) -> io::Result<bool> {
        let (client, registry) = (&mut self.clients[slot], self.poll.registry());
        let start = self.args.prefix.len();
        for _ in 0..TURN {
            let count = match client.stream.read(&mut self.reply[start..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                result => result?,
            };
            if count == 0 {
                return Ok(false); // the client has finished sending
            }
            let reply = &self.reply[..start + count];
            if !self.args.quiet {
                let text = String::from_utf8_lossy(&reply[start..]);
                println!("received {count} bytes from {}: {text:?}", client.peer);
            }
            let sent = write_now(&mut client.stream, reply)?;
            if sent < reply.len() {
                client.unsent = reply[sent..].to_vec().into();
                registry.reregister(&mut client.stream, event.token(), Interest::WRITABLE)?;
                return Ok(true);
            }
            // Less came than there was room for, so that was all, and more will be a new event (epoll(7), question 9).
            // Not so an end that has been announced already. And mio on Windows tells again only who has read on until
            // there was nothing.
            if reply.len() < self.reply.len() && !event.is_read_closed() && cfg!(unix) {
                return Ok(true);
            }
        }
        // There may be more. Whoever says again what it waits for is told again, behind the others.
        registry.reregister(&mut client.stream, event.token(), Interest::READABLE)?;
        Ok(true)
    }

    /// Sends what had to wait. When all of it is sent, the client is read again: the kernel looks at once whether there is
    /// something already, so nothing is missed that came in the meantime.
    fn send_more(&mut self, slot: usize, event: &Event) -> io::Result<bool> {
        let (client, registry) = (&mut self.clients[slot], self.poll.registry());
        let sent = write_now(&mut client.stream, client.unsent.as_slices().0)?;
        client.unsent.drain(..sent);
        let mut next = Interest::WRITABLE;
        if client.unsent.is_empty() {
            client.unsent = VecDeque::new(); // a new one has no memory
            next = Interest::READABLE;
        }
        registry.reregister(&mut client.stream, event.token(), next)?;
        Ok(true)
    }
}

/// Writes what there is room for, which may be nothing. Returns how many bytes that was.
fn write_now(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Says what the system's refusal means, and what to do next.
fn explain(error: &io::Error) -> String {
    let text = error.to_string();
    let (problem, hint) = match error.kind() {
        ErrorKind::AddrInUse => (
            "address already in use",
            "stop whoever has it, or try --bind 127.0.0.1:0",
        ),
        ErrorKind::PermissionDenied => (
            "permission denied",
            "ports below 1024 need root; try --bind 127.0.0.1:8080",
        ),
        ErrorKind::AddrNotAvailable => (
            "no such address on this machine",
            "try --bind 127.0.0.1:9000",
        ),
        _ => (text.as_str(), "try --bind 127.0.0.1:9000"),
    };
    format!("{problem}\nhint: {hint}")
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let help = "not an IP address and a port\nhint: try 127.0.0.1:9000 or [::1]:9000";
    text.parse().or(Err(help))
}
