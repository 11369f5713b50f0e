//! What must stay true of the book.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use tour::catalog::{self, Lesson};
use tour::link::anchor;

use super::glossary::{self, parser};
use super::pages::{self, Directive, Page};
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

/// The headings of a level and the levels above it.
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

/// Where a page's links lead.
fn links(text: &str) -> Vec<String> {
    let links = parser(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.to_string())
        }
        _ => None,
    });
    links.collect()
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

#[test]
fn the_page_of_a_step_has_all_its_parts() {
    for step in catalog::steps().expect("steps") {
        let path = PathBuf::from(format!("steps/{}.md", step.name));
        let pages = all();
        let page = pages
            .iter()
            .find(|page| page.path == path)
            .expect("its page");
        let parts = page.text.split("\n## ").skip(1);
        let titles: Vec<&str> = parts
            .clone()
            .filter_map(|part| part.lines().next())
            .collect();
        assert_eq!(titles, PARTS, "{}", path.display());
        let parts: BTreeMap<&str, &str> = titles.into_iter().zip(parts).collect();
        for (part, what, least) in [
            ("Predict", "<details>", 1),
            ("The code", "{{code ", 1),
            ("What is said", "{{conversation ", 1),
            ("What the kernel does", "{{calls ", 1),
            ("Break it", "{{experiment ", 2),
            ("Check yourself", "<details>", 3),
            ("Exercise", "](../exercises/", 1),
        ] {
            let count = parts[part].matches(what).count();
            assert!(
                count >= least,
                "{}: {part} has {count} of {what:?}",
                path.display()
            );
        }
        let is_first = step.number == 1;
        assert!(
            is_first || parts["What is new"].contains("{{diff "),
            "{}: no diff",
            path.display()
        );
    }
}

#[test]
fn code_is_included_not_pasted() {
    for page in all() {
        let mut language: Option<String> = None;
        for event in parser(&page.text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                    language = Some(kind.to_string())
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                    panic!(
                        "docs/src/{}: a block of code by indentation",
                        page.path.display()
                    )
                }
                Event::End(TagEnd::CodeBlock) => language = None,
                Event::Text(text) if language.is_some() => {
                    let is_command = |line: &str| {
                        let programs = ["cargo ", "just ", "nc ", "strace "];
                        programs.iter().any(|program| line.starts_with(program))
                    };
                    let commands =
                        language.as_deref() == Some("sh") && text.lines().all(is_command);
                    assert!(
                        commands || text.trim().starts_with("{{#include "),
                        "docs/src/{}: take this from where it comes from\n{text}",
                        page.path.display()
                    );
                }
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
