//! Looks at the book as a reader does: builds it, and opens every page in a browser.
//!
//! Where there is no Chromium this is left out, and says so. Screenshots of every page are left in
//! `target/book-screenshots`.
#![cfg(unix)]

#[path = "browser/driver.rs"]
mod driver;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tour::{catalog, link};

use driver::Browser;

/// A wide screen and a phone, in pixels, and the themes.
const LOOKS: [(u32, &str); 3] = [(1280, "light"), (390, "light"), (1280, "navy")];

/// What is asked of a page: whatever is wrong with it, the anchors in it, and where its links lead.
const LOOK: &str = r#"
    const wrong = [];
    for (const part of [document.documentElement, ...document.querySelectorAll(".content, main")])
        if (part.scrollWidth > part.clientWidth)
            wrong.push(`<${part.localName}> is ${part.scrollWidth} pixels wide and shows ${part.clientWidth}`);
    for (const image of document.images)
        if (!image.complete || image.naturalWidth === 0) wrong.push(`no picture: ${image.src}`);
    if (document.querySelector("main").innerText.includes("{{")) wrong.push("something was not woven in");
    for (const svg of document.querySelectorAll("main svg[role=img]"))
        if (!svg.getAttribute("aria-label")) wrong.push("a drawing without words");
    const links = [...document.querySelectorAll("a[href]")].map(link => new URL(link.href));
    return {
        wrong,
        anchors: [...document.querySelectorAll("[id]")].map(element => element.id),
        links: links.filter(link => link.protocol === "file:")
            .map(link => decodeURIComponent(link.pathname) + '#' + decodeURIComponent(link.hash.slice(1))),
    };
"#;

/// What the search has found, as soon as it has: WebDriver waits for a promise (W3C, section 13.2).
const FOUND: &str = r#"
    const results = () => [...document.querySelectorAll("[id$=searchresults] a")].map(link => link.href);
    return new Promise(done => {
        const look = () => results().length ? done(results()) : setTimeout(look, 20);
        look();
    });
"#;

#[test]
fn every_page_is_as_it_should_be() {
    let Some(browser) = Browser::start().expect("the browser") else {
        return;
    };
    let status = Command::new(cargo_bin!("course"))
        .arg("book")
        .status()
        .expect("course");
    assert!(status.success(), "the book is built");
    let book = fs::canonicalize(catalog::book()).expect("the book");
    let mut report = Report::default();
    for (width, theme) in LOOKS {
        turn_to(&browser, width, theme, &book).expect("an answer of the browser");
        for page in pages(&book) {
            let seen = look(&browser, &book.join(&page)).expect("an answer of the browser");
            keep(
                &seen.picture,
                &format!("{}-{width}-{theme}.png", page.with_extension("").display()),
            );
            report.take(&book.join(page), &format!("{width} pixels, {theme}"), seen);
        }
    }
    report
        .wrong
        .extend(search(&browser, &book).expect("an answer of the browser"));
    let wrong = report.all_that_is_wrong();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Leaves a screenshot to look at.
fn keep(picture: &[u8], name: &str) {
    let folder = catalog::target().join("book-screenshots");
    fs::create_dir_all(&folder).expect("a folder for the screenshots");
    fs::write(folder.join(name.replace('/', "-")), picture).expect("a screenshot");
}

/// What was seen of the whole book.
#[derive(Default)]
struct Report {
    wrong: Vec<String>,
    anchors: BTreeMap<PathBuf, BTreeSet<String>>,
    links: BTreeSet<(PathBuf, String)>,
}

impl Report {
    fn take(&mut self, page: &Path, look: &str, seen: Seen) {
        let place = |words: String| format!("{}, {look}: {words}", page.display());
        self.wrong.extend(seen.wrong.into_iter().map(place));
        self.links
            .extend(seen.links.into_iter().map(|link| (page.to_owned(), link)));
        self.anchors.insert(page.to_owned(), seen.anchors);
    }

    /// With the links that lead nowhere, now that every page is known.
    fn all_that_is_wrong(self) -> Vec<String> {
        let broken = self
            .links
            .iter()
            .filter(|(_, link)| !self.leads_somewhere(link));
        let broken = broken.map(|(page, link)| format!("{}: {link} leads nowhere", page.display()));
        broken.chain(self.wrong.iter().cloned()).collect()
    }

    fn leads_somewhere(&self, link: &str) -> bool {
        let (path, anchor) = link.rsplit_once('#').unwrap_or((link, ""));
        match self.anchors.get(Path::new(path)) {
            Some(there) => anchor.is_empty() || there.contains(anchor),
            None => Path::new(path).is_file() && anchor.is_empty(),
        }
    }
}

/// Every page of the book, as a path below it, and the one that prints all of them.
fn pages(book: &Path) -> Vec<PathBuf> {
    let mut folders = vec![book.to_owned()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the book") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "html") {
                pages.push(path.strip_prefix(book).expect("below the book").to_owned());
            }
        }
    }
    // The one is a part of every page, and the other only makes sense on a web server.
    pages.retain(|page| page != Path::new("toc.html") && page != Path::new("404.html"));
    pages.sort();
    assert!(pages.len() > 15, "the book has pages: {pages:?}");
    pages
}

struct Seen {
    wrong: Vec<String>,
    anchors: BTreeSet<String>,
    links: BTreeSet<String>,
    picture: Vec<u8>,
}

/// From now on pages are so wide, and have this theme.
fn turn_to(browser: &Browser, width: u32, theme: &str, book: &Path) -> Result<()> {
    browser.resize(width)?;
    browser.open_url(&link::url(&book.join("index.html")))?;
    browser.run(&format!("localStorage.setItem('mdbook-theme', '{theme}')"))?;
    Ok(())
}

/// Opens a page.
fn look(browser: &Browser, page: &Path) -> Result<Seen> {
    browser.open_url(&link::url(page))?;
    let seen = browser.run(LOOK)?;
    let list = |field: &str| {
        let words = seen[field].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned)
    };
    Ok(Seen {
        wrong: list("wrong").chain(browser.errors()?).collect(),
        anchors: list("anchors").collect(),
        links: list("links").collect(),
        picture: browser.screenshot()?,
    })
}

/// Looks for a word in the whole book. Returns what is wrong, if anything is.
fn search(browser: &Browser, book: &Path) -> Result<Option<String>> {
    let page = link::url(&book.join("index.html"));
    browser.open_url(&format!("{page}?search=backlog"))?;
    let found = browser.run(FOUND)?;
    let pages = found
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let finds_it = pages
        .into_iter()
        .any(|page| page.contains("bind-listen.html"));
    Ok((!finds_it).then(|| format!("the search for \"backlog\" finds {found}")))
}
