//! Puts into a page what it asks for. mdBook calls this with the whole book, as JSON.

use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use pulldown_cmark::{Event, Tag, TagEnd};
use serde_json::Value;
use tour::Outcome;
use tour::catalog;

use super::glossary::{self, Term};
use super::pages::{self, Directive, Experiment, Part};
use super::record::CLASSIC;
use super::recording::Recording;
use super::trace::Call;
use super::{draw, recorded};
use crate::diff::new_modules;
use crate::race::Race;
use crate::stage::files_below;

/// Reads `[context, book]` and writes the book with its pages woven (mdBook's guide, "Preprocessors").
/// Asked `supports RENDERER`, it says that it does.
pub fn run(asked: &[String]) -> Outcome {
    if asked.first().is_some_and(|word| word == "supports") {
        return Ok(ExitCode::SUCCESS);
    }
    let mut input = String::new();
    stdin()
        .read_to_string(&mut input)
        .context("cannot read the book")?;
    let mut input: Value = serde_json::from_str(&input)
        .context("this is for mdbook to call\nhint: `just book` builds the book")?;
    let book = input.get_mut(1).context("there is no book")?;
    weave_all(book, &glossary::terms()?)?;
    println!("{book}");
    Ok(ExitCode::SUCCESS)
}

/// Weaves whatever has a path and a content, and what is below it.
fn weave_all(value: &mut Value, terms: &[Term]) -> Result<()> {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .try_for_each(|value| weave_all(value, terms)),
        Value::Object(fields) => {
            let path = fields
                .get("path")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if let (Some(path), Some(Value::String(content))) = (path, fields.get_mut("content")) {
                *content = page(Path::new(&path), content, terms)?;
            }
            fields
                .values_mut()
                .try_for_each(|value| weave_all(value, terms))
        }
        _ => Ok(()),
    }
}

/// A page with what it asks for in it, its terms linked and its reading time under the title.
pub fn page(path: &Path, text: &str, terms: &[Term]) -> Result<String> {
    let place = || format!("docs/src/{}", path.display());
    let mut woven = String::new();
    for part in pages::parts(&pages::tidied(text)).with_context(place)? {
        match part {
            Part::Text(text) => woven += text,
            Part::Asked(directive) => woven += &answer(&directive).with_context(place)?,
        }
    }
    let woven = glossary::link(path, &woven, terms);
    let Some((title, rest)) = woven.split_once("\n\n").filter(|_| woven.starts_with("# ")) else {
        return Ok(woven);
    };
    let minutes = minutes(rest);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    Ok(format!(
        "{title}\n\n<p class=\"time\">{minutes} {unit} to read</p>\n\n{rest}"
    ))
}

/// How long a page takes to read: 200 words of prose a minute, 25 lines of code. The text of a drawing is
/// for those who want it.
pub fn minutes(text: &str) -> usize {
    let (mut words, mut lines, mut code, mut folded) = (0, 0, false, false);
    for event in glossary::parser(text) {
        match event {
            Event::Html(html) if html.starts_with("<details class=\"more\"") => folded = true,
            Event::Html(html) if html.starts_with("</details>") => folded = false,
            _ if folded => {}
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Text(text) if code => lines += text.lines().count(),
            Event::Text(text) | Event::Code(text) => words += text.split_whitespace().count(),
            _ => {}
        }
    }
    (words * 25 + lines * 200).div_ceil(200 * 25)
}

/// What stands in the place of a directive.
fn answer(directive: &Directive) -> Result<String> {
    directive.look_up()?;
    let path = directive
        .recording()
        .map(|path| recorded().join(path))
        .unwrap_or_default();
    let kept = || match fs::read_to_string(&path) {
        Ok(text) => Ok(text.replace("\r\n", "\n")),
        Err(error) => Err(anyhow!(
            "cannot read {}: {error}\nhint: `just bless` makes it",
            path.display()
        )),
    };
    let recording = || Recording::read(&kept()?).with_context(|| path.display().to_string());
    match directive {
        Directive::Code { program, items } => code(program, items),
        Directive::Help { step } => {
            let help = catalog::step(step)?.read("tests/help.txt")?;
            let help = block("text", &help.replace("[EXE]", ""));
            Ok(format!(
                "<details class=\"more\"><summary>Its help: <code>just step {step} --help</code></summary>\n\n\
                 {help}</details>\n\n"
            ))
        }
        Directive::Diff { from, to } => diff(from, to),
        Directive::Conversation { step, check } => Ok(conversation(step, check, &recording()?)),
        Directive::Calls { .. } => Ok(block("c", &calls(&recording()?))),
        Directive::Classic { lesson, check } => {
            Ok(block("sh", &classic(lesson, check)) + &block("text", &kept()?))
        }
        Directive::Experiment(experiment) => shown(experiment, &kept()?),
        Directive::Error { name } => {
            let command = format!("$ cargo run --quiet --package errors -- {name}\n");
            Ok(block("console", &(command + &kept()?)))
        }
        Directive::Exercise { name } => exercise(name),
        Directive::Race { part } => race(part),
    }
}

