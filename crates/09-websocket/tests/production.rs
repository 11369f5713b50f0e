//! The example `production` echoes, too.

#[path = "conversation/wire.rs"]
#[allow(dead_code, reason = "this needs less of it")]
mod wire;

use harness::{Program, Server};

use wire::{PING, PONG, TEXT, closes_well, frame, from_server, is_echoed};

/// Starts the example, if cargo has built it.
fn start() -> Option<Server> {
    let program = harness::example("websocket-production")?;
    let command = shlex::try_join([program.as_str(), "{addr}"]).expect("words");
    let program = Program::from_command_line(&command).expect("a command");
    Some(program.start(([127, 0, 0, 1], 0).into(), &[""; 0]))
}

#[test]
fn the_example_echoes_and_answers_pings_and_closes() {
    let Some(server) = start() else { return };
    let client = server.connect().send(wire::handshake("/"));
    let (client, head) = client.read_until(b"\r\n\r\n");
    let head = String::from_utf8(head).expect("text");
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let client = is_echoed(client, "hello").send(frame(0x01, "two "));
    let client = client.send(frame(PING, "?")).expect(from_server(PONG, "?"));
    let client = client.send(frame(0x80, "fragments"));
    closes_well(client.expect(from_server(TEXT, "two fragments")));
}
