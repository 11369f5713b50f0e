//! The protocol steps beside servers that people use: in one run, by turns, so that a busy moment meets all of them.
//!
//! Nothing is asserted: what is measured depends on the machine. What lasts are the ratios.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use harness::Server;
use serde::Serialize;
use tour::Outcome;

use super::contestants::{self, Contestant, Place};
use super::load::{self, CONNECTIONS, Had};
use super::median;
use crate::bar::Bar;

const DOCUMENT: &str = "document.txt";
const DOCUMENT_SIZE: usize = 1024;
const FILE: &str = "file.bin";
const UPLOAD: &str = "upload.bin";
const MIB: f64 = 1024.0 * 1024.0;
/// How often the memory of a server is looked at that may start a process for each client.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is measured, and how often.
#[derive(clap::Args)]
pub struct Request {
    /// Only these
    #[arg(value_enum)]
    races: Vec<Race>,
    /// Measure each server so often, after once to warm up
    #[arg(long, value_name = "TIMES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Ask for documents for so long
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    seconds: u32,
    /// Send a file of this size
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    file: u32,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Race {
    /// A small document over HTTP, on many connections
    Documents,
    /// A large file over HTTP
    Download,
    /// A large file over FTP
    FtpDownload,
    /// The same file, to the server
    FtpUpload,
}

/// What came of a race. The first contestant is ours.
#[derive(Serialize)]
struct Standing {
    race: String,
    contestants: Vec<Figures>,
}

#[derive(Serialize)]
struct Figures {
    name: &'static str,
    laps: Vec<Lap>,
    peak_memory: Option<u64>,
}

#[derive(Clone, Copy, Serialize)]
struct Lap {
    /// Requests or bytes.
    a_second: f64,
    /// Seconds of a processor for one request or one byte.
    processor: Option<f64>,
}

/// Measures, and prints a table for each race.
pub fn run(request: &Request) -> Outcome {
    ensure!(
        cfg!(target_os = "linux"),
        "this asks Linux what a server uses; other systems do not tell"
    );
    let place = Place::new()?;
    end_on_ctrl_c(&place)?;
    fs::write(place.files().join(DOCUMENT), "a".repeat(DOCUMENT_SIZE))?;
    let races = match request.races.as_slice() {
        [] => Race::value_variants(),
        races => races,
    };
    if races.iter().any(|race| *race != Race::Documents) {
        write_file(&place, request.file)?;
    }
    let mut standings = Vec::new();
    for race in races {
        let standing = race.run(request, &place)?;
        anstream::println!("{}", race.table(&standing));
        standings.push(standing);
    }
    if let Some(file) = &request.json {
        fs::write(file, serde_json::to_vec_pretty(&standings)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A file in memory is no program's, and would stay there.
fn end_on_ctrl_c(place: &Place) -> Result<()> {
    let folder = place.folder.path().to_owned();
    #[cfg(not(unix))]
    drop(folder); // this is for Linux
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                let _ = fs::remove_dir_all(folder); // there is nobody to tell
                std::process::exit(130); // the servers end with us
            }
        });
    }
    Ok(())
}

/// Random bytes, though no server here looks at them.
fn write_file(place: &Place, mebibytes: u32) -> Result<()> {
    let mut block = vec![0; 1 << 20];
    fastrand::Rng::with_seed(1).fill(&mut block);
    let mut file = fs::File::create(place.files().join(FILE))?;
    for _ in 0..mebibytes {
        std::io::Write::write_all(&mut file, &block).context("there is no room for the file")?;
    }
    Ok(())
}

impl Race {
    fn title(self, request: &Request) -> String {
        let (seconds, size) = (request.seconds, request.file);
        let what = match self {
            Self::Documents => {
                format!("a document of 1 KiB, {CONNECTIONS} connections, {seconds} s a round")
            }
            Self::Download => format!("a file of {size} MiB over HTTP"),
            Self::FtpDownload => format!("a file of {size} MiB over FTP (RETR)"),
            Self::FtpUpload => format!("a file of {size} MiB to the server (STOR)"),
        };
        format!("{what}; the median of {}", request.rounds)
    }

