//! The book: pages of Markdown, and what the repository puts into them.
//!
//! Code, differences between steps and exercises are taken from their sources when the book is built.
//! What a run has to produce is kept under `docs/recorded`: `bless` makes it anew, and finds what is stale.
//! mdBook makes the pages, and calls `cargo course weave` for what the pages ask for.

mod draw;
mod glossary;
mod mdbook;
mod merge;
mod pages;
mod record;
mod recording;
#[cfg(test)]
mod rules;
mod trace;
mod weave;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use anyhow::{Context, Result, ensure};
use tour::Outcome;

use pages::Directive;
use record::{Means, Recorder};

use crate::stage::files_below;

pub use mdbook::{build, read};
pub use weave::run as weave;

/// Where recordings are kept.
fn recorded() -> PathBuf {
    pages::folder().join("recorded")
}

/// Makes every recording anew: to keep it, or to see whether what is kept is still true.
pub fn bless(only_check: bool) -> Outcome {
    if cfg!(not(target_os = "linux")) && only_check {
        anstream::println!("left out: the book's recordings are made and compared on Linux");
        return Ok(ExitCode::SUCCESS);
    }
    let means = Means::of_this_machine()?;
    let wanted = wanted()?;
    let recorder = Recorder::build(wanted.values(), &means)?;
    let (mut made, mut stale) = (0, forgotten(&wanted, only_check)?);
    for (path, directive) in &wanted {
        let recording = recorder.record(directive);
        let recording = recording.with_context(|| format!("docs/recorded/{}", path.display()))?;
        let Some(recording) = recording else { continue };
        made += 1;
        let kept = recorded().join(path);
        if let Some(difference) = record::difference(&kept, &recording) {
            stale += 1;
            report(path, &difference, only_check);
            if !only_check {
                write(&kept, &recording)?;
            }
        }
    }
    for (has, program) in [
        (means.strace, "strace"),
        (means.python.is_some(), "python3"),
    ] {
        if !has {
            anstream::println!("left out, for there is no {program} here: what only it can tell");
        }
    }
    let count = wanted.len();
    anstream::println!("{count} recordings, {made} made anew, {stale} differ from what was kept");
    if only_check && stale > 0 {
        anstream::eprintln!(
            "hint: if the new ones are right, `just bless` keeps them: read the diff"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the pages ask for that a run has to produce, by where it is kept.
fn wanted() -> Result<BTreeMap<PathBuf, Directive>> {
    let mut wanted: BTreeMap<PathBuf, Directive> = BTreeMap::new();
    for page in pages::all()? {
        for directive in page.directives()? {
            let Some(path) = directive.recording() else {
                continue;
            };
            directive
                .look_up()
                .with_context(|| format!("docs/src/{}", page.path.display()))?;
            let other = wanted.entry(path).or_insert_with(|| directive.clone());
            let same = matches!(
                other,
                Directive::Conversation { .. } | Directive::Calls { .. }
            );
            ensure!(
                same || *other == directive,
                "two experiments have the same name: {directive:?} and {other:?}"
            );
        }
    }
    Ok(wanted)
}

fn report(path: &Path, difference: &str, only_check: bool) {
    let yellow = AnsiColor::Yellow.on_default();
    let word = if only_check { "stale" } else { "new" };
    anstream::println!("{yellow}{word}{yellow:#} docs/recorded/{}", path.display());
    if only_check {
        anstream::println!("{difference}");
    }
}

/// What is kept though no page asks for it. Returns how many there were.
fn forgotten(wanted: &BTreeMap<PathBuf, Directive>, only_check: bool) -> Result<usize> {
    let mut kept = files_below(&recorded())?;
    kept.retain(|path| {
        path.extension()
            .is_some_and(|end| end == "jsonl" || end == "txt")
    });
    let forgotten = kept.iter().filter(|path| {
        let path = path.strip_prefix(recorded()).unwrap_or(path);
        !wanted.contains_key(path)
    });
    let mut count = 0;
    for path in forgotten {
        count += 1;
        anstream::println!("no page asks for {}", path.display());
        if !only_check {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(count)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("cannot write {}", path.display()))
}
