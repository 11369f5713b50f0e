//! Builds packages with cargo, and says what came out.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::steps;

/// A program that cargo has built.
pub struct Built {
    /// Where its package is.
    pub folder: PathBuf,
    /// The binary's or test program's name.
    pub target: String,
    pub executable: PathBuf,
    /// Whether it is a test program.
    pub is_test: bool,
}

/// One line that cargo prints with `--message-format json`; see its reference, "External tools".
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs a cargo command that builds, with a progress line, and returns the programs it built.
pub fn cargo(arguments: &[&str]) -> Result<Vec<Built>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(arguments)
        .args(["--quiet", "--message-format", "json-render-diagnostics"]);
    let mut cargo = cargo
        .current_dir(steps::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let mut progress = Progress::start();
    let mut built = Vec::new();
    for line in BufReader::new(cargo.stdout.take().context("cargo has no output")?).lines() {
        let Ok(message) = serde_json::from_str::<Message>(&line?) else {
            continue; // not all that cargo prints is of this form
        };
        let (Some(manifest), Some(target)) = (message.manifest_path, message.target) else {
            continue;
        };
        if !message.fresh {
            progress.show(&target.name);
        }
        if let Some(executable) = message.executable {
            let folder = manifest.parent().unwrap_or(Path::new("")).to_owned();
            built.push(Built {
                folder,
                target: target.name,
                executable,
                is_test: message.profile.is_some_and(|profile| profile.test),
            });
        }
    }
    drop(progress);
    if !cargo.wait()?.success() {
        bail!("this does not build\nhint: mend what is named above, then try again");
    }
    Ok(built)
}

/// A line on a terminal that says how far the build is, and is gone when it is done.
struct Progress {
    count: u32,
    terminal: bool,
}

impl Progress {
    fn start() -> Self {
        let progress = Self {
            count: 0,
            terminal: io::stderr().is_terminal(),
        };
        progress.write("building ...");
        progress
    }

    fn show(&mut self, name: &str) {
        self.count += 1;
        self.write(&format!(
            "building: {} done, the last was {name}",
            self.count
        ));
    }

    fn write(&self, text: &str) {
        if self.terminal {
            let mut stderr = io::stderr().lock();
            // Back to the start of the line, and clear it (ECMA-48, section 8.3.41). Progress is no loss.
            let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("");
    }
}
