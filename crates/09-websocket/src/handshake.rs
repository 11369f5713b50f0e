//! The handshake: a request in HTTP to speak something else than HTTP, and the answer (RFC 6455, section 4.2).

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::str;
use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine};
use httparse::{EMPTY_HEADER, Error, Request, Status};
use sha1::{Digest, Sha1};

use crate::page::{Answer, PAGE};
use crate::stream::read_before;

/// Where one can talk.
const PATHS: [&str; 3] = ["/", "/clock", "/chat"];
/// No head is longer, in bytes. A browser's has about 500, and cookies on top.
const LONGEST_HEAD: usize = 8 << 10;

/// What a client and this server have agreed on.
pub struct Handshake {
    pub path: &'static str,
    /// The client's key, base64 of 16 random bytes.
    key: String,
    /// What came behind the request: the first frames of a client in a hurry.
    pub rest: Vec<u8>,
}

impl Handshake {
    /// Reads a request. If it asks for anything but a conversation, or may not have one, the answer is HTTP.
    pub fn receive(
        stream: &TcpStream,
        deadline: Instant,
        allowed: &[String],
    ) -> Result<Self, Answer> {
        let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match read_before(deadline, stream, &mut buffer) {
                Ok(count) if count > 0 => head.extend(&buffer[..count]),
                _ if head.is_empty() => return Err(Answer::NONE), // it has asked for nothing
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(Answer("408 Request Timeout", "the request took too long\n"));
                }
                _ => return Err(Answer("400 Bad Request", "the request has no end\n")),
            }
            if let Some(handshake) = Self::parse(&head, allowed)? {
                return Ok(handshake);
            }
        }
    }

    /// Nothing as long as some of the head is missing.
    fn parse(head: &[u8], allowed: &[String]) -> Result<Option<Self>, Answer> {
        let mut fields = [EMPTY_HEADER; 64];
        let mut request = Request::new(&mut fields);
        let status = match request.parse(head) {
            Ok(Status::Complete(length)) => {
                let (path, key) = judge(&request, allowed)?;
                let rest = head[length..].to_vec();
                return Ok(Some(Self { path, key, rest }));
            }
            Ok(Status::Partial) if head.len() < LONGEST_HEAD => return Ok(None),
            Ok(Status::Partial) if request.path.is_none() => "414 URI Too Long",
            Ok(Status::Partial) | Err(Error::TooManyHeaders) => {
                "431 Request Header Fields Too Large"
            }
            Err(_) => "400 Bad Request",
        };
        Err(Answer(status, "this is too long, or not HTTP/1.1\n"))
    }

    /// The hash proves that this server knows what it was asked for. One that only knows HTTP could not make it.
    pub fn answer(&self) -> String {
        let proof = Sha1::digest(format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", self.key));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            BASE64_STANDARD.encode(proof)
        )
    }
}

/// The path and the key of a client that may talk. Its request is judged as HTTP first, then by section 4.2.1.
fn judge(request: &Request, allowed: &[String]) -> Result<(&'static str, String), Answer> {
    let asked = request.path.and_then(|target| target.split('?').next());
    // A client may name the whole address (RFC 9112, section 3.2.2).
    let asked = asked.map(|target| match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    });
    let path = PATHS.into_iter().find(|path| asked == Some(path));
    let is_1_1 = request.version == Some(1); // in HTTP/1.0 there is no Upgrade (RFC 9110, section 7.8)
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:[]".contains(c);
    let host = only(request, "Host").filter(|host| host.chars().all(is_part));
    let upgrades = is_1_1 && lists(request, "Upgrade", "websocket");
    let version = only(request, "Sec-WebSocket-Version");
    let key = only(request, "Sec-WebSocket-Key").unwrap_or_default();
    let is_key = BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    let has = |name| values(request, name).next().is_some();
    let has_body = has("Content-Length") || has("Transfer-Encoding");
    let is_welcome = !has("Origin") || is_allowed(only(request, "Origin"), host, allowed);
    #[rustfmt::skip]
    let answers = [
        (request.method == Some("HEAD"), "405 Method Not Allowed", ""), // its answer has no document
        (path.is_none(), "404 Not Found", "here are /, /clock and /chat\n"),
        (request.method != Some("GET"), "405 Method Not Allowed", "only GET is answered\n"),
        (is_1_1 && host.is_none(), "400 Bad Request", "a request names its host, once\n"),
        (!upgrades && path == Some("/"), "200 OK", PAGE),
        (!upgrades, "426 Upgrade Required", "here one speaks WebSocket\n"),
        (!lists(request, "Connection", "upgrade"), "400 Bad Request", "Connection does not say upgrade\n"),
        (version != Some("13"), "426 Upgrade Required", "this server speaks version 13\n"),
        (!is_key, "400 Bad Request", "Sec-WebSocket-Key is not base64 of 16 bytes\n"),
        (has_body, "400 Bad Request", "a body, where frames are to come\n"),
        (!is_welcome, "403 Forbidden", "a page from elsewhere: see --allow-origin\n"),
    ];
    match answers.into_iter().find(|(is_so, ..)| *is_so) {
        Some((_, status, document)) => Err(Answer(status, document)),
        None => Ok((path.unwrap_or_default(), key.to_owned())),
    }
}

/// A browser says where the page is from that wants to talk, for anybody's page can make it try (section 10.2). Ours
/// may, if it was asked for by address. By name it may not: whoever owns a name can let it lead to this machine, and
/// then his page and ours have the same origin (DNS rebinding). A server with a name is told so: --allow-origin.
fn is_allowed(origin: Option<&str>, host: Option<&str>, allowed: &[String]) -> bool {
    let (origin, host) = (origin.unwrap_or_default(), host.unwrap_or_default());
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = host.rsplit_once(':').filter(|(_, port)| is_port(port));
    let name = parts.map_or(host, |(name, _)| name);
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_ours = origin.strip_prefix("http://") == Some(host);
    is_ours && (is_address || name == "localhost") || allowed.iter().any(|one| one == origin)
}

/// What a field says that must be there once.
fn only<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    let mut values = values(request, name);
    values.next().filter(|_| values.next().is_none())
}

/// Whether this word is in a field that holds a list, in one line or in several.
fn lists(request: &Request, name: &'static str, word: &str) -> bool {
    let mut words = values(request, name).flat_map(|value| value.split(','));
    words.any(|other| other.trim().eq_ignore_ascii_case(word))
}

fn values<'a>(request: &'a Request, name: &'static str) -> impl Iterator<Item = &'a str> {
    let fields = request.headers.iter();
    let fields = fields.filter(move |field| field.name.eq_ignore_ascii_case(name));
    fields.map(|field| str::from_utf8(field.value).unwrap_or_default())
}
