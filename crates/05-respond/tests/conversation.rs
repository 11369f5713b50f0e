//! What a server answers to the pieces that it reads.

use std::process::ExitCode;

use harness::{Check, Server, Suite};

fn main() -> ExitCode {
    let no_prefix = ["--prefix", ""];
    Suite::new("respond", env!("CARGO_BIN_EXE_respond"))
        .page("docs/src/steps/respond.md", "What is said")
        .check(Check::new("says where it listens", Server::expect_listens_as_told))
        .check(Check::new("answers with its prefix and what was sent", answers).notice(
            "The reply is the prefix and the bytes of the piece: put together as bytes, never decoded.",
        ))
        .check(Check::new("one message in two pieces gets two answers", two_pieces).notice(
            "The client meant one message. TCP keeps bytes in order and knows no messages: framing them is our job.",
        ))
        .check(Check::new("two messages in one piece get one answer", one_piece))
        .check(Check::new("a character in two pieces comes back whole", a_split_character))
        .check(Check::new("a second client waits until the first has left", a_second_client_waits))
        .check(Check::new("the prefix may be any text", any_prefix).arguments(["--prefix", "收到数据:"]))
        .checks(harness::rude_clients(|piece| [b"received: ", piece].concat()))
        .checks(harness::addresses(|piece| [b"received: ", piece].concat()))
        .check(harness::sends_everything_back().arguments(no_prefix))
        .run()
}

fn answers(server: &Server) {
    let client = server.connect().send("hello\n").expect("received: hello\n");
    server.expect_line(&format!(
        "received 6 bytes from {}: \"hello\\n\"",
        client.address()
    ));
    client.finish_sending().expect_end();
}

fn two_pieces(server: &Server) {
    let client = server.connect().send("hel").expect("received: hel");
    client
        .send("lo\n")
        .expect("received: lo\n")
        .finish_sending()
        .expect_end();
}

fn one_piece(server: &Server) {
    let client = server.connect().send_together(&["one\n", "two\n"]);
    client
        .expect("received: one\ntwo\n")
        .finish_sending()
        .expect_end();
}

fn a_split_character(server: &Server) {
    let client = server
        .connect()
        .send(b"caf\xc3")
        .expect(b"received: caf\xc3");
    let client = client.send(b"\xa9").expect(b"received: \xa9");
    client.finish_sending().expect_end();
}

fn a_second_client_waits(server: &Server) {
    let first = server.connect_as("first").send("hello");
    let first = first.expect("received: hello");
    let second = server.connect_as("second").send("me too").expect_silence();
    first.finish_sending().expect_end();
    let second = second.expect("received: me too");
    second.finish_sending().expect_end();
}

fn any_prefix(server: &Server) {
    let client = server
        .connect()
        .send(b"\xc3")
        .expect(b"\xe6\x94\xb6\xe5\x88\xb0\xe6\x95\xb0\xe6\x8d\xae:\xc3");
    client.finish_sending().expect_end();
}
