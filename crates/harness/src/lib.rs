//! Starts any server program, speaks to it over real sockets, and judges what it hears.
//!
//! # A tour
//!
//! A [`Check`] is one behaviour, written as the conversation that shows it. It is given a [`Server`]:
//! a child process that has said `listening on IP:PORT` on its standard output and is ready. The check
//! opens connections to it, as many [`Client`]s as it likes, and says what goes there and what must
//! come back:
//!
//! ```no_run
//! use harness::{Check, Suite};
//!
//! fn main() -> std::process::ExitCode {
//!     Suite::new("respond", "target/debug/respond")
//!         .check(Check::new("says where it listens", |server| server.expect_listens_as_told()))
//!         .check(
//!             Check::new("each piece is answered", |server| {
//!                 let client = server.connect().send("hel").expect("received: hel");
//!                 client.send("lo").expect("received: lo").finish_sending().expect_end();
//!             })
//!             .teaches("A read returns what has arrived by then, be it half a message or two."),
//!         )
//!         .run()
//! }
//! ```
//!
//! This is a test program (`harness = false` in its manifest). `cargo test`, nextest and an editor list
//! and run its checks by name. Three more ways to run it:
//!
//! - `--show` prints every [`Conversation`]: clients on the left, the server on the right.
//! - `--server 'python3 server.py {addr}'` drives any other program instead, in any language.
//! - `--report FILE` writes a [`Report`] as JSON.
//!
//! # What it promises
//!
//! - A server is ready when it says so. There is no probe connection and no sleep.
//! - Every wait has a deadline. A connection may be silent for 2 s, a server has 5 s to get ready. On Linux,
//!   one that still works then has as much again of a processor's time: a busy machine is no fault of it.
//! - Every server is gone with everything it started when its check is over: after a pass, a failure, a
//!   panic, and also when the test program itself is interrupted or killed.
//! - A failure says what was expected and what came, byte for byte, and never blames the server for
//!   trouble of the harness or the machine: see [`Verdict`].

mod bytes;
mod client;
mod conversation;
mod crowd;
mod descriptors;
mod failure;
mod group;
mod kernel;
mod listening;
mod output;
mod patience;
mod peer;
mod process;
mod program;
mod relay;
mod report;
mod rude;
mod server;
mod suite;

pub use bytes::{Excerpt, escape_controls};
pub use client::{Client, splits};
pub use conversation::{Conversation, Event, What};
pub use crowd::crowds;
pub use descriptors::allow_descriptors;
pub use failure::{Failure, NotJudged, cannot_judge, skip};
pub use listening::Listening;
pub use peer::Peer;
pub use program::{Finished, Held, Program, example, find_program};
pub use report::{Judged, Report, Verdict};
pub use rude::{
    addresses, flood, rude_clients, send_and_leave, send_noise, send_noise_datagrams,
    sends_everything_back,
};
pub use server::Server;
pub use suite::{Check, Suite, check_name};
