//! The control connection: lines come in, replies go out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::pace::Until;
use crate::reply::Reply;

/// A line may have about so many bytes: there is room for the longest path that Linux takes.
const LONGEST_LINE: usize = 4096;

pub struct Control {
    replies: Replies,
    /// What was read, and is not a whole line yet or is the next one.
    unread: Vec<u8>,
}

impl Control {
    pub fn new(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        // Before ABOR some clients send a mark of Telnet's as urgent data (RFC 854, the Synch), and others a part of
        // the line itself. It is to stay in its place between the other bytes.
        SockRef::from(&stream).set_out_of_band_inline(true)?;
        // A transfer has two replies. The second would be held back until the first is acknowledged (Nagle's algorithm;
        // RFC 9293, section 3.7.4), and a client that has nothing to send takes its time with that.
        stream.set_nodelay(true)?;
        Ok(Self {
            replies: Replies {
                stream: Arc::new(stream),
                patience,
                are_lost: Arc::default(),
            },
            unread: Vec::new(),
        })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.replies.stream
    }

    pub fn replies(&self) -> Replies {
        self.replies.clone()
    }

    pub fn reply(&self, code: u16, text: impl Into<String>) {
        self.replies.send(&Reply::new(code, text));
    }

    /// The next line, or nothing at the end. A read may bring half a line, or several (RFC 1123, section 4.1.2.10).
    pub fn hear(&mut self, until: Instant) -> io::Result<Option<Vec<u8>>> {
        while !self.replies.are_lost.load(Ordering::SeqCst) {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.unread.drain(..=end).collect()));
            }
            if self.unread.len() > LONGEST_LINE {
                self.reply(500, "line too long");
                return Ok(None);
            }
            let mut buffer = [0; 1024];
            match Until(self.stream(), until).read(&mut buffer)? {
                0 => return Ok(None),
                count => self.unread.extend(&buffer[..count]),
            }
        }
        Ok(None)
    }
}

/// The half that writes. A transfer has one, too: it says how it ended.
#[derive(Clone)]
pub struct Replies {
    stream: Arc<TcpStream>,
    patience: Duration,
    are_lost: Arc<AtomicBool>,
}

impl Replies {
    /// Whom a reply does not reach is gone, or does not read. Nothing is heard of him any more.
    pub fn send(&self, reply: &Reply) {
        let mut stream = Until(&self.stream, Instant::now() + self.patience);
        if stream.write_all(reply.to_string().as_bytes()).is_err() {
            self.are_lost.store(true, Ordering::SeqCst);
            let _ = self.stream.shutdown(Shutdown::Both); // for whoever waits in a read
        }
    }

    /// Whether the client has closed the connection, and there is nothing to read before that.
    pub fn has_ended(&self) -> bool {
        #[cfg(unix)]
        {
            use rustix::net::{RecvFlags, recv};
            let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            matches!(recv(&*self.stream, &mut [0; 1], look), Ok((0, _)))
        }
        // Windows cannot look without waiting. But there the connections of a program that dies are reset.
        #[cfg(not(unix))]
        false
    }
}
