//! How a grade is written down: one format a file.

mod gradescope;
mod json;
mod junit;
mod text;

use anyhow::Result;
use clap::ValueEnum;

use crate::grade::Grade;

/// The formats of a report.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// A scorecard for people
    Text,
    /// Everything, for programs of your own
    Json,
    /// The XML of JUnit, for CI services
    Junit,
    /// The results.json of Gradescope's autograder
    Gradescope,
}

impl Format {
    /// The whole report.
    pub fn render(self, grade: &Grade) -> Result<String> {
        match self {
            Self::Text => Ok(text::render(grade)),
            Self::Json => json::render(grade),
            Self::Junit => junit::render(grade),
            Self::Gradescope => gradescope::render(grade),
        }
    }
}
