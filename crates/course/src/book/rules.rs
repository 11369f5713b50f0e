//! What must stay true of the book.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use tour::catalog::{self, Lesson};
use tour::link::anchor;

use super::glossary::{self, parser};
use super::pages::{self, Directive, Page, Part};
use super::weave;

/// The parts of a step's page, in their order.
const PARTS: [&str; 10] = [
    "You will be able to",
    "Predict",
    "The code",
    "What is new",
    "Run it",
    "What is said",
    "What the kernel does",
    "Break it",
    "Check yourself",
    "Exercise",
];
/// Minutes that a page takes to read. An exercise is read quickly, and then done.
const MINUTES: std::ops::RangeInclusive<usize> = 5..=12;

fn all() -> Vec<Page> {
    pages::all().expect("the pages")
}

fn woven(page: &Page) -> String {
    let terms = glossary::terms().expect("the terms");
    weave::page(&page.path, &page.text, &terms).unwrap_or_else(|error| panic!("{error:#}"))
}

fn is_prose(page: &Page) -> bool {
    page.path != Path::new("SUMMARY.md")
}

/// The titles of a text and its sections.
fn headings(text: &str) -> Vec<String> {
    let mut headings = Vec::new();
    let mut heading: Option<String> = None;
    for event in parser(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    *heading += &text;
                }
            }
            _ => {}
        }
    }
    headings
}

/// Where a page's links lead, those in HTML as well.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for event in parser(text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.to_string());
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in [" href=\"", " src=\""] {
                    let values = html.split(attribute).skip(1);
                    links.extend(
                        values
                            .filter_map(|value| value.split('"').next())
                            .map(str::to_owned),
                    );
                }
            }
            _ => {}
        }
    }
    links
}

/// `steps/../glossary.md` as `glossary.md`.
fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            std::path::Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_step_and_every_exercise_has_a_page() {
    let pages: BTreeSet<PathBuf> = all().into_iter().map(|page| page.path).collect();
    let has = |folder: &str, lesson: &Lesson| {
        let page = format!("{folder}/{}.md", lesson.name);
        assert!(
            pages.contains(Path::new(&page)),
            "there is no docs/src/{page}"
        );
    };
    catalog::steps()
        .expect("steps")
        .iter()
        .for_each(|step| has("steps", step));
    let exercises = catalog::exercises().expect("exercises");
    exercises
        .iter()
        .for_each(|exercise| has("exercises", exercise));
}

#[test]
fn every_page_is_in_the_summary_and_the_summary_has_no_other() {
    let pages = all();
    let summary = pages
        .iter()
        .find(|page| !is_prose(page))
        .expect("a summary");
    let listed: BTreeSet<PathBuf> = links(&summary.text)
        .into_iter()
        .map(PathBuf::from)
        .collect();
    let there = pages
        .iter()
        .filter(|page| is_prose(page))
        .map(|page| page.path.clone());
    assert_eq!(listed, there.collect());
}

/// How often a part of a step's page asks for this, of its own step.
fn count(part: &str, step: &Lesson) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for asked in pages::parts(part).expect("its parts") {
        let Part::Asked(directive) = asked else {
            continue;
        };
        let (kind, about) = match &directive {
            Directive::Code { program, .. } => ("code", program),
            Directive::Diff { to, .. } => ("diff", to),
            Directive::Conversation { step, .. } => ("conversation", step),
            Directive::Calls { step, .. } => ("calls", step),
            Directive::Experiment(experiment) => ("experiment", &experiment.step),
            _ => continue,
        };
        assert_eq!(
            *about, step.name,
            "the page of {} asks for {directive:?}",
            step.name
        );
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

/// The answers that are folded in a part: what stands between a summary and the end of the details.
fn answers(part: &str) -> Vec<&str> {
    let folded = part.split("<details>").skip(1);
    folded
        .filter_map(|folded| {
            Some(
                folded
                    .split_once("</summary>")?
                    .1
                    .split_once("</details>")?
                    .0
                    .trim(),
            )
        })
        .collect()
}

/// Each step, and the parts of its page: titles and texts.
fn step_pages() -> Vec<(Lesson, Vec<(String, String)>)> {
    let steps = catalog::steps().expect("steps").into_iter();
    let parts = |step: &Lesson| {
        let text =
            fs::read_to_string(catalog::root().join(format!("docs/src/steps/{}.md", step.name)));
        let text = text.expect("its page");
        let parts = text
            .split("\n## ")
            .skip(1)
            .filter_map(|part| part.split_once('\n'));
        let owned = |(title, text): (&str, &str)| (title.to_owned(), text.to_owned());
        parts.map(owned).collect()
    };
    steps.map(|step| (step.clone(), parts(&step))).collect()
}

#[test]
fn the_page_of_a_step_has_all_its_parts() {
    for (step, parts) in step_pages() {
        let titles: Vec<&str> = parts.iter().map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, PARTS, "the page of {}", step.name);
        for (title, text) in &parts {
            let words = text.split_whitespace().count();
            assert!(words > 10, "the page of {}: {title} is empty", step.name);
        }
    }
}

#[test]
fn the_page_of_a_step_asks_for_what_its_own_step_says() {
    for (step, parts) in step_pages() {
        let parts: BTreeMap<String, String> = parts.into_iter().collect();
        for (part, kind, least) in [
            ("The code", "code", 1),
            ("What is new", "diff", usize::from(step.number > 1)),
            ("What is said", "conversation", 1),
            ("What the kernel does", "calls", 1),
            ("Break it", "experiment", 2),
        ] {
            let count = count(&parts[part], &step)
                .get(kind)
                .copied()
                .unwrap_or_default();
            assert!(
                count >= least,
                "the page of {}: {part} has {count} of {kind:?}",
                step.name
            );
        }
        assert!(
            parts["Exercise"].contains("](../exercises/"),
            "{}: which exercise?",
            step.name
        );
    }
}

