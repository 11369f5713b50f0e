//! What a server with one thread says to many clients.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

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
            Check::new("a client that has much to say takes turns", takes_turns).notice(
                "The first client's pieces were there before the second one's. After some of them it is the second one's turn.",
            ),
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
    let sent = stuck.sent() as usize;
    let (stuck, _) = stuck.finish_sending().read_exactly(sent);
    stuck.expect_end();
}

fn takes_turns(server: &Server) {
    let piece = "x".repeat(1024);
    let (first, second) = server.frozen(|| {
        let first = server.connect_as("first").send(piece.repeat(32));
        (first.send("end"), server.connect_as("second").send("hello"))
    });
    let second = second.expect("received: hello");
    server.expect_line(&format!(
        "received 5 bytes from {}: \"hello\"",
        second.address()
    ));
    server.expect_line(&format!(
        "received 3 bytes from {}: \"end\"",
        first.address()
    ));
    second.finish_sending().expect_end();
    let replies = format!("received: {piece}").repeat(32) + "received: end";
    first.expect(replies).finish_sending().expect_end();
}
