//! Lays sources into packages of ours and builds them.
//!
//! What is graded is a learner's `src/**/*.rs` and nothing else. Each source becomes a package in a
//! workspace of its own, with our manifest, our lock file and our settings, so that a build script, a
//! manifest or a cargo configuration beside the source has no say.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use tour::build::{self, Look};
use tour::catalog::{self, Lesson};

/// The files of a source: names below `src`, and their bytes.
pub type Files = Vec<(PathBuf, Vec<u8>)>;

/// A source of an exercise that is to be built.
pub struct Source {
    pub exercise: Lesson,
    /// Which of several sources of the exercise it is: letters, digits, `-` and `_`.
    pub label: String,
    pub files: Files,
}

/// Its words may be handed on, so they have no colours.
const LOOK: Look = Look {
    colour: false,
    progress: true,
};

/// What came of it: the program, or what the compiler said.
pub type Built = Result<PathBuf, String>;

impl Source {
    /// The name of its package.
    pub fn package(&self) -> String {
        format!("{}-{}", self.exercise.name, self.label)
    }
}

/// Where a source of an exercise is laid.
pub fn folder(exercise: &Lesson, label: &str) -> PathBuf {
    catalog::target()
        .join("stage")
        .join(format!("{}-{label}", exercise.name))
}

/// Waits until nobody else grades, and says so. While the file is open the stage is ours: another grading
/// would lay its sources over these.
pub fn alone() -> Result<File> {
    let stage = catalog::target().join("stage");
    let path = stage.join("lock");
    let created = fs::create_dir_all(&stage).and_then(|()| File::create(&path));
    let lock = created.with_context(|| format!("cannot create {}", path.display()))?;
    let locked = match lock.try_lock() {
        Err(TryLockError::WouldBlock) => {
            anstream::eprintln!("another grading is under way; waiting for its end");
            lock.lock()
        }
        locked => locked.map_err(Into::into),
    };
    locked.with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(lock)
}

/// Makes cargo build a source though it may think that it has: a program that ran here before may have
/// changed the times that cargo goes by.
pub fn forget(source: &Source) -> Result<()> {
    let known = catalog::target().join("stage-target/debug/.fingerprint");
    let package = format!("{}-", source.package());
    for entry in fs::read_dir(&known).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&package) {
            let path = entry.path();
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Builds all sources in one go, within `patience` if they are not our own. The answers are in their order.
pub fn build(sources: &[&Source], patience: Option<Duration>) -> Result<Vec<Built>> {
    if sources.is_empty() {
        return Ok(Vec::new()); // which cargo would not call a workspace
    }
    // Cargo tells real paths, and the target folder may be a link.
    let stage = catalog::target().join("stage");
    fs::create_dir_all(&stage).with_context(|| format!("cannot create {}", stage.display()))?;
    let stage = fs::canonicalize(&stage).context("the stage is nowhere")?;
    for source in sources {
        lay(source, &stage.join(source.package()))?;
    }
    lay_workspace(sources, &stage)?;
    let mut arguments = vec!["build", "--workspace", "--bins", "--keep-going"];
    let target = catalog::target().join("stage-target");
    let target = target.to_str().context("a path that is no text")?;
    arguments.extend(["--target-dir", target]);
    let outcome = build::cargo_in(&stage, &arguments, LOOK, patience)?;
    let answer = |source: &&Source| -> Result<Built> {
        let folder = stage.join(source.package());
        if let Some(said) = outcome.said.get(&folder).filter(|said| said.failed) {
            return Ok(Err(said.text.clone()));
        }
        let built = outcome.built.iter().find(|built| built.folder == folder);
        let built = built.with_context(|| format!("cargo did not build {}", source.package()))?;
        Ok(
            only_reads(&folder, &source.files, &built.executable)
                .map(|()| built.executable.clone()),
        )
    };
    sources.iter().map(answer).collect()
}

/// Writes what the packages have in common: our settings, and our lock file.
fn lay_workspace(sources: &[&Source], stage: &Path) -> Result<()> {
    let members: Vec<String> = sources
        .iter()
        .map(|source| format!("{:?}", source.package()))
        .collect();
    write(
        &stage.join("Cargo.toml"),
        workspace(&members.join(", "))?.as_bytes(),
    )?;
    let lock = catalog::root().join("Cargo.lock");
    let lock = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    // Cargo takes out of its copy what these packages do not need, so a second copy tells a new lock file.
    let ours = stage.join("Cargo.lock.ours");
    if !fs::read(&ours).is_ok_and(|old| old == lock) {
        write(&stage.join("Cargo.lock"), &lock)?;
        write(&ours, &lock)?;
    }
    Ok(())
}

/// A source may take in other files when it is compiled (`include!`, `#[path]`), and one of those could be
/// the solution. Cargo writes down which files it read, in a file beside the program.
fn only_reads(folder: &Path, files: &Files, executable: &Path) -> Result<(), String> {
    let read = fs::read_to_string(executable.with_extension("d"));
    let read = read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => "cargo did not finish it: another source does not build".to_owned(),
        _ => error.to_string(),
    })?;
    // `program: file file ...`, where a space in a name is escaped.
    let read = read.replace("\\ ", "\0");
    let read = read
        .split_once(": ")
        .map_or("", |(_, files)| files)
        .split_whitespace();
    let laid: Vec<PathBuf> = files
        .iter()
        .map(|(name, _)| folder.join("src").join(name))
        .collect();
    let read = read.map(|file| PathBuf::from(file.replace('\0', " ")));
    match read.into_iter().find(|file| !laid.contains(file)) {
        Some(other) => Err(format!(
            "the source takes in {}, which is not a part of it",
            other.display()
        )),
        None => Ok(()),
    }
}

