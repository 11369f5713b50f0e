//! The command line of `accept`: its help, and what it says when it cannot start.

#[path = "../../02-bind-listen/tests/cli/addresses.rs"]
mod addresses;

use assert_cmd::Command;
use predicates::str::diff;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_accept"))
}

#[test]
fn the_help_says_what_it_does() {
    let help = include_str!("help.txt").replace("[EXE]", std::env::consts::EXE_SUFFIX);
    program()
        .arg("--help")
        .assert()
        .success()
        .stdout(diff(help));
}
