//! What must stay true of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diff::changed_lines;
use crate::stage::files_below;
use tour::catalog::{self, LAST_OF_THE_FIVE, Lesson};

fn read(path: impl AsRef<Path>) -> String {
    let path = catalog::root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn steps() -> Vec<Lesson> {
    let steps = catalog::steps().expect("the steps");
    assert!(steps.len() >= 5, "the five steps of the article are there");
    steps
}

fn manifests() -> Vec<PathBuf> {
    let crates = fs::read_dir(catalog::root().join("crates")).expect("crates");
    crates
        .map(|entry| entry.expect("a folder").path().join("Cargo.toml"))
        .collect()
}

/// The lines of a manifest below `[section]`.
fn section<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != format!("[{section}]"))
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn neighbouring_steps_differ_by_at_most_30_lines() {
    let five: Vec<Lesson> = steps()
        .into_iter()
        .filter(|step| step.number <= LAST_OF_THE_FIVE)
        .collect();
    for pair in five[1..].windows(2) {
        let (old, new) = (pair[0].text().expect("text"), pair[1].text().expect("text"));
        let changed = changed_lines(&old, &new);
        assert!(
            changed <= 30,
            "{} and {} differ by {changed} lines",
            pair[0].name,
            pair[1].name
        );
    }
}

/// The lines that a reader has to read: neither blank, nor a comment, nor only brackets; nor the unit tests at the end.
fn lines_of_code(step: &Lesson) -> Vec<String> {
    let mut files = files_below(&step.folder.join("src")).expect("its sources");
    files.retain(|file| file.extension().is_some_and(|end| end == "rs"));
    let mut lines = Vec::new();
    for file in files {
        let text = read(file);
        let code = text
            .lines()
            .map(str::trim)
            .take_while(|line| *line != "#[cfg(test)]")
            .filter(|line| !line.starts_with("//") && line.contains(char::is_alphanumeric));
        lines.extend(code.map(str::to_owned));
    }
    lines
}

#[test]
fn what_a_step_adds_to_threads_can_be_read_in_one_sitting() {
    let threads = catalog::step("threads").expect("that step");
    let known = lines_of_code(&threads);
    for step in steps() {
        let mut lines = lines_of_code(&step);
        lines.retain(|line| !known.contains(line));
        let most = if step.name == "ftp" { 880 } else { 520 };
        let count = lines.len();
        assert!(count <= most, "{} adds {count} lines of code", step.name);
    }
}

/// It is explained once, and whoever knows it need not read it again.
#[test]
fn every_step_with_threads_counts_its_clients_in_the_same_way() {
    let file = "src/clients.rs";
    let steps = steps();
    let explained = steps
        .iter()
        .find(|step| step.name == "threads")
        .expect("that step");
    for step in steps.iter().filter(|step| step.folder.join(file).exists()) {
        assert!(
            step.read(file).expect("text") == explained.read(file).expect("text"),
            "{} is not that of threads",
            step.path(file)
        );
    }
}

#[test]
fn every_step_says_what_is_new_how_to_try_it_and_what_is_left_out() {
    for step in steps() {
        let text = step.text().expect("text");
        let mut lines = text.lines();
        for opening in [
            &format!("//! Step {}: ", step.number),
            "//!",
            "//! New here: ",
            "//! Try it: ",
            "//! Left out on purpose: ",
        ] {
            let line = lines.next().unwrap_or_default();
            assert!(
                line.starts_with(opening),
                "{}: {line:?} does not begin with {opening:?}",
                step.source()
            );
        }
        assert!(
            text.contains(&format!("`just step {}", step.name)),
            "{}: how to run it",
            step.source()
        );
    }
}

#[test]
fn every_step_has_its_tests_and_its_name() {
    for (index, step) in steps().iter().enumerate() {
        assert_eq!(
            step.number as usize,
            index + 1,
            "no number is left out or given twice"
        );
        for file in [
            "src/main.rs",
            "tests/conversation.rs",
            "tests/cli.rs",
            "tests/help.txt",
        ] {
            assert!(
                step.folder.join(file).is_file(),
                "{} has no {file}",
                step.name
            );
        }
        let manifest = read(step.folder.join("Cargo.toml"));
        assert!(
            section(&manifest, "package").contains(&format!("name = \"{}\"", step.name).as_str())
        );
    }
}

