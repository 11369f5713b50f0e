//! What a server with one thread says to many clients.

use std::process::ExitCode;

use harness::{Check, Client, Failure, Server, Suite};

fn main() -> ExitCode {
    Suite::new("event-loop", env!("CARGO_BIN_EXE_event-loop"))
        .page("docs/src/steps/event-loop.md", "What is said")
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .check(
            Check::new("a second client is served beside the first", side_by_side).notice(
                "There is one thread, and it waits for both of them at once: whoever says something is next.",
            ),
        )
        .check(
            Check::new("what a client does not read waits for it", waits)
                .arguments(["--buffer", "1048576", "--prefix", "", "--quiet"]),
        )
        .check(
            Check::new("a client that has much to say takes turns", takes_turns)
                .arguments(["--buffer", "4"])
                .notice("The first client has 21 pieces, and all of them were there before the second one's. After 16 of them it is the second one's turn."),
        )
        .checks(harness::crowds(|piece| [b"received: ", piece].concat()))
        .checks(harness::rude_clients(|piece| {
            [b"received: ", piece].concat()
        }))
        .checks(harness::addresses(|piece| [b"received: ", piece].concat()))
        .check(harness::sends_everything_back().arguments(["--prefix", ""]))
        .run()
}

#[track_caller]
fn is_answered(client: Client) -> Client {
    client.send("hello").expect("received: hello")
}

fn side_by_side(server: &Server) {
    let first = server.connect_as("first");
    let second = is_answered(server.connect_as("second"));
    second.finish_sending().expect_end();
    is_answered(first).finish_sending().expect_end();
}

/// More than the kernel has room for on the way to a client that does not read.
fn waits(server: &Server) {
    let stuck = server.connect_as("stuck").send_until_blocked();
    server.expect_asleep();
    let sent = stuck.sent();
    let back = stuck.finish_sending().read_to_end().len() as u64;
    if back != sent {
        Failure::new("as many bytes as it has sent", "not all of them").raise();
    }
}

fn takes_turns(server: &Server) {
    let (first, second) = server.frozen(|| {
        let first = server.connect_as("first").send("ping".repeat(20) + "end");
        (first, server.connect_as("second").send("hey"))
    });
    let second = second.expect("received: hey");
    server.expect_line(&format!(
        "received 3 bytes from {}: \"hey\"",
        second.address()
    ));
    server.expect_line(&format!(
        "received 3 bytes from {}: \"end\"",
        first.address()
    ));
    second.finish_sending().expect_end();
    let replies = "received: ping".repeat(20) + "received: end";
    first.expect(replies).finish_sending().expect_end();
}
