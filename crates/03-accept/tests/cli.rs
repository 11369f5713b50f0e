//! The command line of `accept`: its help, and what it says when it cannot start.

#[path = "cli/buffer.rs"]
mod buffer;
#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;
