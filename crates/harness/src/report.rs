//! The result of a suite: what is written to `--report`, and what is printed.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde::{Deserialize, Serialize};

use crate::conversation::Conversation;
use crate::failure::write_entry;

/// What came of a suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The package whose suite it is.
    pub suite: String,
    /// What was random came from this number; `--seed` gives it again.
    pub seed: u64,
    /// The word that whoever asked for the report gave: the report is no forgery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// Every check that was asked for, in the suite's order.
    pub checks: Vec<Judged>,
}

/// What is said of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The server did what was expected.
    Passed,
    /// It did something else.
    Failed,
    /// Not looked at, because a check that this one stands on did not pass.
    Blocked,
    /// The harness or the machine was in trouble; nothing is said of the server.
    NotJudged,
    /// Makes no sense here, and says why.
    Skipped,
}

/// One check and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// The title as one word: what a filter takes.
    pub name: String,
    /// The behaviour, as a sentence.
    pub title: String,
    /// What the check is worth, if it is graded.
    pub points: Option<u32>,
    /// How much of it was earned; nothing is said of a check that was not judged, or left out.
    pub got: Option<u32>,
    /// What is said of it.
    pub verdict: Verdict,
    /// What was expected and what came, or why there is no verdict; empty if it passed.
    pub message: String,
    /// Why it matters.
    pub why: Option<String>,
    /// What a reader of the conversation should notice.
    pub notice: Option<String>,
    /// Where the book explains it.
    pub page: Option<String>,
    /// The command that plays it again.
    pub replay: String,
    /// Everything that was said.
    pub conversation: Conversation,
    /// The same as text, without colours.
    pub transcript: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Judged {
    /// Whether nothing is wrong: passed, or left out with a reason.
    pub fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Skipped)
    }

    /// The check as a person reads it: title, conversation, and what there is to learn.
    ///
    /// The text has colour codes; print it with `anstream`, which removes them where they do not belong.
    pub fn render(&self) -> String {
        let mut text = self.heading() + "\n";
        let explanation = self.explanation();
        if self.verdict != Verdict::Blocked && self.verdict != Verdict::Skipped {
            text += &self.conversation.render();
            text += if explanation.is_empty() { "" } else { "\n" };
        }
        text + &explanation
    }

    /// The same without the conversation.
    pub fn render_briefly(&self) -> String {
        self.heading() + &self.explanation()
    }

    /// The same for every run: without times, ports and process numbers, and without what the server
    /// printed meanwhile, whose place among the clients' words is a matter of luck.
    pub fn render_stably(&self) -> String {
        let clients = self.conversation.events.iter();
        let clients = clients.filter(|event| event.client.is_some()).cloned();
        let conversation = Conversation {
            events: clients.collect(),
        };
        let talk = conversation.render();
        let gap = if talk.is_empty() { "" } else { "\n" };
        let text = format!("{}\n{talk}{gap}{}", self.heading(), self.explanation());
        stable(&anstream::adapter::strip_str(&text).to_string())
    }

    fn heading(&self) -> String {
        let (mark, colour) = self.verdict.mark();
        let bold = Style::new().bold();
        let points = match (self.got, self.points) {
            (Some(got), Some(points)) => format!("   {got} of {points}"),
            _ => String::new(),
        };
        format!(
            "{colour}{mark}{colour:#} {bold}{}{bold:#}{points}\n",
            self.title
        )
    }

    /// What was expected, what came, why it matters, where to read on, how to see it again. Plain text.
    pub fn explanation(&self) -> String {
        let mut text = self.message.clone();
        if self.verdict == Verdict::Failed {
            for (label, value) in [
                ("why", &self.why),
                ("see", &self.page),
                ("replay", &Some(self.replay.clone())),
            ] {
                if let Some(value) = value {
                    write_entry(&mut text, label, value);
                }
            }
        } else if let Some(notice) = &self.notice {
            write_entry(&mut text, "notice", notice);
        }
        text
    }
}

