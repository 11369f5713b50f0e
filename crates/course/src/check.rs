//! Builds an exercise, runs its checks, and shows what came of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use harness::{Judged, Report, Verdict, check_name};

use crate::progress::Progress;
use crate::suite::Suite;
use crate::{board, submission};
use tour::Outcome;
use tour::build::{self, Built, Look};
use tour::catalog::{self, Lesson};
use tour::link;

/// An exercise that has been built: its program and the test program that judges it.
pub struct Ready {
    pub program: PathBuf,
    suite: PathBuf,
    /// What the compiler said, though it did not fail.
    pub warnings: String,
}

/// Why there is nothing to judge.
pub enum Trouble {
    /// The compiler's own words.
    DoesNotBuild(String),
    /// Anything else.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Judges an exercise as it is, or only the checks whose name has `only` in it, or another program.
pub fn run(name: &str, only: Option<&str>, server: Option<&str>) -> Outcome {
    let exercise = catalog::exercise(name)?;
    let look = Look {
        colour: colours(),
        progress: true,
    };
    let ready = match prepare(&exercise, look) {
        Ok(ready) => ready,
        Err(Trouble::Other(error)) => return Err(error),
        Err(Trouble::DoesNotBuild(text)) => {
            anstream::eprint!("{text}");
            anstream::eprintln!(
                "{} does not build yet: mend the first error, and check again",
                exercise.name
            );
            return Ok(ExitCode::FAILURE);
        }
    };
    anstream::eprint!("{}", ready.warnings);
    let mut suite = ready.suite(&exercise);
    if let Some(server) = server {
        suite = suite.run_from_here()?.with(["--server", server]);
    }
    let report = suite.with(only.map(check_name)).judge()?;
    if report.checks.is_empty() {
        let (name, only) = (&exercise.name, only.unwrap_or_default());
        bail!(
            "no check of {name} has {only:?} in its name\nhint: `just check {name}` names them all"
        );
    }
    let checks = link::pages(&board::checks(&report));
    anstream::print!("{}{checks}", board::title(&exercise));
    if only.is_none() {
        conclude(&exercise, &report, server)?;
    }
    Ok(status(&report))
}

/// Says what to do now, and remembers what was reached.
fn conclude(exercise: &Lesson, report: &Report, server: Option<&str>) -> Result<()> {
    let not_judged = |check: &Judged| check.verdict == Verdict::NotJudged;
    let word = match server {
        Some(server) if report.checks.iter().any(not_judged) => {
            format!("Could it be started? --server said: {server}\n")
        }
        _ => board::last_word(exercise, report, server.is_none() && is_fresh(exercise))?,
    };
    if server.is_none() {
        Progress::reach(&exercise.name, report)?;
    }
    let word = link::pages(&word);
    anstream::println!("\n{word}{}", what_next(exercise, report)?);
    Ok(())
}

/// 0: all passed. 1: something failed. 2: something could not be judged.
pub fn status(report: &Report) -> ExitCode {
    if report
        .checks
        .iter()
        .any(|check| check.verdict == Verdict::NotJudged)
    {
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(!report.checks.iter().all(Judged::is_good)))
}

/// Builds the exercise where it stands.
pub fn prepare(exercise: &Lesson, look: Look) -> Result<Ready, Trouble> {
    submission::collect(&exercise.folder, Path::new("src"))?;
    let arguments = [
        "test",
        "--no-run",
        "--package",
        &exercise.package(),
        "--test",
        "checks",
    ];
    let mut outcome = build::cargo_in(catalog::root(), &arguments, look, None)?;
    let said = outcome.said.remove(&exercise.folder).unwrap_or_default();
    if said.failed {
        return Err(Trouble::DoesNotBuild(said.text));
    }
    let find = |is_suite: bool| {
        let wanted = |built: &&Built| built.folder == exercise.folder && built.is_test == is_suite;
        let built = outcome.built.iter().find(wanted);
        built
            .map(|built| built.executable.clone())
            .context("cargo did not build all of it")
    };
    Ok(Ready {
        program: find(false)?,
        suite: find(true)?,
        warnings: said.text,
    })
}

impl Ready {
    /// Its checks, to be run.
    pub fn suite(&self, exercise: &Lesson) -> Suite {
        Suite::new(&self.suite, &exercise.folder)
    }
}

/// Whether the learner has not begun yet.
pub fn is_fresh(exercise: &Lesson) -> bool {
    let starter = exercise.read("variants/starter.rs");
    matches!((starter, exercise.text()), (Ok(starter), Ok(text)) if starter == text)
}

/// After a pass: the solution, and the next exercise that is not passed yet.
fn what_next(exercise: &Lesson, report: &Report) -> Result<String> {
    if !report.checks.iter().all(Judged::is_good) {
        return Ok(String::new());
    }
    let progress = Progress::load()?;
    let exercises = catalog::exercises()?;
    let mut open = exercises
        .iter()
        .filter(|other| other.name != exercise.name && !progress.passes(&other.name));
    let next = match open.find(|other| other.number > exercise.number) {
        Some(next) => format!("just check {}", next.name),
        None => "just list".to_owned(),
    };
    Ok(format!("Next: {next} · just solution {}", exercise.name))
}

/// Whether the compiler's words may have colours.
fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
