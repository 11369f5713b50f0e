//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Excerpt, Failure, Server, Suite, splits};

/// What other checks stand on.
const TEXT_COMES: &str = "a text comes back without a mask, and so does the next";
const PIECES: &str = "a frame that arrives in pieces is one frame";
const FRAGMENTS: &str = "fragments make one message";
const CLOSES: &str = "a close is answered with its code, and the connection ends";

fn main() -> ExitCode {
    Suite::new("frames", env!("CARGO_BIN_EXE_frames"))
        .replayed_by("just replay frames {check} --seed {seed}")
        .page("docs/src/steps/websocket.md", "A frame")
        .check(
            Check::new(TEXT_COMES, texts)
                .points(2)
                .teaches("A frame is two bytes that say what it is and how long, then its mask, then its payload. Each byte of the payload is combined (XOR) with one of the four of the mask, in turn (RFC 6455, section 5.3). What a server sends has no mask: \"hi\" as a text is \"\\x81\\x02hi\"."),
        )
        .check(
            Check::new(PIECES, in_pieces)
                .points(2)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .teaches("A read returns what has arrived by then, be it half a head. The frame says how much belongs to it: read on until that much is there. The mask goes on over the pieces; its first byte belongs to the first byte of the payload."),
        )
        .check(
            Check::new("several frames in one piece are answered one by one", in_one_piece)
                .needs(PIECES)
                .points(1)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .teaches("TCP joins what is sent as it likes. Read as many bytes as the frame says it has, and no more; or keep what is left over, for it is the next frame."),
        )
        .check(
            Check::new("what comes as binary goes back as binary", binary)
                .needs(PIECES)
                .points(1)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .teaches("A message is text, opcode 1, or binary, opcode 2 (RFC 6455, section 5.6), and to a client in a browser these are two types. Bytes of a binary message may have any value."),
        )
        .check(
            Check::new("messages of 125 bytes, of 126 and of 65,536 say how long they are", lengths)
                .needs(PIECES)
                .points(2)
                .teaches("Up to 125 a length fits into seven bits. 126 there means that two more bytes say it, 127 that eight do, the highest first; and the shortest way that fits is taken (RFC 6455, section 5.2). That holds in both directions."),
        )
        .check(
            Check::new("a ping is answered with a pong of the same payload", ping)
                .needs(PIECES)
                .points(2)
                .teaches("A ping asks whether the other side is still there. The answer is a pong with the same bytes, which may be none (RFC 6455, sections 5.5.2 and 5.5.3). A pong that nobody asked for is allowed, and gets no answer."),
        )
        .check(
            Check::new(FRAGMENTS, fragments)
                .needs(PIECES)
                .page("docs/src/steps/websocket.md", "A message")
                .points(2)
                .teaches("A message may come in several frames: the first has the opcode, the others have 0, and the last alone has its highest bit set (RFC 6455, section 5.4). Each has a mask of its own. The message is there when its last fragment is."),
        )
        .check(
            Check::new("a ping between two fragments is answered at once", ping_between)
                .needs(FRAGMENTS)
                .page("docs/src/steps/websocket.md", "A message")
                .points(2)
                .teaches("Frames of control may come between the fragments of a message (RFC 6455, section 5.4), so that a long one does not hold them up. Answer at once, and keep what has come of the message."),
        )
        .check(
            Check::new(CLOSES, close)
                .needs(PIECES)
                .page("docs/src/steps/websocket.md", "How it ends")
                .points(2)
                .teaches("Who gets a close answers with one, usually with the same code, and sends nothing after it; then the server ends the connection (RFC 6455, sections 5.5.1 and 7.1.1). So each side knows that the other has heard everything."),
        )
        .check(
            Check::new("what the protocol forbids ends the conversation with 1002", forbidden)
                .needs(CLOSES)
                .page("docs/src/steps/websocket.md", "How it ends")
                .points(2)
                .teaches("A client masks all its frames (RFC 6455, section 5.1), the reserved bits are 0, unknown opcodes are unknown (5.2), control is whole and short (5.5), fragments have a beginning and an end (5.4), and some codes are never sent (7.4.1). Who lets it pass no longer knows what the other side means. A close with 1002 is \"\\x88\\x02\\x03\\xea\"."),
        )
        .check(
            Check::new("a text that is no UTF-8 ends the conversation with 1007", no_text)
                .needs(CLOSES)
                .points(1)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .teaches("A text is UTF-8 (RFC 6455, section 8.1), as a whole: a fragment may end inside a character, a message may not. A close with 1007 is \"\\x88\\x02\\x03\\xef\"."),
        )
        .check(
            Check::new("a message of more than 131,072 bytes ends the conversation with 1009", too_long)
                .needs("a ping between two fragments is answered at once")
                .page("docs/src/steps/websocket.md", "How long")
                .points(1)
                .teaches("A length is a promise that costs a client nothing: eight bytes can say nine billion gigabytes. Look at it before you set memory aside, and count the fragments of a message together. A close with 1009 is \"\\x88\\x02\\x03\\xf1\"."),
        )
        .run()
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The bit that says that a message ends with this frame.
const LAST: u8 = 0x80;
/// The bit that says that there is a mask.
const MASKED: u8 = 0x80;

/// The first bytes of a frame: its first, and its length in the shortest way, with this bit beside it.
fn head(first: u8, length: usize, masked: u8) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(masked | length as u8),
        126..65_536 => {
            head.push(masked | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// What a client sends: with a mask of its own, none of whose bytes is 0.
fn frame(random: &mut fastrand::Rng, first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask: [u8; 4] = std::array::from_fn(|_| random.u8(1..));
    let masked = payload.iter().zip(mask.iter().cycle());
    let mut frame = head(first, payload.len(), MASKED);
    frame.extend(mask);
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a server sends: in one frame, without a mask.
fn answer(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&head(LAST | opcode, payload.len(), 0), payload].concat()
}

/// Letters that nobody can know beforehand.
fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    std::iter::repeat_with(|| random.lowercase())
        .take(length)
        .collect()
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    letters(random, length)
}

/// The key and the answer to it that stand in RFC 6455, section 1.3.
const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: frames.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A client that has its handshake behind it.
#[track_caller]
fn open(server: &Server) -> Client {
    open_as(server, "client")
}

#[track_caller]
fn open_as(server: &Server, name: &str) -> Client {
    let client = server.connect_as(name).send(HANDSHAKE);
    let (client, head) = client.read_until(b"\r\n\r\n");
    let text = String::from_utf8_lossy(&head);
    if !text.starts_with("HTTP/1.1 101 ") || !text.contains(ACCEPTED) {
        let got = Excerpt::of(&head).to_string();
        Failure::new("the handshake that the starter has", got).raise();
    }
    client
}

/// Says goodbye with a code that nobody can know, and sees the end.
#[track_caller]
fn goodbye(client: Client, random: &mut fastrand::Rng) {
    let code = random.u16(3000..5000).to_be_bytes();
    let client = client.send(frame(random, LAST | CLOSE, code));
    client.expect(answer(CLOSE, code)).expect_end();
}

/// A close that the server has come to by itself, and the end.
#[track_caller]
fn expect_closed(client: Client, code: u16) {
    client
        .expect(answer(CLOSE, code.to_be_bytes()))
        .expect_end();
}

fn texts(server: &Server) {
    let random = &mut server.random();
    let mut client = open(server);
    for text in [word(random), format!("caf\u{e9} {}", word(random))] {
        client = client.send(frame(random, LAST | TEXT, &text));
        client = client.expect(answer(TEXT, &text));
    }
    client.hang_up();
}

fn in_pieces(server: &Server) {
    let random = &mut server.random();
    let mut client = open(server);
    let text = letters(random, 11);
    let whole = frame(random, LAST | TEXT, &text);
    let pieces: Vec<_> = splits(&whole).collect();
    for (start, rest) in pieces.into_iter().rev() {
        let sent = client.send(start).pause().send(rest);
        client = sent.expect(answer(TEXT, &text));
    }
    let text = word(random);
    let client = client.send_byte_by_byte(frame(random, LAST | TEXT, &text));
    client.expect(answer(TEXT, &text)).hang_up();
}

fn in_one_piece(server: &Server) {
    let random = &mut server.random();
    let texts = [word(random), String::new(), word(random), word(random)];
    let frames: Vec<_> = texts
        .iter()
        .map(|text| frame(random, LAST | TEXT, text))
        .collect();
    let answers: Vec<_> = texts.iter().map(|text| answer(TEXT, text)).collect();
    // The last one only half: its answer has to wait.
    let together = frames.concat();
    let (start, rest) = together.split_at(together.len() - random.usize(1..8));
    let client = open(server).send(start).expect(answers[..3].concat());
    client.send(rest).expect(&answers[3]).hang_up();
}

fn binary(server: &Server) {
    let random = &mut server.random();
    let mut bytes: Vec<u8> = (0..=255).step_by(3).collect();
    bytes.rotate_left(random.usize(1..80));
    let client = open(server).send(frame(random, LAST | BINARY, &bytes));
    let client = client.expect(answer(BINARY, &bytes));
    let text = word(random);
    let client = client.send(frame(random, LAST | TEXT, &text));
    client.expect(answer(TEXT, &text)).hang_up();
}

fn lengths(server: &Server) {
    let random = &mut server.random();
    let between = random.usize(300..60_000);
    let mut client = open(server);
    for length in [125, 126, between, 65_535, 65_536] {
        let text = letters(random, length);
        client = client.send(frame(random, LAST | TEXT, &text));
        client = client.expect(head(LAST | TEXT, length, 0)).expect(&text);
    }
    client.hang_up();
}

fn ping(server: &Server) {
    let random = &mut server.random();
    let mut client = open(server);
    for payload in [word(random), String::new(), letters(random, 125)] {
        client = client.send(frame(random, LAST | PING, &payload));
        client = client.expect(answer(PONG, &payload));
    }
    // A pong gets no answer, so the next one is that to the text.
    let (text, sign) = (word(random), word(random));
    let pong = frame(random, LAST | PONG, sign);
    let client = client.send_together(&[pong, frame(random, LAST | TEXT, &text)]);
    client.expect(answer(TEXT, &text)).hang_up();
}

fn fragments(server: &Server) {
    let random = &mut server.random();
    let mut client = open(server);
    for opcode in [TEXT, BINARY] {
        let parts = [word(random), word(random), String::new(), word(random)];
        let whole = parts.concat();
        let [first, second, third, last] = &parts;
        client = client.send(frame(random, opcode, first)).pause();
        client = client.send(frame(random, CONTINUATION, second)).pause();
        client = client.send_together(&[
            frame(random, CONTINUATION, third),
            frame(random, LAST | CONTINUATION, last),
        ]);
        client = client.expect(answer(opcode, whole));
    }
    // And the next message has nothing of it.
    let text = word(random);
    let client = client.send(frame(random, LAST | TEXT, &text));
    client.expect(answer(TEXT, &text)).hang_up();
}

fn ping_between(server: &Server) {
    let random = &mut server.random();
    let (start, end, payload) = (word(random), word(random), word(random));
    let client = open(server).send(frame(random, TEXT, &start)).pause();
    let client = client.send(frame(random, LAST | PING, &payload));
    let client = client.expect(answer(PONG, &payload));
    let client = client.send(frame(random, LAST | CONTINUATION, &end));
    client.expect(answer(TEXT, start + &end)).hang_up();
}

fn close(server: &Server) {
    let random = &mut server.random();
    for code in [1000, random.u16(3000..5000)] {
        let client = open_as(server, &format!("close {code}"));
        let code = code.to_be_bytes();
        // Nothing is answered after it.
        let text = word(random);
        let late = frame(random, LAST | TEXT, text);
        let client = client.send_together(&[frame(random, LAST | CLOSE, code), late]);
        client.expect(answer(CLOSE, code)).expect_end();
    }
    let client = open_as(server, "no code").send(frame(random, LAST | CLOSE, ""));
    client.expect(answer(CLOSE, "")).expect_end();
}

fn forbidden(server: &Server) {
    let random = &mut server.random();
    let word = word(random);
    let long = letters(random, 126);
    let without_mask = [&head(LAST | TEXT, word.len(), 0), word.as_bytes()].concat();
    let twice = [
        frame(random, TEXT, &word),
        frame(random, LAST | TEXT, &word),
    ]
    .concat();
    for (name, bytes) in [
        ("no mask", without_mask),
        ("reserved bit", frame(random, LAST | 0x40 | TEXT, &word)),
        ("opcode 3", frame(random, LAST | 0x3, &word)),
        ("opcode 11", frame(random, LAST | 0xB, &word)),
        ("long ping", frame(random, LAST | PING, &long)),
        ("ping in parts", frame(random, PING, &word)),
        ("no beginning", frame(random, LAST | CONTINUATION, &word)),
        ("no end", twice),
        ("half a code", frame(random, LAST | CLOSE, [3])),
        (
            "code 999",
            frame(random, LAST | CLOSE, 999_u16.to_be_bytes()),
        ),
        (
            "code 1005",
            frame(random, LAST | CLOSE, 1005_u16.to_be_bytes()),
        ),
        (
            "code 5000",
            frame(random, LAST | CLOSE, 5000_u16.to_be_bytes()),
        ),
    ] {
        expect_closed(open_as(server, name).send(bytes), 1002);
    }
}

fn no_text(server: &Server) {
    let random = &mut server.random();
    let word = word(random);
    // A letter of two bytes, in two fragments.
    let (start, end) = ([word.as_bytes(), b"\xc3"].concat(), b"\xa9");
    let client = open_as(server, "split");
    let client = client.send(frame(random, TEXT, &start)).pause();
    let client = client.send(frame(random, LAST | CONTINUATION, end));
    let client = client.expect(answer(TEXT, [&start[..], end].concat()));
    goodbye(client, random);
    for (name, bytes) in [
        ("half", start),
        ("Latin-1", [b"\xe9", word.as_bytes()].concat()),
    ] {
        let client = open_as(server, name).send(frame(random, LAST | TEXT, bytes));
        expect_closed(client, 1007);
    }
    let reason = [&1000_u16.to_be_bytes()[..], b"\xe9", word.as_bytes()].concat();
    let client = open_as(server, "a reason").send(frame(random, LAST | CLOSE, reason));
    expect_closed(client, 1007);
}

fn too_long(server: &Server) {
    let random = &mut server.random();
    let text = letters(random, 131_072);
    let (start, end) = text.split_at(random.usize(1..131_072));
    let client = open_as(server, "fits").send(frame(random, TEXT, start));
    let client = client.send(frame(random, CONTINUATION, end));
    // A ping belongs to no message, so there is room for it.
    let client = client.send(frame(random, LAST | PING, start.len().to_string()));
    let client = client.expect(answer(PONG, start.len().to_string()));
    let client = client.send(frame(random, LAST | CONTINUATION, ""));
    let client = client.expect(head(LAST | TEXT, text.len(), 0));
    client.expect(&text).hang_up();
    // Of these only the head comes: it says enough.
    for (name, length) in [("131,073", 131_073), ("2^63 - 1", usize::MAX >> 1)] {
        let head = head(LAST | BINARY, length, MASKED);
        expect_closed(open_as(server, name).send(head), 1009);
    }
    let client = open_as(server, "in all").send(frame(random, TEXT, start));
    let rest = head(LAST | CONTINUATION, end.len() + 1, MASKED);
    expect_closed(client.send(rest), 1009);
}
