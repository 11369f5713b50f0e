//! The command line of `ftp`: its help, and what it says when it cannot start.

#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;

use server::{program, refuses};

#[test]
fn a_directory_that_is_not_there_is_named() {
    for root in ["nowhere", "Cargo.toml"] {
        let words = format!(
            "error: cannot serve {root}: no directory that can be read\nhint: try --root .\n"
        );
        refuses(
            program(),
            &["--bind", "127.0.0.1:0", "--root", root],
            1,
            &words,
        );
    }
}

#[test]
fn no_time_at_all_is_wrong_usage() {
    for option in ["--timeout", "--idle"] {
        let words = format!(
            "error: invalid value '0' for '{option} <SECONDS>': 0 is not in 1..=3600\n\n\
             For more information, try '--help'.\n"
        );
        refuses(program(), &[option, "0"], 2, &words);
    }
}
