//! The one command line of the course: shows the steps, runs them, and compares them.
//!
//! It knows processes and files: it builds packages, runs their test programs and reads the reports
//! that those write. What a step is can be seen from its folder, `crates/NN-name`; no list is kept here.

mod bench;
mod build;
mod diff;
mod foreground;
mod steps;
mod stress;
#[cfg(test)]
mod tidy;
mod tour;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Server programming in Rust, from protocol to practice
#[derive(Parser)]
#[command(bin_name = "cargo course")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the steps at work: their conversations with clients
    Tour {
        /// Only this step: its name or its number
        step: Option<String>,
    },
    /// Run a step in the foreground; Ctrl-C ends it
    #[command(disable_help_flag = true)]
    Step {
        /// Its name or its number
        step: String,
        /// What the step is started with, such as --bind
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Show what changed from one step to another
    Diff {
        /// The name or the number of a step
        from: String,
        /// The name or the number of another
        to: String,
    },
    /// List the steps
    List,
    /// Repeat every test beside processes that burn every core
    Stress {
        /// How often
        #[arg(long, default_value_t = 200)]
        times: u32,
    },
    /// Measure how long a learner waits
    BenchLoop,
    #[command(hide = true)]
    Burn,
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Tour { step } => tour::run(step.as_deref()),
        Command::Step { step, arguments } => foreground::run(&step, &arguments),
        Command::Diff { from, to } => diff::run(&from, &to),
        Command::List => steps::list(),
        Command::Stress { times } => stress::run(times),
        Command::BenchLoop => bench::run(),
        Command::Burn => stress::burn(),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// What a subcommand comes to: an exit status, or an error that ends in a hint.
type Outcome = Result<ExitCode>;
