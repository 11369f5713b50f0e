//! Messages: fragments, text, bounds, and the end of a conversation.

use harness::{Check, Client, Server};

use crate::wire::{
    BINARY, CLOSE, MASK, PING, PONG, TEXT, closes_well, frame, from_server, head, is_closed,
    is_echoed, masked, reason, talk, violation,
};

/// The first byte of a frame that more are to follow, and of the next and the last of them.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

pub fn checks() -> Vec<Check> {
    let mut checks = fragments();
    checks.extend(text());
    checks.extend(bounds());
    checks.extend(closes());
    checks.extend(codes());
    checks
}

fn fragments() -> Vec<Check> {
    vec![
        Check::new("fragments are put together", |server| {
            let client = talk(server, "/").send(frame(TEXT_BEGINS, "one, ")).send(frame(GOES_ON, "two, "));
            let client = client.send(frame(GOES_ON, "")).expect_silence();
            let client = client.send(frame(ENDS, "three")).expect(from_server(TEXT, "one, two, three"));
            let client = client.send_together(&[frame(BINARY_BEGINS, [1]), frame(ENDS, [2])]);
            closes_well(client.expect(from_server(BINARY, [1, 2])));
        }),
        Check::new("a ping between two fragments is answered at once", |server| {
            let client = talk(server, "/").send(frame(TEXT_BEGINS, "hel"));
            let client = client.send(frame(PING, "here?")).expect(from_server(PONG, "here?"));
            closes_well(client.send(frame(ENDS, "lo")).expect(from_server(TEXT, "hello")));
        })
        .notice("Control frames may come between the fragments of a message, and are no part of it."),
        Check::new("a close between two fragments is answered", |server| {
            closes_well(talk(server, "/").send(frame(TEXT_BEGINS, "hel")));
        }),
        Check::new("a character may be split between two fragments", split_characters)
            .teaches("A fragment may end within a character: only the whole message is text (RFC 6455, section 5.6)."),
    ]
}

fn split_characters(server: &Server) {
    let text = "\u{20ac} and \u{1f980}";
    let mut client = talk(server, "/");
    for (first, second) in harness::splits(text.as_bytes()) {
        let frames = [
            frame(TEXT_BEGINS, first),
            frame(PING, ""),
            frame(ENDS, second),
        ];
        client = client.send_together(&frames).expect(from_server(PONG, ""));
        client = client.expect(from_server(TEXT, text));
    }
    closes_well(client);
}

fn no_text(title: &str, bytes: Vec<u8>) -> Check {
    violation(title, bytes, 1007, "text that is not UTF-8").teaches(
        "Text is UTF-8. Anything else ends the conversation with 1007 (RFC 6455, section 8.1).",
    )
}

#[rustfmt::skip]
fn text() -> Vec<Check> {
    let across = [frame(TEXT_BEGINS, b"\xe2\x82"), frame(ENDS, b"!")].concat();
    // 1 MiB is promised, and only the beginning comes.
    let promise = [head(TEXT, 0x80, 1 << 20), masked(TEXT, b"caf\xff", MASK).split_off(2)].concat();
    vec![
        no_text("text that is not UTF-8 is refused", frame(TEXT, b"caf\xe9")),
        no_text("half a character at the end is refused", frame(TEXT, b"\xe2\x82")),
        no_text("half a character that is followed by another is refused", across),
        no_text("half a surrogate pair is refused", frame(TEXT, b"\xed\xa0\x80")),
        no_text("a character beyond the last is refused at its second byte", frame(TEXT_BEGINS, b"\xf4\x90")),
        no_text("wrong text is refused before its frame has ended", promise),
        Check::new("bytes that are no text may be in a binary message", |server| {
            let client = talk(server, "/").send(frame(BINARY, b"caf\xe9"));
            closes_well(client.expect(from_server(BINARY, b"caf\xe9")));
        }),
    ]
}

fn too_long(title: &str, bytes: Vec<u8>) -> Check {
    let check = violation(title, bytes, 1009, "a message that is too long");
    check.arguments(["--max-message", "1000"])
}

