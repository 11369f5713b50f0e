//! Repeats every test while other processes burn every core: what is late or racy shows.

use std::io::{self, Read};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::foreground;
use tour::Outcome;
use tour::build::{self, Built};

/// What is repeated, and how often.
#[derive(clap::Args)]
pub struct Request {
    /// Only the test programs of these names
    names: Vec<String>,
    /// How often
    #[arg(long, default_value_t = 200)]
    times: u32,
    /// Repeat `verify` instead of the tests
    #[arg(long, conflicts_with = "names")]
    verify: bool,
    /// Repeat `bless --check` instead of the tests
    #[arg(long, conflicts_with_all = ["names", "verify"])]
    bless: bool,
}

/// Repeats what is asked for, and says what failed.
pub fn run(request: &Request) -> Outcome {
    match request {
        Request { verify: true, .. } => repeat(request.times, &["verify"]),
        Request { bless: true, .. } => repeat(request.times, &["bless", "--check"]),
        Request { names, .. } => repeat_tests(request.times, names),
    }
}

/// Runs test programs at once, `times` times: all of them, or those of these names.
fn repeat_tests(times: u32, names: &[String]) -> Outcome {
    let programs = build::cargo(&["test", "--no-run"])?;
    let wanted = |program: &&Built| names.is_empty() || names.contains(&program.target);
    let programs = programs
        .iter()
        .filter(|program| program.is_test)
        .filter(wanted);
    let programs: Vec<_> = programs.collect();
    let burners = start_burners()?;
    let started = Instant::now();
    let mut failures = 0;
    for time in 1..=times {
        for (program, output) in run_all(&programs)? {
            if !output.status.success() {
                failures += 1;
                let text = String::from_utf8_lossy(&output.stdout);
                anstream::println!(
                    "{} of {}: {}\n{text}",
                    program.target,
                    program.folder.display(),
                    output.status
                );
            }
        }
        anstream::println!(
            "{time} of {times}: {failures} failures, {:.0} s",
            started.elapsed().as_secs_f64()
        );
    }
    end_burners(burners)?;
    anstream::println!(
        "{} test programs, {times} times: {failures} failures",
        programs.len()
    );
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a command of this program that proves something.
fn repeat(times: u32, command: &[&str]) -> Outcome {
    let burners = start_burners()?;
    let started = Instant::now();
    let mut failures = 0;
    for time in 1..=times {
        let output = Command::new(foreground::this_program()?)
            .args(command)
            .output()?;
        if !output.status.success() {
            failures += 1;
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let wrong = text.lines().filter(|line| !line.starts_with('✓'));
            wrong.for_each(|line| anstream::println!("{line}"));
        }
        let seconds = started.elapsed().as_secs();
        anstream::println!("{time} of {times}: {failures} failures, {seconds} s");
    }
    end_burners(burners)?;
    Ok(ExitCode::from(u8::from(failures > 0)))
}

fn run_all<'a>(programs: &[&'a Built]) -> Result<Vec<(&'a Built, Output)>> {
    let started = programs.iter().map(|program| {
        let mut command = Command::new(&program.executable);
        command
            .current_dir(&program.folder)
            .env("CARGO_MANIFEST_DIR", &program.folder);
        Ok((*program, thread::spawn(move || command.output())))
    });
    let started: Vec<_> = started.collect::<Result<_>>()?;
    started
        .into_iter()
        .map(|(program, output)| {
            let output = output
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((
                program,
                output.with_context(|| format!("cannot run {}", program.executable.display()))?,
            ))
        })
        .collect()
}

/// One process for each core. They end when their input does, so also when this program is killed.
fn start_burners() -> Result<Vec<Child>> {
    let cores = thread::available_parallelism()?.get();
    let burner = foreground::this_program()?;
    let burners = (0..cores).map(|_| {
        Command::new(&burner)
            .arg("burn")
            .stdin(Stdio::piped())
            .spawn()
    });
    burners
        .collect::<io::Result<_>>()
        .context("cannot start a burner")
}

fn end_burners(burners: Vec<Child>) -> Result<()> {
    for mut burner in burners {
        drop(burner.stdin.take());
        burner.wait()?;
    }
    Ok(())
}

/// Keeps one core busy until the input ends.
pub fn burn() -> Outcome {
    thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}
