//! What must hold whatever a client sends: the modules that read it are given all sorts of things.
//!
//! `cargo test --package http@0.1.0 --test properties` tries some hundred inputs of each kind. For as long as one likes:
//! `FUZZ_SECONDS=1800 cargo test --release --package http@0.1.0 --test properties -- --ignored`

#![allow(
    dead_code,
    reason = "the modules of the server have more than is tried here"
)]

#[path = "../src/documents.rs"]
mod documents;
#[path = "../src/listing.rs"]
mod listing;
#[path = "../src/range.rs"]
mod range;
#[path = "../src/request.rs"]
mod request;
#[path = "../src/response.rs"]
mod response;

use std::fs;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseResult, TestRunner};

use documents::Documents;
use range::Part;
use request::Request;

/// No document has this length, in bytes, but the one that nobody may have.
const SECRET: usize = 12_345;
/// The parts of which heads are made that are nearly right.
const WORDS: [&str; 46] = [
    "GET",
    "HEAD",
    "POST",
    "BREW",
    " ",
    "  ",
    "\t",
    "/",
    "/notes.txt",
    "/../secret.txt",
    "http://",
    "HTTP://a",
    "*",
    "?",
    "%",
    "%2e",
    "%00",
    "\u{e9}",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/2.0",
    " HTTP/1.",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "Host:",
    "Host: a",
    "Content-Length: ",
    "Content-Length",
    "Transfer-Encoding: ",
    "chunked",
    "gzip",
    "Expect: x",
    "Connection: ",
    "close",
    "keep-alive",
    ",",
    "5",
    "65536",
    "18446744073709551616",
    "-1",
    ":",
    "\0",
    "X: y",
    "If-Modified-Since: Wed, 01 May 2024 12:00:00 GMT",
];
/// The parts of which paths are made that try to get out, and ranges that make little sense.
const STEPS: &str = "/ // .. . %2e %2e%2e %252e%252e %2f %5c \\ secret.txt notes.txt site index.html www out %00 \
                     %ff ~ C: * etc passwd \u{2024}\u{2024}";
const PARTS: &str = "bytes Bytes = - , 0 1 9 15 16 17 18446744073709551616 + x";

fn split(words: &'static str) -> Vec<&'static str> {
    words.split(' ').collect()
}

/// Bytes: random ones, or those of a head that is nearly right, maybe cut or with a byte changed.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let words = vec(select(&WORDS[..]), 0..40).prop_map(|words| words.concat().into_bytes());
    let right = vec(select(&WORDS[..]), 0..20).prop_map(|words| {
        format!(
            "GET /notes.txt HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
            words.concat()
        )
        .into_bytes()
    });
    let whole = prop_oneof![vec(any::<u8>(), 0..300), words, right];
    (whole, any::<prop::sample::Index>(), any::<u8>(), 0..4).prop_map(
        |(mut bytes, at, byte, how)| {
            let at = at.index(bytes.len() + 1);
            match (how, bytes.get_mut(at)) {
                (0, Some(changed)) => *changed = byte,
                (1, _) => bytes.truncate(at),
                (2, _) => bytes.insert(at, byte),
                _ => {}
            }
            bytes
        },
    )
}

/// A request is read or refused. What is read is all there, and a part of it is never taken for the whole.
fn a_head_is_read_or_refused(bytes: Vec<u8>) -> TestCaseResult {
    let read = Request::parse(&bytes);
    if let Err(status) = read {
        prop_assert!([400, 413, 431, 501, 505].contains(&status), "{status}");
    }
    if let Ok(Some(request)) = read {
        prop_assert!(request.head <= bytes.len() && request.body <= 64 << 10);
        prop_assert!(bytes[..request.head].ends_with(b"\n"));
        let may_lack_path = ["CONNECT", "OPTIONS"].contains(&request.method.as_str());
        prop_assert!(
            request.path.starts_with('/') || may_lack_path,
            "{request:?}"
        );
        for end in 0..request.head {
            let part = Request::parse(&bytes[..end]);
            prop_assert!(matches!(part, Ok(None)), "{end} bytes: {part:?}");
        }
    }
    Ok(())
}

fn ranges() -> impl Strategy<Value = (String, u64)> {
    let mixed = vec(select(split(PARTS)), 0..8).prop_map(|parts| parts.concat());
    let right =
        (any::<u64>(), any::<u64>()).prop_map(|(first, last)| format!("bytes={first}-{last}"));
    let small = (0_u64..20, 0_u64..20).prop_map(|(first, last)| format!("bytes={first}-{last}"));
    (
        prop_oneof![".*", mixed, right, small],
        prop_oneof![0_u64..20, any::<u64>()],
    )
}

/// What is sent of a document is a part of it, and not nothing.
fn a_part_is_within((field, length): (String, u64)) -> TestCaseResult {
    if let Part::Bytes(part) = Part::of(&field, length) {
        prop_assert!(
            part.start < part.end && part.end <= length,
            "{part:?} of {length}"
        );
    }
    Ok(())
}

fn paths() -> impl Strategy<Value = String> {
    let steps = vec(select(split(STEPS)), 0..12).prop_map(|steps| format!("/{}", steps.concat()));
    prop_oneof![steps, "/[ -~]*", "/\\PC*"]
}

/// A directory with something beside it, and links to that. It is gone when the first of the two is dropped.
fn site() -> (tempfile::TempDir, Documents) {
    let folder = tempfile::tempdir().expect("a directory");
    let root = folder.path().join("www");
    fs::create_dir_all(root.join("site")).expect("a directory");
    for name in ["notes.txt", "site/index.html"] {
        fs::write(root.join(name), name).expect("a document");
    }
    fs::write(folder.path().join("secret.txt"), vec![b'x'; SECRET]).expect("a document");
    #[cfg(unix)]
    for (target, name) in [("..", "out"), ("../../secret.txt", "site/secret.txt")] {
        std::os::unix::fs::symlink(target, root.join(name)).expect("a link");
    }
    let documents = Documents::below(&root).expect("a directory");
    (folder, documents)
}

/// Whatever the path: it leads to something in the directory, or to nothing.
fn a_path_stays_within(documents: &Documents, path: &str) -> TestCaseResult {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    if let Ok(Some(request)) = Request::parse(head.as_bytes()) {
        let response = documents.answer(&request);
        prop_assert!(
            [200, 301, 404].contains(&response.status),
            "{}",
            response.status
        );
        prop_assert_ne!(response.length(), SECRET as u64);
    }
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
    let (_folder, documents) = site();
    let heads = runner(cases).run(&heads(), a_head_is_read_or_refused);
    heads.unwrap_or_else(|error| panic!("{error}"));
    let ranges = runner(cases).run(&ranges(), a_part_is_within);
    ranges.unwrap_or_else(|error| panic!("{error}"));
    let within = |path: String| a_path_stays_within(&documents, &path);
    let paths = runner(cases).run(&paths(), within);
    paths.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn whatever_a_client_sends() {
    try_all(500);
}

#[test]
#[ignore = "it takes as long as FUZZ_SECONDS says"]
fn whatever_a_client_sends_for_long() {
    let seconds = std::env::var("FUZZ_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let end = Instant::now()
        + Duration::from_secs(seconds.expect("FUZZ_SECONDS: how long, such as 1800"));
    let mut tried: u64 = 0;
    while Instant::now() < end {
        try_all(10_000);
        tried += 30_000;
    }
    println!("{tried} inputs");
}