#[rustfmt::skip]
fn bounds() -> Vec<Check> {
    let promise = [&head(BINARY, 0x80, 1 << 40)[..], &MASK].concat();
    let fragments = [frame(TEXT_BEGINS, "x".repeat(600)), frame(ENDS, "x".repeat(401))].concat();
    vec![
        Check::new("the longest message that is allowed comes back", |server| {
            let client = is_echoed(talk(server, "/"), &"x".repeat(1000));
            let client = client.send(frame(TEXT_BEGINS, "x".repeat(999))).send(frame(ENDS, "x"));
            closes_well(client.expect(from_server(TEXT, "x".repeat(1000))));
        })
        .arguments(["--max-message", "1000"]),
        too_long("a message that is one byte too long is refused", frame(TEXT, "x".repeat(1001))),
        too_long("a message that only promises too much is refused", promise),
        too_long("fragments that are too long together are refused", fragments),
    ]
}

fn closes() -> Vec<Check> {
    let half = frame(CLOSE, b"\x03");
    let no_words = frame(CLOSE, b"\x03\xe8\xff");
    vec![
        Check::new("a close without a code is answered without one", |server| {
            let client = talk(server, "/").send(frame(CLOSE, ""));
            client.expect(from_server(CLOSE, "")).expect_end();
        }),
        Check::new("what came before a close is answered before it", |server| {
            let frames = [frame(TEXT, "last words"), frame(CLOSE, reason(1000, "bye"))];
            let client = talk(server, "/").send_together(&frames);
            is_closed(client.expect(from_server(TEXT, "last words")), 1000, "");
        }),
        Check::new("what comes after a close is not heard", |server| {
            let frames = [
                frame(CLOSE, reason(1001, "")),
                frame(TEXT, "wait"),
                frame(PING, ""),
            ];
            is_closed(talk(server, "/").send_together(&frames), 1001, "");
        }),
        Check::new(
            "a client that has finished sending still gets its answer",
            half_closes,
        ),
        Check::new("who is refused in the middle of a message hears why", hears_why)
            .teaches("A connection that is closed while bytes are unread is reset, and the last words may be lost."),
        violation(
            "half a close code is refused",
            half,
            1002,
            "half a close code",
        ),
        violation(
            "last words that are no text are refused",
            no_words,
            1007,
            "text that is not UTF-8",
        ),
        Check::new("the server prints what happens", prints),
    ]
}

fn hears_why(server: &Server) {
    // It goes on and on, and the server has read the beginning when it gives up.
    let bytes = [from_server(TEXT, "hello"), vec![b'x'; 1 << 18]].concat();
    is_closed(
        talk(server, "/").send(bytes),
        1002,
        "a frame without a mask",
    );
}

fn half_closes(server: &Server) {
    let client = talk(server, "/")
        .send(frame(TEXT, "goodbye"))
        .finish_sending();
    client.expect(from_server(TEXT, "goodbye")).expect_end();
}

fn codes() -> impl Iterator<Item = Check> {
    let good = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ];
    let bad = [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ];
    let answered = |code| {
        let title = format!("a close with {code} is answered with it");
        Check::new(&title, move |server: &Server| {
            let client: Client = talk(server, "/").send(frame(CLOSE, reason(code, "see you")));
            is_closed(client, code, "");
        })
    };
    let refused = |code| {
        let title = format!("a close with {code} is refused");
        let bytes = frame(CLOSE, reason(code, ""));
        violation(&title, bytes, 1002, "a close code that may not be sent")
    };
    good.into_iter()
        .map(answered)
        .chain(bad.into_iter().map(refused))
}

fn prints(server: &Server) {
    let client = talk(server, "/");
    let peer = client.address();
    server.expect_line(&format!("client {peer} upgraded to /"));
    let client = is_echoed(client, "\u{1b}[31m");
    server.expect_line(&format!(
        "received 5 bytes of text from {peer}: \"\\u{{1b}}[31m\""
    ));
    let bytes = [b'x'; 100];
    let client = client
        .send(frame(BINARY, bytes))
        .expect(from_server(BINARY, bytes));
    let shown = "x".repeat(60);
    server.expect_line(&format!(
        "received 100 bytes of binary from {peer}: \"{shown}\""
    ));
    closes_well(client);
    server.expect_line(&format!("client {peer} closed with 1000"));
    server.expect_line(&format!("client {peer} disconnected"));
}
