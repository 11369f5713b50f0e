//! Ends the lines of its heads with a newline alone.
//!
//! Caught by:
//! - the-front-page-comes-a-head-and-then-its-bytes

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The site: paths, media types and bodies. The checks know it by heart: leave it as it is.
const DOCUMENTS: [(&str, &str, &[u8]); 4] = [
    (
        "/",
        "text/html; charset=utf-8",
        b"<!doctype html>\n<title>Pages</title>\n\
            <p><img src=\"/dot.gif\" alt=\"\" width=\"12\"> Read <a href=\"/menu.txt\">the menu</a>.\n",
    ),
    (
        "/menu.txt",
        "text/plain; charset=utf-8",
        "café 2,40 €\nthé 2,10 €\n".as_bytes(),
    ),
    (
        "/dot.gif",
        "image/gif",
        b"GIF89a\x01\0\x01\0\x80\0\0\xd0\x40\x20\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
    ),
    ("/empty.txt", "text/plain; charset=utf-8", b""),
];

/// A client that says nothing for so long, or takes nothing, is left: the read or the write fails, on Linux with
/// "Resource temporarily unavailable".
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head, its empty line counted, and the longest body that is read to be thrown away, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;
const LONGEST_BODY: usize = 64 * 1024;

const BAD: &str = "400 Bad Request";
const TEXT: &str = "text/plain; charset=utf-8";
const ALLOW: &str = "Allow: GET, HEAD\r\n";
const GOODBYE: &str = "Connection: close\r\n";

fn main() -> Result<()> {
    let address = address()?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
    println!("serving {} documents", DOCUMENTS.len());
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                if let Err(error) = thread::Builder::new().spawn(move || look_after(stream, peer)) {
                    eprintln!("error: client {peer}: no thread for it: {error}");
                }
            }
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: pages --bind ADDRESS"),
    }
}

/// One client, in a thread of its own.
fn look_after(mut stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = serve(&mut stream) {
        eprintln!("error: client {peer}: {error:#}");
    }
    let _ = hang_up(&mut stream); // who has gone already needs no goodbye
}

/// Ends a connection so that the last answer arrives: a close while bytes are unread is a reset, and that may
/// overtake the answer. So one direction ends first, and the other is read for a while (RFC 9112, section 9.6).
fn hang_up(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.shutdown(Shutdown::Write)?;
    let mut rest = [0; 4096];
    for _ in 0..64 {
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// What the head of a request says, as far as it matters here.
struct Request {
    method: String,
    path: String,
    /// How many bytes of a body follow the head, if it says so.
    body: Option<usize>,
    /// Whether the connection ends after the answer.
    is_last: bool,
}

/// The conversation with one client. When this returns, the connection ends.
fn serve(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?; // what is written leaves at once, also if what was written before is on its way
    // What has arrived and is not used yet: a part of a head, or more than one.
    let mut waiting = Vec::new();
    while let Some(head) = read_head(stream, &mut waiting)? {
        let request = match parse(&head) {
            Ok(request) => request,
            // Where the next request begins is no longer certain, so there is none.
            Err(status) => {
                stream.write_all(&refuse(status))?;
                break;
            }
        };
        discard(request.body.unwrap_or_default(), stream, &mut waiting)?;
        stream.write_all(&respond(&request))?;
        if request.is_last {
            break;
        }
    }
    Ok(())
}

/// Takes the next head out of what waits, and reads until it is whole; or no further than the longest one, which
/// `parse` then refuses. Returns nothing if the client has finished.
fn read_head(stream: &mut TcpStream, waiting: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut piece = [0; 1024];
    loop {
        let end = waiting.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let length = end.map_or(waiting.len(), |end| end + 4);
        if end.is_some() || length > LONGEST_HEAD {
            return Ok(Some(waiting.drain(..length).collect()));
        }
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        waiting.extend_from_slice(&piece[..count]);
    }
}

/// Understands a head, or says with which status it is refused.
fn parse(head: &[u8]) -> Result<Request, &'static str> {
    if head.len() > LONGEST_HEAD {
        return Err("431 Request Header Fields Too Large");
    }
    // The values of fields may hold any byte from 128 on (RFC 9110, section 5.5). What matters here is ASCII.
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, version] = words[..] else {
        return Err(BAD);
    };
    if !["HTTP/1.1", "HTTP/1.0"].contains(&version) {
        return Err("505 HTTP Version Not Supported");
    }
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        body: None,
        is_last: version == "HTTP/1.0",
    };
    let mut hosts = 0;
    for line in lines {
        let (name, value) = field(line).ok_or(BAD)?;
        hosts += usize::from(name == "host");
        request.heed(&name, value)?;
    }
    // Two hosts are never right, none is only right before HTTP/1.1 (RFC 9112, section 3.2).
    match (hosts, version) {
        (1, _) | (0, "HTTP/1.0") => Ok(request),
        _ => Err(BAD),
    }
}

