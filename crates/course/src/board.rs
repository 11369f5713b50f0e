//! What a learner sees of a check: every behaviour in a line, and the first failure in full.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use harness::{Judged, Report, Verdict};

use tour::catalog::Lesson;

/// Where points stand, on the right.
const WIDTH: usize = 80;

/// The name of an exercise and its source: `6 · lines      exercises/06-lines/src/main.rs`.
pub fn title(exercise: &Lesson) -> String {
    let bold = Style::new().bold();
    let name = format!("{} · {}", exercise.number, exercise.name);
    let gap = WIDTH.saturating_sub(name.chars().count() + 2);
    format!(" {bold}{name}{bold:#}{:>gap$}\n\n", exercise.source())
}

/// A line for each check, then the first one that did not pass. Colours are in it: print with anstream.
pub fn checks(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (mark, colour) = check.verdict.mark();
        let dimmed = Style::new().dimmed();
        let points = match (check.verdict, check.got, check.points) {
            (Verdict::Blocked, ..) => "blocked".to_owned(),
            (Verdict::Skipped, ..) => "left out".to_owned(),
            (_, Some(got), Some(points)) => format!("{got}/{points}"),
            _ => String::new(),
        };
        let gap = WIDTH.saturating_sub(check.title.chars().count() + 5);
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            " {colour}{mark}{colour:#} {} {dimmed}{points:>gap$}{dimmed:#}",
            check.title
        );
    }
    let first = report.checks.iter().find(|check| !check.is_good());
    if let Some(first) = first {
        let _ = write!(text, "\n{}", first.render());
    }
    text
}

/// The last word on a report of the whole exercise: what to do now.
pub fn last_word(exercise: &Lesson, report: &Report, fresh: bool) -> Result<String> {
    let (got, points) = (report.got(), report.points());
    let bold = Style::new().bold();
    let name = &exercise.name;
    if report.checks.iter().all(Judged::is_good) {
        let green = AnsiColor::Green.on_default().bold();
        let learned = paragraph(&exercise.read("README.md")?, "## What a pass teaches");
        let learned = textwrap::fill(&learned, WIDTH);
        let page = page(report).map_or(String::new(), |page| format!("Read on: {page}\n"));
        return Ok(format!(
            "{green}{name}: {got} of {points}.{green:#}\n{learned}\n{page}"
        ));
    }
    if report
        .checks
        .iter()
        .any(|check| check.verdict == Verdict::NotJudged)
    {
        return Ok(format!(
            "{bold}Not everything could be judged.{bold:#} Try again; `just doctor` looks for the cause.\n"
        ));
    }
    let first = report.checks.iter().find(|check| !check.is_good());
    let first = first.map_or("", |first| first.title.as_str());
    Ok(match fresh {
        true => format!(
            "{bold}{got} of {points}{bold:#}, as expected for a fresh start; first: {first}.\n"
        ),
        false => {
            format!("{bold}{got} of {points}.{bold:#} Next: {first}. A hint: `just hint {name}`.\n")
        }
    })
}

/// The page of the book that most of the checks are about.
fn page(report: &Report) -> Option<&str> {
    let pages = || {
        report
            .checks
            .iter()
            .filter_map(|check| check.page.as_deref())
    };
    pages().max_by_key(|page| pages().filter(|other| other == page).count())
}

/// The first paragraph below a heading of a Markdown text, as one line.
pub fn paragraph(text: &str, heading: &str) -> String {
    let below = text.lines().skip_while(|line| *line != heading).skip(1);
    let lines = below
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}
