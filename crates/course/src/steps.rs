//! The steps: found by their folders, called by name or number.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use crate::Outcome;

/// A step of the course: the folder `crates/NN-name`.
#[derive(Clone)]
pub struct Step {
    pub number: u32,
    pub name: String,
    pub folder: PathBuf,
}

/// Names less alike than this (Jaro-Winkler, 0 to 1) are not worth a question.
const ALIKE: f64 = 0.7;

/// The top of the repository.
pub fn root() -> &'static Path {
    let course = Path::new(env!("CARGO_MANIFEST_DIR"));
    course.ancestors().nth(2).unwrap_or(course)
}

/// Every step, in order.
pub fn all() -> Result<Vec<Step>> {
    let crates = root().join("crates");
    let entries =
        fs::read_dir(&crates).with_context(|| format!("cannot list {}", crates.display()))?;
    let mut steps = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str());
        let numbered = name.and_then(|name| name.split_once('-'));
        if let Some((number, name)) = numbered
            && let Ok(number) = number.parse()
        {
            let name = name.to_owned();
            steps.push(Step {
                number,
                name,
                folder,
            });
        }
    }
    steps.sort_by_key(|step| step.number);
    Ok(steps)
}

/// The step that is meant by `wanted`: its name, its number or its folder's name.
pub fn find(wanted: &str) -> Result<Step> {
    let steps = all()?;
    let meant = |step: &&Step| {
        step.name == wanted || wanted.parse() == Ok(step.number) || step.folder.ends_with(wanted)
    };
    if let Some(step) = steps.iter().find(meant) {
        return Ok(step.clone());
    }
    let likeness = |step: &&Step| strsim::jaro_winkler(&step.name, wanted);
    let nearest = steps
        .iter()
        .filter(|step| likeness(step) >= ALIKE)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let question = nearest.map(|step| format!("did you mean `{}`? ", step.name));
    let question = question.unwrap_or_default();
    Err(anyhow!(
        "there is no step {wanted:?}\nhint: {question}`just list` shows them all"
    ))
}

impl Step {
    /// Its source, as a path from the top of the repository.
    pub fn source(&self) -> String {
        let folder = self.folder.file_name().unwrap_or_default();
        format!("crates/{}/src/main.rs", folder.display())
    }

    /// Its source text.
    pub fn text(&self) -> Result<String> {
        fs::read_to_string(root().join(self.source()))
            .with_context(|| format!("cannot read {}", self.source()))
    }

    /// What it is about, from the first line of its source: `//! Step 3: take a client out of the queue.`
    pub fn headline(&self) -> Result<String> {
        let text = self.text()?;
        let line = text.lines().next().unwrap_or_default();
        let (_, headline) = line.split_once(": ").unwrap_or(("", line));
        Ok(headline.trim_end_matches('.').to_owned())
    }
}

/// Prints every step's number, name and headline.
pub fn list() -> Outcome {
    for step in all()? {
        anstream::println!(
            "{:>2}  {:<14}  {}",
            step.number,
            step.name,
            step.headline()?
        );
    }
    Ok(ExitCode::SUCCESS)
}