/// The name of a field, in small letters, and its value; nothing if the line has no such form.
fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    // Some servers take a space here for a part of the name, others do not. Two that disagree on what a head says
    // can be played off against each other (RFC 9112, section 5.1).
    let is_name = !name.is_empty() && !name.contains([' ', '\t']);
    is_name.then(|| (name.to_ascii_lowercase(), value.trim()))
}

impl Request {
    /// Takes in what a field says, if it matters here.
    fn heed(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "connection" => {
                let mut options = value.split(',').map(str::trim);
                self.is_last |= options.any(|option| option.eq_ignore_ascii_case("close"));
            }
            // Two lengths are two opinions on where the next request begins.
            "content-length" if self.body.is_some() => return Err(BAD),
            "content-length" => {
                let length = length(value).ok_or(BAD)?;
                if length > LONGEST_BODY {
                    return Err("413 Content Too Large");
                }
                self.body = Some(length);
            }
            "transfer-encoding" => return Err("501 Not Implemented"),
            _ => {}
        }
        Ok(())
    }
}

/// Digits, and nothing else: `parse` alone would take a sign as well.
fn length(value: &str) -> Option<usize> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits)
}

/// Reads a body that nobody asked for, and keeps nothing of it. Some of it may have arrived with the head.
fn discard(length: usize, stream: &mut TcpStream, waiting: &mut Vec<u8>) -> io::Result<()> {
    let here = waiting.len().min(length);
    waiting.drain(..here);
    let mut rest = stream.take((length - here) as u64);
    io::copy(&mut rest, &mut io::sink())?;
    Ok(())
}

/// The answer to a request that makes sense.
fn respond(request: &Request) -> Vec<u8> {
    let document = DOCUMENTS.iter().find(|(path, ..)| *path == request.path);
    let (status, allow, media_type, body) = match (request.method.as_str(), document) {
        ("GET" | "HEAD", Some((_, media_type, body))) => ("200 OK", "", *media_type, *body),
        ("GET" | "HEAD", None) => ("404 Not Found", "", TEXT, &b"There is no such page.\n"[..]),
        _ => (
            "405 Method Not Allowed",
            ALLOW,
            TEXT,
            &b"Pages are only read here.\n"[..],
        ),
    };
    let goodbye = if request.is_last { GOODBYE } else { "" };
    let mut answer = head(status, &[allow, goodbye], media_type, body.len()).into_bytes();
    // The answer to HEAD is that to GET without its body: the length is that of the body which is not sent.
    if request.method != "HEAD" {
        answer.extend_from_slice(body);
    }
    // In one write: head and body leave in one piece.
    answer
}

/// The answer to a request that makes none.
fn refuse(status: &str) -> Vec<u8> {
    let body = format!("{status}\n");
    let head = head(status, &[GOODBYE], TEXT, body.len());
    (head + &body).into_bytes()
}

fn head(status: &str, more: &[&str], media_type: &str, length: usize) -> String {
    let more = more.concat();
    format!("HTTP/1.1 {status}\n{more}Content-Type: {media_type}\nContent-Length: {length}\n\n")
}
