//! The command line of `bind-listen`: its help, and what it says when it cannot start.

#[path = "cli/server.rs"]
mod server;
