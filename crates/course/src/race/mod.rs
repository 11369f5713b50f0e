//! The same load on one server after another: what each model costs, and what breaks.
//!
//! Nothing is asserted: what is measured depends on the machine. What lasts are the ratios.

mod contestants;
mod lap;
mod machine;
mod processors;
mod ratios;
mod svg;
mod table;
mod track;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tour::{Outcome, catalog};

use crate::bar::Bar;
use contestants::Contestant;
pub use lap::Race;
use lap::{Kind, Load, count, grouped};
use machine::Machine;
use track::Track;

/// The messages, in bytes: a line of a chat, and as much as a server reads at a time.
pub const SMALL: usize = 64;
const LARGE: usize = 16 * 1024;
/// How long the longest bar is in a terminal.
const BAR: usize = 16;
/// Besides its clients' connections, a process needs a few descriptors.
const OTHER_DESCRIPTORS: u64 = 64;

/// Which servers, and what is put on them.
#[derive(clap::Args)]
pub struct Request {
    /// These steps [default: those that send back what they get]
    steps: Vec<String>,
    /// Race this server as well: {addr} or {host}, {port}
    #[arg(long, value_name = "CMD")]
    server: Vec<String>,
    /// Race no step, only what --server names
    #[arg(long, requires = "server", conflicts_with = "steps")]
    alone: bool,
    /// Race them beside servers as others write them
    #[arg(long)]
    peers: bool,
    /// Put each load on each server so often, in turn
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Let the clients ask for so long
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,
    /// Only loads of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Let so many clients ask at once, one number after another
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1,64,1000",
        value_delimiter = ','
    )]
    connections: Vec<u16>,
    /// Hold so many idle connections; 0 leaves this out
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    idle: u16,
    /// Send so much through one connection; 0 leaves this out
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    stream: u32,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep every figure as what the book shows
    #[arg(long)]
    record: bool,
    /// Draw them, and write the picture to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.05..=60.0).contains(seconds));
    let seconds = seconds.ok_or("not a number of seconds from 0.05 to 60")?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Races, and shows a table for each load as soon as it is there.
pub fn run(request: &Request) -> Outcome {
    let kept = request.record.then(recording);
    let files = request.json.iter().chain(&request.svg).chain(&kept);
    files.map(PathBuf::as_path).try_for_each(try_to_write)?;
    let contestants = request.contestants()?;
    let mut track = Track::new(request.seconds);
    let mut race = Race {
        machine: Machine::this(),
        notes: Vec::new(),
        heats: Vec::new(),
    };
    let loads = request.loads(&mut race.notes)?;
    race.notes.extend(track.notes());
    anstream::println!("{}", table::head(&race));
    let laps = loads.len() * contestants.len() * request.rounds as usize;
    let mut bar = Bar::start(laps);
    let ended = loads.into_iter().try_for_each(|load| {
        let heat = track.heat(load, &contestants, request.rounds, &mut bar)?;
        bar.clear();
        anstream::println!("{}", table::heat(&heat, BAR));
        race.heats.push(heat);
        anyhow::Ok(())
    });
    anstream::print!("{}", ratios::text(&race));
    anstream::println!("What the columns say, and how to read p50 and p99: docs/src/race.md");
    // A server that does not start any more does not take the figures with it. The book shows a race that was complete.
    let kept = kept.filter(|_| ended.is_ok());
    for file in request.json.iter().chain(&kept) {
        write(file, &(serde_json::to_string(&race)? + "\n"))?;
    }
    if let Some(file) = &request.svg {
        write(file, &svg::file(&race))?;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// The race that the book shows.
fn recording() -> PathBuf {
    catalog::root().join("docs/recorded/race.json")
}

impl Race {
    /// The race that the book shows.
    pub fn recorded() -> Result<Self> {
        let text = fs::read_to_string(recording());
        let text = text.context("no race was recorded\nhint: `just bench-models --record`")?;
        serde_json::from_str(&text).context("docs/recorded/race.json")
    }

    /// A picture for a page of the book.
    pub fn picture(&self) -> String {
        svg::picture(self)
    }

    /// How many times as fast each is.
    pub fn ratios(&self) -> String {
        ratios::text(self)
    }

    /// The tables of the loads of this kind, if there are any: `small`, `large`, `idle` or `stream`. There are no bars in
    /// them, for they are in the picture.
    pub fn tables(&self, kind: &str) -> Option<String> {
        let kind = Kind::from_str(kind, true).ok()?;
        let heats = self.heats.iter().filter(|heat| heat.load.kind() == kind);
        let tables: Vec<String> = heats.map(|heat| table::heat(heat, 0)).collect();
        (!tables.is_empty()).then(|| tables.join("\n"))
    }
}

/// Sees before the race whether a file can be written, and leaves everything as it was.
fn try_to_write(file: &Path) -> Result<()> {
    let is_new = !file.exists();
    let opened = File::options().append(true).create(true).open(file);
    let _file = opened.with_context(|| format!("cannot write {}", file.display()))?;
    if is_new {
        fs::remove_file(file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

impl Request {
    fn contestants(&self) -> Result<Vec<Contestant>> {
        let mut contestants = match self.alone {
            true => Vec::new(),
            false => contestants::steps(&self.steps)?,
        };
        for command_line in &self.server {
            contestants.push(contestants::own(command_line)?);
        }
        if self.peers {
            contestants.extend(contestants::peers()?);
        }
        Ok(contestants)
    }

    /// What is put on the servers, as far as this machine allows. What it does not is noted.
    fn loads(&self, notes: &mut Vec<String>) -> Result<Vec<Load>> {
        let wanted = self.connections.iter().chain([&self.idle]).max();
        let wanted = wanted.map_or(0, |wanted| u64::from(*wanted)) + OTHER_DESCRIPTORS;
        let most = harness::allow_descriptors(wanted)
            .unwrap_or(wanted)
            .saturating_sub(OTHER_DESCRIPTORS);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut allowed = |wanted: u16| {
            let wanted = usize::from(wanted);
            if wanted > most {
                let wanted = count(wanted, "connection");
                let most = grouped(most as u64);
                notes.push(format!("{wanted}: this machine allows {most} (ulimit -Hn)"));
            }
            wanted.min(most)
        };
        let numbers = self.connections.iter().filter(|count| **count > 0);
        let numbers = numbers.map(|count| allowed(*count));
        let numbers: Vec<usize> = numbers.filter(|count| *count > 0).collect();
        let idle = allowed(self.idle);
        let mut loads = Vec::new();
        for connections in numbers {
            let ping_pong = |bytes| Load::PingPong { connections, bytes };
            loads.extend([SMALL, LARGE].map(ping_pong));
        }
        loads.extend((idle > 0).then_some(Load::Idle { connections: idle }));
        let mebibytes = u64::from(self.stream);
        loads.extend((mebibytes > 0).then_some(Load::Stream { mebibytes }));
        loads.retain(|load| self.only.is_empty() || self.only.contains(&load.kind()));
        if loads.is_empty() {
            bail!(
                "no load is left to put on a server\nhint: look at --only, --connections, --idle and --stream; \
                 {OTHER_DESCRIPTORS} descriptors are kept for other things, and clients have the rest of `ulimit -Hn`"
            );
        }
        Ok(loads)
    }
}
