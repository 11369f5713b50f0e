//! Single frames: lengths, masks, pieces, control frames, and frames that break the rules.

use harness::{Check, Server};

use crate::wire::{
    BINARY, MASK, PING, PONG, TEXT, closes_well, frame, from_server, is_echoed, masked, talk,
    violation,
};

/// A protocol error.
const ERROR: u16 = 1002;

pub fn checks() -> Vec<Check> {
    let mut checks = lengths();
    checks.extend(good());
    checks.extend(control());
    checks.extend(bad());
    checks.extend(bad_first_bytes());
    checks
}

fn lengths() -> Vec<Check> {
    let lengths = [0, 125, 126, 127, 65_535, 65_536].map(|length: usize| {
        let title = format!("a message of {length} bytes comes back whole");
        Check::new(&title, move |server| {
            let text: String = ('a'..='z').cycle().take(length).collect();
            closes_well(is_echoed(talk(server, "/"), &text));
        })
        .teaches("A length takes 1 byte up to 125, 3 up to 65,535, and 9 beyond (RFC 6455, section 5.2).")
    });
    lengths.into()
}

fn good() -> Vec<Check> {
    vec![
        Check::new("every byte there is comes back in a binary message", |server| {
            let bytes: Vec<u8> = (0..=255).collect();
            let client = talk(server, "/").send(frame(BINARY, &bytes));
            closes_well(client.expect(from_server(BINARY, bytes)));
        }),
        Check::new("any mask will do", any_mask),
        Check::new("a frame may be split anywhere", split_anywhere)
            .teaches("A read returns what has arrived, be it half a frame's head. Keep it until the rest is there."),
        Check::new("several frames in one piece are answered in order", |server| {
            let frames = [frame(TEXT, "one"), frame(PING, "two"), frame(BINARY, "three")];
            let client = talk(server, "/").send_together(&frames);
            let client = client.expect(from_server(TEXT, "one")).expect(from_server(PONG, "two"));
            closes_well(client.expect(from_server(BINARY, "three")));
        }),
        Check::new("8 MiB come back as they were sent", bulk),
    ]
}

fn any_mask(server: &Server) {
    let mut random = server.random();
    let mut client = talk(server, "/");
    for length in 0..100 {
        // The first is all zeros: a payload that is masked, and looks as it is.
        let mask = [(); 4].map(|()| if length == 0 { 0 } else { random.u8(..) });
        let text: String = (0..length).map(|_| random.alphanumeric()).collect();
        client = client
            .send(masked(TEXT, &text, mask))
            .expect(from_server(TEXT, &text));
    }
    closes_well(client);
}

fn split_anywhere(server: &Server) {
    let mut client = talk(server, "/");
    for (first, text) in [(TEXT, "x".repeat(130)), (PING, "x".repeat(10))] {
        let answer = from_server(if first == PING { PONG } else { first }, &text);
        for (begun, rest) in harness::splits(&frame(first, &text)) {
            client = client.send(begun).pause().send(rest).expect(&answer);
        }
    }
    closes_well(client);
}

fn bulk(server: &Server) {
    let mut random = server.random();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..128 {
        let bytes = [(); 1 << 16].map(|()| random.u8(..));
        sent.extend(frame(BINARY, bytes));
        expected.extend(from_server(BINARY, bytes));
    }
    closes_well(talk(server, "/").send_while_reading(&sent, &expected));
}

fn control() -> Vec<Check> {
    vec![
        Check::new("a ping is answered with what was in it", |server| {
            let payload = "x".repeat(125);
            let client = talk(server, "/").send(frame(PING, &payload));
            let client = client
                .expect(from_server(PONG, payload))
                .send(frame(PING, ""));
            closes_well(client.expect(from_server(PONG, "")));
        }),
        Check::new("a pong that nobody asked for is not answered", |server| {
            let client = talk(server, "/")
                .send(frame(PONG, "by the way"))
                .expect_silence();
            closes_well(is_echoed(client, "hello"));
        }),
    ]
}

fn error(title: &str, bytes: Vec<u8>, words: &'static str) -> Check {
    violation(title, bytes, ERROR, words)
}

#[rustfmt::skip]
fn bad() -> Vec<Check> {
    let wasted = "a length in more bytes than it needs";
    let with_length = |length: &[u8]| [&[TEXT], length, &MASK, &[0; 200]].concat();
    let (short, long) = (with_length(&[0xfe, 0, 125]), with_length(&[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]));
    let negative = with_length(&[0xff, 0x80, 0, 0, 0, 0, 1, 0, 0]);
    let two = [frame(0x01, "one"), frame(TEXT, "two")].concat();
    vec![
        error("a frame without a mask is refused", from_server(TEXT, "hello"), "a frame without a mask")
            .notice("The server hangs up, and says why: 1002, a protocol error. Clients mask, servers never do."),
        error("a length of 125 in 16 bits is refused", short, wasted),
        error("a length of 65,535 in 64 bits is refused", long, wasted),
        error("a length with its highest bit set is refused", negative, "a length with its highest bit set"),
        error("a control frame in fragments is refused", frame(0x09, "x"), "a control frame in fragments"),
        error("a ping of 126 bytes is refused", frame(PING, [b'x'; 126]), "a control frame that is too long"),
        error("a continuation of nothing is refused", frame(0x80, "x"), "a continuation of nothing"),
        error("a message within another is refused", two, "a message within another"),
    ]
}

/// The reserved bits one by one, and the first and the last of each row of reserved opcodes.
fn bad_first_bytes() -> Vec<Check> {
    let bit = "a reserved bit, and no extension that gives it a meaning";
    let opcode = "an opcode that nobody knows";
    let bits = [0xc1, 0xa1, 0x91].map(|first| (first, bit));
    let opcodes = [0x83, 0x87, 0x8b, 0x8f].map(|first| (first, opcode));
    let refused = |(first, words)| {
        let title = format!("a frame that begins with {first:#04x} is refused");
        error(&title, frame(first, "hello"), words)
    };
    bits.into_iter().chain(opcodes).map(refused).collect()
}
