//! Why a check did not pass, and how that travels from the check to the suite.

use std::fmt::Write;
use std::panic::{self, Location};

use crate::bytes::Difference;

/// What was expected and what came instead.
///
/// A failing expectation unwinds with a `Failure`; the [`Suite`](crate::Suite) catches it there and
/// adds the conversation, the reason and the replay command.
#[derive(Clone, Debug)]
pub struct Failure {
    expected: String,
    got: String,
    caret: Option<String>,
    entries: Vec<(&'static str, String)>,
    at: Option<&'static Location<'static>>,
}

impl Failure {
    /// What was expected, and what came instead.
    pub fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            got: got.into(),
            caret: None,
            entries: Vec::new(),
            at: None,
        }
    }

    /// A failure that shows two byte strings around their first difference.
    pub(crate) fn of_bytes(difference: Difference, expected: &str, got: &str) -> Self {
        let pad = difference
            .expected
            .chars()
            .count()
            .max(difference.got.chars().count());
        let mut failure = Self::new(
            format!("{:<pad$}   {expected}", difference.expected),
            format!("{:<pad$}   {got}", difference.got),
        );
        failure.caret = Some(difference.caret);
        failure
    }

    /// Adds a line that helps to find the cause.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        self.entry("note", note)
    }

    /// Adds a labelled line.
    #[must_use]
    pub(crate) fn entry(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.entries.push((label, value.into()));
        self
    }

    /// Adds labelled lines, as many as there are.
    #[must_use]
    pub(crate) fn entries(
        mut self,
        entries: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        self.entries.extend(entries);
        self
    }

    /// Ends the check with this failure, at the line that called the outermost `#[track_caller]` function.
    #[track_caller]
    pub fn raise(mut self) -> ! {
        self.at.get_or_insert(Location::caller());
        panic::resume_unwind(Box::new(self))
    }

    /// The line of the check where it happened, as `file:line`; none if it is not a line of a check.
    pub fn at(&self) -> Option<String> {
        let at = self.at?;
        let harness = file!().trim_end_matches("failure.rs");
        let elsewhere = at.file().starts_with(harness) || at.file().starts_with("/rustc/");
        (!elsewhere).then(|| format!("{}:{}", at.file(), at.line()))
    }

    /// What was expected, what came, and what else is known, a labelled line each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        write_entry(&mut text, "expected", &self.expected);
        write_entry(&mut text, "got", &self.got);
        if let Some(caret) = &self.caret {
            write_entry(&mut text, "", caret);
        }
        for (label, value) in &self.entries {
            write_entry(&mut text, label, value);
        }
        text
    }
}

/// The entries that are prose, which is wrapped. What stands under a caret is not.
const PROSE: [&str; 5] = ["why", "notice", "note", "trouble", "blocked"];
/// Prose is this wide, so that an entry takes 80 columns.
const PROSE_WIDTH: usize = 66;

/// One labelled entry of a failure text; further lines of `value` are indented below the first.
pub(crate) fn write_entry(text: &mut String, label: &str, value: &str) {
    let indented = match PROSE.contains(&label) {
        true => textwrap::fill(value, PROSE_WIDTH),
        false => value.to_owned(),
    };
    let indented = indented.replace('\n', "\n              ");
    let _ = writeln!(text, "    {label:<8}  {indented}"); // a String takes every write
}

/// Ends the check without a verdict on the server: the harness or the machine is in trouble.
pub struct NotJudged(pub String);

/// Ends the check because it makes no sense here.
pub(crate) struct Skipped(pub String);

/// Ends the check without judging the server, because something outside of it went wrong.
pub fn cannot_judge(reason: impl Into<String>) -> ! {
    panic::resume_unwind(Box::new(NotJudged(reason.into())))
}

/// Leaves the check out, visibly: it is listed as ignored, with `reason`.
pub fn skip(reason: impl Into<String>) -> ! {
    panic::resume_unwind(Box::new(Skipped(reason.into())))
}
