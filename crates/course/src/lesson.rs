//! The small commands around an exercise: a hint, a fresh start, the solution, a run by hand.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::progress::{self, Progress, Reached};
use crate::{check, foreground, suite};
use tour::Outcome;
use tour::catalog::{self, Lesson};

/// As wide as a hint is in a terminal. On the screen of `watch` it stands one further in.
const WIDTH: usize = 78;
/// A space at which no line ends.
const HELD: &str = "\u{a0}";

/// Prints a hint: the one of this level, or the first that was not shown yet.
pub fn hint(name: &str, level: Option<usize>) -> Outcome {
    let exercise = catalog::exercise(name)?;
    let hints = hints(&exercise)?;
    let Reached {
        hints: seen,
        passed,
        ..
    } = Progress::load()?.of(&exercise.name);
    let level = level.unwrap_or((seen + 1).min(hints.len()));
    ensure!(
        (1..=hints.len()).contains(&level),
        "{} has no hint {level}\nhint: there are {}",
        exercise.name,
        hints.len()
    );
    anstream::print!("{}", hints[level - 1]);
    Progress::update(&exercise.name, |reached| {
        reached.hints = reached.hints.max(level)
    })?;
    match hints.len() - level {
        0 if passed => anstream::println!(
            "That was the last hint. `just solution {}` is open.",
            exercise.name
        ),
        0 => anstream::println!(
            "That was the last hint. `just solution {}` opens when you have passed.",
            exercise.name
        ),
        left => anstream::println!("{left} more: `just hint {}`", exercise.name),
    }
    Ok(ExitCode::SUCCESS)
}

/// The hints of an exercise, from the slightest on: the sections of its hints.md.
pub fn hints(exercise: &Lesson) -> Result<Vec<String>> {
    let text = exercise.read("hints.md")?;
    let sections: Vec<String> = text
        .split("\n## ")
        .skip(1)
        .map(|hint| format!("{}\n", folded(hint.trim_end())))
        .collect();
    ensure!(
        !sections.is_empty(),
        "{} has no hints",
        exercise.path("hints.md")
    );
    Ok(sections)
}

/// The same text in narrower lines: a paragraph of a page is wider than many a terminal. What is fenced stays, and what is
/// code stays in one line, so that it can be copied.
fn folded(text: &str) -> String {
    let (mut folded, mut paragraph, mut is_fenced) = (Vec::new(), String::new(), false);
    for line in text.lines().chain([""]) {
        let is_fence = line.starts_with("```");
        let begins_anew = line.is_empty() || line.starts_with("- ") || is_fence || is_fenced;
        if begins_anew && !paragraph.is_empty() {
            let indent = if paragraph.starts_with("- ") {
                "  "
            } else {
                ""
            };
            let options = textwrap::Options::new(WIDTH)
                .subsequent_indent(indent)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            folded.push(textwrap::fill(&held_together(&paragraph), options).replace(HELD, " "));
            paragraph.clear();
        }
        is_fenced ^= is_fence;
        if line.is_empty() || is_fence || is_fenced {
            folded.push(line.to_owned());
        } else {
            let gap = if paragraph.is_empty() { "" } else { " " };
            paragraph += &[gap, line.trim_start()].concat();
        }
    }
    folded.pop(); // the empty line that ended the last paragraph
    folded.join("\n")
}

/// The spaces of what is between backticks become such at which no line ends.
fn held_together(paragraph: &str) -> String {
    let pieces = paragraph.split('`').enumerate();
    let held = pieces.map(|(at, piece)| match at % 2 {
        0 => piece.to_owned(),
        _ => piece.replace(' ', HELD),
    });
    held.collect::<Vec<_>>().join("`")
}

/// Puts the starter back, keeps what was there, and says where.
pub fn reset(name: &str) -> Outcome {
    let exercise = catalog::exercise(name)?;
    anstream::println!("{}", start_afresh(&exercise)?);
    Ok(ExitCode::SUCCESS)
}