#[test]
fn every_question_on_the_page_of_a_step_has_an_answer() {
    for (step, parts) in step_pages() {
        let parts: BTreeMap<String, String> = parts.into_iter().collect();
        for (part, least) in [("Predict", 1), ("Check yourself", 3)] {
            let answers = answers(&parts[part]);
            let given = answers.iter().filter(|answer| !answer.is_empty()).count();
            assert!(
                given >= least && given == answers.len(),
                "{}: {part}: {answers:?}",
                step.name
            );
        }
    }
}

/// Whether a block in the source of a page is what it may be: commands, or a file that is included.
fn is_included_or_run(page: &Page, language: &str, block: &str) -> bool {
    let included = block.trim_end().strip_prefix("{{#include ");
    if let Some(file) = included.and_then(|file| file.strip_suffix("}}")) {
        let folder = pages::folder().join("src").join(&page.path);
        return folder
            .parent()
            .is_some_and(|folder| folder.join(file).is_file());
    }
    let is_command = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["just", recipe, ..] => is_recipe(recipe),
        ["cargo" | "curl" | "lftp" | "nc" | "strace", ..] => true,
        _ => false,
    };
    language == "sh" && block.lines().all(is_command)
}

fn is_recipe(name: &str) -> bool {
    let justfile = fs::read_to_string(catalog::root().join("justfile")).expect("the justfile");
    justfile
        .lines()
        .any(|line| line.split([' ', ':']).next() == Some(name))
}

#[test]
fn code_is_included_not_pasted() {
    for page in all() {
        let place = format!("docs/src/{}", page.path.display());
        let mut language: Option<String> = None;
        let mut block = String::new();
        for event in parser(&page.text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                    language = Some(kind.to_string())
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                    panic!("{place}: a block of code by indentation")
                }
                Event::End(TagEnd::CodeBlock) => {
                    let language = language.take().unwrap_or_default();
                    let block = std::mem::take(&mut block);
                    assert!(
                        is_included_or_run(&page, &language, &block),
                        "{place}: take this from where it comes from\n{block}"
                    );
                }
                Event::Text(text) if language.is_some() => block += &text,
                Event::Html(html) => assert!(!html.contains("<pre"), "{place}: {html}"),
                _ => {}
            }
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages: BTreeMap<PathBuf, String> = all()
        .iter()
        .map(|page| (page.path.clone(), woven(page)))
        .collect();
    for (path, text) in &pages {
        for link in links(text) {
            if link.starts_with("https://") {
                continue; // the book is tested where there is no network
            }
            let (file, anchor_there) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                resolved(path, file)
            };
            let Some(text) = pages.get(&target) else {
                panic!("docs/src/{}: {link} leads nowhere", path.display());
            };
            let anchors: Vec<String> = headings(text)
                .iter()
                .map(|heading| anchor(heading))
                .collect();
            assert!(
                anchor_there.is_empty() || anchors.iter().any(|anchor| anchor == anchor_there),
                "docs/src/{}: {link} leads to no section of {anchors:?}",
                path.display()
            );
        }
    }
}

#[test]
fn a_page_takes_5_to_12_minutes() {
    for page in all().iter().filter(|page| is_prose(page)) {
        let minutes = weave::minutes(&woven(page));
        let is_exercise = page.path.starts_with("exercises");
        assert!(
            MINUTES.contains(&minutes) || (is_exercise && minutes < 5),
            "docs/src/{} takes {minutes} minutes",
            page.path.display()
        );
    }
}

#[test]
fn every_term_is_used_somewhere() {
    let all: String = all().iter().map(woven).collect();
    for term in glossary::terms().expect("the terms") {
        let link = format!("{}#{}", glossary::PAGE, term.anchor);
        assert!(
            all.contains(&format!("{link})")),
            "no page uses {:?}",
            term.names
        );
    }
}

#[test]
fn checks_name_sections_that_are_there() {
    let mut count = 0;
    let lessons = [catalog::steps(), catalog::exercises()];
    for lesson in lessons
        .into_iter()
        .flat_map(|lessons| lessons.expect("lessons"))
    {
        let suite = if lesson.folder.starts_with(catalog::root().join("crates")) {
            "conversation"
        } else {
            "checks"
        };
        let text = lesson
            .read(&format!("tests/{suite}.rs"))
            .expect("its suite");
        assert!(
            text.contains(".page("),
            "{}: its checks name no page",
            lesson.path(suite)
        );
        for named in text.split(".page(").skip(1) {
            let words: Vec<&str> = named.split('"').collect();
            let (file, section) = (words[1], words[3]);
            assert!(
                suite == "checks" || file == format!("docs/src/steps/{}.md", lesson.name),
                "{} names {file}",
                lesson.path(suite)
            );
            let page = fs::read_to_string(catalog::root().join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(
                headings(&page).iter().any(|heading| heading == section),
                "{file} has no section {section:?}"
            );
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn what_pages_ask_for_is_asked_for_once_in_each_page() {
    for page in all() {
        let mut seen = BTreeSet::new();
        for directive in page.directives().expect("directives") {
            let is_new = seen.insert(directive.clone());
            assert!(
                is_new,
                "docs/src/{} asks twice for {directive:?}",
                page.path.display()
            );
            if let Directive::Conversation { step, .. } = &directive {
                assert!(catalog::step(step).is_ok(), "there is no step {step}");
            }
        }
    }
}
