//! Looks for what could stand in a learner's way on this machine, and says what to do about it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, ensure};

use crate::progress;
use crate::watch::files;
use tour::{Outcome, catalog};

/// What the steps use unless they are told otherwise.
const USUAL_PORT: u16 = 9000;
/// A server and a burst of clients need so many ports.
const PORTS: usize = 100;

/// Programs that are good to have, what for, and how to get them.
const TOOLS: [(&str, &str, &str); 4] = [
    (
        "just",
        "short names for every command",
        "README.md says how to get it; `cargo course` does the same",
    ),
    (
        "nc",
        "to talk to a server by hand",
        "install netcat-openbsd (Debian, Ubuntu), or use telnet or ncat",
    ),
    (
        "python3",
        "to drive servers written in Python",
        "see https://www.python.org, or your package manager",
    ),
    (
        "strace",
        "to see the system calls of a server (Linux)",
        "install strace, or do without",
    ),
];

/// How a finding is shown, and whether the course works in spite of it.
enum Finding {
    Good(String),
    Worse { what: String, advice: String },
    Bad { what: String, advice: String },
}

/// Prints every finding. Fails if one of them is bad.
pub fn run() -> Outcome {
    let findings = machine()
        .into_iter()
        .chain(TOOLS.map(|(name, purpose, advice)| tool(name, purpose, advice)));
    let bad = findings
        .map(|finding| usize::from(finding.print()))
        .sum::<usize>();
    Ok(ExitCode::from(u8::from(bad > 0)))
}

fn machine() -> Vec<Finding> {
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    vec![
        must(
            "Rust",
            toolchain(),
            "get it from https://rustup.rs, or `rustup update`",
        ),
        must(
            "loopback, IPv4",
            talks_to_itself(v4),
            "is the network interface `lo` up?",
        ),
        should(
            "loopback, IPv6",
            talks_to_itself(v6),
            "checks of IPv6 are left out",
        ),
        must(
            "free ports",
            free_ports(),
            "something uses them all up; see `ss -tan` or `netstat -an`",
        ),
        should(
            "port 9000",
            usual_port(),
            "another program has it; give the steps --bind 127.0.0.1:0",
        ),
        should(
            "file events",
            file_events(),
            "`just watch` looks at the files itself, five times a second",
        ),
        must(
            "writing",
            writes(),
            "is the checkout read-only, or the disk full? Nothing can be built",
        ),
    ]
}

impl Finding {
    /// Prints it, with what to do. Returns whether it is bad.
    fn print(&self) -> bool {
        let (mark, colour, what, advice) = match self {
            Self::Good(what) => ('✓', AnsiColor::Green, what, ""),
            Self::Worse { what, advice } => ('·', AnsiColor::Yellow, what, advice.as_str()),
            Self::Bad { what, advice } => ('✗', AnsiColor::Red, what, advice.as_str()),
        };
        let (colour, dimmed) = (colour.on_default(), Style::new().dimmed());
        anstream::println!("{colour}{mark}{colour:#} {what}");
        if !advice.is_empty() {
            anstream::println!("    {dimmed}{advice}{dimmed:#}");
        }
        matches!(self, Self::Bad { .. })
    }
}

fn must(name: &str, found: Result<String>, advice: &str) -> Finding {
    match found {
        Ok(found) => Finding::Good(format!("{name}: {found}")),
        Err(error) => Finding::Bad {
            what: format!("{name}: {error:#}"),
            advice: advice.to_owned(),
        },
    }
}

fn should(name: &str, found: Result<String>, advice: &str) -> Finding {
    match must(name, found, advice) {
        Finding::Bad { what, advice } => Finding::Worse { what, advice },
        good => good,
    }
}

fn tool(name: &str, purpose: &str, advice: &str) -> Finding {
    // Most understand this, and those that do not are there all the same.
    let found = Command::new(name).arg("--version").output();
    let found = found.map(|_| purpose.to_owned()).context("not found");
    should(name, found, advice)
}

/// The toolchain builds this very program, but not every cargo in the PATH is it.
fn toolchain() -> Result<String> {
    let version = Command::new("cargo")
        .arg("--version")
        .output()
        .context("there is no cargo in the PATH")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let number = |text: &str| {
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or_default());
        (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        )
    };
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let found = version.split(' ').nth(1).unwrap_or_default();
    ensure!(
        number(found) >= number(wanted),
        "{version}, and {wanted} is needed"
    );
    Ok(version)
}

fn talks_to_itself(ip: IpAddr) -> Result<String> {
    let listener = TcpListener::bind((ip, 0)).context("cannot listen")?;
    let address = listener.local_addr()?;
    let mut client =
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).context("cannot connect")?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"hello")?;
    server.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut heard = [0; 5];
    server
        .read_exact(&mut heard)
        .context("what is sent does not arrive")?;
    Ok(format!("{ip} answers"))
}

fn free_ports() -> Result<String> {
    let listeners = (0..PORTS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listeners: Result<Vec<_>, _> = listeners.collect();
    let count = listeners.context("not enough")?.len();
    Ok(format!("{count} at once"))
}

fn usual_port() -> Result<String> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT)))?;
    Ok("free".to_owned())
}

fn file_events() -> Result<String> {
    ensure!(
        files::events_arrive(&progress::folder())?,
        "they do not arrive"
    );
    Ok("they arrive".to_owned())
}

fn writes() -> Result<String> {
    for folder in [progress::folder(), catalog::target()] {
        let file = folder.join(format!("doctor-{}", std::process::id()));
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, "well"));
        written.with_context(|| format!("cannot write to {}", folder.display()))?;
        std::fs::remove_file(&file)?;
    }
    Ok("the checkout takes files".to_owned())
}
