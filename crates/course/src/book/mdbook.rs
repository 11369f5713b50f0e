//! Calls mdBook, which makes the pages, and installs it where it is missing.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use tour::catalog;
use tour::{Outcome, build};

use super::pages;
use crate::foreground;

/// The version that is installed where there is none.
const VERSION: &str = "0.5.4";
/// What a version that will do begins with.
const SERIES: &str = "mdbook v0.5.";

/// Builds the book, and says where it is.
pub fn build() -> Outcome {
    let status = command("build")?.status().context("cannot run mdbook")?;
    if status.success() {
        let page = catalog::book().join("index.html");
        anstream::println!("the book is in {}", page.display());
    }
    Ok(ended(status.code()))
}

/// Serves the book, opens it in a browser, and builds it again on every change. Ctrl-C ends it.
pub fn read() -> Outcome {
    let mut command = command("serve")?;
    command.args(["--open", "--port", &port()?.to_string()]);
    foreground::replace(command)
}

/// mdBook's usual port, or one that is free.
fn port() -> Result<u16> {
    let usual = TcpListener::bind((Ipv4Addr::LOCALHOST, 3000));
    let free = usual.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    Ok(free.context("no port is free")?.local_addr()?.port())
}

fn ended(code: Option<i32>) -> ExitCode {
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn command(verb: &str) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.arg(verb).arg(pages::folder());
    command.arg("--dest-dir").arg(catalog::book());
    // It calls cargo in another folder, from where a relative path would lead elsewhere.
    command.env("CARGO_TARGET_DIR", catalog::target());
    Ok(command)
}

/// The mdBook of this machine, or one of ours, which is built first if need be.
fn program() -> Result<PathBuf> {
    let tools = catalog::target().join("tools");
    let ours = tools
        .join("bin")
        .join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    for program in [Path::new("mdbook"), &ours] {
        match foreground::ask(program, &["--version"])? {
            Some(version) if version.starts_with(SERIES) => return Ok(program.to_owned()),
            Some(version) => anstream::eprintln!("{} is not of {SERIES}", version.trim()),
            None => {}
        }
    }
    anstream::eprintln!(
        "mdbook is not here. It is built now, once, into {}: this takes some minutes.\n\
         (If you would rather have it for good: `cargo install --locked mdbook`.)",
        tools.display()
    );
    let mut cargo = build::command(catalog::root());
    // A book of this size takes it some seconds more without optimisation, and the build takes minutes less.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo.args([
        "install",
        "--debug",
        "--locked",
        "--version",
        VERSION,
        "mdbook",
        "--root",
    ]);
    let status = cargo.arg(&tools).status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "mdbook cannot be installed\nhint: the first build needs the network; `cargo install --locked mdbook` says more"
    );
    Ok(ours)
}