/// The command that puts a check to the beginner's server.
fn classic(lesson: &str, check: &str) -> String {
    let server = format!("--server \"python3 '$PWD/{CLASSIC}' {{port}}\"");
    match catalog::step(lesson) {
        Ok(step) => format!("{} {server}", test(&step, check)),
        Err(_) => format!("just replay {lesson} {check} {server}"),
    }
}

/// The command that runs a check of a step, and shows the conversation.
fn test(step: &catalog::Lesson, check: &str) -> String {
    let package = step.package();
    format!("cargo test -p {package} --test conversation -- --exact {check} --show")
}

/// A fenced block. The fence is longer than any in the text.
fn block(language: &str, text: &str) -> String {
    let fence = if text.contains("```") { "````" } else { "```" };
    format!("{fence}{language}\n{}\n{fence}\n\n", text.trim_end())
}

/// The items, each with where it stands: in `main.rs`, or in a module beside it. `STEP/NAME` is an example of a step.
fn code(program: &str, items: &[String]) -> Result<String> {
    let (program, example) = match program.split_once('/') {
        Some((step, name)) => (step, Some(format!("examples/{name}.rs"))),
        None => (program, None),
    };
    let folder = match catalog::step(program) {
        Ok(step) => step.folder,
        Err(_) => catalog::root().join("crates").join(program),
    };
    let files = match example {
        Some(file) => vec![folder.join(file)],
        None => files_below(&folder.join("src"))?,
    };
    let sources = sources(files)?;
    let mut text = String::new();
    for item in items {
        let mut found = sources
            .iter()
            .filter_map(|(path, source)| Some((path, find(source, item)?)));
        let (path, (line, code)) = found
            .next()
            .with_context(|| format!("{program} has no {item:?}"))?;
        text += &format!("<p class=\"place\"><code>{path}:{line}</code></p>\n\n");
        text += &block("rust,ignore", &code);
    }
    Ok(text)
}

/// The sources of a program, by their paths from the top of the repository; `main.rs` comes first.
fn sources(mut files: Vec<PathBuf>) -> Result<Vec<(String, String)>> {
    files.sort_by_key(|file| !file.ends_with("src/main.rs"));
    let source = |file: PathBuf| {
        let path = file.strip_prefix(catalog::root()).unwrap_or(&file);
        let path = path.display().to_string().replace('\\', "/");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
        Ok((path, text))
    };
    files.into_iter().map(source).collect()
}

/// An item of a source by its name, or a method if there is no such item, with its comments and attributes, and the
/// line where it begins. Where it ends can be told from how rustfmt writes it.
fn find(source: &str, name: &str) -> Option<(usize, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let inside = lines
        .iter()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    find_among(&lines, name).or_else(|| find_among(&inside.collect::<Vec<_>>(), name))
}

fn find_among(lines: &[&str], name: &str) -> Option<(usize, String)> {
    let head = lines.iter().position(|line| names(line, name))?;
    let opens = |line: &&str| line.starts_with("///") || line.starts_with("#[");
    let start = head
        - lines[..head]
            .iter()
            .rev()
            .take_while(|line| opens(line))
            .count();
    let is_value = ["const ", "static ", "type "]
        .iter()
        .any(|kind| lines[head].contains(kind));
    let is_end = |line: &&str| match is_value {
        true => line.ends_with(';'),
        // Not the bracket that closes the arguments of a function, before its body.
        false => line.starts_with(['}', ')']) && !line.ends_with('{'),
    };
    let length = match lines[head].ends_with(['}', ';']) {
        true => 0,
        false => lines[head..].iter().position(is_end)?,
    };
    Some((start + 1, lines[start..=head + length].join("\n")))
}

/// Whether an item of this name begins with this line.
fn names(line: &str, name: &str) -> bool {
    if line.starts_with(char::is_whitespace) {
        return false;
    }
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words = words.skip_while(|word| ["pub", "crate", "", "async", "unsafe"].contains(word));
    let kinds = ["fn", "struct", "enum", "const", "static", "mod", "type"];
    words.next().is_some_and(|kind| kinds.contains(&kind)) && words.next() == Some(name)
}

