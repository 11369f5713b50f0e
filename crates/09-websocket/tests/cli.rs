//! The command line of `websocket`: its help, and what it says when it cannot start.

#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;
