//! The command line of `receive`: its help, and what it says when it cannot start.

#[path = "../../03-accept/tests/cli/buffer.rs"]
mod buffer;
#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;
