//! The help of a server, and what it says of an address that it cannot have. Every server step is held to these words,
//! also one that takes no connections.

use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use predicates::str::diff;

/// The program of the package whose tests this file is a part of.
pub fn program() -> Command {
    Command::new(cargo_bin!(env!("CARGO_PKG_NAME")))
}

#[test]
fn the_help_says_what_it_does() {
    let help = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt"));
    let help = help.replace("[EXE]", std::env::consts::EXE_SUFFIX);
    program()
        .arg("--help")
        .assert()
        .success()
        .stdout(diff(help));
}

/// Runs a server that must not start: it ends with `status` and says exactly this on stderr.
#[track_caller]
pub fn refuses(mut program: Command, arguments: &[&str], status: i32, words: &str) {
    // Whoever starts after all would run for ever.
    let program = program.timeout(Duration::from_secs(10));
    let assert = program.args(arguments).assert().code(status);
    assert.stdout("").stderr(diff(words.to_owned()));
}

#[test]
fn an_address_of_another_machine_is_named() {
    // 192.0.2.0/24 belongs to nobody: it is for documentation (RFC 5737, section 3).
    let words = "error: cannot listen on 192.0.2.1:0: no such address on this machine\n\
                 hint: try --bind 127.0.0.1:9000\n";
    refuses(program(), &["--bind", "192.0.2.1:0"], 1, words);
}

#[test]
fn a_forbidden_port_is_named() {
    let Some(program) = unprivileged() else {
        // Not captured, unlike eprintln!: what is left out must be seen.
        let _ = writeln!(
            io::stderr(),
            "left out: whoever runs this test may have port 1"
        );
        return;
    };
    let words = "error: cannot listen on 127.0.0.1:1: permission denied\n\
                 hint: ports below 1024 need root; try --bind 127.0.0.1:8080\n";
    refuses(program, &["--bind", "127.0.0.1:1"], 1, words);
}

/// The program without the right to port 1, if that can be had here.
fn unprivileged() -> Option<Command> {
    match TcpListener::bind("127.0.0.1:1") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Some(program()),
        _ => {}
    }
    // Linux lets root give the right away (capabilities(7)), if there is a port that needs it (ip(7)).
    let first_free =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let mut setpriv = Command::new("setpriv");
    setpriv.args([
        "--bounding-set=-net_bind_service",
        "--inh-caps=-net_bind_service",
    ]);
    setpriv.arg(program().get_program());
    (first_free.trim().parse::<u16>().ok()? > 1).then_some(setpriv)
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    for nonsense in [
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:65536",
        "localhost:9000",
        "",
    ] {
        let words = format!(
            "error: invalid value '{nonsense}' for '--bind <ADDRESS>': not an IP address and a port\n\
             hint: try 127.0.0.1:9000 or [::1]:9000\n\n\
             For more information, try '--help'.\n"
        );
        refuses(program(), &["--bind", nonsense], 2, &words);
    }
}

#[test]
fn an_unknown_option_is_wrong_usage() {
    let words = format!(
        "error: unexpected argument '--bnd' found\n\n  \
         tip: a similar argument exists: '--bind'\n\n\
         Usage: {}{} --bind <ADDRESS>\n\n\
         For more information, try '--help'.\n",
        env!("CARGO_PKG_NAME"),
        std::env::consts::EXE_SUFFIX
    );
    refuses(program(), &["--bnd", "127.0.0.1:0"], 2, &words);
}
