//! The steps and the exercises, and how far the learner is.

use std::process::ExitCode;

use anstyle::Style;
use tour::Outcome;
use tour::catalog::{exercises, steps};

use crate::progress::Progress;

/// Prints every step and every exercise: number, name, what it is about, and how far the learner is.
pub fn run() -> Outcome {
    let bold = Style::new().bold();
    anstream::println!("{bold}steps{bold:#}");
    for step in steps()? {
        let (number, name) = (step.number, &step.name);
        anstream::println!("{number:>3}  {name:<14}  {}", step.headline()?);
    }
    let progress = Progress::load()?;
    anstream::println!("{bold}exercises{bold:#}");
    for exercise in exercises()? {
        let (number, name) = (exercise.number, &exercise.name);
        let (mark, score) = progress.mark(name);
        let (style, task) = (
            mark.1,
            exercise
                .task()
                .unwrap_or("(it has no README.md)".to_owned()),
        );
        anstream::println!(
            "{number:>3}  {name:<14}  {style}{}{style:#} {score:>6}  {task}",
            mark.0
        );
    }
    Ok(ExitCode::SUCCESS)
}
