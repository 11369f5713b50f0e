//! Looks at the book as a reader does: builds it, and opens every page in a browser.
//!
//! Chromium is driven by way of its WebDriver (chromedriver). Where either is missing this is left out,
//! and says so. Screenshots of every page are left in `target/book-screenshots`.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use assert_cmd::cargo::cargo_bin;
use base64::Engine;
use serde_json::{Value, json};
use tour::{catalog, link};

/// A page is there within this time, or never.
const PATIENCE: Duration = Duration::from_secs(60);
/// A wide screen and a phone, in pixels, and the themes.
const LOOKS: [(u32, &str); 3] = [(1280, "light"), (390, "light"), (1280, "navy")];
const HEIGHT: u32 = 900;
/// No window, no sandbox (which root cannot have), and no talk with anybody but us.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// Starts chromedriver, and ends its whole group when nobody holds the other end of the input any more: also
/// when this test is killed.
const GUARD: &str = r#""$0" --port=0 & read -r _; kill -s KILL 0"#;

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
        browser
            .turn_to(width, theme, &book)
            .expect("an answer of the browser");
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

/// Opens a page.
fn look(browser: &Browser, page: &Path) -> Result<Seen> {
    browser.open(page)?;
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

/// A browser without a window, and what it is driven by. It ends when this is dropped.
struct Browser {
    guard: Child,
    session: String,
    http: ureq::Agent,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it. There is none if this machine has none.
    fn start() -> Result<Option<Self>> {
        let chromium = ["chromium", "google-chrome", "chromium-browser"]
            .into_iter()
            .find_map(in_path);
        let (Some(chromium), Some(driver)) = (chromium, in_path("chromedriver")) else {
            // Not captured, unlike eprintln!: what is left out must be seen.
            let _ = writeln!(
                io::stderr(),
                "left out: there is no chromium, or no chromedriver, on this machine"
            );
            return Ok(None);
        };
        let profile = tempfile::tempdir_in(catalog::target())?;
        let mut guard = Command::new("sh");
        std::os::unix::process::CommandExt::process_group(&mut guard, 0);
        guard.args(["-c", GUARD]).arg(driver).stdin(Stdio::piped());
        let guard = guard.stdout(Stdio::piped()).stderr(Stdio::null());
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false);
        let mut browser = Self {
            guard: guard.spawn().context("chromedriver")?,
            session: String::new(),
            http: config.build().into(),
            profile,
        };
        browser.open_session(&chromium)?;
        Ok(Some(browser))
    }

    fn open_session(&mut self, chromium: &Path) -> Result<()> {
        let stdout = self.guard.stdout.take().context("it has no output")?;
        let (send, port) = channel();
        // To its end, for whoever cannot write any more may stop.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // `ChromeDriver was started successfully on port 41231.`
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    let _ = send.send(port.trim_end_matches('.').to_owned()); // it is waited for once
                }
            }
        });
        let port = port
            .recv_timeout(PATIENCE)
            .context("chromedriver does not say its port")?;
        let server = format!("http://127.0.0.1:{port}/session");
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS
            .iter()
            .copied()
            .chain([profile.as_str()])
            .collect();
        let capabilities = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        self.session = server.clone();
        let started = self.post(
            "",
            &json!({ "capabilities": { "alwaysMatch": capabilities } }),
        )?;
        let session = started["sessionId"]
            .as_str()
            .context("there is no session")?;
        self.session = format!("{server}/{session}");
        Ok(())
    }

    /// A command of WebDriver (W3C, section 6), and its answer.
    fn post(&self, command: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{command}", self.session);
        let mut response = self
            .http
            .post(&url)
            .send_json(body)
            .with_context(|| url.clone())?;
        let status = response.status();
        let answer: Value = response
            .body_mut()
            .with_config()
            .limit(1 << 28)
            .read_json()?;
        if !status.is_success() {
            bail!("{url}: {}", answer["value"]["message"]);
        }
        Ok(answer["value"].clone())
    }

    /// A command of Chromium's own (the Chrome DevTools protocol).
    fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    /// From now on pages are so wide, and have this theme.
    fn turn_to(&self, width: u32, theme: &str, book: &Path) -> Result<()> {
        let size =
            json!({ "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size)?;
        self.open(&book.join("index.html"))?;
        self.run(&format!("localStorage.setItem('mdbook-theme', '{theme}')"))?;
        Ok(())
    }

    fn open(&self, page: &Path) -> Result<Value> {
        self.open_url(&link::url(page))
    }

    fn open_url(&self, url: &str) -> Result<Value> {
        self.post("/url", &json!({ "url": url }))
    }

    fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the page has complained about since the last time.
    fn errors(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", &json!({ "type": "browser" }))?;
        let entries = log.as_array().into_iter().flatten();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        Ok(severe
            .map(|entry| format!("console: {}", entry["message"]))
            .collect())
    }

    /// The whole page, as a PNG.
    fn screenshot(&self) -> Result<Vec<u8>> {
        let picture = self.devtools(
            "Page.captureScreenshot",
            &json!({ "captureBeyondViewport": true }),
        )?;
        let text = picture["data"].as_str().context("there is no picture")?;
        Ok(base64::prelude::BASE64_STANDARD.decode(text)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.http.delete(&self.session).call(); // it ends all the same
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
