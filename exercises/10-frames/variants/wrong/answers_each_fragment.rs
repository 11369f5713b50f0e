//! Sends each fragment back when it comes.
//!
//! Caught by:
//! - a-text-that-is-no-utf-8-ends-the-conversation-with-1007
//! - fragments-make-one-message
//! - what-the-protocol-forbids-ends-the-conversation-with-1002

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

/// A client that says nothing for so long, or takes nothing, is left: the read or the write fails, on Linux with
/// "Resource temporarily unavailable".
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of a handshake, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;
/// The longest message, in bytes, in however many fragments.
const LONGEST_MESSAGE: usize = 128 * 1024;

// What a frame is (RFC 6455, section 5.2). From 8 on it is one of control, which belongs to no message.
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

// Why a conversation ends (RFC 6455, section 7.4.1).
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF_8: u16 = 1007;
const TOO_BIG: u16 = 1009;

fn main() -> Result<()> {
    let address = address()?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", listener.local_addr()?);
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
        _ => bail!("usage: frames --bind ADDRESS"),
    }
}

/// One client, in a thread of its own.
fn look_after(mut stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = shake_hands(&mut stream).and_then(|()| serve(&mut stream)) {
        eprintln!("error: client {peer}: {error:#}");
    }
    let _ = hang_up(&mut stream); // who has gone already needs no goodbye
}

/// The handshake: a request of HTTP with a key, and an answer that can only come from somebody who has understood it
/// (RFC 6455, section 4.2). The step `websocket` checks more of it.
fn shake_hands(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?; // frames are small, and none has to wait until the one before is acknowledged
    let (mut head, mut byte) = (Vec::new(), [0]);
    // One byte at a time, for what follows the head is a frame already.
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(
            head.len() < LONGEST_HEAD,
            "the head of its handshake is too long"
        );
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let key = fields.find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let Some((_, key)) = key else {
        let refusal =
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n";
        write!(
            stream,
            "{refusal}Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"
        )?;
        bail!("it speaks no WebSocket: there is no key in its head");
    };
    let answer = Sha1::digest(format!(
        "{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
        key.trim()
    ));
    let answer = BASE64_STANDARD.encode(answer);
    let agreed =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    stream.write_all(format!("{agreed}Sec-WebSocket-Accept: {answer}\r\n\r\n").as_bytes())?;
    Ok(())
}

/// Ends a connection so that the last frame arrives: a close while bytes are unread is a reset, and that may overtake
/// what was sent before. So one direction ends first, and the other is read for a while (RFC 6455, section 7.1.1).
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

/// Why a conversation ends before the client has closed it.
enum End {
    /// For something that the client has done: it is told this code.
    Because(u16),
    /// The connection is no more.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// The conversation with one client, from the handshake to its end. When this returns, the connection ends.
fn serve(stream: &mut TcpStream) -> Result<()> {
    match converse(stream) {
        Ok(code) => write_frame(stream, CLOSE, &code)?,
        Err(End::Because(code)) => write_frame(stream, CLOSE, &code.to_be_bytes())?,
        Err(End::Broken(error)) => return Err(error).context("no close came from it"),
    }
    Ok(())
}

/// Sends every message back until the client closes. Returns the code that it does so with, if any.
fn converse(stream: &mut TcpStream) -> Result<Vec<u8>, End> {
    // The message that is not whole yet: what it is.
    let mut kind = None;
    loop {
        let frame = read_frame(stream, LONGEST_MESSAGE)?;
        match (frame.opcode, kind) {
            // Frames of control may come between the fragments of a message, and leave it as it is.
            (PING, _) => write_frame(stream, PONG, &frame.payload)?,
            (PONG, _) => {} // nobody has asked, and that is allowed: a sign of life
            (CLOSE, _) => return goodbye(frame.payload),
            // There is nothing to continue, or something that has to be finished first.
            (CONTINUATION, None) | (TEXT | BINARY, Some(_)) => {
                return Err(End::Because(PROTOCOL_ERROR));
            }
            (opcode, _) => {
                if opcode == TEXT && frame.is_last && str::from_utf8(&frame.payload).is_err() {
                    return Err(End::Because(NOT_UTF_8));
                }
                write_frame(stream, opcode, &frame.payload)?;
                kind = (!frame.is_last).then_some(opcode);
            }
        }
    }
}

/// What to answer to a close: the code of its payload, if it has one (RFC 6455, section 5.5.1).
fn goodbye(mut payload: Vec<u8>) -> Result<Vec<u8>, End> {
    if payload.is_empty() {
        return Ok(payload);
    }
    let reason = payload.split_off(payload.len().min(2));
    let code = <[u8; 2]>::try_from(&payload[..]).map_or(0, u16::from_be_bytes);
    // The others are kept for later, or mean that no close has come: that cannot be said in one (section 7.4).
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(End::Because(PROTOCOL_ERROR));
    }
    if str::from_utf8(&reason).is_err() {
        return Err(End::Because(NOT_UTF_8));
    }
    Ok(payload)
}

struct Frame {
    /// Whether its message ends with it.
    is_last: bool,
    opcode: u8,
    /// Without its mask.
    payload: Vec<u8>,
}

/// Reads one frame, of a message that may have so many more bytes.
fn read_frame(stream: &mut TcpStream, room: usize) -> Result<Frame, End> {
    // read_exact reads until so many bytes are there, in however many pieces they arrive; and no more.
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let (is_last, reserved, opcode) = (head[0] & 0x80 != 0, head[0] & 0x70, head[0] & 0x0F);
    let (is_masked, short) = (head[1] & 0x80 != 0, head[1] & 0x7F);
    let is_known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
    let is_control = opcode >= CLOSE;
    // Frames of control are whole and short, so that they can come between the fragments of a message at any time.
    let is_right = is_known && is_masked && reserved == 0;
    if !is_right || (is_control && (!is_last || short > 125)) {
        return Err(End::Because(PROTOCOL_ERROR));
    }
    let length = read_length(stream, short)?;
    // Before any memory is set aside for it: a length is a promise that costs the client nothing.
    if !is_control && length > room as u64 {
        return Err(End::Because(TOO_BIG));
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Frame {
        is_last,
        opcode,
        payload,
    })
}

/// Numbers are sent with their highest byte first, the order of the network.
fn read_length(stream: &mut TcpStream, short: u8) -> io::Result<u64> {
    match short {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            Ok(u16::from_be_bytes(length).into())
        }
        127 => {
            let mut length = [0; 8];
            stream.read_exact(&mut length)?;
            Ok(u64::from_be_bytes(length))
        }
        _ => Ok(short.into()),
    }
}

/// Writes a whole message, or a frame of control, in one frame. What a server sends has no mask.
fn write_frame(stream: &mut TcpStream, opcode: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65_536 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    stream.write_all(&frame)
}
