//! How long a learner waits: for the tour, for the tests, for one check.
use crate::Outcome;
pub fn run() -> Outcome {
    Ok(std::process::ExitCode::SUCCESS)
}
