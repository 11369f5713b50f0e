//! The command line of `respond`: its help, and what it says when it cannot start.

#[path = "../../03-accept/tests/cli/buffer.rs"]
mod buffer;
#[path = "cli/quiet.rs"]
mod quiet;
#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;
