//! The command line of `async`: its help, and what it says when it cannot start.

#[cfg(unix)]
#[path = "cli/at_once.rs"]
mod at_once;
#[path = "../../03-accept/tests/cli/buffer.rs"]
mod buffer;
#[cfg(unix)]
#[path = "../../06-threads/tests/cli/descriptors.rs"]
mod descriptors;
#[path = "../../05-respond/tests/cli/quiet.rs"]
mod quiet;
#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;
