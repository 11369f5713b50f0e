//! Multiplex: one thread, and as many clients as come. The task is in README.md, beside this folder. The loop is done: its
//! gaps are in `Client`, in what has to be known of a client from one event to the next.

use std::io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
use std::io::{self, Read};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

/// What the listener is called in an event. A client is called by its slot.
const LISTENER: Token = Token(usize::MAX);
/// So much the kernel is to keep of what a client does not take, in bytes. By itself Linux would keep up to 4 MiB.
const SEND_BUFFER: usize = 16 * 1024;

/// What has to be known of a client from one event to the next.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    /// What the kernel was asked to tell of it. Whoever puts `None` here has it asked anew, also for the same again.
    asked: Option<Interest>,
    // Gap 2: what has come of a line that has no end yet.
    // Gap 3: replies that the kernel has had no room for.
}

fn main() -> Result<()> {
    let address = address()?;
    let mut listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    let mut poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    let mut clients = Slab::new();
    let (mut events, mut buffer) = (Events::with_capacity(1024), [0; 4096]);
    loop {
        // The one place where this program waits.
        if let Err(error) = poll.poll(&mut events, None) {
            match error.kind() {
                Interrupted => continue, // by a signal
                _ => bail!("cannot wait for events: {error}"),
            }
        }
        let mut is_called = false;
        for event in &events {
            match event.token() {
                LISTENER => is_called = true,
                Token(slot) => serve(slot, &mut clients, &registry, &mut buffer),
            }
        }
        // Last, for a slot that has just become free may still be meant by an event of the one before.
        if is_called {
            let_in(&listener, &mut clients, &registry);
        }
    }
}

/// A listener that never waits. The sockets of its clients inherit the size of the send buffer.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Lets in all who are in the queue: the event says that somebody is, and is not repeated.
fn let_in(listener: &TcpListener, clients: &mut Slab<Client>, registry: &Registry) {
    loop {
        match listener.accept() {
            Ok((mut stream, peer)) => {
                let entry = clients.vacant_entry();
                match registry.register(&mut stream, Token(entry.key()), Interest::READABLE) {
                    Ok(()) => _ = entry.insert(Client::new(stream, peer)),
                    Err(error) => eprintln!("error: client {peer}: {error}"),
                }
            }
            Err(error) if error.kind() == WouldBlock => return,
            Err(error) if error.kind() == ConnectionAborted => {} // it has left the queue already
            // Whoever is left waits for the next event. `event-loop` shows what more can be done.
            Err(error) => return eprintln!("error: accept: {error}"),
        }
    }
}

/// Lets a client go on. When it is over it is removed: that closes the stream, and frees the slot for another one.
fn serve(slot: usize, clients: &mut Slab<Client>, registry: &Registry, buffer: &mut [u8]) {
    let Some(client) = clients.get_mut(slot) else {
        return; // some systems tell twice, and the first time was its last
    };
    let asked = match client.go_on(buffer) {
        Ok(Some(interest)) => client.ask(interest, Token(slot), registry),
        Ok(None) => return drop(clients.remove(slot)),
        Err(error) => Err(error),
    };
    if let Err(error) = asked {
        eprintln!("error: client {}: {error}", client.peer);
        clients.remove(slot);
    }
}

impl Client {
    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self {
            stream,
            peer,
            asked: Some(Interest::READABLE),
        }
    }

    /// Asks the kernel to tell when this client can be read, or written to. Who asks anew is told at once of what is
    /// there already.
    fn ask(&mut self, interest: Interest, token: Token, registry: &Registry) -> io::Result<()> {
        if self.asked != Some(interest) {
            registry.reregister(&mut self.stream, token, interest)?;
            self.asked = Some(interest);
        }
        Ok(())
    }

    /// Does all that can be done without waiting. Returns what to wait for, or nothing if it is over.
    fn go_on(&mut self, buffer: &mut [u8]) -> io::Result<Option<Interest>> {
        // It reads until there is nothing more, as it has to: what it left unread would not be told again.
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(None),
                Ok(_count) => {
                    // Gap 1: so many bytes of the buffer have come. Send `received: `, the line and a newline for each
                    // line that is whole.
                    // Gap 2: keep the rest of it for the next time, but no more than 1024 bytes. In the end, when 0 bytes
                    // are read, it is a line as well.
                    // Gap 3: the kernel may take a part of a reply, or nothing (WouldBlock). Keep what is left, and wait
                    // for room with `Interest::WRITABLE`. Then go on sending, and after that reading.
                    // Gap 4: as long as replies wait, keep at most 64 KiB of them: read nothing more.
                }
                Err(error) if error.kind() == WouldBlock => return Ok(Some(Interest::READABLE)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Where to listen: `--bind ADDRESS`. This is done.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: multiplex --bind ADDRESS"),
    }
}
