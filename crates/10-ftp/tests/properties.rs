//! What must hold whatever a client sends: the modules that read it are given all sorts of things.
//!
//! `cargo test --package ftp --test properties` tries some hundred inputs of each kind. For as long as one likes:
//! `FUZZ_SECONDS=1800 cargo test --release --package ftp --test properties -- --ignored`

#![allow(
    dead_code,
    reason = "the modules of the server have more than is tried here"
)]

#[path = "../src/ascii.rs"]
mod ascii;
#[path = "../src/command.rs"]
mod command;
#[path = "../src/files.rs"]
mod files;
#[path = "../src/reply.rs"]
mod reply;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseResult, TestRunner};

use ascii::{FromWire, ToWire};
use command::Command;
use reply::Reply;

const SECRET: &str = "nobody may read this";
/// The parts of which command lines are made that are nearly right.
const WORDS: [&str; 28] = [
    "USER",
    "retr",
    "XCWD",
    "PORT",
    "EPRT",
    "LIST",
    " ",
    "  ",
    "-la",
    "anonymous",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\t",
    "\u{e9}",
    "/",
    "..",
    "1,2,3,4,5,6",
    "256,",
    "|1|127.0.0.1|5000|",
    "|2|::1|5000|",
    "|",
    ",",
    "65536",
    "-1",
    "\"",
    "\u{1b}[2J",
];
/// The parts of which paths are made that try to get out.
const STEPS: &str =
    "/ // .. . ../ /.. \\ ..\\ secret.txt hello.txt pub pub/link out link ~ C: * \u{2024}\u{2024}";

/// Text with many line ends, and pieces of it.
fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<Index>)> {
    let byte = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()];
    (vec(byte, 0..200), vec(any::<Index>(), 0..8))
}

fn cut<'text>(text: &'text [u8], at: &[Index]) -> Vec<&'text [u8]> {
    let mut borders: Vec<usize> = at.iter().map(|at| at.index(text.len() + 1)).collect();
    borders.extend([0, text.len()]);
    borders.sort_unstable();
    borders
        .windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

fn out(pieces: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut text = ToWire::new(&mut wire);
    pieces
        .iter()
        .for_each(|piece| text.write_all(piece).expect("room"));
    wire
}

fn back(pieces: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut text = FromWire::new(&mut file);
    pieces
        .iter()
        .for_each(|piece| text.write_all(piece).expect("room"));
    text.finish().expect("room");
    file
}

/// Byte strings as one reads the rule: each `from` that stands there becomes `to`.
fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut result = Vec::new();
    while let Some(first) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                result.extend(to);
                rest = after;
            }
            None => {
                result.push(*first);
                rest = &rest[1..];
            }
        }
    }
    result
}

/// However a text is cut: on the wire each line ends with CR LF, and comes back as it was, but for a CR LF of its own.
fn lines_are_converted((text, at): (Vec<u8>, Vec<Index>)) -> TestCaseResult {
    let plain = replaced(&text, b"\r\n", b"\n");
    prop_assert_eq!(back(&cut(&text, &at)), plain.clone());
    let wire = out(&cut(&text, &at));
    prop_assert_eq!(&wire, &out(&[&text]));
    let bare = wire
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .any(|(index, _)| index == 0 || wire[index - 1] != b'\r');
    prop_assert!(!bare, "{}", wire.escape_ascii());
    prop_assert_eq!(&out(&cut(&wire, &at)), &wire);
    prop_assert_eq!(back(&cut(&wire, &at)), plain);
    Ok(())
}

/// Bytes: random ones, or those of a line that is nearly right.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let words = vec(select(&WORDS[..]), 0..12).prop_map(|words| words.concat().into_bytes());
    let telnet = vec(prop_oneof![Just(255), 240..=255_u8, any::<u8>()], 0..20);
    prop_oneof![vec(any::<u8>(), 0..200), words, telnet]
}

/// A line is a command or refused, and what is refused is told in a reply as it has to be.
fn a_line_is_read_or_refused(line: Vec<u8>) -> TestCaseResult {
    match Command::parse(&line) {
        Ok(Command { verb, argument }) => {
            prop_assert!(!verb.contains([' ', '\r', '\n']) && !argument.contains(char::is_control));
            prop_assert!(
                !argument.starts_with(' ') && !verb.contains(|c: char| c.is_ascii_lowercase())
            );
            let refusals = [
                command::host_port(&argument).err(),
                command::extended_host_port(&argument).err(),
            ];
            for refusal in refusals.into_iter().flatten() {
                prop_assert!([501, 522].contains(&refusal.code), "{refusal}");
            }
        }
        Err(refusal) => prop_assert_eq!(refusal.code, 501),
    }
    Ok(())
}

