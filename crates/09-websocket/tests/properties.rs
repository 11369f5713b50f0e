//! What must hold whatever a client sends: the modules that read frames and messages are given all sorts of bytes.
//!
//! `cargo test --package websocket --test properties` tries some hundred inputs of each kind. For as long as one likes:
//! `FUZZ_SECONDS=1800 cargo test --release --package websocket --test properties -- --ignored`

#![allow(
    dead_code,
    reason = "the modules of the server have more than is tried here"
)]

#[path = "../src/frame.rs"]
mod frame;
#[path = "../src/message.rs"]
mod message;

use std::str;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseResult, TestRunner};

use frame::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Violation, frame};
use message::{Message, Messages};

/// The longest message, in bytes: small, so that many are too long.
const MOST: usize = 300;

/// A frame as a client makes it. `length` says in how many bytes, 1, 3 or 9, its length is written.
fn masked(first: u8, payload: &[u8], mask: [u8; 4], length: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        9 => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
        3 => {
            frame.push(0xfe);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
        _ => frame.push(0x80 | payload.len() as u8),
    }
    frame.extend(mask);
    let bytes = payload.iter().zip(mask.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}

fn least(length: usize) -> usize {
    match length {
        0..=125 => 1,
        126..=65_535 => 3,
        _ => 9,
    }
}

/// Text, with characters of every length, and what only looks like it.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let text = ".{0,40}".prop_map(String::into_bytes);
    let wrong = vec(
        select(&b"a\x80\xbf\xc2\xe2\x82\xac\xed\xa0\xf0\x9f\x90\xf4"[..]),
        0..9,
    );
    let code = (900_u16..5100).prop_map(|code| code.to_be_bytes().to_vec());
    let long = (100_usize..320).prop_map(|length| vec![b'x'; length]);
    prop_oneof![text, wrong, code, long, vec(any::<u8>(), 0..130)]
}

