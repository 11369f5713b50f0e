//! What is on the screen: a view above, and below it how far the learner is and what the keys do.

use std::fmt::Write;
use std::time::Duration;

use anstyle::Style;
use anyhow::Result;

use super::job::{Done, Verdict};
use super::run::Running;
use super::terminal::Terminal;
use crate::progress::Progress;
use crate::{bar, board, lesson};
use tour::catalog::{self, Lesson};
use tour::link;

/// What is looked at.
pub enum View {
    /// What came of judging the exercise.
    Board,
    /// Something to read.
    Text(String),
    /// A hint, and which.
    Hint { level: usize, text: String },
    /// The exercises, one of which is marked.
    List { selected: usize, filter: Filter },
    /// The exercise's program at work.
    Running(Running),
    /// Whether to start afresh.
    AskReset,
}

/// Which exercises are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    All,
    Done,
    Pending,
}

impl Filter {
    /// Those that are listed, in order.
    pub fn exercises(self) -> Result<Vec<Lesson>> {
        let progress = Progress::load()?;
        let mut exercises = catalog::exercises()?;
        exercises.retain(|exercise| {
            let passed = progress.passes(&exercise.name);
            self == Self::All || passed == (self == Self::Done)
        });
        Ok(exercises)
    }
}

/// All that is shown.
pub struct Screen {
    pub exercise: Lesson,
    pub view: View,
    /// Whether something is being judged.
    pub working: bool,
    verdict: Option<Verdict>,
    took: Option<Duration>,
    message: Option<String>,
    polls: bool,
    scrolled: usize,
    stale: bool,
}

impl Screen {
    pub fn new(exercise: Lesson, polls: bool) -> Self {
        Self {
            exercise,
            view: View::Board,
            working: false,
            verdict: None,
            took: None,
            message: None,
            polls,
            scrolled: 0,
            stale: true,
        }
    }

    /// Shows something else.
    pub fn show(&mut self, view: View) {
        (self.view, self.scrolled, self.message) = (view, 0, None);
        self.redraw();
    }

    /// Shows another exercise, of which nothing is known yet.
    pub fn turn_to(&mut self, exercise: Lesson) {
        (self.exercise, self.verdict, self.took) = (exercise, None, None);
    }

    /// Shows a message until the view changes.
    pub fn say(&mut self, message: String) {
        self.message = Some(message);
        self.redraw();
    }

    /// Takes what came of judging an exercise.
    pub fn take(&mut self, done: Done) -> Result<()> {
        if done.exercise.name == self.exercise.name {
            self.verdict = Some(done.verdict);
            self.took = Some(done.took);
        }
        let last = catalog::exercises()?.pop();
        let all = matches!(self.view, View::List { .. });
        self.working = all && last.is_some_and(|last| last.name != done.exercise.name);
        self.redraw();
        Ok(())
    }

    /// Moves the text by so many rows, downwards if positive.
    pub fn scroll(&mut self, rows: isize) {
        self.scrolled = self.scrolled.saturating_add_signed(rows);
        self.redraw();
    }

    pub fn redraw(&mut self) {
        self.stale = true;
    }

    /// Draws it, if something has changed.
    pub fn draw(&mut self, terminal: &Terminal) -> Result<()> {
        if !std::mem::take(&mut self.stale) {
            return Ok(());
        }
        let (columns, rows) = terminal.size();
        let mut lines = wrapped(&self.body()?, columns);
        lines.iter_mut().for_each(|line| *line = link::pages(line));
        let footer = wrapped(&self.footer()?.join("\n"), columns);
        let room = rows.saturating_sub(footer.len());
        let furthest = lines.len().saturating_sub(room);
        self.scrolled = match self.view {
            View::Running(_) => furthest, // the latest
            _ => self.scrolled.min(furthest),
        };
        lines.drain(..self.scrolled);
        if lines.len() > room && room > 0 {
            let more = lines.len() - room + 1;
            let dimmed = Style::new().dimmed();
            lines[room - 1] = format!(" {dimmed}↓ {more} more lines: space{dimmed:#}");
        }
        terminal.draw(&lines, &footer)?;
        Ok(())
    }

    fn body(&self) -> Result<String> {
        let title = board::title(&self.exercise);
        Ok(match &self.view {
            View::Board => {
                let word = last_word(&self.exercise, self.verdict.as_ref())?;
                // Its first line stands below, where it is always seen.
                let learned: String = word
                    .lines()
                    .skip(1)
                    .map(|line| format!(" {line}\n"))
                    .collect();
                verdict(&self.exercise, self.verdict.as_ref())? + &learned
            }
            View::Text(text) => text.clone(),
            View::Hint { text, .. } => format!("{title}{}", indented(text)),
            View::List { selected, filter } => list(*selected, *filter)?,
            View::Running(running) => {
                let lines: String = running
                    .lines
                    .iter()
                    .map(|line| format!(" {line}\n"))
                    .collect();
                format!("{title}{lines}")
            }
            View::AskReset => format!(
                "{title} Start afresh? What you have is kept under .course/attempts.\n\n y yes   any other key: no\n"
            ),
        })
    }

