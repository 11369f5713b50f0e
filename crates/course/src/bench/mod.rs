//! How long people wait: a learner for the course, and the clients of a server for its answers.

mod contestants;
pub mod learner;
mod load;
pub mod protocols;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use harness::{Failure, NotJudged};
use tour::build;
use tour::catalog::Lesson;

/// The program of a step, built with optimisation.
pub fn release(step: &Lesson) -> Result<PathBuf> {
    let package = step.package();
    let built = build::cargo(&["build", "--release", "--package", &package, "--bins"])?;
    let binary = built.into_iter().next();
    let binary = binary.with_context(|| format!("{} has no binary", step.name))?;
    Ok(binary.executable)
}

/// The middle one. There must be one.
pub fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[values.len() / 2]
}

/// What the harness fails at, as an error: there is no suite here to catch it.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| match payload.downcast::<Failure>() {
        Ok(failure) => anyhow!("{}", failure.text().trim_end()),
        Err(other) => match other.downcast::<NotJudged>() {
            Ok(not_judged) => anyhow!("{}", not_judged.0),
            Err(other) => resume_unwind(other),
        },
    })
}
