//! What goes over the wire, as a client makes it and as it must come back.

use harness::{Check, Client, Server};

/// The first byte of a frame: its opcode, and that it is the last of its message.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
/// The mask of the examples in RFC 6455, section 5.7.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The key, and the answer to it, are those of section 1.3.
pub const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
pub const WELCOME: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// A handshake, line by line.
pub const HEAD: [&str; 6] = [
    "GET / HTTP/1.1",
    "Host: 127.0.0.1:9000",
    "Upgrade: websocket",
    "Connection: Upgrade",
    KEY,
    "Sec-WebSocket-Version: 13",
];

/// A request with these lines in its head.
pub fn request(lines: &[&str]) -> String {
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// The request of a client that asks for a conversation at `path`.
pub fn handshake(path: &str) -> String {
    let first = format!("GET {path} HTTP/1.1");
    request(&[&[first.as_str()], &HEAD[1..]].concat())
}

/// A client at `path`, after its handshake.
#[track_caller]
pub fn talk(server: &Server, path: &str) -> Client {
    talk_as(server, "client", path)
}

#[track_caller]
pub fn talk_as(server: &Server, name: &str, path: &str) -> Client {
    let client = server.connect_as(name).send(handshake(path));
    client.expect(WELCOME)
}

/// A frame's head: the first byte, and the length with this bit on top.
pub fn head(first: u8, bit: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(bit | length as u8),
        126..=65_535 => {
            head.push(bit | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(bit | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// A frame of a client's.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    masked(first, payload, MASK)
}

pub fn masked(first: u8, payload: impl AsRef<[u8]>, mask: [u8; 4]) -> Vec<u8> {
    let payload = payload.as_ref();
    let masked = payload.iter().zip(mask.iter().cycle());
    let masked = masked.map(|(byte, mask)| byte ^ mask);
    let mut frame = head(first, 0x80, payload.len());
    frame.extend(mask);
    frame.extend(masked);
    frame
}

/// A frame of the server's.
pub fn from_server(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&head(first, 0, payload.len()), payload].concat()
}

/// The payload of a close frame.
pub fn reason(code: u16, words: &str) -> Vec<u8> {
    [&code.to_be_bytes(), words.as_bytes()].concat()
}

#[track_caller]
pub fn is_echoed(client: Client, text: &str) -> Client {
    let client = client.send(frame(TEXT, text));
    client.expect(from_server(TEXT, text))
}

/// Expects a close frame with this code and these words, and then the end.
#[track_caller]
pub fn is_closed(client: Client, code: u16, words: &str) {
    let client = client.expect(from_server(CLOSE, reason(code, words)));
    client.expect_end();
}

/// Says goodbye as one should, and is answered.
#[track_caller]
pub fn closes_well(client: Client) {
    is_closed(client.send(frame(CLOSE, reason(1000, ""))), 1000, "");
}

/// A polite client is served as if nothing had happened.
#[track_caller]
pub fn serves_the_next(server: &Server) {
    let next = talk_as(server, "next", "/");
    closes_well(is_echoed(next, "still there?"));
}

/// A check that these bytes end the conversation, with this code and these words.
pub fn violation(title: &str, bytes: Vec<u8>, code: u16, words: &'static str) -> Check {
    let rule = "Who breaks the rules is told which with a close frame, and is not heard any further \
                (RFC 6455, section 7.1.7).";
    Check::new(title, move |server| {
        // What follows is not heard any more: nothing comes back for it.
        let bytes = [&bytes[..], &frame(TEXT, "and more")].concat();
        is_closed(talk_as(server, "rude", "/").send(bytes), code, words);
        serves_the_next(server);
    })
    .teaches(rule)
}
