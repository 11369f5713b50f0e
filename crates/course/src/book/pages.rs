//! The pages of the book, and what they ask for.
//!
//! A page is Markdown. What the repository can produce is not typed into it but asked for, on a line of
//! its own: `{{conversation respond answers-with-its-prefix}}`. mdBook's own `{{#include ...}}` is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use tour::catalog::{self, Lesson};

use crate::stage::{Files, files_below};

/// A page of the book.
pub struct Page {
    /// Its path below `docs/src`, such as `steps/respond.md`.
    pub path: PathBuf,
    pub text: String,
}

/// A piece of a page.
pub enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// In its place stands what is asked for.
    Asked(Directive),
}

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Directive {
    /// These items of a program's source.
    Code { program: String, items: Vec<String> },
    /// The help of a step.
    Help { step: String },
    /// What a step adds to another.
    Diff { from: String, to: String },
    /// What is said in a check of a step: drawn, and as text.
    Conversation { step: String, check: String },
    /// What the kernel did for the step meanwhile.
    Calls { step: String, check: String },
    /// A check of a step or an exercise, put to the beginner's server in Python.
    Classic { lesson: String, check: String },
    /// A check of a step that somebody has changed.
    Experiment(Experiment),
    /// What `errors` prints of an error that it makes.
    Error { name: String },
    /// The README of an exercise.
    Exercise { name: String },
    /// A part of the race that was recorded.
    Race { part: String },
}

/// A change to a step, and the check that shows what comes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Experiment {
    pub step: String,
    pub name: String,
    /// Lines of the source, without their indentation, and what stands in their place.
    pub old: Vec<String>,
    pub new: Vec<String>,
    /// What the step is started with.
    pub arguments: Vec<String>,
    pub check: String,
}

/// Where the book's own files are.
pub fn folder() -> PathBuf {
    catalog::root().join("docs")
}

/// Every page, in the order of their paths.
pub fn all() -> Result<Vec<Page>> {
    let source = folder().join("src");
    let files = files_below(&source)?;
    let page = |path: &PathBuf| -> Result<Page> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Page {
            path: path.strip_prefix(&source)?.to_owned(),
            text: tidied(&text),
        })
    };
    files
        .iter()
        .filter(|path| is_page(path))
        .map(page)
        .collect()
}

/// With the line ends of Unix, and one at the end.
pub fn tidied(text: &str) -> String {
    format!("{}\n", text.replace("\r\n", "\n").trim_end())
}

/// Whether a file is a page, and not what an editor keeps beside one.
fn is_page(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.ends_with(".md") && !name.starts_with('.')
}

impl Page {
    /// What it asks for.
    pub fn directives(&self) -> Result<Vec<Directive>> {
        let parts =
            parts(&self.text).with_context(|| format!("docs/src/{}", self.path.display()))?;
        let asked = parts.into_iter().filter_map(|part| match part {
            Part::Asked(directive) => Some(directive),
            Part::Text(_) => None,
        });
        Ok(asked.collect())
    }
}

/// Takes a text apart.
pub fn parts(mut text: &str) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while let Some(start) = next(text) {
        let (before, rest) = text.split_at(start);
        // It ends in its only line, or with a line of its own.
        let is_short = first_line(rest).ends_with("}}");
        let end = if is_short { "}}\n" } else { "\n}}\n" };
        let asked = rest.find(end);
        let asked = asked.with_context(|| format!("{:?} has no end", first_line(rest)))?;
        parts.push(Part::Text(before));
        parts.push(Part::Asked(parse(&rest[2..asked])?));
        text = &rest[asked + end.len()..];
    }
    parts.push(Part::Text(text));
    for part in &parts {
        let Part::Text(text) = part else { continue };
        let stray = text
            .lines()
            .find(|line| line.replace("{{#", "").contains("{{"));
        if let Some(stray) = stray {
            bail!("{stray:?}: what asks for something begins its line");
        }
    }
    Ok(parts)
}