#[test]
fn no_step_hides_its_lesson_in_a_library_of_ours() {
    let ours: String = manifests().iter().map(read).collect();
    for step in steps() {
        let manifest = read(step.folder.join("Cargo.toml"));
        for dependency in section(&manifest, "dependencies") {
            let name = dependency.split(['.', ' ', '=']).next().unwrap_or_default();
            let ours = ours.contains(&format!("name = \"{name}\""));
            assert!(
                !ours && !dependency.contains("path"),
                "{} uses {dependency}",
                step.name
            );
        }
    }
}

#[test]
fn the_course_links_no_step() {
    let manifest = read("crates/course/Cargo.toml");
    for step in steps() {
        assert!(
            !manifest.contains(&format!("\n{}.", step.name)),
            "course depends on {}",
            step.name
        );
    }
}

#[test]
fn versions_and_lints_live_in_one_place() {
    for path in manifests() {
        let manifest = read(&path);
        for table in ["dependencies", "dev-dependencies"] {
            for dependency in section(&manifest, table) {
                assert!(
                    dependency.ends_with(".workspace = true"),
                    "{}: {dependency}",
                    path.display()
                );
            }
        }
        assert_eq!(
            section(&manifest, "lints"),
            ["workspace = true"],
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_readme_shows_the_way_within_30_lines() {
    let readme = read("README.md");
    let top: Vec<&str> = readme.lines().take(30).collect();
    for command in ["cargo tour", "cargo test"] {
        assert!(
            top.iter().any(|line| line.starts_with(command)),
            "README.md: `{command}` in the first 30 lines"
        );
    }
    for step in steps() {
        let folder = step
            .folder
            .file_name()
            .unwrap_or_default()
            .display()
            .to_string();
        let row = format!(
            "| {} | [{}](crates/{folder}/src/main.rs) |",
            step.number, step.name
        );
        let page = format!("| [page](docs/src/steps/{}.md) |", step.name);
        assert!(
            top.iter()
                .any(|line| line.starts_with(&row) && line.ends_with(&page)),
            "README.md has no row {row} ... {page}"
        );
    }
}

#[test]
fn what_readmes_link_to_is_there() {
    let mut texts = vec![
        "README.md".into(),
        "ARCHITECTURE.md".into(),
        "exercises/README.md".into(),
    ];
    let exercises = catalog::exercises().expect("the exercises");
    texts.extend(exercises.iter().map(|exercise| exercise.path("README.md")));
    for path in texts {
        let folder = catalog::root().join(&path);
        let folder = folder.parent().expect("a folder");
        for link in read(&path).split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            let is_there = link.starts_with("https://") || folder.join(link).exists();
            assert!(is_there, "{path}: {link} leads nowhere");
        }
    }
}

#[test]
fn the_variants_of_exercises_are_formatted() {
    let mut files = Vec::new();
    for exercise in catalog::exercises().expect("the exercises") {
        for folder in ["variants", "variants/wrong"] {
            let entries = fs::read_dir(exercise.folder.join(folder)).expect("variants");
            files.extend(entries.map(|entry| entry.expect("a file").path()));
        }
    }
    files.retain(|file| file.extension().is_some_and(|end| end == "rs"));
    let mut rustfmt = std::process::Command::new("rustfmt");
    let rustfmt = rustfmt.args(["--check", "--edition", "2024"]).args(&files);
    let output = rustfmt
        .output()
        .expect("rustfmt is there: `rustup component add rustfmt`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_map_is_short() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn the_architecture_names_every_crate_that_is_no_step() {
    let map = read("ARCHITECTURE.md");
    for path in manifests() {
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .display()
            .to_string();
        let step = folder.starts_with(|c: char| c.is_ascii_digit());
        assert!(
            step || map.contains(&format!("crates/{folder}")),
            "ARCHITECTURE.md: crates/{folder}"
        );
    }
}
