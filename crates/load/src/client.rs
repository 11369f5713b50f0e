//! One connection of the load, which has one message under way at a time.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::SockRef;

/// Whoever has had no answer for so long is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What can become of a client, besides being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Nobody listens.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed.
    Closed,
    /// It was sent what it had not sent, or too early.
    WrongByte,
    /// It had no answer in time.
    Silent,
    /// This machine has no port left for it.
    NoPort,
    /// This process has no descriptor left for it.
    NoDescriptor,
    /// It was not tried, for those before it took too long.
    Untried,
    /// Anything else.
    Other(ErrorKind),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("refused"),
            Self::Reset => formatter.write_str("reset by the server"),
            Self::Closed => formatter.write_str("closed by the server"),
            Self::WrongByte => formatter.write_str("sent a wrong byte"),
            Self::Silent => formatter.write_str("not answered in time"),
            Self::NoPort => formatter.write_str("left without a free local port"),
            Self::NoDescriptor => formatter.write_str("left without a descriptor"),
            Self::Untried => formatter.write_str("not tried, since those before took too long"),
            Self::Other(kind) => write!(formatter, "failed: {kind}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        #[cfg(unix)]
        if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
            return Self::NoDescriptor;
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Reset,
            ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Self::NoPort,
            kind => Self::Other(kind),
        }
    }
}

/// A client, and how far its message has come.
pub struct Client {
    pub stream: TcpStream,
    connected: bool,
    /// Where its message begins in the content.
    pub place: usize,
    sent: usize,
    received: usize,
    /// When it was sent; `None` while nothing is under way.
    asked: Option<Instant>,
}

impl Client {
    /// Begins to connect, and does not wait.
    pub fn connect(address: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address)?;
        // It will end by a reset: nothing is left of the connection, and its port is free at once. With an orderly end
        // the ports of ten thousand connections would be taken for a minute (TIME-WAIT; RFC 9293, section 3.6.1).
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            connected: false,
            place: 0,
            sent: 0,
            received: 0,
            asked: None,
        })
    }

    /// Whether something is to come: the connection, or an answer.
    pub fn is_waiting(&self) -> bool {
        !self.connected || self.asked.is_some()
    }

    /// Whether the connection has come about just now.
    pub fn connects(&mut self) -> Result<bool, Trouble> {
        if self.connected {
            return Ok(false);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        match self.stream.peer_addr() {
            // Where nobody listens, a client can come to be connected to itself: the kernel gave it that very port.
            Ok(peer) if self.stream.local_addr()? == peer => return Err(Trouble::Refused),
            Ok(_) => self.connected = true,
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.connected)
    }

    /// Sends a message, or as much of it as fits for now.
    pub fn ask(&mut self, place: usize, message: &[u8], now: Instant) -> Result<(), Trouble> {
        self.place = place;
        (self.sent, self.received) = (0, 0);
        self.asked = Some(now);
        self.go_on_sending(message)
    }

    /// Goes on with the message: sends what is left of it, and takes what has come of the answer. Returns when the
    /// message was sent if now all of the answer is there.
    pub fn go_on(&mut self, message: &[u8], buffer: &mut [u8]) -> Result<Option<Instant>, Trouble> {
        if self.asked.is_some() {
            self.go_on_sending(message)?;
        }
        self.receive(message, buffer)?;
        let is_whole = self.received == message.len();
        Ok(if is_whole { self.asked.take() } else { None })
    }

    fn go_on_sending(&mut self, message: &[u8]) -> Result<(), Trouble> {
        while self.sent < message.len() {
            match self.stream.write(&message[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, message: &[u8], buffer: &mut [u8]) -> Result<(), Trouble> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let all = self.received + count;
            // Nobody can know what was not sent yet, and nothing is said unasked.
            if all > self.sent || buffer[..count] != message[self.received..all] {
                return Err(Trouble::WrongByte);
            }
            self.received = all;
            if is_empty_after(count, buffer.len()) {
                return Ok(());
            }
        }
    }
}

/// Whether nothing more can be there after a read of `count` bytes. A read that was short has emptied the queue, and what
/// comes next is announced again (epoll(7)). Windows announces nothing until a read has found nothing.
pub fn is_empty_after(count: usize, room: usize) -> bool {
    cfg!(not(windows)) && count < room
}
