//! Repeats every test while other processes burn every core: what is late or racy shows.

use std::io::{self, Read};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use tour::Outcome;
use tour::build::{self, Built};

/// Runs all test programs at once, `times` times, and says what failed.
pub fn run(times: u32) -> Outcome {
    let programs = build::cargo(&["test", "--no-run"])?;
    let programs: Vec<_> = programs.iter().filter(|program| program.is_test).collect();
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
    for mut burner in burners {
        drop(burner.stdin.take());
        burner.wait()?;
    }
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
    let burner = std::env::current_exe()?;
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
