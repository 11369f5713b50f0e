//! What changed between two steps.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, DiffOp, TextDiff};

use crate::{Outcome, steps};

/// Prints how the source of one step differs from another's.
pub fn run(from: &str, to: &str) -> Outcome {
    let (from, to) = (steps::find(from)?, steps::find(to)?);
    let (old, new) = (from.text()?, to.text()?);
    let (bold, dimmed) = (Style::new().bold(), Style::new().dimmed());
    anstream::println!("{bold}--- {}\n+++ {}{bold:#}", from.source(), to.source());
    let diff = TextDiff::from_lines(&old, &new);
    for hunk in diff.unified_diff().iter_hunks() {
        anstream::println!("{dimmed}{}{dimmed:#}", hunk.header());
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                ChangeTag::Equal => (' ', Style::new()),
            };
            anstream::println!(
                "{style}{sign}{}{style:#}",
                change.value().trim_end_matches('\n')
            );
        }
    }
    anstream::println!("{} changed lines", changed_lines(&old, &new));
    Ok(ExitCode::SUCCESS)
}

/// How many lines changed. A line that was replaced by another counts once.
pub fn changed_lines(old: &str, new: &str) -> usize {
    let diff = TextDiff::from_lines(old, new);
    let changes = diff.ops().iter().map(|operation| match operation {
        DiffOp::Equal { .. } => 0,
        other => other.old_range().len().max(other.new_range().len()),
    });
    changes.sum()
}
