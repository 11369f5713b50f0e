//! The results.json of Gradescope: <https://gradescope-autograders.readthedocs.io/en/latest/specs/>.

use anyhow::Result;
use harness::Verdict;
use serde::Serialize;

use crate::grade::{Grade, GradedCheck};

#[derive(Serialize)]
struct Results {
    score: u32,
    output: String,
    output_format: &'static str,
    visibility: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    score: u32,
    max_score: u32,
    /// `passed` or `failed`; left to the score where there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    output: String,
    output_format: &'static str,
    visibility: &'static str,
}

pub fn render(grade: &Grade) -> Result<String> {
    let mut tests = Vec::new();
    for exercise in &grade.exercises {
        tests.extend(
            exercise
                .checks
                .iter()
                .map(|check| test(&exercise.name, check)),
        );
    }
    let results = Results {
        score: grade.got,
        output: format!("{} of {} points", grade.got, grade.points),
        output_format: "text",
        visibility: "visible",
        tests,
    };
    Ok(serde_json::to_string_pretty(&results)? + "\n")
}

fn test(exercise: &str, check: &GradedCheck) -> Test {
    let gap = if check.transcript.is_empty() || check.message.is_empty() {
        ""
    } else {
        "\n"
    };
    Test {
        name: format!("{exercise}: {}", check.title),
        score: check.got,
        max_score: match check.verdict {
            Verdict::Skipped => 0, // it cannot be had on this machine
            _ => check.points,
        },
        status: match check.verdict {
            Verdict::Passed => Some("passed"),
            Verdict::Failed | Verdict::Blocked => Some("failed"),
            Verdict::NotJudged | Verdict::Skipped => None,
        },
        output: format!("{}{gap}{}", check.transcript, check.message),
        output_format: "text",
        visibility: "visible",
    }
}