/// Our workspace manifest for these members: versions, lints and profiles are those of the course.
fn workspace(members: &str) -> Result<String> {
    let path = catalog::root().join("Cargo.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("default-members"));
    let lines = lines.map(|line| match line.starts_with("members") {
        true => format!("members = [{members}]\n"),
        false => format!("{line}\n"),
    });
    Ok(lines.collect())
}

/// The exercise's manifest without its tests, under the name of the source. Nothing is found by itself:
/// of the files in `src`, `main.rs` is the program, and the others are its modules.
fn package(source: &Source) -> Result<String> {
    let manifest = source.exercise.read("Cargo.toml")?;
    let name = source.package();
    let mut text = String::new();
    let mut wanted = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            wanted = !matches!(line, "[dev-dependencies]" | "[[test]]");
        }
        if line == format!("name = {:?}", source.exercise.name) {
            text += &format!("name = {name:?}\nbuild = false\nautobins = false\nautolib = false\n");
        } else if wanted {
            text += &format!("{line}\n");
        }
    }
    ensure!(
        text.contains(&name),
        "{} has no name",
        source.exercise.path("Cargo.toml")
    );
    Ok(text + &format!("\n[[bin]]\nname = {name:?}\npath = \"src/main.rs\"\n"))
}

/// Writes a package, and removes what an earlier one left there.
fn lay(source: &Source, folder: &Path) -> Result<()> {
    let src = folder.join("src");
    write(&folder.join("Cargo.toml"), package(source)?.as_bytes())?;
    let mut wanted: Vec<PathBuf> = source
        .files
        .iter()
        .map(|(name, _)| src.join(name))
        .collect();
    wanted.sort();
    // What differs in its files may differ in its folders.
    if src.exists() && files_below(&src)? != wanted {
        fs::remove_dir_all(&src).with_context(|| format!("cannot remove {}", src.display()))?;
    }
    for (name, bytes) in &source.files {
        write(&src.join(name), bytes)?;
    }
    Ok(())
}

/// All files, in order.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_below(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a file if it is not the same already: cargo builds again what is newer.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file without a folder")?;
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes));
    written.with_context(|| format!("cannot write {}", path.display()))
}
