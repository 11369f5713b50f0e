//! Repeats every test while other processes burn every core: what is late or racy shows.

use std::io::{self, Read};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::foreground;
use tour::Outcome;
use tour::build::{self, Built};

/// Runs test programs at once, `times` times, and says what failed: all of them, or those of these names.
pub fn run(times: u32, names: &[String]) -> Outcome {
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

/// Proves the exercises, `times` times, likewise.
pub fn verify(times: u32) -> Outcome {
    let burners = start_burners()?;
    let started = Instant::now();
    let mut failures = 0;
    for time in 1..=times {
        let output = Command::new(foreground::this_program()?)
            .arg("verify")
            .output()?;
        if !output.status.success() {
            failures += 1;
            let text = String::from_utf8_lossy(&output.stdout);
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
