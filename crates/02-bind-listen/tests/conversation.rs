//! What clients meet at a server that listens and never calls accept.

use std::net::Ipv6Addr;
use std::process::ExitCode;
use std::time::Duration;

use harness::{Check, Server, Suite};

fn main() -> ExitCode {
    Suite::new("bind-listen", env!("CARGO_BIN_EXE_bind-listen"))
        .page("docs/src/steps/bind-listen.md", "What is said")
        .check(Check::new("says where it listens", Server::expect_listens_as_told))
        .check(Check::new("says how long its queue is", |server| server.expect_line("backlog 5")))
        .check(
            Check::new("a client gets in though nobody accepts it", a_client_gets_in).notice(
                "The client is connected and its bytes are taken: by the kernel. The program knows nothing of it.",
            ),
        )
        .check(
            Check::new("one client more than the backlog gets in", one_more_than_the_backlog)
                .arguments(["--backlog", "2"])
                .notice(
                    "The queue holds backlog + 1 clients on Linux. The next one is neither let in nor refused: it waits.",
                ),
        )
        .check(Check::new("clients that leave, reset or finish do not stop it", rude_clients))
        .check(Check::new("IPv6 works as IPv4 does", ipv6).bind((Ipv6Addr::LOCALHOST, 0)))
        .check(Check::new("a restart gets the same port at once", a_restart))
        .run()
}

fn a_client_gets_in(server: &Server) {
    server.connect().send("hello").expect_silence().hang_up();
}

fn ipv6(server: &Server) {
    server.expect_listens_as_told();
    a_client_gets_in(server);
}

fn one_more_than_the_backlog(server: &Server) {
    if cfg!(not(target_os = "linux")) {
        harness::skip(
            "how many clients a backlog lets in differs between systems; this is Linux's rule",
        );
    }
    let first = server.connect_as("first");
    let second = server.connect_as("second");
    let third = server.connect_as("third");
    server.expect_no_admission("fourth", Duration::from_millis(200));
    for client in [first, second, third] {
        client.hang_up();
    }
}

fn rude_clients(server: &Server) {
    server.connect_as("leaves").hang_up();
    server.connect_as("resets").send(b"\xff\x00").reset();
    let finished = server.connect_as("finishes").send("bye").finish_sending();
    server.connect_as("next").expect_silence().hang_up();
    finished.hang_up();
}

fn a_restart(server: &Server) {
    let last = server.connect_as("last").send("bye");
    server.restart();
    last.hang_up();
    server.connect_as("next").expect_silence().hang_up();
}
