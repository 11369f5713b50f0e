//! One client that sends for as long as there is room, and takes for as long as there is something.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::client::{Client, PATIENCE, Trouble, is_empty_after};
use super::content::Content;
use super::crowd::wait;

/// So much is sent or taken by one call.
const PIECE: usize = 256 * 1024;
/// The whole of it takes no longer than this.
const WITHIN: Duration = Duration::from_secs(30);

/// How far a stream has come.
#[derive(Default)]
pub struct Stream {
    sent: u64,
    /// So many bytes came back, each the right one.
    pub received: u64,
    /// How long it took.
    pub time: Duration,
    /// What ended it early.
    pub trouble: Option<Trouble>,
}

impl Stream {
    /// Sends so many bytes and takes them back, each of which must be the right one.
    ///
    /// # Errors
    ///
    /// If the kernel gives no means to wait for both, or does not tell any more.
    pub fn run(address: SocketAddr, content: &Content, bytes: u64) -> io::Result<Self> {
        let mut stream = Self::default();
        let begin = Instant::now();
        stream.trouble = match Client::connect(address) {
            Ok(client) => stream.drive(client, content, bytes, begin)?,
            Err(trouble) => Some(trouble),
        };
        stream.time = begin.elapsed();
        Ok(stream)
    }

    fn drive(
        &mut self,
        mut client: Client,
        content: &Content,
        bytes: u64,
        begin: Instant,
    ) -> io::Result<Option<Trouble>> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(1);
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut client.stream, Token(0), both)?;
        let mut buffer = vec![0; PIECE];
        let mut last = begin;
        let mut is_connected = false;
        while self.received < bytes {
            let left = PATIENCE.saturating_sub(last.elapsed());
            let left = left.min(WITHIN.saturating_sub(begin.elapsed()));
            if left.is_zero() {
                return Ok(Some(Trouble::Silent));
            }
            wait(&mut poll, &mut events, left)?;
            let moved = client.connects().and_then(|connects| {
                is_connected |= connects;
                match is_connected {
                    true => self.go_on(&mut client.stream, content, bytes, &mut buffer),
                    false => Ok(false),
                }
            });
            match moved {
                Ok(true) => last = Instant::now(),
                Ok(false) => {}
                Err(trouble) => return Ok(Some(trouble)),
            }
        }
        Ok(None)
    }

    /// Sends and takes in turn until neither goes any more. Returns whether anything was moved.
    fn go_on(
        &mut self,
        stream: &mut TcpStream,
        content: &Content,
        bytes: u64,
        buffer: &mut [u8],
    ) -> Result<bool, Trouble> {
        let before = (self.sent, self.received);
        let (mut is_full, mut is_empty) = (false, false);
        while !is_full || !is_empty {
            is_full = is_full || self.send(stream, content, bytes)?;
            is_empty = is_empty || self.receive(stream, content, buffer)?;
        }
        Ok(before != (self.sent, self.received))
    }

    /// Sends a piece. Returns whether no more goes for now.
    fn send(
        &mut self,
        stream: &mut TcpStream,
        content: &Content,
        bytes: u64,
    ) -> Result<bool, Trouble> {
        let left = usize::try_from(bytes - self.sent).unwrap_or(PIECE);
        let piece = content.stream(self.sent, left.min(PIECE));
        if left == 0 {
            return Ok(true);
        }
        match stream.write(piece) {
            Ok(count) => {
                self.sent += count as u64;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a piece, and compares it. Returns whether there is no more for now.
    fn receive(
        &mut self,
        stream: &mut TcpStream,
        content: &Content,
        buffer: &mut [u8],
    ) -> Result<bool, Trouble> {
        let count = match stream.read(buffer) {
            Ok(0) => return Err(Trouble::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut piece = &buffer[..count];
        while !piece.is_empty() {
            let expected = content.stream(self.received, piece.len());
            let came;
            (came, piece) = piece.split_at(expected.len());
            if came != expected {
                let right = came.iter().zip(expected).take_while(|(a, b)| a == b);
                self.received += right.count() as u64;
                return Err(Trouble::WrongByte);
            }
            self.received += came.len() as u64;
        }
        if self.received > self.sent {
            return Err(Trouble::WrongByte); // nobody can know what was not sent yet
        }
        Ok(is_empty_after(count, buffer.len()))
    }
}
