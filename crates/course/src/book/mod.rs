//! The book: pages of Markdown, and what the repository puts into them.
//!
//! Code, differences between steps and exercises are taken from their sources when the book is built.
//! What a run has to produce is kept under `docs/recorded`: `bless` makes it anew, and finds what is stale.
//! mdBook makes the pages, and calls `cargo course weave` for what the pages ask for.

mod draw;
mod glossary;
mod mdbook;
mod pages;
mod record;
mod recording;
#[cfg(test)]
mod rules;
mod trace;
mod weave;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use anyhow::{Context, Result};
use tour::Outcome;
use tour::catalog;

use pages::Directive;
use record::{Means, Recorder};

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
    let means = Means::of_this_machine();
    let wanted = wanted()?;
    let directives: BTreeSet<Directive> = wanted.values().cloned().collect();
    let recorder = Recorder::build(&directives, &means)?;
    let (mut made, mut stale) = (0, forgotten(&wanted, only_check)?);
    for (path, directive) in &wanted {
        let recording = recorder.record(directive);
        let recording = recording.with_context(|| format!("docs/recorded/{}", path.display()))?;
        if let Some(recording) = recording {
            made += 1;
            stale += usize::from(!is_kept(path, &recording, &means, only_check)?);
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
    let mut wanted = BTreeMap::new();
    for page in pages::all()? {
        for directive in page.directives()? {
            if let Some(path) = directive.recording() {
                wanted.insert(path, directive);
            }
        }
    }
    Ok(wanted)
}

/// Whether a recording is what is kept. If not, it is kept now, or shown.
fn is_kept(path: &Path, recording: &str, means: &Means, only_check: bool) -> Result<bool> {
    let kept = recorded().join(path);
    let Some(difference) = record::differs(&kept, recording, means) else {
        return Ok(true);
    };
    report(path, &difference, only_check);
    if !only_check {
        write(&kept, recording)?;
    }
    Ok(false)
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
    let mut count = 0;
    for folder in fs::read_dir(recorded()).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if wanted.contains_key(path.strip_prefix(recorded())?) {
                continue;
            }
            count += 1;
            let path_from_top = path.strip_prefix(catalog::root())?;
            anstream::println!("no page asks for {}", path_from_top.display());
            if !only_check {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(count)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("cannot write {}", path.display()))
}
