//! Who takes part: the steps, built with optimisation; whatever server a learner has; and servers as others write them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use harness::{Program, Server, find_program};
use tour::catalog;

use crate::bench::{caught, release};
use crate::foreground::ask;

/// The steps that serve clients one after the other, each in a thread, all in a loop, and as tasks.
const USUAL: [&str; 4] = ["respond", "threads", "event-loop", "async"];
/// How a step is started: its answer to a message is the message itself, however it was cut, and nothing is printed.
const PLAIN: [&str; 7] = [
    "--prefix",
    "",
    "--quiet",
    "--buffer",
    "16384",
    "--backlog",
    "4096",
];
/// What is said in a step's own words, if its help has them: room for all, and time for those who are silent.
const ROOM: [(&str, &str); 2] = [("--max-clients", "20000"), ("--idle", "3600")];

/// Throws away what a program prints on standard output. Whoever reads it would need a processor.
const SILENTLY: &str = r#"exec "$@" > /dev/null"#;

/// One that takes part.
pub struct Contestant {
    pub name: String,
    /// Whether others wrote it, to measure ours by.
    pub peer: bool,
    program: Program,
}

impl Contestant {
    fn new(name: &str, command_line: &str) -> Result<Self> {
        let words = shlex::split(command_line).context("a quote is not closed")?;
        let mut quiet = vec!["sh", "-c", SILENTLY, "sh"];
        if cfg!(not(target_os = "linux")) {
            quiet.clear(); // there only the server itself can say where it listens
        }
        let words = quiet.into_iter().chain(words.iter().map(String::as_str));
        let line = shlex::try_join(words)?;
        Ok(Self {
            name: name.to_owned(),
            peer: false,
            program: Program::from_command_line(&line).map_err(anyhow::Error::msg)?,
        })
    }

    /// A new server, ready for clients.
    pub fn start(&self) -> Result<Server> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        caught(|| self.program.start::<&str>(anywhere, &[])).map_err(|error| {
            let name = &self.name;
            anyhow!(
                "{name} does not start\n{error}\nhint: start it yourself to see what it says; its command line must say {{addr}} or {{port}}"
            )
        })
    }
}

/// The steps of these names, or the usual ones.
pub fn steps(names: &[String]) -> Result<Vec<Contestant>> {
    match names {
        [] => USUAL.iter().map(|name| step(name)).collect(),
        names => names.iter().map(|name| step(name)).collect(),
    }
}

fn step(name: &str) -> Result<Contestant> {
    let lesson = catalog::step(name)?;
    let binary = release(&lesson)?;
    let help = ask(&binary, &["--help"])?.unwrap_or_default();
    if !PLAIN
        .iter()
        .filter(|word| word.starts_with("--"))
        .all(|word| help.contains(word))
    {
        bail!(
            "{} does not send back what it gets\nhint: those that do are {}",
            lesson.name,
            USUAL.join(", ")
        );
    }
    let binary = binary.display().to_string();
    let mut words = vec![binary.as_str(), "--bind", "{addr}"];
    words.extend(PLAIN);
    for (option, value) in ROOM.iter().filter(|(option, _)| help.contains(option)) {
        words.extend([*option, *value]);
    }
    Contestant::new(&lesson.name, &shlex::try_join(words)?)
}

/// A learner's own server, by the program's name.
pub fn own(command_line: &str) -> Result<Contestant> {
    let words = shlex::split(command_line).unwrap_or_default();
    let program = words.iter().find(|word| Path::new(word).is_file());
    let program = program.or(words.first()).map(Path::new);
    let name = program.and_then(Path::file_name).unwrap_or_default();
    Contestant::new(&name.display().to_string(), command_line)
        .with_context(|| format!("not a command line: {command_line}"))
}

/// Servers as others write them, or a word on how to get them.
pub fn peers() -> Result<Vec<Contestant>> {
    let mut peers: Vec<Contestant> = Vec::new();
    peers.extend(epoll()?);
    peers.extend(uvloop()?);
    peers
        .iter_mut()
        .for_each(|contestant| contestant.peer = true);
    Ok(peers)
}

fn source(file: &str) -> PathBuf {
    let folder = catalog::root().join("crates/course/src/race/peers");
    folder.join(file)
}

fn epoll() -> Result<Option<Contestant>> {
    if cfg!(not(target_os = "linux")) {
        anstream::eprintln!("left out: epoll.c, for only Linux has epoll");
        return Ok(None);
    }
    if find_program("cc").is_none() {
        anstream::eprintln!(
            "left out: epoll.c, for there is no cc; on Debian and Ubuntu, apt install gcc"
        );
        return Ok(None);
    }
    let folder = catalog::target().join("race");
    fs::create_dir_all(&folder).with_context(|| format!("no folder {}", folder.display()))?;
    let program = folder.join("epoll");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-o"])
        .arg(&program)
        .arg(source("epoll.c"));
    if !cc.status().context("cannot run cc")?.success() {
        bail!("epoll.c does not build");
    }
    let words = [&program.display().to_string(), "{host}", "{port}"];
    Contestant::new("epoll.c", &shlex::try_join(words)?).map(Some)
}

fn uvloop() -> Result<Option<Contestant>> {
    // A system's own Python may have it where another comes first in the PATH.
    for python in ["python3", "/usr/bin/python3"] {
        let has_it = ask(Path::new(python), &["-c", "import uvloop"])?.is_some();
        if has_it {
            let script = source("uvloop_echo.py").display().to_string();
            let words = [python, &script, "{host}", "{port}"];
            return Contestant::new("uvloop", &shlex::try_join(words)?).map(Some);
        }
    }
    anstream::eprintln!(
        "left out: Python with uvloop; on Debian and Ubuntu, apt install python3-uvloop"
    );
    Ok(None)
}
