//! What changed between two steps.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use similar::{ChangeTag, DiffOp, TextDiff};

use crate::stage::files_below;
use tour::Outcome;
use tour::catalog::{self, Lesson};

/// A difference that takes longer to find is not the least.
const LONGEST: Duration = Duration::from_millis(500);

/// Prints how the source of one step differs from another's.
pub fn run(from: &str, to: &str) -> Outcome {
    anstream::print!("{}", between(&lesson(from)?, &lesson(to)?)?);
    Ok(ExitCode::SUCCESS)
}

/// A step, or an exercise: their names differ.
fn lesson(wanted: &str) -> Result<Lesson> {
    catalog::step(wanted).or_else(|error| catalog::exercise(wanted).map_err(|_| error))
}

/// How the source of one program differs from another's. Colours are in it: print with anstream.
pub fn between(from: &Lesson, to: &Lesson) -> Result<String> {
    let (old, new) = (from.text()?, to.text()?);
    let (bold, dimmed) = (Style::new().bold(), Style::new().dimmed());
    let mut text = format!("{bold}--- {}\n+++ {}{bold:#}\n", from.source(), to.source());
    let diff = compare(&old, &new);
    for hunk in diff.unified_diff().iter_hunks() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{dimmed}{}{dimmed:#}", hunk.header());
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                ChangeTag::Equal => (' ', Style::new()),
            };
            let line = change.value().trim_end_matches('\n');
            let _ = writeln!(text, "{style}{sign}{line}{style:#}");
        }
    }
    let _ = writeln!(text, "{} changed lines", count(&diff));
    for module in new_modules(from, to)? {
        let _ = writeln!(text, "new beside it: {module}");
    }
    Ok(text)
}

/// The modules of a program that the other has not, or has in another form.
pub fn new_modules(from: &Lesson, to: &Lesson) -> Result<Vec<String>> {
    let mut modules = Vec::new();
    let sources = to.folder.join("src");
    for path in files_below(&sources)? {
        let name = path.strip_prefix(&sources)?;
        let known = fs::read(from.folder.join("src").join(name)).ok();
        if name != Path::new("main.rs") && known != fs::read(&path).ok() {
            modules.push(to.path(&format!("src/{}", name.display())));
        }
    }
    Ok(modules)
}

fn compare<'a>(old: &'a str, new: &'a str) -> TextDiff<'a, 'a, 'a, str> {
    TextDiff::configure().timeout(LONGEST).diff_lines(old, new)
}

/// How many lines changed. A line that was replaced by another counts once.
#[cfg(test)]
pub fn changed_lines(old: &str, new: &str) -> usize {
    count(&compare(old, new))
}

fn count(diff: &TextDiff<str>) -> usize {
    let changes = diff.ops().iter().map(|operation| match operation {
        DiffOp::Equal { .. } => 0,
        other => other.old_range().len().max(other.new_range().len()),
    });
    changes.sum()
}
