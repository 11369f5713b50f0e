//! What clients hear from a server that talks to one of them at a time.

use std::process::ExitCode;

use harness::{Check, Server, Suite};

fn main() -> ExitCode {
    Suite::new("accept", env!("CARGO_BIN_EXE_accept"))
        .page("docs/src/steps/accept.md", "What is said")
        .check(Check::new("says where it listens", Server::expect_listens_as_told))
        .check(Check::new("says who came and who left", who_came_and_who_left))
        .check(
            Check::new("a second client waits until the first has left", a_second_client_waits).notice(
                "The kernel let the second client in at once. It was heard only when accept was called again.",
            ),
        )
        .check(Check::new("every byte of every value comes back", every_byte).arguments(["--buffer", "7"]))
        .checks(harness::rude_clients(<[u8]>::to_vec))
        .checks(harness::addresses(<[u8]>::to_vec))
        .check(harness::sends_everything_back())
        .run()
}

fn who_came_and_who_left(server: &Server) {
    let client = server.connect();
    let address = client.address();
    server.expect_line(&format!("client {address} connected"));
    client.finish_sending().expect_end();
    server.expect_line(&format!("client {address} disconnected"));
}

fn a_second_client_waits(server: &Server) {
    let first = server.connect_as("first").send("hello").expect("hello");
    let second = server.connect_as("second").send("me too").expect_silence();
    first.finish_sending().expect_end();
    second.expect("me too").finish_sending().expect_end();
}

fn every_byte(server: &Server) {
    let bytes: Vec<u8> = (0..=255).collect();
    server
        .connect()
        .send(&bytes)
        .expect(&bytes)
        .finish_sending()
        .expect_end();
}
