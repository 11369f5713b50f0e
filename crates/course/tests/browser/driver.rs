//! A browser without a window, for tests of pages: Chromium, driven by way of its WebDriver (chromedriver).
//!
//! Tests of other packages include this file by its path. They have `ureq`, `serde_json`, `base64` and `tempfile`.
#![allow(dead_code, reason = "each test uses what it needs")]

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use serde_json::{Value, json};
use ureq::Body;
use ureq::http::Response;

/// A page is there within this time, or never.
const PATIENCE: Duration = Duration::from_secs(60);
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

/// A browser without a window, and what it is driven by. It ends when this is dropped.
pub struct Browser {
    guard: Child,
    session: String,
    http: ureq::Agent,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it. There is none if this machine has none.
    pub fn start() -> Result<Option<Self>> {
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
        let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut guard = Command::new("sh");
        guard.process_group(0);
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
        let response = self.http.post(&url).send_json(body);
        answer(&url, response)
    }

    /// A question of WebDriver, and its answer.
    fn get(&self, question: &str) -> Result<Value> {
        let url = format!("{}{question}", self.session);
        let response = self.http.get(&url).call();
        answer(&url, response)
    }

    /// A command of Chromium's own (the Chrome DevTools protocol).
    pub fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    /// From now on pages are so wide, in pixels.
    pub fn resize(&self, width: u32) -> Result<()> {
        let size =
            json!({ "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size)?;
        Ok(())
    }

    /// Opens one more window, and goes on in it. Returns its name, for [`switch_to`](Self::switch_to).
    pub fn open_window(&self) -> Result<String> {
        let window = self.post("/window/new", &json!({ "type": "window" }))?;
        let name = window["handle"].as_str().context("there is no window")?;
        self.switch_to(name)?;
        Ok(name.to_owned())
    }

    /// The window that is driven now.
    pub fn window(&self) -> Result<String> {
        let window = self.get("/window")?;
        Ok(window.as_str().context("there is no window")?.to_owned())
    }

    /// Goes on in another window.
    pub fn switch_to(&self, window: &str) -> Result<()> {
        self.post("/window", &json!({ "handle": window }))?;
        Ok(())
    }

    /// Types into the part of the page that `selector` finds, key by key, as a person does.
    pub fn type_into(&self, selector: &str, keys: &str) -> Result<()> {
        let part = self.find(selector)?;
        self.post(&format!("/element/{part}/value"), &json!({ "text": keys }))?;
        Ok(())
    }

    /// Clicks on the part of the page that `selector` finds.
    pub fn click(&self, selector: &str) -> Result<()> {
        let part = self.find(selector)?;
        self.post(&format!("/element/{part}/click"), &json!({}))?;
        Ok(())
    }

    fn find(&self, selector: &str) -> Result<String> {
        let asked = json!({ "using": "css selector", "value": selector });
        let element = self.post("/element", &asked)?;
        // The one field of an element's reference has this name (W3C, section 12).
        let part = element["element-6066-11e4-a52e-4f735466cecf"].as_str();
        Ok(part
            .with_context(|| format!("there is no {selector}"))?
            .to_owned())
    }

    /// Opens a page, and waits until it is loaded.
    pub fn open_url(&self, url: &str) -> Result<Value> {
        self.post("/url", &json!({ "url": url }))
    }

    pub fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the page has complained about since the last time.
    pub fn errors(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", &json!({ "type": "browser" }))?;
        let entries = log.as_array().into_iter().flatten();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        Ok(severe
            .map(|entry| format!("console: {}", entry["message"]))
            .collect())
    }

    /// The page, as a PNG: all of it, or as much as Chromium can draw at once (16,384 pixels).
    pub fn screenshot(&self) -> Result<Vec<u8>> {
        let height = "Math.min(document.documentElement.scrollHeight, 16000)";
        let size = self.run(&format!("return [innerWidth, {height}]"))?;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let picture = self.devtools(
            "Page.captureScreenshot",
            &json!({ "captureBeyondViewport": true, "clip": clip }),
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

/// The value in a response, or the error that stands there.
fn answer(url: &str, response: Result<Response<Body>, ureq::Error>) -> Result<Value> {
    let mut response = response.with_context(|| url.to_owned())?;
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

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