/// Frames, of which some are as they should be, one after the other, and maybe with one byte changed.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        select(vec![TEXT, BINARY, CONTINUATION, 0x80 | CONTINUATION]),
        select(vec![
            0x80 | TEXT,
            0x80 | BINARY,
            0x80 | PING,
            0x80 | PONG,
            0x80 | CLOSE
        ]),
        any::<u8>(),
    ];
    let one = (
        first,
        payloads(),
        any::<[u8; 4]>(),
        select(vec![0, 0, 0, 3, 9]),
    );
    let one = one.prop_map(|(first, payload, mask, length)| {
        masked(first, &payload, mask, least(payload.len()).max(length))
    });
    let frames = vec(one, 0..8).prop_map(|frames| frames.concat());
    let bytes = prop_oneof![4 => frames, 1 => vec(any::<u8>(), 0..200)];
    let change = proptest::option::of((any::<Index>(), any::<u8>()));
    (bytes, change).prop_map(|(mut bytes, change)| {
        if let Some((at, byte)) = change.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// What came of it all: the messages, and the violation that was the end of them, if any was.
type Outcome = (Vec<Message>, Option<Violation>);

fn hear(pieces: &[&[u8]]) -> Outcome {
    let (mut messages, mut heard) = (Messages::of_at_most(MOST), Vec::new());
    for piece in pieces {
        messages.push(piece);
        loop {
            match messages.next() {
                Ok(Some(message)) => heard.push(message),
                Ok(None) => break,
                Err(violation) => return (heard, Some(violation)),
            }
        }
        // As it prints itself, each byte that it keeps takes 5 characters at most.
        let kept = format!("{messages:?}").len();
        let bound = 5 * (MOST + 14 + 125) + 300;
        assert!(kept < bound, "{kept} characters, and at most {bound}");
    }
    (heard, None)
}

/// The same bytes in these pieces.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    borders.extend([0, bytes.len()]);
    borders.sort_unstable();
    borders
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

/// It does not matter in which pieces bytes arrive, and what is heard keeps to the rules.
fn pieces_do_not_matter((bytes, cuts): (Vec<u8>, Vec<Index>)) -> TestCaseResult {
    let whole = hear(&[&bytes]);
    prop_assert_eq!(&hear(&cut(&bytes, &cuts)), &whole);
    prop_assert_eq!(&hear(&bytes.chunks(1).collect::<Vec<_>>()), &whole);
    for (opcode, payload) in &whole.0 {
        match *opcode {
            TEXT => prop_assert!(payload.len() <= MOST && str::from_utf8(payload).is_ok()),
            BINARY => prop_assert!(payload.len() <= MOST),
            CLOSE => prop_assert!(payload.len() != 1 && payload.len() <= 125),
            PING | PONG => prop_assert!(payload.len() <= 125),
            other => prop_assert!(false, "opcode {other}"),
        }
    }
    if let Some(Violation(code, _)) = whole.1 {
        prop_assert!([1002, 1007, 1009].contains(&code), "{code}");
    }
    Ok(())
}

/// A message in fragments, with pings in between, is put together; text is text where std says that it is.
fn fragments_come_back(
    (payload, cuts, mask, is_text): (Vec<u8>, Vec<Index>, [u8; 4], bool),
) -> TestCaseResult {
    let opcode = if is_text { TEXT } else { BINARY };
    let fragments = cut(&payload, &cuts);
    let mut expected = Vec::new();
    let mut stream = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let begins = if index == 0 { opcode } else { CONTINUATION };
        let ends = if index + 1 == fragments.len() {
            0x80
        } else {
            0
        };
        stream.extend(masked(begins | ends, fragment, mask, least(fragment.len())));
        if ends == 0 {
            stream.extend(masked(0x80 | PING, b"?", mask, 1));
            expected.push((PING, b"?".to_vec()));
        }
    }
    let (heard, violation) = hear(&[&stream]);
    match (is_text, str::from_utf8(&payload)) {
        _ if payload.len() > MOST => prop_assert_eq!(violation.map(|wrong| wrong.0), Some(1009)),
        (true, Err(_)) => prop_assert_eq!(violation.map(|wrong| wrong.0), Some(1007)),
        _ => {
            expected.push((opcode, payload));
            prop_assert_eq!((heard, violation), (expected, None));
        }
    }
    Ok(())
}

/// Text is refused with the byte that makes it wrong for certain, and not before.
fn wrong_text_is_refused_at_once(payload: Vec<u8>) -> TestCaseResult {
    let payload = &payload[..payload.len().min(125)];
    let stream = masked(0x80 | TEXT, payload, [1, 2, 3, 4], 1);
    for end in 0..payload.len() {
        let (heard, violation) = hear(&[&stream[..6 + end]]);
        let wrong = str::from_utf8(&payload[..end]).err();
        let is_wrong = wrong.is_some_and(|error| error.error_len().is_some());
        prop_assert_eq!(violation.is_some(), is_wrong, "after {} bytes", end);
        prop_assert!(heard.is_empty());
    }
    Ok(())
}

/// What the server writes is read by whoever keeps to section 5.2, and has a length that is as short as can be.
fn frames_can_be_read((opcode, payload): (u8, Vec<u8>)) -> TestCaseResult {
    let written = frame(opcode, &payload);
    let mut expected = masked(0x80 | opcode, &payload, [0; 4], least(payload.len()));
    let mask = expected.len() - payload.len() - 4;
    expected.drain(mask..mask + 4);
    expected[1] &= 0x7f;
    prop_assert_eq!(written, expected);
    Ok(())
}

/// So many of each, and the least of those that fail is shown.
fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
}

/// Tries so many inputs of each kind.
fn try_all(cases: u32) {
    let cuts = || vec(any::<Index>(), 0..6);
    let long = prop_oneof![9 => payloads(), 1 => vec(any::<u8>(), 65_500..65_600)];
    let pieces = runner(cases).run(&(streams(), cuts()), pieces_do_not_matter);
    pieces.unwrap_or_else(|error| panic!("{error}"));
    let kinds = (payloads(), cuts(), any::<[u8; 4]>(), any::<bool>());
    let fragments = runner(cases).run(&kinds, fragments_come_back);
    fragments.unwrap_or_else(|error| panic!("{error}"));
    let text = runner(cases).run(&payloads(), wrong_text_is_refused_at_once);
    text.unwrap_or_else(|error| panic!("{error}"));
    let opcodes = select(vec![TEXT, BINARY, CLOSE, PING, PONG]);
    let frames = runner(cases).run(&(opcodes, long), frames_can_be_read);
    frames.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn whatever_a_client_sends() {
    try_all(500);
}

#[test]
#[ignore = "it takes as long as FUZZ_SECONDS says"]
fn whatever_a_client_sends_for_long() {
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    let seconds = seconds.expect("FUZZ_SECONDS: how long, such as 1800");
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried: u64 = 0;
    while Instant::now() < end {
        try_all(10_000);
        tried += 40_000;
    }
    println!("{tried} inputs");
}
