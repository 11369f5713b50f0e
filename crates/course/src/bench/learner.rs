//! How long a learner waits: for the tour, for the tests, for one check, for the verdict on a save.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::{Check, Suite, Verdict};

use tour::{Outcome, build, catalog};

use super::median;

/// How often a whole command is measured.
const COMMANDS: usize = 5;
/// How often one check is.
const CHECKS: usize = 200;
/// How often a save is.
const SAVES: usize = 20;
/// The next save comes when nothing has been said for this long.
const BETWEEN: Duration = Duration::from_millis(500);
/// A verdict comes within this time. The first one waits for a build.
const PATIENCE: Duration = Duration::from_secs(120);

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
    row("save to verdict: `course watch lines`", saves_of_ours()?);
    match Command::new("rustlings").arg("--version").output() {
        Ok(_) => row(
            "save to verdict: `rustlings`, its first exercise",
            saves_of_rustlings()?,
        ),
        Err(_) => println!("rustlings is not installed: no peer to compare with"),
    }
    Ok(ExitCode::SUCCESS)
}

/// From the write of a source that passes every check of `lines` to the last line of the verdict.
fn saves_of_ours() -> Result<Vec<Duration>> {
    let checkout = catalog::target().join("bench-checkout");
    catalog::copy_to(&checkout)?;
    let exercise = checkout.join("exercises/06-lines");
    let (source, reference) = (
        exercise.join("src/main.rs"),
        exercise.join("variants/reference.rs"),
    );
    fs::copy(&reference, &source).context("cannot write the copy")?;
    let mut watch = Command::new(crate::foreground::this_program()?);
    watch.args(["watch", "lines"]).env("COURSE_ROOT", &checkout);
    watch.env("CARGO_TARGET_DIR", checkout.join("target"));
    measure_saves(watch, &source, "lines: 20 of 20.")
}

/// The same for the first exercise of rustlings, a program of a few lines that prints.
fn saves_of_rustlings() -> Result<Vec<Duration>> {
    let folder = std::env::temp_dir().join(format!("rustlings-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // It asks for Enter, and its screen needs a terminal, which script(1) provides.
    let mut init = Command::new("sh");
    init.args(["-c", "echo | rustlings init"])
        .current_dir(&folder);
    ensure!(init.output()?.status.success(), "`rustlings init` fails");
    let mut watch = Command::new("script");
    watch.args(["-qfec", "stty rows 50 cols 120; rustlings", "/dev/null"]);
    watch.current_dir(folder.join("rustlings"));
    let source = folder.join("rustlings/exercises/00_intro/intro1.rs");
    let measured = measure_saves(watch, &source, "Exercise done");
    fs::remove_dir_all(&folder)?;
    measured
}

/// Saves `source` again and again, each time a little different, until `watch` says `verdict`.
fn measure_saves(mut watch: Command, source: &Path, verdict: &str) -> Result<Vec<Duration>> {
    // An input that stays open: its end could mean that nobody watches.
    let watch = watch
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut watch = Running(watch.spawn().context("it does not start")?);
    // Enter leaves the welcome of rustlings; ours has none and passes it over.
    let mut keys = watch.0.stdin.take().context("no input")?;
    keys.write_all(b"\n")?;
    let said = listen(&mut watch.0)?;
    wait_for(&said, verdict)?;
    let text = fs::read_to_string(source)?;
    let mut times = Vec::new();
    for number in 0..SAVES {
        // What an earlier verdict said besides; and rustlings passes over a save that comes at once.
        while said.recv_timeout(BETWEEN).is_ok() {}
        let asked = Instant::now();
        fs::write(source, format!("{text}// {number}\n"))?;
        wait_for(&said, verdict)?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

/// A program that is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // an error means that it has ended
        let _ = self.0.wait();
    }
}

fn listen(program: &mut Child) -> Result<Receiver<String>> {
    let mut output = program.stdout.take().context("no output")?;
    let (tell, said) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            if tell
                .send(String::from_utf8_lossy(&buffer[..count]).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    Ok(said)
}

fn wait_for(said: &Receiver<String>, verdict: &str) -> Result<()> {
    let mut text = String::new();
    while !text.contains(verdict) {
        match said.recv_timeout(PATIENCE) {
            Ok(words) => text += &words,
            Err(_) => bail!("no verdict came:\n{text}"),
        }
    }
    Ok(())
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

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
