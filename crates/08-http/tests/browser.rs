//! Documents in a browser, which opens several connections at once, and some of them for nothing.
#![cfg(unix)]

#[path = "../../course/tests/browser/driver.rs"]
mod driver;

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use harness::{Check, Client, Failure, Judged, Server, Suite};
use serde_json::json;

use driver::Browser;

type Look = fn(&Server, &Browser) -> Result<()>;

/// More pictures than a browser has connections to one server.
const PICTURES: usize = 24;
const PAGE: &str = r#"<!doctype html>
<title>a page</title>
<link rel="stylesheet" href="style.css">
<script src="script.js" defer></script>
<output></output>
"#;
const STYLE: &str = "body { color: rgb(1, 2, 3) }";
const SCRIPT: &str = "document.querySelector('output').textContent = 'it runs'";
/// A picture of one pixel.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// What was loaded: the pictures, the style and the script.
const SEEN: &str = "return [
    [...document.images].filter(image => image.naturalWidth === 1).length,
    getComputedStyle(document.body).color,
    document.querySelector('output').textContent,
]";

#[test]
fn documents_in_a_browser() {
    let Some(browser) = Browser::start().expect("the browser").map(Arc::new) else {
        return;
    };
    let root = root().expect("a folder with documents");
    let root = root.path().display().to_string();
    let looks = [
        (
            "a page comes with its style, its script and its pictures",
            page as Look,
        ),
        ("a directory is a page whose links work", directory),
        (
            "connections that say nothing keep no page waiting",
            beside_idle_ones,
        ),
    ];
    let checks = looks.map(|(title, look)| {
        let browser = Arc::clone(&browser);
        let check = Check::new(title, move |server| seen(look(server, &browser)));
        check.arguments(["--root", &root])
    });
    let suite = Suite::new("http", env!("CARGO_BIN_EXE_http")).checks(checks);
    let report = suite.judge(0);
    let failed = report.checks.iter().filter(|check| !check.is_good());
    let failed: Vec<String> = failed.map(Judged::render).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[track_caller]
fn seen(look: Result<()>) {
    if let Err(error) = look {
        Failure::new("what a browser should see", format!("{error:#}")).raise();
    }
}

fn root() -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    let picture = base64::prelude::BASE64_STANDARD.decode(PICTURE)?;
    let mut page = PAGE.to_owned();
    for number in 0..PICTURES {
        page += &format!("<img src=\"picture.png?{number}\" alt=\"\">\n");
    }
    for (name, bytes) in [
        ("page.html", page.as_bytes()),
        ("style.css", STYLE.as_bytes()),
        ("script.js", SCRIPT.as_bytes()),
        ("picture.png", &picture),
        ("favicon.ico", &picture), // which a browser asks for by itself
    ] {
        fs::write(root.path().join(name), bytes)?;
    }
    let folder = root.path().join("folder");
    fs::create_dir(&folder)?;
    fs::write(
        folder.join("100% \"odd\" <b>&amp; ü?#.html"),
        "<title>found</title>",
    )?;
    Ok(root)
}

fn page(server: &Server, browser: &Browser) -> Result<()> {
    browser.open_url(&format!("http://{}/page.html", server.address()))?;
    let seen = browser.run(SEEN)?;
    ensure!(
        seen == json!([PICTURES, "rgb(1, 2, 3)", "it runs"]),
        "{seen}"
    );
    expect_no_errors(browser)
}

fn directory(server: &Server, browser: &Browser) -> Result<()> {
    browser.open_url(&format!("http://{}/", server.address()))?;
    // To the page of the folder, and to the document in it: where the browser says that the links lead.
    for link in ["a[href^=folder]", "a[href$=html]"] {
        let url = browser.run(&format!("return document.querySelector('{link}').href"))?;
        browser.open_url(url.as_str().with_context(|| format!("{link}: {url}"))?)?;
    }
    let title = browser.run("return document.title")?;
    ensure!(title == "found", "the title is {title}");
    expect_no_errors(browser)
}

/// More of them than a browser opens itself.
fn beside_idle_ones(server: &Server, browser: &Browser) -> Result<()> {
    let idle: Vec<Client> = (0..20).map(|_| server.connect_as("idle")).collect();
    page(server, browser)?;
    idle.into_iter().for_each(Client::hang_up);
    Ok(())
}

fn expect_no_errors(browser: &Browser) -> Result<()> {
    let errors = browser.errors()?;
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    Ok(())
}