/// What is said of an address is understood.
fn an_address_is_read((ip, port): (IpAddr, u16)) -> TestCaseResult {
    let address = SocketAddr::new(ip, port);
    let family = if ip.is_ipv4() { 1 } else { 2 };
    for delimiter in ['|', '!', '~'] {
        let said = format!("{delimiter}{family}{delimiter}{ip}{delimiter}{port}{delimiter}");
        prop_assert_eq!(command::extended_host_port(&said), Ok(address));
    }
    if let IpAddr::V4(ip) = ip {
        let [a, b, c, d] = ip.octets();
        let said = format!("{a},{b},{c},{d},{},{}", port / 256, port % 256);
        prop_assert_eq!(command::host_port(&said), Ok(address));
    }
    Ok(())
}

/// Whatever its lines say, a client finds the end of a reply, and not before it.
fn a_reply_has_one_end(lines: Vec<String>) -> TestCaseResult {
    let text = Reply::new(211, lines.join("\n")).to_string();
    let mut said: Vec<&str> = text.split("\r\n").collect();
    prop_assert_eq!(said.pop(), Some(""));
    let last = said.pop();
    prop_assert!(
        last.is_some_and(|last| last.starts_with("211 ")),
        "{text:?}"
    );
    for (index, line) in said.iter().enumerate() {
        let begins = if index == 0 { "211-" } else { " " };
        prop_assert!(line.starts_with(begins), "{text:?}");
    }
    Ok(())
}

fn paths() -> impl Strategy<Value = (String, String)> {
    let steps =
        vec(select(STEPS.split(' ').collect::<Vec<_>>()), 0..12).prop_map(|steps| steps.concat());
    let path = || prop_oneof![steps.clone(), "\\PC*"];
    (path(), path())
}

/// A directory with something beside it, and links to that. It is gone when the first of the two is dropped.
fn root() -> (tempfile::TempDir, Dir) {
    let folder = tempfile::tempdir().expect("a directory");
    let root = folder.path().join("files");
    fs::create_dir_all(root.join("pub")).expect("a directory");
    fs::write(root.join("hello.txt"), "hello").expect("a file");
    fs::write(folder.path().join("secret.txt"), SECRET).expect("a file");
    #[cfg(unix)]
    for (target, name) in [("..", "out"), ("../../secret.txt", "pub/link")] {
        std::os::unix::fs::symlink(target, root.join(name)).expect("a link");
    }
    let root = Dir::open_ambient_dir(&root, ambient_authority()).expect("a directory");
    (folder, root)
}

/// Wherever the client is and whatever it says: it stays below the top of its world, and so do we below the root.
fn a_path_stays_within(root: &Dir, (directory, path): (String, String)) -> TestCaseResult {
    let directory = files::resolve("/", &directory);
    let path = files::resolve(&directory, &path);
    prop_assert!(path.starts_with('/'));
    prop_assert!(
        path == "/"
            || path[1..]
                .split('/')
                .all(|name| !["", ".", ".."].contains(&name)),
        "{path}"
    );
    prop_assert_eq!(&files::resolve("/", &path), &path);
    if let Ok(mut file) = files::open(root, &path) {
        let mut text = String::new();
        file.read_to_string(&mut text).expect("a text");
        prop_assert_ne!(text, SECRET);
    }
    Ok(())
}

/// So many of each, and the least of those that fail is shown.
fn try_each<S: Strategy>(cases: u32, inputs: &S, holds: impl Fn(S::Value) -> TestCaseResult) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(inputs, holds);
    tried.unwrap_or_else(|error| panic!("{error}"));
}

/// Tries so many inputs of each kind, and returns how many that were.
fn try_all(cases: u32) -> u64 {
    let (_folder, root) = root();
    try_each(cases, &pieces(), lines_are_converted);
    try_each(cases, &lines(), a_line_is_read_or_refused);
    try_each(cases, &any::<(IpAddr, u16)>(), an_address_is_read);
    try_each(cases, &vec("[ -~]{0,8}", 1..6), a_reply_has_one_end);
    try_each(cases, &paths(), |paths| a_path_stays_within(&root, paths));
    5 * u64::from(cases)
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
    let mut tried = 0;
    while Instant::now() < end {
        tried += try_all(10_000);
    }
    println!("{tried} inputs");
}