/// What stands before the numbers that differ from run to run, and what they are replaced with.
const CHANGING: [(&str, &str); 16] = [
    ("127.0.0.1:", "PORT"),
    ("127.0.0.2:", "PORT"),
    ("127,0,0,1,", "PORT"), // two numbers, in the replies of FTP (RFC 959, section 4.1.2)
    ("127,0,0,2,", "PORT"),
    ("(|||", "PORT"), // and in those of RFC 2428
    ("|127.0.0.1|", "PORT"),
    ("|127.0.0.2|", "PORT"),
    ("(0,0,0,0,", "PORT"),
    ("0.0.0.0:", "PORT"),
    ("[::1]:", "PORT"),
    ("::1:", "PORT"),
    ("--seed ", "SEED"),
    (" after ", "N"),
    ("checks.rs:", "LINE"),
    ("'main' (", "ID"),
    ("'<unnamed>' (", "ID"),
];

/// Replaces the numbers that differ from run to run.
fn stable(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, instead) in CHANGING {
        let parts: Vec<&str> = text.split(before).collect();
        let rest = parts[1..].iter().map(|part| {
            let in_number = |c: char| c.is_ascii_digit() || (c == ',' && before.ends_with(','));
            let rest = part.trim_start_matches(in_number);
            match &part[..part.len() - rest.len()] {
                "" => format!("{before}{part}"),
                "0" if instead == "PORT" => format!("{before}0{rest}"), // which is no port
                _ => format!("{before}{instead}{rest}"),
            }
        });
        text = parts[0].to_owned() + &rest.collect::<String>();
    }
    stable_lines(&text)
}

/// Replaces the times, and where in a port the first difference is.
fn stable_lines(text: &str) -> String {
    let mut stable = String::new();
    let mut has_port = false;
    for line in text.lines() {
        // How much a server took before it was blocked is up to the kernel's buffers.
        let blocked = line
            .split_once("\"xxx … xxx\" (")
            .filter(|_| !line.contains("67,108,864"));
        let blocked = blocked.map(|(before, _)| format!("{before}\"xxx … xxx\" (N bytes) ─▶"));
        let line = blocked.as_deref().unwrap_or(line);
        let (start, rest) = line.split_once(" ms  ").unwrap_or(("", line));
        if start.trim().parse::<f64>().is_ok() {
            stable += &format!("         T ms  {rest}\n");
        } else if has_port && line.trim_start().starts_with("^ byte ") {
            stable += "              ^ (in the port)\n"; // whose digits differ in another place each time
        } else {
            stable += &format!("{line}\n");
        }
        has_port = line.contains("PORT");
    }
    stable
}

impl Verdict {
    /// A sign and its colour.
    pub fn mark(self) -> (char, Style) {
        match self {
            Self::Passed => ('✓', AnsiColor::Green.on_default()),
            Self::Failed => ('✗', AnsiColor::Red.on_default()),
            Self::Blocked | Self::Skipped => ('·', Style::new().dimmed()),
            Self::NotJudged => ('?', AnsiColor::Yellow.on_default()),
        }
    }
}

impl Report {
    /// How many points the checks are worth, less those that were left out.
    pub fn points(&self) -> u32 {
        let counted = self
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Skipped);
        counted.filter_map(|check| check.points).sum()
    }

    /// How many points were earned.
    pub fn got(&self) -> u32 {
        self.checks.iter().filter_map(|check| check.got).sum()
    }

    /// One line: how many checks of each verdict, and the points.
    pub fn summary(&self) -> String {
        let mut text = format!("{}:", self.suite);
        let verdicts = [
            (Verdict::Passed, "passed"),
            (Verdict::Failed, "failed"),
            (Verdict::Blocked, "blocked"),
            (Verdict::NotJudged, "could not be judged"),
            (Verdict::Skipped, "left out"),
        ];
        for (verdict, name) in verdicts {
            let count = self
                .checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count();
            if count > 0 {
                let _ = write!(text, " {count} {name},"); // a String takes every write
            }
        }
        if self.points() > 0 {
            let _ = write!(text, " {} of {} points,", self.got(), self.points());
        }
        text.trim_end_matches(',').to_owned()
    }
}