fn diff(from: &str, to: &str) -> Result<String> {
    let (from, to) = (catalog::step(from)?, catalog::step(to)?);
    let (old, new) = (from.text()?, to.text()?);
    let diff = similar::TextDiff::from_lines(&old, &new);
    let mut diff = diff.unified_diff();
    let text = diff
        .context_radius(1)
        .header(&from.source(), &to.source())
        .to_string();
    let mut modules = String::new();
    for module in new_modules(&from, &to)? {
        modules += &format!("<p class=\"place\">new beside it: <code>{module}</code></p>\n\n");
    }
    Ok(block("diff", &text) + &modules)
}

/// The drawing, and the text below it.
fn conversation(step: &str, check: &str, recording: &Recording) -> String {
    let notice = recording.notice.as_deref().unwrap_or_default();
    format!(
        "<figure class=\"talk\" tabindex=\"0\">\n{}<figcaption>{}</figcaption>\n</figure>\n\n\
         <details class=\"more\"><summary>As the tour shows it: <code>just tour {step}</code>, and the check is \
         <code>{check}</code></summary>\n\n{}</details>\n\n",
        draw::svg(recording),
        draw::escaped(notice),
        block("text", &recording.text()),
    )
}

/// The system calls, a line each, and who made them if there is more than one thread.
fn calls(recording: &Recording) -> String {
    let has_threads = recording.calls().any(|call| call.thread > 0);
    let line = |call: &Call| match (has_threads, call.thread) {
        (false, _) => call.text(),
        (true, 0) => format!("[main]     {}", call.text()),
        (true, thread) => format!("{:<10} {}", format!("[thread {thread}]"), call.text()),
    };
    let lines: Vec<String> = recording.calls().map(line).collect();
    lines.join("\n")
}

/// The change, how to make it, and what comes of it.
fn shown(experiment: &Experiment, outcome: &str) -> Result<String> {
    let Experiment {
        step,
        old,
        new,
        arguments,
        check,
        ..
    } = experiment;
    let mut text = String::new();
    if !old.is_empty() {
        let minus = old.iter().map(|line| format!("- {line}\n"));
        let plus = new.iter().map(|line| format!("+ {line}\n"));
        text += &block("diff", &minus.chain(plus).collect::<String>());
    }
    let lesson = catalog::step(step)?;
    let test = test(&lesson, check);
    text += &match arguments.is_empty() {
        true => block("sh", &test),
        false => {
            let server = experiment.server(&format!("'$PWD/target/debug/{step}'"), &lesson)?;
            block("sh", &format!("{test} --server \"{server}\""))
        }
    };
    Ok(text + &block("text", outcome))
}

/// The README of an exercise, with links that lead to pages.
fn exercise(name: &str) -> Result<String> {
    let exercise = catalog::exercise(name)?;
    let readme = exercise.read("README.md")?;
    let source = format!("`{}`", exercise.source());
    let mut text = readme.replace("[src/main.rs](src/main.rs)", &source);
    for step in catalog::steps()? {
        let link = format!("(../../{})", step.source());
        text = text.replace(&link, &format!("(../steps/{}.md)", step.name));
    }
    for unknown in ["](../../", "](src/"] {
        ensure!(
            !text.contains(unknown),
            "{}: a link {unknown:?}",
            exercise.path("README.md")
        );
    }
    Ok(text)
}

/// A part of the race that `just bench-models --record` has kept: where it was run, its picture, its ratios, or the table
/// of some loads.
fn race(part: &str) -> Result<String> {
    let race = Race::recorded()?;
    Ok(match part {
        "machine" => format!("{}.\n\n", race.machine.text()),
        "picture" => {
            let picture = race.picture();
            format!("<figure class=\"picture\">\n{picture}</figure>\n\n")
        }
        "ratios" => block("text", &race.ratios()),
        _ => {
            let tables = race.tables(part);
            block(
                "text",
                &tables.with_context(|| format!("the race has no {part:?}"))?,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(name: &str, expected: &str) {
        let source = "/// A limit.\nconst LIMIT: usize =\n    5;\n\n\
                      pub(crate) fn long(\n    first: usize,\n) -> usize {\n    first\n}\n\n\
                      #[derive(Debug)]\nstruct Unit;\n\n\
                      fn short() {}\n\n\
                      impl Unit {\n    /// Does it.\n    fn method(&self) {\n        short();\n    }\n}\n";
        let (_, item) = find(source, name).expect("it is there");
        assert_eq!(item, expected);
    }

    #[test]
    fn an_item_has_its_comments_its_attributes_and_all_its_lines() {
        finds("LIMIT", "/// A limit.\nconst LIMIT: usize =\n    5;");
        finds(
            "long",
            "pub(crate) fn long(\n    first: usize,\n) -> usize {\n    first\n}",
        );
        finds("Unit", "#[derive(Debug)]\nstruct Unit;");
        finds("short", "fn short() {}");
        finds(
            "method",
            "/// Does it.\nfn method(&self) {\n    short();\n}",
        );
    }
}
