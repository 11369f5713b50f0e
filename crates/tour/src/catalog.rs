//! The steps and the exercises: found by their folders, called by name or number.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

/// A step, `crates/NN-name`, or an exercise, `exercises/NN-name`.
#[derive(Clone)]
pub struct Lesson {
    /// Its place in the course.
    pub number: u32,
    /// The name of its package.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// Names less alike than this (Jaro-Winkler, 0 to 1) are not worth a question.
const ALIKE: f64 = 0.7;

/// The top of the repository: what COURSE_ROOT says, or where cargo runs this program, or where it was built.
/// A checkout that was copied holds a program that was built in another.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| match std::env::var_os("COURSE_ROOT") {
        Some(root) => root.into(),
        None => {
            let run = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
            let built = Path::new(env!("CARGO_MANIFEST_DIR"));
            let top = |package: &Path| package.ancestors().nth(2).map(Path::to_owned);
            let run = run.and_then(|run| top(&run));
            run.filter(|top| top.join("crates/tour").is_dir())
                .or_else(|| top(built))
                .unwrap_or_default()
        }
    })
}

/// Copies what there is to build into `folder`, for tests and measurements that change it.
///
/// # Errors
///
/// If something cannot be read or written.
pub fn copy_to(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["Cargo.toml", "Cargo.lock", "crates", "exercises"] {
        copy(&root().join(name), &folder.join(name))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        // A file that is the same keeps its time, so that cargo need not build again.
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        if fs::read(to).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        return fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()));
    }
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Where cargo builds: what may be thrown away at any time.
pub fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    root().join(target)
}

/// Where the book is built.
pub fn book() -> PathBuf {
    target().join("book")
}

/// The last of the steps that follow the five of the classic article.
pub const LAST_OF_THE_FIVE: u32 = 5;

/// Every step, in order.
pub fn steps() -> Result<Vec<Lesson>> {
    numbered("crates")
}

/// Every exercise, in order.
pub fn exercises() -> Result<Vec<Lesson>> {
    numbered("exercises")
}

/// The step that is meant by `wanted`: its name, its number or its folder's name.
pub fn step(wanted: &str) -> Result<Lesson> {
    find("step", steps()?, wanted)
}

/// The exercise that is meant by `wanted`, likewise.
pub fn exercise(wanted: &str) -> Result<Lesson> {
    find("exercise", exercises()?, wanted)
}

/// No source is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;

/// The exercises that are meant, each once; all of them if none is named.
pub fn exercises_named(wanted: &[String]) -> Result<Vec<Lesson>> {
    if wanted.is_empty() {
        return exercises();
    }
    let mut lessons = Vec::new();
    for wanted in wanted {
        let lesson = exercise(wanted)?;
        if lessons
            .iter()
            .all(|known: &Lesson| known.name != lesson.name)
        {
            lessons.push(lesson);
        }
    }
    Ok(lessons)
}

fn numbered(folder: &str) -> Result<Vec<Lesson>> {
    let folder = root().join(folder);
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut lessons = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str());
        let numbered = name.and_then(|name| name.split_once('-'));
        if let Some((number, name)) = numbered
            && let Ok(number) = number.parse()
        {
            let name = name.to_owned();
            lessons.push(Lesson {
                number,
                name,
                folder,
            });
        }
    }
    lessons.sort_by_key(|lesson| lesson.number);
    Ok(lessons)
}

fn find(kind: &str, lessons: Vec<Lesson>, wanted: &str) -> Result<Lesson> {
    let likeness = |lesson: &Lesson| strsim::jaro_winkler(&lesson.name, wanted);
    let nearest = lessons
        .iter()
        .filter(|lesson| likeness(lesson) >= ALIKE)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let question = nearest.map(|lesson| format!("did you mean `{}`? ", lesson.name));
    let question = question.unwrap_or_default();
    let meant = |lesson: &Lesson| {
        lesson.name == wanted
            || wanted.parse() == Ok(lesson.number)
            || lesson.folder.ends_with(wanted)
    };
    lessons.into_iter().find(meant).ok_or_else(|| {
        anyhow!("there is no {kind} {wanted:?}\nhint: {question}`just list` shows them all")
    })
}

impl Lesson {
    /// How cargo is told which package it is: by its name, and by its version as well if what we build upon
    /// has another of that name, as with `http`.
    pub fn package(&self) -> String {
        let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default(); // without it: by name
        match lock.matches(&format!("name = {:?}\n", self.name)).count() {
            0 | 1 => self.name.clone(),
            _ => format!("{}@{}", self.name, env!("CARGO_PKG_VERSION")), // all of ours have the same
        }
    }

    /// A file of it, as a path from the top of the repository.
    pub fn path(&self, file: &str) -> String {
        let folder = self.folder.strip_prefix(root()).unwrap_or(&self.folder);
        format!("{}/{file}", folder.display()).replace('\\', "/")
    }

    /// Its source, as a path from the top of the repository.
    pub fn source(&self) -> String {
        self.path("src/main.rs")
    }

    /// The text of one of its files.
    pub fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.folder.join(file))
            .with_context(|| format!("cannot read {}", self.path(file)))
    }

    /// Its source text. A learner's may be anything by now: a pipe would never end.
    pub fn text(&self) -> Result<String> {
        let metadata = fs::metadata(self.folder.join("src/main.rs"));
        if metadata.is_ok_and(|metadata| !metadata.is_file() || metadata.len() > LARGEST) {
            return Err(anyhow!("{} is no file, or a very large one", self.source()));
        }
        self.read("src/main.rs")
    }

    /// What it is about, from the first line of its source: `//! Step 3: take a client out of the queue.`
    pub fn headline(&self) -> Result<String> {
        let text = self.text()?;
        let line = text.lines().next().unwrap_or_default();
        let (_, headline) = line.split_once(": ").unwrap_or(("", line));
        Ok(headline.trim_end_matches('.').to_owned())
    }

    /// The checks of an exercise and their points, from the table in its README.
    pub fn points(&self) -> Result<Vec<(String, u32)>> {
        let text = self.read("README.md")?;
        let rows = text.lines().filter_map(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .rsplit_once(" | ")
        });
        Ok(rows
            .filter_map(|(title, points)| Some((title.to_owned(), points.parse().ok()?)))
            .collect())
    }

    /// The task of an exercise, from the first line of its README: `# echo: send back every byte`.
    pub fn task(&self) -> Result<String> {
        let text = self.read("README.md")?;
        let line = text.lines().next().unwrap_or_default();
        let (_, task) = line.split_once(": ").unwrap_or(("", line));
        Ok(task.to_owned())
    }
}
