//! Frames: a WebSocket that sends every message back. The task is in README.md, beside this folder.
//! Its gaps are in the last function, `serve`; the others are done.

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

/// The conversation with one client, from the handshake to its end. When this returns, the connection ends.
fn serve(stream: &mut TcpStream) -> Result<()> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    // Gap 1: read the rest of the frame, and take off its mask. Send its payload back in a frame of the same opcode,
    // without a mask. Then go on with the next one.
    // Gap 2: lengths that do not fit into seven bits, in both directions.
    // Gap 3: answer a ping, and pass over a pong.
    // Gap 4: a message may come in fragments, with frames of control between them.
    // Gap 5: a close is answered, and ends the conversation.
    // Gap 6: what is forbidden, no UTF-8 or too long ends the conversation as well, with a code that says why.
    bail!(
        "nobody reads the frame {:02x} {:02x} .. (gap 1 in src/main.rs)",
        head[0],
        head[1]
    )
}