    fn run(self, request: &Request, place: &Place) -> Result<Standing> {
        if self == Self::Documents {
            load::generator()?;
        }
        let contestants = match self {
            Self::Documents => contestants::of_documents(place)?,
            Self::Download => contestants::of_http(place)?,
            Self::FtpDownload | Self::FtpUpload => contestants::of_ftp(place)?,
        };
        let mut figures: Vec<Figures> = contestants.iter().map(Figures::of).collect();
        let mut bar = Bar::start(contestants.len() * (request.rounds as usize + 1));
        for round in 0..=request.rounds {
            for (contestant, figures) in contestants.iter().zip(&mut figures) {
                bar.show(contestant.name);
                let lap = self.lap(request, place, contestant, &mut figures.peak_memory);
                let lap = lap.with_context(|| contestant.name)?;
                if round > 0 {
                    figures.laps.push(lap);
                }
                bar.step();
            }
        }
        Ok(Standing {
            race: self.title(request),
            contestants: figures,
        })
    }

    fn lap(
        self,
        request: &Request,
        place: &Place,
        contestant: &Contestant,
        memory: &mut Option<u64>,
    ) -> Result<Lap> {
        let server = &contestant.server;
        let size = u64::from(request.file) << 20;
        let before = server.processor_time();
        let had = match self {
            Self::Documents => load::documents(server, DOCUMENT, request.seconds),
            Self::Download => watched(server, memory, || {
                load::download(server, "http", FILE, size)
            }),
            Self::FtpDownload => {
                watched(server, memory, || load::download(server, "ftp", FILE, size))
            }
            Self::FtpUpload => {
                let stored = place.files().join(UPLOAD);
                let source = place.files().join(FILE);
                let had = watched(server, memory, || {
                    load::upload(server, &source, UPLOAD, size)
                });
                ensure!(
                    fs::metadata(&stored)?.len() == size,
                    "not all of it was stored"
                );
                fs::remove_file(&stored)?;
                had
            }
        }?;
        let after = server.processor_time();
        *memory = (*memory).max(server.peak_memory());
        let Had { count, seconds } = had;
        let processor = before
            .zip(after)
            .map(|(before, after)| (after - before).as_secs_f64() / count);
        Ok(Lap {
            a_second: count / seconds,
            processor,
        })
    }

    fn table(self, standing: &Standing) -> String {
        let (unit, each) = match self {
            Self::Documents => ("requests/s", "µs each"),
            _ => ("MiB/s", "ms a GiB"),
        };
        let mut text = format!("{}\n", standing.race);
        text += &format!(
            "{:<26}{unit:>12}{:>16}{:>12}   speed of ours to it\n",
            "",
            format!("CPU, {each}"),
            "memory, MiB"
        );
        let [ours, ..] = standing.contestants.as_slice() else {
            return text;
        };
        for it in &standing.contestants {
            text += &self.row(ours, it);
        }
        text
    }

    fn row(self, ours: &Figures, it: &Figures) -> String {
        let (rate, work) = match self {
            Self::Documents => (1.0, 1e6),
            _ => (1.0 / MIB, 1e3 * 1024.0 * MIB),
        };
        let speed = median(it.laps.iter().map(|lap| lap.a_second * rate).collect());
        let processor: Option<Vec<f64>> = it.laps.iter().map(|lap| lap.processor).collect();
        let processor =
            processor.map_or("?".to_owned(), |each| format!("{:.1}", median(each) * work));
        let memory = it
            .peak_memory
            .map_or("?".to_owned(), |bytes| format!("{:.1}", bytes as f64 / MIB));
        let ratio = match std::ptr::eq(ours, it) {
            true => String::new(),
            false => ratio(ours, it),
        };
        format!(
            "{:<26}{speed:>12.0}{processor:>16}{memory:>12}   {ratio}\n",
            it.name
        )
    }
}

/// How many times as fast the one is, round by round: the middle one, the least and the most.
fn ratio(ours: &Figures, it: &Figures) -> String {
    let laps = ours.laps.iter().zip(&it.laps);
    let mut ratios: Vec<f64> = laps.map(|(ours, it)| ours.a_second / it.a_second).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!("{:.2} ({least:.2} to {most:.2})", median(ratios))
}

impl Figures {
    fn of(contestant: &Contestant) -> Self {
        Self {
            name: contestant.name,
            laps: Vec::new(),
            peak_memory: None,
        }
    }
}

/// Looks at a server's memory while a client is served: the process that serves it may be gone afterwards.
fn watched<T>(
    server: &Server,
    memory: &mut Option<u64>,
    client: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(LOOK_AGAIN) == Err(RecvTimeoutError::Timeout) {
                *memory = (*memory).max(server.peak_memory());
            }
        });
        let had = client();
        drop(done);
        had
    })
}
