//! The command line of `http`: its help, and what it says when it cannot start.

#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;

use server::{program, refuses};

#[test]
fn a_directory_that_is_not_there_is_named() {
    let words = "error: cannot serve nowhere: no directory that can be read\nhint: try --root .\n";
    refuses(
        program(),
        &["--bind", "127.0.0.1:0", "--root", "nowhere"],
        1,
        words,
    );
}

#[test]
fn a_document_is_no_directory() {
    let words =
        "error: cannot serve Cargo.toml: no directory that can be read\nhint: try --root .\n";
    refuses(
        program(),
        &["--bind", "127.0.0.1:0", "--root", "Cargo.toml"],
        1,
        words,
    );
}

#[test]
fn no_time_at_all_is_wrong_usage() {
    let words = "error: invalid value '0' for '--timeout <SECONDS>': 0 is not in 1..=3600\n\n\
                 For more information, try '--help'.\n";
    refuses(program(), &["--timeout", "0"], 2, words);
}
