//! How long a learner waits: for the tour, for the tests, for one check.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Check, Suite, Verdict};

use tour::{Outcome, build, catalog};

/// How often a whole command is measured.
const COMMANDS: usize = 5;
/// How often one check is.
const CHECKS: usize = 200;

/// Prints the medians of what the course does most.
pub fn run() -> Outcome {
    build::cargo(&["test", "--no-run"])?;
    row("warm `cargo tour`", command(&["tour"])?);
    row("warm `cargo test`", command(&["test"])?);

    let binaries = build::cargo(&["build", "--package", "accept", "--bins"])?;
    let server = &binaries.first().context("accept has no binary")?.executable;
    // Side by side, one after the other, so that a busy moment of the machine meets both.
    let (mut starts, mut checks) = (Vec::new(), Vec::new());
    for _ in 0..CHECKS {
        starts.push(start_alone(server)?);
        checks.push(one_check(server)?);
    }
    row(
        "a server's own start: spawn, ready, kill, reap",
        starts.clone(),
    );
    row("one check: the same, connect, exchange", checks.clone());
    let over = median(checks).saturating_sub(median(starts));
    println!(
        "{:<48}{:>9.2} ms",
        "one check over the server's own start",
        ms(over)
    );
    Ok(ExitCode::SUCCESS)
}

fn command(arguments: &[&str]) -> Result<Vec<Duration>> {
    let once = || {
        let started = Instant::now();
        let mut cargo = Command::new("cargo");
        let output = cargo
            .args(arguments)
            .current_dir(catalog::root())
            .output()?;
        ensure!(
            output.status.success(),
            "`cargo {}` fails",
            arguments.join(" ")
        );
        Ok(started.elapsed())
    };
    (0..COMMANDS).map(|_| once()).collect()
}

fn start_alone(server: &Path) -> Result<Duration> {
    let started = Instant::now();
    let mut command = Command::new(server);
    let mut child = command
        .args(["--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    let took = started.elapsed();
    let address = line.trim_end().strip_prefix("listening on ");
    ensure!(
        address.is_some_and(|address| address.parse::<SocketAddr>().is_ok()),
        "not ready: {line}"
    );
    Ok(took)
}

fn one_check(server: &Path) -> Result<Duration> {
    let check = Check::new("it echoes", |server| {
        server
            .connect()
            .send("hello")
            .expect("hello")
            .finish_sending()
            .expect_end();
    });
    let suite =
        Suite::new("accept", server.to_str().context("a path that is no text")?).check(check);
    let started = Instant::now();
    let report = suite.judge(0);
    let took = started.elapsed();
    ensure!(
        report.checks[0].verdict == Verdict::Passed,
        "{}",
        report.checks[0].explanation()
    );
    Ok(took)
}

fn row(name: &str, times: Vec<Duration>) {
    let count = times.len();
    println!(
        "{name:<48}{:>9.2} ms   median of {count}",
        ms(median(times))
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
