//! The page in a browser, as people use it: two windows that chat, an echo, a clock, and a server that stops.
//!
//! Where there is no Chromium this is left out, and says so. Screenshots are left in `target/tmp`.
#![cfg(unix)]

#[path = "../../course/tests/browser/driver.rs"]
mod driver;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::{Program, Server};
use serde_json::{Value, json};

use driver::Browser;

const ENTER: char = '\u{e007}';
/// A wide screen and a phone, in pixels.
const WIDTHS: [u32; 2] = [1280, 390];

#[test]
fn the_page_talks_in_three_ways() {
    let Some(browser) = Browser::start().expect("the browser") else {
        return;
    };
    look(&browser).unwrap_or_else(|error| panic!("{error:#}"));
}

/// A browser opens connections in advance and says nothing on them: the server is not to wait for these for long.
fn start(address: SocketAddr) -> Server {
    let program = Program::new(env!("CARGO_BIN_EXE_websocket"));
    program.start(address, &["--grace", "1"])
}

fn look(browser: &Browser) -> Result<()> {
    let server = start(([127, 0, 0, 1], 0).into());
    let page = format!("http://{}/", server.address());
    let first = browser.window()?;
    open(browser, &page)?;
    let second = browser.open_window()?;
    open(browser, &page)?;
    browser.switch_to(&first)?;
    echoes(browser)?;
    ticks(browser)?;
    chats(browser, &first, &second)?;
    for width in WIDTHS {
        fits(browser, width)?;
    }
    let errors = browser.errors()?;
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    lets_nobody_else_in(browser, server.address())?;
    browser.switch_to(&first)?;
    comes_back(browser, server)
}

/// Opens the page, and waits until its three conversations have begun.
fn open(browser: &Browser, page: &str) -> Result<()> {
    browser.open_url(page)?;
    is_shown(
        browser,
        "[role=status]",
        json!(["connected", "connected", "connected"]),
    )
}

/// What all that `selector` finds says.
fn texts(selector: &str) -> String {
    format!("[...document.querySelectorAll({selector:?})].map(part => part.textContent)")
}

/// Waits until the page shows these texts: WebDriver waits for a promise (W3C, section 13.2), 30 s at most.
fn is_shown(browser: &Browser, selector: &str, expected: Value) -> Result<()> {
    let texts = texts(selector);
    let shown = browser.run(&format!(
        "return new Promise(done => {{
            const look = () => {{
                const texts = JSON.stringify({texts});
                if (texts === JSON.stringify({expected})) done(true);
                else setTimeout(look, 20);
            }};
            look();
        }})"
    ));
    let now = || browser.run(&format!("return {texts}"));
    shown.with_context(|| format!("{selector}: {expected} is not shown, but {:?}", now()))?;
    Ok(())
}

/// By keyboard alone.
fn echoes(browser: &Browser) -> Result<()> {
    browser.type_into("#echo input", &format!("hello{ENTER}"))?;
    is_shown(browser, "#echo li", json!(["hello"]))?;
    is_shown(browser, "#chat li", json!([]))?;
    let left = browser.run("return document.querySelector('#echo input').value")?;
    ensure!(left == "", "the message is still in its field: {left}");
    Ok(())
}

/// The time comes, and then another.
fn ticks(browser: &Browser) -> Result<()> {
    let times = browser.run(
        r"return new Promise(done => {
            const seen = new Set();
            const look = () => {
                const time = document.querySelector('#clock output').textContent;
                if (/^\d\d:\d\d:\d\d UTC$/.test(time)) seen.add(time);
                if (seen.size === 2) done([...seen]);
                else setTimeout(look, 20);
            };
            look();
        })",
    );
    times.context("the clock stands still")?;
    Ok(())
}

/// What is typed in one window is seen in both, as it was typed.
fn chats(browser: &Browser, first: &str, second: &str) -> Result<()> {
    browser.type_into("#chat input", "<b>hello</b> & \u{1f44b}")?;
    browser.click("#chat form button")?;
    let mut said = vec!["<b>hello</b> & \u{1f44b}"];
    is_shown(browser, "#chat li", json!(said))?;
    browser.switch_to(second)?;
    is_shown(browser, "#chat li", json!(said))?;
    browser.type_into("#chat input", &format!("hi, too{ENTER}"))?;
    said.push("hi, too");
    is_shown(browser, "#chat li", json!(said))?;
    is_shown(browser, "#echo li", json!([]))?;
    browser.switch_to(first)?;
    is_shown(browser, "#chat li", json!(said))
}

fn fits(browser: &Browser, width: u32) -> Result<()> {
    browser.resize(width)?;
    let wide = browser.run("return document.documentElement.scrollWidth")?;
    ensure!(
        wide.as_u64() <= Some(width.into()),
        "the page is {wide} pixels wide, the screen {width}"
    );
    keep(browser, &format!("websocket-{width}.png"))
}

/// Leaves a screenshot to look at.
fn keep(browser: &Browser, name: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(path, browser.screenshot()?)?;
    Ok(())
}

/// A page from elsewhere tries to join the chat.
fn lets_nobody_else_in(browser: &Browser, address: SocketAddr) -> Result<()> {
    browser.open_window()?;
    browser.open_url("data:text/html,<title>elsewhere</title>")?;
    let came = browser.run(&format!(
        "return new Promise(done => {{
            const socket = new WebSocket('ws://{address}/chat');
            socket.onopen = socket.onclose = event => done(event.type);
        }})"
    ))?;
    ensure!(
        came == "close",
        "a page from elsewhere is in the chat: {came}"
    );
    Ok(())
}

/// The page says that the server is gone, and goes on with the next one.
fn comes_back(browser: &Browser, server: Server) -> Result<()> {
    let address = server.address();
    server.interrupt();
    let gone = "disconnected (1001: the server stops)";
    is_shown(browser, "[role=status]", json!([gone, gone, gone]))?;
    keep(browser, "websocket-gone.png")?;
    let can_send = browser.run("return document.querySelector('#chat form button').disabled")?;
    ensure!(can_send == true, "a message can be sent to nobody");
    server.expect_exit(0);
    let server = start(address);
    browser.click("#chat header button")?;
    is_shown(browser, "#chat [role=status]", json!(["connected"]))?;
    let focus =
        browser.run("return document.activeElement === document.querySelector('#chat input')")?;
    ensure!(focus == true, "the focus is lost");
    browser.type_into("#chat input", &format!("again{ENTER}"))?;
    is_shown(browser, "#chat li:last-child", json!(["again"]))?;
    server.expect_running();
    Ok(())
}
