//! What the learner has reached, remembered in `.course/progress.json`.
//!
//! It is never the only copy of anything: the sources are the learner's, and a check says anew what
//! they are worth. What is not known here is kept: exercises that are not there (any more, or yet), and
//! what another version of this program has added.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use harness::Report;
use serde::{Deserialize, Serialize};

use tour::catalog;

/// Everything that is remembered.
#[derive(Default, Serialize, Deserialize)]
pub struct Progress {
    #[serde(default)]
    exercises: BTreeMap<String, Reached>,
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// What was reached in one exercise.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Reached {
    /// The most points that a check has given.
    pub best: u32,
    /// How many there were to have.
    pub points: u32,
    /// Whether every check has passed at once, in whichever check that was.
    pub passed: bool,
    /// How many points the last check has given.
    #[serde(default)]
    pub last: u32,
    /// How many hints were looked at.
    pub hints: usize,
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// The folder for all that belongs to this learner: `.course`, or what COURSE_FOLDER says.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os("COURSE_FOLDER").unwrap_or(".course".into());
    catalog::root().join(folder)
}

/// Waits until no other program changes what is remembered, as long as the file is open.
fn alone() -> io::Result<File> {
    fs::create_dir_all(folder())?;
    let lock = File::create(folder().join("progress.lock"))?;
    lock.lock()?;
    Ok(lock)
}

impl Progress {
    /// Reads what is remembered. A file that makes no sense is put aside, not overwritten.
    pub fn load() -> Result<Self> {
        Self::load_from(&folder().join("progress.json"))
    }

    fn load_from(file: &Path) -> Result<Self> {
        let json = match fs::read(file) {
            Ok(json) => json,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        match serde_json::from_slice(&json) {
            Ok(progress) => Ok(progress),
            Err(error) => {
                let names =
                    (1..).map(|number| file.with_extension(format!("json.broken-{number}")));
                let aside = names.into_iter().find(|aside| !aside.exists());
                let aside = aside.context("no name is free")?;
                fs::rename(file, &aside).with_context(|| {
                    format!("cannot read {} ({error}), nor put it aside", file.display())
                })?;
                anstream::eprintln!(
                    "note: {} makes no sense ({error}); it is now {}",
                    file.display(),
                    aside.display()
                );
                Ok(Self::default())
            }
        }
    }

    /// What was reached in the exercise `name`.
    pub fn of(&self, name: &str) -> Reached {
        self.exercises.get(name).cloned().unwrap_or_default()
    }

    /// Remembers a change. That it cannot be written is said, and stops nothing.
    pub fn update(name: &str, change: impl FnOnce(&mut Reached)) -> Result<Reached> {
        let _alone = alone(); // where that cannot be, nothing can be written either
        let mut progress = Self::load()?;
        let reached = progress.exercises.entry(name.to_owned()).or_default();
        change(reached);
        let reached = reached.clone();
        if let Err(error) = progress.save_to(&folder().join("progress.json")) {
            anstream::eprintln!("note: your progress is not remembered: {error:#}");
        }
        Ok(reached)
    }

    /// Remembers what a check of the whole exercise has given.
    pub fn reach(name: &str, report: &Report) -> Result<Reached> {
        Self::update(name, |reached| {
            reached.points = report.points();
            reached.last = report.got();
            reached.best = reached.best.max(report.got());
            reached.passed |= report.checks.iter().all(harness::Judged::is_good);
        })
    }

    /// In one step, so that a crash leaves the old file or the new one.
    fn save_to(&self, file: &Path) -> Result<()> {
        let fresh = file.with_extension(format!("{}.new", std::process::id()));
        let folder = file.parent().unwrap_or(Path::new(""));
        let json = serde_json::to_vec_pretty(self)?;
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&fresh, json))
            .and_then(|()| fs::rename(&fresh, file));
        if written.is_err() {
            let _ = fs::remove_file(&fresh); // what there is of it
        }
        written.with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether the exercise passes as it was checked last.
    pub fn passes(&self, name: &str) -> bool {
        let reached = self.of(name);
        reached.passed && reached.last == reached.points
    }

    /// A sign for how far the exercise is, its style, and what the last check gave.
    pub fn mark(&self, name: &str) -> ((char, Style), String) {
        let reached = self.of(name);
        let score = match reached.points {
            0 => String::new(),
            points => format!("{}/{points}", reached.last),
        };
        let mark = match (self.passes(name), reached.best) {
            (true, _) => ('✓', AnsiColor::Green.on_default()),
            (false, _) if reached.passed => ('✓', Style::new().dimmed()), // it did once
            (false, 0) => ('·', Style::new().dimmed()),
            (false, _) => ('…', AnsiColor::Yellow.on_default()),
        };
        (mark, score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_put_aside_and_what_is_unknown_is_kept() {
        let folder = std::env::temp_dir().join(format!("course-progress-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("progress.json");
        fs::write(&file, "{ half").expect("a file");
        let progress = Progress::load_from(&file).expect("a fresh start");
        assert_eq!(progress.of("lines").best, 0);
        assert!(folder.join("progress.json.broken-1").exists());
        let text = r#"{"exercises":{"a-later-one":{"best":3,"points":20,"passed":false,"last":3,"hints":1,"new":[7]}},"era":2}"#;
        fs::write(&file, text).expect("a file");
        let progress = Progress::load_from(&file).expect("it makes sense");
        progress.save_to(&file).expect("it can be written");
        let saved = fs::read(&file).expect("a file");
        let saved: serde_json::Value = serde_json::from_slice(&saved).expect("JSON");
        assert_eq!(
            saved,
            serde_json::from_str::<serde_json::Value>(text).expect("JSON")
        );
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
