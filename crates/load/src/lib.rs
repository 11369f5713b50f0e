//! The clients of the race: thousands of connections in one thread, every answer compared byte for byte.
//!
//! It is a crate of its own so that it is optimised also where nothing else is, as the workspace's manifest says: a load
//! that costs more than the server measures itself.

mod client;
mod content;
mod crowd;
mod stream;

pub use client::Trouble;
pub use content::Content;
pub use crowd::{Answers, Crowd};
pub use stream::Stream;
