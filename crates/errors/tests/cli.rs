//! Each error is the one that its name promises.

use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;

#[track_caller]
fn makes(name: &str, kind: &str) {
    says(name, |text| {
        text.ends_with(&format!("\nErrorKind::{kind}\n"))
    });
}

#[track_caller]
fn says(name: &str, wanted: impl Fn(&str) -> bool) {
    let mut errors = Command::new(cargo_bin!("errors"));
    let errors = errors.arg(name).timeout(Duration::from_secs(60));
    let output = errors.assert().success().get_output().stdout.clone();
    let text = String::from_utf8_lossy(&output);
    assert!(wanted(&text), "{text}");
}

#[test]
fn a_second_listener_has_the_address_in_use() {
    makes("address-in-use", "AddrInUse");
}

#[test]
fn nobody_there_is_a_refusal() {
    makes("connection-refused", "ConnectionRefused");
}

#[test]
fn a_client_that_throws_the_connection_away_is_a_reset() {
    makes("connection-reset", "ConnectionReset");
}

#[test]
#[cfg(unix)] // Windows says that the connection was aborted
fn sending_on_and_on_to_nobody_is_a_broken_pipe() {
    makes("broken-pipe", "BrokenPipe");
}

#[test]
fn nothing_there_to_read_would_block() {
    makes("would-block", "WouldBlock");
}

#[test]
#[cfg(unix)]
fn every_descriptor_in_use_is_too_many_open_files() {
    // Rust has no kind of its own for it yet.
    says("too-many-open-files", |text| {
        text.starts_with("Too many open files")
    });
}
