//! The tour, and what every command of the course stands on: finding lessons and building them.
//!
//! A newcomer's first command is `cargo tour`, and it waits for everything that this package needs. So
//! what only the other commands need is in `crates/course`.

pub mod build;
pub mod catalog;
mod show;

pub use show::run;

/// What a command comes to: an exit status, or an error that ends in a hint.
pub type Outcome = anyhow::Result<std::process::ExitCode>;
