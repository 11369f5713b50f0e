//! The one command line of the course: shows the steps, runs them, and compares them.
//!
//! It knows processes and files: it builds packages, runs their test programs and reads the reports
//! that those write. What a step is can be seen from its folder, `crates/NN-name`; no list is kept here.

mod bar;
mod bench;
mod board;
mod book;
mod check;
mod confine;
mod diff;
mod doctor;
mod foreground;
mod formats;
mod grade;
mod lesson;
mod list;
mod progress;
mod race;
mod stage;
mod stress;
mod submission;
mod suite;
#[cfg(test)]
mod tidy;
mod verify;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tour::{Outcome, catalog};

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
    /// Put the same load on each step that echoes, and compare them
    Race(race::Request),
    /// List the steps and the exercises, and how far you are
    List,
    #[command(flatten)]
    Exercise(ExerciseCommand),
    /// Look for what could stand in your way on this machine
    Doctor,
    /// Grade exercises, and write a report
    Grade {
        /// Only these exercises
        exercises: Vec<String>,
        /// Where the submission is, if it is not this checkout
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// How the report is written
        #[arg(long, value_enum, default_value = "text")]
        format: formats::Format,
        /// Write the report to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prove the exercises: starters fail, references pass, mistakes are caught
    Verify {
        /// Only these exercises
        exercises: Vec<String>,
        /// Write the failure texts anew; read them before you commit
        #[arg(long)]
        bless: bool,
        /// Prove also that each source is as a newcomer gets it
        #[arg(long)]
        fresh: bool,
    },
    /// Repeat every test beside processes that burn every core
    Stress(stress::Request),
    /// Measure how long a learner waits
    BenchLoop,
    /// Measure the protocol steps beside servers that people use
    BenchProtocols(bench::protocols::Request),
    /// Build the book: docs, with what the programs say in it
    Book {
        /// Serve it and open it in a browser, until Ctrl-C
        #[arg(long)]
        read: bool,
    },
    /// Make anew what the book shows of runs; read the diff before you commit
    Bless {
        /// Only see whether it is still true
        #[arg(long)]
        check: bool,
    },
    #[command(hide = true)]
    Weave { asked: Vec<String> },
    #[command(hide = true)]
    Burn,
    #[command(hide = true)]
    Confine {
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

/// What a learner does with an exercise.
#[derive(Subcommand)]
enum ExerciseCommand {
    /// Build an exercise, run its checks, and show the first failure
    Check {
        /// Its name or its number
        exercise: String,
        /// Only the checks whose name has this in it
        #[arg(long)]
        only: Option<String>,
        /// Judge this program: {addr} or {host}, {port}; {args} for more
        #[arg(long, value_name = "CMD")]
        server: Option<String>,
    },
    /// Check an exercise on every save, and show what is wrong
    Watch {
        /// Its name or its number [default: the first not passed]
        exercise: Option<String>,
    },
    /// Run an exercise in the foreground; Ctrl-C ends it
    #[command(disable_help_flag = true)]
    Run {
        /// Its name or its number
        exercise: String,
        /// What it is started with, such as --bind
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Show the next hint of an exercise
    Hint {
        /// Its name or its number
        exercise: String,
        /// This one: 1 is the slightest
        #[arg(long)]
        level: Option<usize>,
    },
    /// Play the client's part of one check, and print it
    Replay {
        /// The name or the number of an exercise
        exercise: String,
        /// The check's name, or a part of it
        check: String,
        /// Talk to a server that you run yourself, and print as it goes
        #[arg(long, value_name = "ADDRESS")]
        against: Option<String>,
        /// Judge this program: {addr} or {host}, {port}; {args} for more
        #[arg(long, value_name = "CMD", conflicts_with = "against")]
        server: Option<String>,
        /// Repeat what was random in an earlier run
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
    /// Show the solution of an exercise that you have passed
    Solution {
        /// Its name or its number
        exercise: String,
        /// Show it though you have not
        #[arg(long)]
        force: bool,
    },
    /// Start an exercise afresh; what you had is kept
    Reset {
        /// Its name or its number
        exercise: String,
    },
}

fn main() -> ExitCode {
    run(Args::parse().command).unwrap_or_else(|error| tour::complain(&error))
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Tour { step } => tour::run(step.as_deref()),
        Command::Step { step, arguments } => {
            foreground::build_and_run(&catalog::step(&step)?, &arguments)
        }
        Command::Diff { from, to } => diff::run(&from, &to),
        Command::Race(request) => race::run(&request),
        Command::List => list::run(),
        Command::Exercise(command) => run_for_exercise(command),
        Command::Doctor => doctor::run(),
        Command::Grade {
            exercises,
            from,
            format,
            out,
        } => grade::run(&grade::Request {
            names: &exercises,
            from: from.as_deref(),
            format,
            out: out.as_deref(),
        }),
        Command::Verify {
            exercises,
            bless,
            fresh,
        } => verify::run(&exercises, bless, fresh),
        Command::Stress(request) => stress::run(&request),
        Command::BenchLoop => bench::learner::run(),
        Command::BenchProtocols(request) => bench::protocols::run(&request),
        Command::Book { read: true } => book::read(),
        Command::Book { read: false } => book::build(),
        Command::Bless { check } => book::bless(check),
        Command::Weave { asked } => book::weave(&asked),
        Command::Burn => stress::burn(),
        Command::Confine { command } => confine::run(&command),
    }
}

fn run_for_exercise(command: ExerciseCommand) -> Outcome {
    use ExerciseCommand::{Check, Hint, Replay, Reset, Run, Solution, Watch};
    match command {
        Check {
            exercise,
            only,
            server,
        } => check::run(&exercise, only.as_deref(), server.as_deref()),
        Watch { exercise } => watch::run(exercise.as_deref()),
        Run {
            exercise,
            arguments,
        } => lesson::run(&exercise, &arguments),
        Hint { exercise, level } => lesson::hint(&exercise, level),
        Replay {
            exercise,
            check,
            against,
            server,
            seed,
        } => {
            let server = [("--against", against), ("--server", server)];
            lesson::replay(&exercise, &check, server, seed)
        }
        Solution { exercise, force } => lesson::solution(&exercise, force),
        Reset { exercise } => lesson::reset(&exercise),
    }
}
