//! The command line of `create-socket`: its help, and what it says when it cannot create a socket.

use assert_cmd::Command;
use predicates::str::{diff, is_empty, starts_with};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_create-socket"))
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

#[test]
fn an_unknown_kind_is_wrong_usage() {
    let words = "error: invalid value 'raw' for '--kind <KIND>'\n  \
                 [possible values: tcp, udp]\n\n\
                 For more information, try '--help'.\n";
    let assert = program().args(["--kind", "raw"]).assert().code(2);
    assert.stdout(is_empty()).stderr(diff(words));
}

/// Four descriptors: the first socket gets the last of them, and the kernel has none for the second.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the words are Linux's")]
fn a_kernel_that_refuses_is_quoted() {
    let words = "error: cannot create a Udp socket: Too many open files (os error 24)\n\
                 hint: has this process too many files open? see `ulimit -n`\n";
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -n 4; exec \"$0\""])
        .arg(program().get_program());
    let assert = shell.assert().code(1);
    assert
        .stdout(starts_with("family AF_INET, type SOCK_STREAM"))
        .stderr(diff(words));
}