    /// A message, how far the learner is, and the keys.
    fn footer(&self) -> Result<Vec<String>> {
        let progress = Progress::load()?;
        let exercises = catalog::exercises()?;
        let passed = exercises
            .iter()
            .filter(|exercise| progress.passes(&exercise.name))
            .count();
        let mut status = format!(
            " {} · {}",
            bar::render(passed, exercises.len()),
            points(&progress, &exercises)?
        );
        if self.working {
            status += " · checking";
        } else if let Some(took) = self.took {
            let _ = write!(status, " · {:.2} s", took.as_secs_f64()); // a String takes every write
        }
        status += &format!(" · {}", link::file(&self.exercise.source()));
        if self.polls {
            status += " · polling: no file events here";
        }
        let dimmed = Style::new().dimmed();
        let keys = self.keys(&progress)?;
        let word = last_word(&self.exercise, self.verdict.as_ref())?;
        let words = self
            .message
            .as_deref()
            .into_iter()
            .chain(word.lines().next());
        let mut lines: Vec<String> = words.map(|line| format!(" {line}")).collect();
        if lines.is_empty() {
            lines.push(String::new()); // its place
        }
        lines.push(status);
        lines.push(format!(" {dimmed}{keys}{dimmed:#}"));
        Ok(lines)
    }

    fn keys(&self, progress: &Progress) -> Result<String> {
        Ok(match &self.view {
            View::List { .. } => {
                "↑↓ choose  enter go  a all  p pending  d done  c check all  esc back  q quit"
                    .to_owned()
            }
            View::Running(running) if running.over => {
                "r back to the checks, and again to run it once more".to_owned()
            }
            View::Running(_) => {
                "r end it   (it listens on 127.0.0.1:9000; try: nc 127.0.0.1 9000)".to_owned()
            }
            View::AskReset => String::new(),
            _ => {
                let hints = lesson::hints(&self.exercise)?.len();
                let left = hints.saturating_sub(progress.of(&self.exercise.name).hints);
                let hint = match left {
                    0 => "h hints again".to_owned(),
                    left => format!("h hint ({left} left)"),
                };
                format!("n next  {hint}  l list  c check all  d diff  r run  x reset  q quit")
            }
        })
    }
}

/// What came of judging an exercise, as it is shown.
pub fn verdict(exercise: &Lesson, verdict: Option<&Verdict>) -> Result<String> {
    let title = board::title(exercise);
    Ok(match verdict {
        None => title,
        Some(Verdict::DoesNotBuild(text)) => {
            format!(
                "{title}{text}\n {} does not build yet: mend the first error\n",
                exercise.name
            )
        }
        Some(Verdict::Trouble(text)) => format!("{title}{}", indented(text)),
        Some(Verdict::Judged {
            report, warnings, ..
        }) => format!("{title}{}\n{warnings}", board::checks(report)),
    })
}

/// What to do now, in a word or two.
pub fn last_word(exercise: &Lesson, verdict: Option<&Verdict>) -> Result<String> {
    match verdict {
        Some(Verdict::Judged { report, fresh, .. }) => board::last_word(exercise, report, *fresh),
        _ => Ok(String::new()),
    }
}

fn list(selected: usize, filter: Filter) -> Result<String> {
    let progress = Progress::load()?;
    let mut text = String::from("\n");
    for (index, exercise) in filter.exercises()?.iter().enumerate() {
        let ((mark, colour), score) = progress.mark(&exercise.name);
        let pointer = if index == selected { "▶" } else { " " };
        let bold = if index == selected {
            Style::new().bold()
        } else {
            Style::new()
        };
        // A String takes every write.
        let _ = writeln!(
            text,
            " {pointer} {colour}{mark}{colour:#} {bold}{:>2}  {:<12}{bold:#} {score:>6}  {}",
            exercise.number,
            exercise.name,
            exercise.task()?
        );
    }
    if text.len() == 1 {
        text += "   (none)\n";
    }
    Ok(text)
}

fn points(progress: &Progress, exercises: &[Lesson]) -> Result<String> {
    let mut got = 0;
    let mut points = 0;
    for exercise in exercises {
        got += progress.of(&exercise.name).last;
        points += exercise
            .points()?
            .iter()
            .map(|(_, points)| points)
            .sum::<u32>();
    }
    Ok(format!("{got}/{points} points"))
}

/// The lines of a text. What is wider than the screen goes on in the next row, as far in as it began.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let rows = |line: &str| {
        let line = narrowed(line, columns);
        let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
        let options = textwrap::Options::new(columns)
            .subsequent_indent(indent)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let fits = textwrap::core::display_width(&line) <= columns;
        match fits {
            true => vec![line],
            false => textwrap::wrap(&line, options)
                .into_iter()
                .map(|row| row.into_owned())
                .collect(),
        }
    };
    text.lines().flat_map(rows).collect()
}

/// A line whose last words stand far on the right comes nearer, if it fits then.
fn narrowed(line: &str, columns: usize) -> String {
    let surplus = textwrap::core::display_width(line).saturating_sub(columns);
    let end = line.rfind("  ").map_or(0, |gap| gap + 2);
    let gap = end - line[..end].trim_end_matches(' ').len();
    match surplus < gap {
        true => [&line[..end - surplus], &line[end..]].concat(),
        false => line.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!(" {line}\n")).collect()
}
