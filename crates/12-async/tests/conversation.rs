//! What a server of tasks says to many clients, and how it ends.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

fn main() -> ExitCode {
    Suite::new("async", env!("CARGO_BIN_EXE_async"))
        .page("docs/src/steps/async.md", "What is said")
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .checks(many_clients())
        .checks(ends())
        .checks(harness::crowds(|piece| [b"received: ", piece].concat()))
        .checks(harness::rude_clients(|piece| {
            [b"received: ", piece].concat()
        }))
        .checks(harness::addresses(|piece| [b"received: ", piece].concat()))
        .check(harness::sends_everything_back().arguments(["--prefix", ""]))
        .run()
}

fn many_clients() -> [Check; 4] {
    [
        Check::new("a second client is served beside the first", side_by_side).notice(
            "Each client has a task of its own. All tasks share one thread.",
        ),
        Check::new("a full house lets the next one wait", a_full_house)
            .arguments(["--max-clients", "2"]),
        Check::new("a silent client is shown out", silent)
            .arguments(["--idle", "1"])
            .notice("The server closes the connection first. A client that says something has its time anew."),
        Check::new("a client that never reads is shown out", never_reads)
            .arguments(["--idle", "1", "--quiet"]),
    ]
}

fn ends() -> [Check; 4] {
    [
        Check::new("an interruption lets the clients finish", lets_them_finish)
            .arguments(["--grace", "60"])
            .notice("Nobody is let in any more. The client that was there gets its answer, and the last one to leave ends the server."),
        Check::new("a client that never finishes is cut off in the end", cuts_off)
            .arguments(["--grace", "0"]),
        Check::new("a second interruption ends it at once", a_second_interruption)
            .arguments(["--grace", "60"]),
        Check::new("a full house can be interrupted too", a_full_house_is_interrupted)
            .arguments(["--max-clients", "1"]),
    ]
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

fn a_full_house(server: &Server) {
    let first = is_answered(server.connect_as("first"));
    let second = is_answered(server.connect_as("second"));
    server.expect_line("full: 2 of 2 places are taken; the next client waits");
    let third = server.connect_as("third").send("hello").expect_silence();
    first.finish_sending().expect_end();
    let third = third.expect("received: hello");
    third.finish_sending().expect_end();
    second.finish_sending().expect_end();
}

fn silent(server: &Server) {
    let client = server.connect();
    let address = client.address();
    client.expect_end();
    server.expect_complaint(&format!("error: client {address}: timed out"));
}

fn never_reads(server: &Server) {
    let client = server.connect().send_until_blocked();
    server.expect_complaint(&format!("error: client {}: timed out", client.address()));
    client.hang_up();
}

fn lets_them_finish(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.expect_refusal();
    is_answered(client).finish_sending().expect_end();
    server.expect_exit(0);
}

fn cuts_off(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    client.expect_end();
    server.expect_exit(0);
}

fn a_second_interruption(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.interrupt();
    client.expect_end();
    server.expect_exit(130);
}

fn a_full_house_is_interrupted(server: &Server) {
    let client = is_answered(server.connect());
    server.expect_line("full: 1 of 1 places are taken; the next client waits");
    server.interrupt();
    server.expect_line("stopping: the last clients have 5 s");
    is_answered(client).finish_sending().expect_end();
    server.expect_exit(0);
}
