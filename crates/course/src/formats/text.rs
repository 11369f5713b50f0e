//! A scorecard for people.

use std::fmt::Write;

use anstyle::Style;
use harness::Verdict;

use crate::grade::Grade;

/// Where points stand, on the right.
const WIDTH: usize = 80;

pub fn render(grade: &Grade) -> String {
    let mut text = String::new();
    let bold = Style::new().bold();
    for exercise in &grade.exercises {
        let score = format!("{}/{}", exercise.got, exercise.points);
        let gap = WIDTH.saturating_sub(exercise.name.chars().count());
        // Writing to a String does not fail.
        let _ = writeln!(text, "{bold}{}{score:>gap$}{bold:#}", exercise.name);
        for check in &exercise.checks {
            let (mark, colour) = check.verdict.mark();
            let gap = WIDTH.saturating_sub(check.title.chars().count() + 4);
            let score = match check.verdict {
                Verdict::Skipped => "left out".to_owned(),
                _ => format!("{}/{}", check.got, check.points),
            };
            let _ = writeln!(
                text,
                "  {colour}{mark}{colour:#} {}{score:>gap$}",
                check.title
            );
            let is_explained = matches!(check.verdict, Verdict::Failed | Verdict::NotJudged);
            if is_explained && !check.message.is_empty() {
                let _ = writeln!(text, "{}", check.message.trim_end());
            }
        }
        text.push('\n');
    }
    let total = format!("{}/{}", grade.got, grade.points);
    let gap = WIDTH - "total".len();
    let _ = writeln!(text, "{bold}total{total:>gap$}{bold:#}");
    text
}