/// Where the next line begins that asks for something.
fn next(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("{{") && !line.starts_with("{{#") {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn parse(asked: &str) -> Result<Directive> {
    let words: Vec<&str> = first_line(asked).split_whitespace().collect();
    let owned = str::to_owned;
    Ok(match *words.as_slice() {
        ["code", program, ref items @ ..] if !items.is_empty() => Directive::Code {
            program: program.to_owned(),
            items: items.iter().copied().map(owned).collect(),
        },
        ["help", step] => Directive::Help {
            step: step.to_owned(),
        },
        ["diff", from, to] => Directive::Diff {
            from: from.to_owned(),
            to: to.to_owned(),
        },
        ["conversation", step, check] => Directive::Conversation {
            step: step.to_owned(),
            check: check.to_owned(),
        },
        ["calls", step, check] => Directive::Calls {
            step: step.to_owned(),
            check: check.to_owned(),
        },
        ["classic", lesson, check] => Directive::Classic {
            lesson: lesson.to_owned(),
            check: check.to_owned(),
        },
        ["experiment", step, name] => Directive::Experiment(experiment(step, name, asked)?),
        ["error", name] => Directive::Error {
            name: name.to_owned(),
        },
        ["exercise", name] => Directive::Exercise {
            name: name.to_owned(),
        },
        ["race", part] => Directive::Race {
            part: part.to_owned(),
        },
        _ => bail!("{:?} asks for nothing that is known", first_line(asked)),
    })
}

/// The lines below `experiment STEP NAME`: `- old`, `+ new`, `with ARGUMENTS` and `check NAME`.
fn experiment(step: &str, name: &str, asked: &str) -> Result<Experiment> {
    let lines = |mark: &str| -> Vec<String> {
        let marked = asked
            .lines()
            .skip(1)
            .filter_map(|line| line.strip_prefix(mark));
        marked.map(|line| line.trim().to_owned()).collect()
    };
    let known = ["- ", "+ ", "with ", "check "];
    for line in asked.lines().skip(1) {
        let is_known = known.iter().any(|mark| line.starts_with(mark));
        ensure!(is_known, "experiment {name}: {line:?} is none of {known:?}");
    }
    let (old, new) = (lines("- "), lines("+ "));
    let arguments = lines("with ").join(" ");
    let arguments = shlex::split(&arguments).ok_or_else(|| anyhow!("{arguments:?}"))?;
    let check = lines("check ");
    ensure!(
        check.len() == 1 && (!old.is_empty() || !arguments.is_empty()),
        "experiment {name}: it names no check, or changes nothing"
    );
    Ok(Experiment {
        step: step.to_owned(),
        name: name.to_owned(),
        old,
        new,
        arguments,
        check: check.concat(),
    })
}

impl Experiment {
    /// What tells it from all others.
    pub fn key(&self) -> (String, String) {
        (self.step.clone(), self.name.clone())
    }

    /// The command line that starts the program, for `--server`.
    pub fn server(&self, program: &str, step: &Lesson) -> Result<String> {
        // Whether it is a server at all, its help knows.
        let takes_address = step.read("tests/help.txt")?.contains("--bind");
        let address = if takes_address { " --bind {addr}" } else { "" };
        let arguments = shlex::try_join(self.arguments.iter().map(String::as_str))?;
        Ok(format!("{program}{address} {arguments} {{args}}").replace("  ", " "))
    }

    /// The sources of the step, with the change in the one where it belongs.
    pub fn apply(&self, step: &Lesson) -> Result<Files> {
        let source = step.folder.join("src");
        let mut files: Files = Vec::new();
        let mut changed = 0;
        for path in files_below(&source)? {
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            let places = self.places(&text);
            changed += places.len();
            let text = match places.first() {
                Some(place) => self.changed(&text, *place),
                None => text,
            };
            let name = path.strip_prefix(&source)?.to_owned();
            files.push((name, text.into_bytes()));
        }
        ensure!(
            changed == usize::from(!self.old.is_empty()),
            "experiment {}: {:?} must be in the source once",
            self.name,
            self.old
        );
        Ok(files)
    }

    /// The lines where the old ones begin.
    fn places(&self, text: &str) -> Vec<usize> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let windows = lines.windows(self.old.len().max(1)).enumerate();
        let places = windows.filter(|(_, window)| *window == self.old);
        places.map(|(place, _)| place).collect()
    }

    fn changed(&self, text: &str, place: usize) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let indent = lines[place].len() - lines[place].trim_start().len();
        let new = self.new.iter().map(|line| format!("{:indent$}{line}", ""));
        let owned = |line: &&str| (*line).to_owned();
        let before = lines[..place].iter().map(owned);
        let after = lines[place + self.old.len()..].iter().map(owned);
        let text: Vec<String> = before.chain(new).chain(after).collect();
        text.join("\n") + "\n"
    }
}

impl Directive {
    /// Finds out whether there is a program that can say it.
    pub fn look_up(&self) -> Result<()> {
        match self {
            Self::Conversation { step, .. } | Self::Calls { step, .. } => {
                catalog::step(step).map(drop)
            }
            Self::Experiment(experiment) => {
                let step = catalog::step(&experiment.step)?;
                experiment.apply(&step).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Where what it asks for is kept below `docs/recorded`, if a run has to produce it.
    pub fn recording(&self) -> Option<PathBuf> {
        let path = match self {
            Self::Conversation { step, check } | Self::Calls { step, check } => {
                format!("{step}/{check}.jsonl")
            }
            Self::Classic { lesson, check } => format!("classic/{lesson}-{check}.txt"),
            Self::Experiment(experiment) => {
                format!("{}/experiment-{}.txt", experiment.step, experiment.name)
            }
            Self::Error { name } => format!("errors/{name}.txt"),
            // The race is no recording like these: it is never the same, and is made by hand on a quiet machine.
            Self::Code { .. }
            | Self::Help { .. }
            | Self::Diff { .. }
            | Self::Exercise { .. }
            | Self::Race { .. } => return None,
        };
        Some(path.into())
    }
}
