//! Each error is the one that its name promises.

use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;

#[track_caller]
fn makes(name: &str, kind: &str) {
    let mut errors = Command::new(cargo_bin!("errors"));
    let errors = errors.arg(name).timeout(Duration::from_secs(60));
    let output = errors.assert().success().get_output().stdout.clone();
    let last = String::from_utf8_lossy(&output);
    assert_eq!(
        last.lines().last(),
        Some(format!("ErrorKind::{kind}").as_str())
    );
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
    // Rust has no name for this one yet.
    makes("too-many-open-files", "Uncategorized");
}