/// The same, as a sentence.
pub fn start_afresh(exercise: &Lesson) -> Result<String> {
    let src = exercise.folder.join("src");
    if check::is_fresh(exercise) && extra_files(exercise)?.is_empty() && !src.is_symlink() {
        return Ok(format!("{} is as it was at the start", exercise.source()));
    }
    let attempts = progress::folder().join("attempts");
    let free = (1..).map(|number| attempts.join(format!("{}-{number}", exercise.name)));
    let kept = free
        .into_iter()
        .find(|folder| !folder.exists())
        .context("no name is free")?;
    let starter = exercise.read("variants/starter.rs")?;
    // First the copy, then the change: whatever goes wrong, the learner's files are there.
    fs::create_dir_all(&attempts)
        .with_context(|| format!("cannot create {}", attempts.display()))?;
    let there = src.symlink_metadata().is_ok();
    if there {
        fs::rename(&src, &kept)
            .with_context(|| format!("cannot move {} to {}", src.display(), kept.display()))?;
    }
    let written = fs::create_dir(&src).and_then(|()| fs::write(src.join("main.rs"), starter));
    if let Err(error) = written {
        let _ = fs::remove_dir_all(&src); // what there is of it
        if there {
            fs::rename(&kept, &src)
                .with_context(|| format!("your files are in {}", kept.display()))?;
        }
        return Err(error).with_context(|| format!("cannot write {}", exercise.source()));
    }
    Progress::update(&exercise.name, |reached| {
        (reached.last, reached.hints) = (0, 0)
    })?;
    let afresh = format!("{} is as it was at the start", exercise.source());
    let kept = kept.strip_prefix(catalog::root()).unwrap_or(&kept);
    Ok(match there {
        true => format!("{afresh}; what you had is in {}", kept.display()),
        false => afresh, // there was nothing to keep
    })
}

fn extra_files(exercise: &Lesson) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(exercise.folder.join("src")).context("cannot list the source")?;
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names.filter(|name| name != "main.rs").collect())
}

/// Prints the solution, once the exercise is passed, and says where others stand.
pub fn solution(name: &str, force: bool) -> Outcome {
    let exercise = catalog::exercise(name)?;
    let passed = Progress::load()?.of(&exercise.name).passed;
    if !passed && !force {
        bail!(
            "{} is not passed yet, and its solution teaches most when it is\nhint: `just hint {}`, or --force to see it now",
            exercise.name,
            exercise.name
        );
    }
    let references = references(&exercise)?;
    for (index, path) in references.iter().enumerate() {
        match index {
            0 => anstream::println!("// {}\n\n{}", exercise.path(path), exercise.read(path)?),
            _ => anstream::println!("// another way: {}", exercise.path(path)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The solutions of an exercise, `variants/reference.rs` first.
fn references(exercise: &Lesson) -> Result<Vec<String>> {
    let folder = exercise.folder.join("variants");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut stems: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|stem| stem.starts_with("reference"))
        .collect();
    stems.sort();
    let path = |stem| format!("variants/{stem}.rs");
    Ok(stems.into_iter().map(path).collect())
}

/// Plays the client's part of a check: with the exercise's own program, or as these options say.
pub fn replay(
    name: &str,
    wanted: &str,
    server: [(&str, Option<String>); 2],
    seed: Option<u64>,
) -> Outcome {
    let exercise = catalog::exercise(name)?;
    let suite = suite::programs(std::slice::from_ref(&exercise), suite::CHECKS)?.remove(0)?;
    let mut command = Command::new(suite);
    command.arg("--show").arg(harness::check_name(wanted));
    let seed = ("--seed", seed.map(|seed| seed.to_string()));
    for (option, value) in server.into_iter().chain([seed]) {
        if let Some(value) = value {
            command.args([option, &value]);
        }
    }
    foreground::replace(command)
}

/// Runs an exercise in the foreground, as a step is run.
pub fn run(name: &str, arguments: &[OsString]) -> Outcome {
    foreground::build_and_run(&catalog::exercise(name)?, arguments)
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn a_hint_is_folded_but_for_its_code() {
        let words = ["word"; 14].join(" ");
        let text = format!(
            "1. Look\n\n{words}\nand `nc 127.0.0.1 9000` now\n- one\n  more\n\n```text\n  as  it\n\nis\n```"
        );
        let expected = format!(
            "1. Look\n\n{words} and\n`nc 127.0.0.1 9000` now\n- one more\n\n```text\n  as  it\n\nis\n```"
        );
        assert_eq!(folded(&text), expected);
    }
}
