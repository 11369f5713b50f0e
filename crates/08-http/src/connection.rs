//! The dialogue with one client: requests and responses in turn, until one of the two has enough.

use std::io::ErrorKind::{Interrupted, TimedOut, UnexpectedEof, WouldBlock};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clients::Clients;
use crate::documents::Documents;
use crate::request::Request;
use crate::response::Response;

/// The head of a request fits in here. For its first line alone RFC 9112, section 3, recommends 8000 bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// A thread that waits in `read` hears of nothing else. So once a second it looks up: is it over?
const TICK: Duration = Duration::from_secs(1);
/// How long a client that was told goodbye may go on sending.
const FAREWELL: Duration = Duration::from_secs(2);

pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    patience: Duration,
    clients: Arc<Clients>,
    /// What has arrived and is not used yet: a part of a request, or several of them.
    buffer: Box<[u8; LARGEST_HEAD]>,
    filled: usize,
}

impl Connection {
    pub fn new(stream: TcpStream, peer: SocketAddr, timeout: u32, clients: &Arc<Clients>) -> Self {
        Self {
            stream,
            peer,
            patience: Duration::from_secs(timeout.into()),
            clients: Arc::clone(clients),
            buffer: Box::new([0; LARGEST_HEAD]),
            filled: 0,
        }
    }

    pub fn serve(mut self, documents: &Documents) -> io::Result<()> {
        // A response is handed over whole. There is no second piece that it should wait for (Nagle's algorithm).
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(TICK))?;
        self.stream.set_write_timeout(Some(self.patience))?;
        while let Some(heard) = self.hear()? {
            let goes_on = match heard {
                Ok(request) => self.answer(&request, documents)?,
                Err(status) => {
                    let is_head = self.buffer.starts_with(b"HEAD ");
                    self.send(Response::plain(status), self.filled, is_head, false)?;
                    false // where the next request begins, nobody knows
                }
            };
            if !goes_on {
                self.say_farewell();
                break;
            }
        }
        Ok(())
    }

    /// Waits for the head of a request. Returns nothing if there is none, or a status that says what is wrong with it.
    fn hear(&mut self) -> io::Result<Option<Result<Request, u16>>> {
        if self.filled == 0 && !self.read(Instant::now() + self.patience)? {
            return Ok(None);
        }
        let deadline = Instant::now() + self.patience;
        loop {
            let bytes = &self.buffer[..self.filled];
            let heard = match Request::parse(bytes).transpose() {
                Some(heard) => heard,
                None if self.filled == LARGEST_HEAD && bytes.contains(&b'\n') => Err(431),
                None if self.filled == LARGEST_HEAD => Err(414), // its first line has no end
                None if self.read(deadline)? => continue,
                None if Instant::now() >= deadline => Err(408),
                None => Err(400), // it has finished sending, in the middle
            };
            return Ok(Some(heard));
        }
    }

    /// Answers a request, and passes over it. Returns whether another may follow.
    fn answer(&mut self, request: &Request, documents: &Documents) -> io::Result<bool> {
        let goes_on = request.is_persistent && !self.clients.is_closed();
        let response = documents.answer(request);
        self.send(response, request.head, request.method == "HEAD", goes_on)?;
        let deadline = Instant::now() + self.patience;
        Ok(goes_on && self.pass_over(request.head + request.body, deadline)?)
    }

    /// Sends the response to what stands in these first bytes of the buffer.
    fn send(
        &self,
        response: Response,
        bytes: usize,
        is_head: bool,
        goes_on: bool,
    ) -> io::Result<()> {
        let mut lines = self.buffer[..bytes].split(|byte| *byte == b'\n');
        let line = String::from_utf8_lossy(lines.next().unwrap_or_default().trim_ascii_end());
        let (peer, status, length) = (self.peer, response.status, response.length());
        println!("received {bytes} bytes from {peer}: {line:?}, answer: {status}, {length} bytes");
        let sent = response.send(&self.stream, is_head, goes_on);
        sent.map_err(|error| match error.kind() {
            WouldBlock | TimedOut => io::Error::other("it does not read its answer"),
            UnexpectedEof => io::Error::other("the document became shorter"),
            _ => error,
        })
    }

    /// Passes over so many bytes, which may still be on their way. Returns whether all of them came in time.
    fn pass_over(&mut self, mut length: usize, deadline: Instant) -> io::Result<bool> {
        loop {
            let count = self.filled.min(length);
            self.buffer.copy_within(count..self.filled, 0);
            self.filled -= count;
            length -= count;
            if length == 0 || !self.read(deadline)? {
                return Ok(length == 0);
            }
        }
    }

    /// Waits for more bytes; there has to be room for them. Returns whether some came: the client may have finished
    /// sending, or time is up, or the server is to end and nobody has asked for anything.
    fn read(&mut self, deadline: Instant) -> io::Result<bool> {
        // The time is looked at after each byte: one now and then is no reason to wait for ever.
        while Instant::now() < deadline {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(count) => {
                    self.filled += count;
                    return Ok(count > 0);
                }
                // A tick is over: WouldBlock on Unix, TimedOut on Windows. Or a signal came.
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {
                    if self.filled == 0 && self.clients.is_closed() {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// To close a socket with bytes unread resets the connection, and the last response may be lost with it. So the
    /// client hears the end first, and what it still sends is read for a while (RFC 9112, section 9.6).
    fn say_farewell(&mut self) {
        // No error matters any more.
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.pass_over(usize::MAX, Instant::now() + FAREWELL);
    }
}
