//! `cargo tour`: the same as `cargo course tour`, built sooner.

use std::process::ExitCode;

use clap::Parser;

/// Show the steps at work: their conversations with clients
#[derive(Parser)]
#[command(bin_name = "cargo tour")]
struct Args {
    /// Only this step: its name or its number
    step: Option<String>,
}

fn main() -> ExitCode {
    tour::run(Args::parse().step.as_deref()).unwrap_or_else(|error| tour::complain(&error))
}
