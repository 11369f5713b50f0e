//! What a server sees of what a client sent: pieces.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

fn main() -> ExitCode {
    Suite::new("receive", env!("CARGO_BIN_EXE_receive"))
        .page("docs/src/steps/receive.md", "What is said")
        .check(Check::new("says where it listens", Server::expect_listens_as_told))
        .check(Check::new("prints what arrived and from whom", prints_what_arrived))
        .check(Check::new("3,000 bytes arrive in several pieces", several_pieces).notice(
            "One send of 3,000 bytes, three reads: a read takes at most the 1,024 bytes that its buffer holds.",
        ))
        .check(Check::new("a character split over two pieces is whole on the wire", a_split_character).notice(
            "The print is damaged, for each half alone is no character. The bytes that came back are not.",
        ))
        .check(Check::new("an escape sequence reaches no terminal", an_escape_sequence).notice(
            "The client tried to clear the screen of whoever runs the server. It is printed escaped.",
        ))
        .checks(harness::rude_clients(<[u8]>::to_vec))
        .checks(harness::addresses(<[u8]>::to_vec))
        .check(harness::sends_everything_back())
        .run()
}

fn prints_what_arrived(server: &Server) {
    let client = server.connect();
    let client = say(server, client, b"hello", "hello");
    client.finish_sending().expect_end();
}

fn several_pieces(server: &Server) {
    let bytes = [b'a'; 3000];
    let client = server.connect().send(bytes).expect(bytes);
    for count in [1024, 1024, 952] {
        let text = "a".repeat(count);
        server.expect_line(&format!(
            "received {count} bytes from {}: \"{text}\"",
            client.address()
        ));
    }
    client.finish_sending().expect_end();
}

fn a_split_character(server: &Server) {
    let client = server.connect();
    let client = say(server, client, b"caf\xc3", "caf\u{fffd}");
    let client = say(server, client, b"\xa9", "\u{fffd}");
    client.finish_sending().expect_end();
}

fn an_escape_sequence(server: &Server) {
    let client = server.connect();
    let client = say(server, client, b"\x1b[2J", "\\u{1b}[2J");
    client.finish_sending().expect_end();
}

/// Sends one piece, gets it back, and finds it printed as `text`.
#[track_caller]
fn say(server: &Server, client: Client, piece: &[u8], text: &str) -> Client {
    let client = client.send(piece).expect(piece);
    let (count, address) = (piece.len(), client.address());
    server.expect_line(&format!(
        "received {count} bytes from {address}: \"{text}\""
    ));
    client
}
