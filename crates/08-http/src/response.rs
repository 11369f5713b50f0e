//! What the server answers: a status, header fields, and maybe a body (RFC 9112, section 4).

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::SystemTime;

use httpdate::HttpDate;
#[cfg(target_os = "linux")]
use socket2::SockRef;

/// So much of a document is sent at a time, in bytes, the first of it in one write with the head. For each piece a
/// client has the time-out of the socket: one that reads nothing does not hold us by what the kernel still takes.
const PIECE: u64 = 64 << 10;

pub struct Response {
    /// How it went: a number that programs and people know by heart (RFC 9110, section 15).
    pub status: u16,
    /// Header fields, a line each.
    fields: String,
    body: Body,
}

pub enum Body {
    Text(String),
    /// A part of a document, or all of it.
    Document(File, Range<u64>),
}

impl Response {
    pub fn new(status: u16, body: Body) -> Self {
        let fields = String::new();
        Self {
            status,
            fields,
            body,
        }
    }

    /// A status, with a few words for the person who meets it.
    pub fn plain(status: u16) -> Self {
        let text = format!("{status} {}\n", words(status));
        Self::new(status, Body::Text(text)).with("Content-Type", "text/plain; charset=utf-8")
    }

    /// Adds a header field. No line ends in its value.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    /// How long the body is, in bytes.
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::Text(text) => text.len() as u64,
            Body::Document(_, part) => part.end - part.start,
        }
    }

    /// Sends it. The answer to HEAD is that to GET without its body (RFC 9110, section 9.3.2).
    pub fn send(self, mut stream: &TcpStream, is_head: bool, goes_on: bool) -> io::Result<()> {
        let (status, length, fields) = (self.status, self.length(), self.fields);
        let (reason, _) = words(status)
            .split_once(": ")
            .unwrap_or((words(status), ""));
        let date = HttpDate::from(SystemTime::now());
        let connection = if goes_on { "keep-alive" } else { "close" };
        let mut message = format!("HTTP/1.1 {status} {reason}\r\nDate: {date}\r\n{fields}");
        // This one never has a body, and so says nothing of its length.
        if status != 304 {
            message += &format!("Content-Length: {length}\r\n");
        }
        message += &format!("Connection: {connection}\r\n\r\n");
        match self.body {
            Body::Document(file, part) if !is_head => send_document(message, file, part, stream),
            Body::Text(text) if !is_head => stream.write_all((message + &text).as_bytes()),
            _ => stream.write_all(message.as_bytes()),
        }
    }
}

fn send_document(
    head: String,
    mut file: File,
    mut part: Range<u64>,
    mut stream: &TcpStream,
) -> io::Result<()> {
    let (end_of_head, mut message) = (head.len(), head.into_bytes());
    file.seek(SeekFrom::Start(part.start))?;
    let first = PIECE.min(part.end - part.start);
    message.resize(end_of_head + first as usize, 0);
    // It may have become shorter since. The client must not take for the missing bytes what comes after them, so an
    // error here is the end of the connection.
    file.read_exact(&mut message[end_of_head..])?;
    stream.write_all(&message)?;
    part.start += first;
    while let Some(piece) = NonZeroUsize::new((part.end - part.start).min(PIECE) as usize) {
        // Here the kernel moves the bytes from the file to the socket by itself.
        #[cfg(target_os = "linux")]
        let sent = SockRef::from(stream).sendfile(&file, part.start as usize, Some(piece));
        #[cfg(not(target_os = "linux"))]
        let sent = io::copy(&mut (&file).take(piece.get() as u64), &mut stream)
            .map(|count| count as usize);
        match sent {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => part.start += count as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A status in words: its name, and what a person should know who meets it.
fn words(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently: the name of a directory ends in a slash",
        304 => "Not Modified",
        400 => "Bad Request: this is no request of HTTP/1.1 or HTTP/1.0",
        404 => "Not Found: there is no such document",
        405 => "Method Not Allowed: documents are here to be read, with GET or HEAD",
        408 => "Request Timeout: the rest of the request did not come in time",
        413 => "Content Too Large: the body of the request is too large",
        414 => "URI Too Long: no document has a name so long",
        416 => "Range Not Satisfiable: the document does not have these bytes",
        431 => "Request Header Fields Too Large: the head of the request is too large",
        501 => "Not Implemented: this server does not know what that means",
        505 => "HTTP Version Not Supported: this server speaks HTTP/1.1 and HTTP/1.0",
        _ => "Internal Server Error: the document cannot be read now",
    }
}
