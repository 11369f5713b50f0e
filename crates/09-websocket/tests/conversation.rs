//! What a server of WebSocket says, byte for byte.

#[path = "conversation/crowds.rs"]
mod crowds;
#[path = "conversation/frames.rs"]
mod frames;
#[path = "conversation/handshake.rs"]
mod handshake;
#[path = "conversation/messages.rs"]
mod messages;
#[path = "conversation/rooms.rs"]
mod rooms;
#[path = "conversation/wire.rs"]
mod wire;

use std::process::ExitCode;

use harness::{Check, Server, Suite};

fn main() -> ExitCode {
    Suite::new("websocket", env!("CARGO_BIN_EXE_websocket"))
        .page("docs/src/steps/websocket.md", "What is said")
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .checks(handshake::checks())
        .checks(frames::checks())
        .checks(messages::checks())
        .checks(rooms::checks())
        .checks(crowds::checks())
        .run()
}
