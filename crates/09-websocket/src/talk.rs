//! The conversation with one client after the handshake. One thread hears what it says, another writes to it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::chat::Room;
use crate::clock;
use crate::frame::{CLOSE, PING, PONG, TEXT, Violation, close, frame};
use crate::member::Member;
use crate::message::{Message, Messages};
use crate::stream::read_before;

/// So many characters of a message are printed.
const SHOWN: usize = 60;

/// Talks until one of both ends it. Returns the code of the end (RFC 6455, section 7.1.5).
pub fn talk(
    member: &Arc<Member>,
    room: &Room,
    messages: Messages,
    patience: Duration,
) -> Result<u16> {
    thread::scope(|scope| {
        let _seat = room.enter(member);
        Builder::new().spawn_scoped(scope, || member.write())?;
        if member.path == "/clock" {
            Builder::new().spawn_scoped(scope, || clock::push(member))?;
        }
        listen(member, room, messages, patience)
    })
}

fn listen(member: &Member, room: &Room, mut messages: Messages, patience: Duration) -> Result<u16> {
    let mut buffer = vec![0; 16 << 10];
    let (mut deadline, mut was_asked) = (Instant::now() + patience, false);
    loop {
        match messages.next() {
            Ok(Some((CLOSE, payload))) => {
                let code = payload.first_chunk();
                member.finish(&frame(CLOSE, code.map_or(&[], |code: &[u8; 2]| code)));
                return Ok(code.map_or(1005, |code| u16::from_be_bytes(*code)));
            }
            Ok(Some(message)) => {
                answer(member, room, message);
                (deadline, was_asked) = (Instant::now() + patience, false);
            }
            // Who breaks the rules is told which, and not heard any further (section 7.1.7).
            Err(Violation(code, why)) => {
                member.finish(&close(code, why));
                bail!("{code}, {why}");
            }
            Ok(None) => match read_before(deadline, &member.stream, &mut buffer) {
                Ok(count) if count > 0 => messages.push(&buffer[..count]),
                // Nothing whole has come for a while. Is it still there? It has as long again to say so.
                Err(error) if error.kind() == ErrorKind::TimedOut && !was_asked => {
                    member.offer(&frame(PING, &[]));
                    (deadline, was_asked) = (Instant::now() + patience, true);
                }
                ended => {
                    if ended.is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
                        member.cut("no answer to a ping");
                    }
                    return Ok(1006); // without a close frame
                }
            },
        }
    }
}

fn answer(member: &Member, room: &Room, (opcode, payload): Message) {
    // Who does not read its answers is not read from either: back-pressure, and nobody else feels it.
    member.wait_for_room();
    if opcode == PING {
        member.offer(&frame(PONG, &payload));
    }
    if opcode >= CLOSE {
        return;
    }
    let kind = if opcode == TEXT { "text" } else { "binary" };
    let text: String = String::from_utf8_lossy(&payload)
        .chars()
        .take(SHOWN)
        .collect();
    println!(
        "received {} bytes of {kind} from {}: {text:?}",
        payload.len(),
        member.peer
    );
    let frame = frame(opcode, &payload);
    match member.path {
        "/chat" => room.say(&frame),
        "/clock" => {} // it speaks, and does not listen
        _ => drop(member.offer(&frame)),
    }
}
