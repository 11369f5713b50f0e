//! What is put on a server, and what came of it: as data, for the tables, the picture and the file.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::SMALL;
use super::machine::Machine;
use crate::bench::median;

/// What is put on each server in turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Load {
    /// So many clients, each of which has one message under way.
    PingPong { connections: usize, bytes: usize },
    /// So many that say nothing, and one that does.
    Idle { connections: usize },
    /// So many MiB through one connection, in both directions at once.
    Stream { mebibytes: u64 },
}

/// Loads by what they are about.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Kind {
    Small,
    Large,
    Idle,
    Stream,
}

impl Load {
    pub fn kind(self) -> Kind {
        match self {
            Self::PingPong { bytes, .. } if bytes <= SMALL => Kind::Small,
            Self::PingPong { .. } => Kind::Large,
            Self::Idle { .. } => Kind::Idle,
            Self::Stream { .. } => Kind::Stream,
        }
    }

    /// `64 connections, messages of 64 bytes`.
    pub fn title(self) -> String {
        match self {
            Self::PingPong { connections, bytes } => {
                let size = match bytes {
                    bytes if bytes % 1024 == 0 => format!("{} KiB", bytes / 1024),
                    bytes => format!("{bytes} bytes"),
                };
                format!("{}, messages of {size}", count(connections, "connection"))
            }
            Self::Idle { connections } => {
                let idle = count(connections, "idle connection");
                format!("{idle}, and one that asks")
            }
            Self::Stream { mebibytes } => {
                let size = match mebibytes {
                    size if size % 1024 == 0 => format!("{} GiB", size / 1024),
                    size => format!("{} MiB", grouped(size)),
                };
                format!("{size} through one connection, and back")
            }
        }
    }
}

/// `1 connection`, `1,000 connections`.
pub fn count(count: usize, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", grouped(count as u64))
}

/// `10,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// All of it.
#[derive(Serialize, Deserialize)]
pub struct Race {
    pub machine: Machine,
    /// What a reader must know, such as what this machine would not allow.
    pub notes: Vec<String>,
    pub heats: Vec<Heat>,
}

/// A load, and what each server made of it.
#[derive(Serialize, Deserialize)]
pub struct Heat {
    pub load: Load,
    pub entries: Vec<Entry>,
}

/// A server, and its laps: one a round.
#[derive(Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    /// Whether others wrote it, to measure ours by.
    pub peer: bool,
    pub laps: Vec<Lap>,
}

/// What came of one lap. What cannot be known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lap {
    /// Requests, or for a stream MiB.
    pub a_second: Option<f64>,
    /// Half of the answers took no longer than this, in microseconds.
    pub p50: Option<f64>,
    /// And so did 99 of 100.
    pub p99: Option<f64>,
    /// Microseconds of a processor for each request, or for each MiB.
    pub processor: Option<f64>,
    /// How much of its processor the load has used, from 0 to 1.
    pub load: Option<f64>,
    /// And how much of it others had meanwhile, which neither the load nor a server is to blame for.
    pub disturbed: Option<f64>,
    /// Bytes of the server's own for each idle connection; for a stream, by how much its peak has grown.
    pub memory: Option<f64>,
    /// Whether the load could not have done more while the server could.
    pub load_was_the_limit: bool,
    /// What went wrong, in words.
    pub broke: Vec<String>,
}

impl Lap {
    /// With all its figures rounded.
    pub fn round(self) -> Self {
        let round = |figure: Option<f64>| figure.map(rounded);
        Self {
            a_second: round(self.a_second),
            p50: round(self.p50),
            p99: round(self.p99),
            processor: round(self.processor),
            load: round(self.load),
            disturbed: round(self.disturbed),
            memory: round(self.memory),
            ..self
        }
    }
}

impl Entry {
    /// The middle one of all laps for each figure, and what broke first.
    pub fn middle(&self) -> Lap {
        let middle = |figure: fn(&Lap) -> Option<f64>| {
            let figures: Vec<f64> = self.laps.iter().filter_map(figure).collect();
            (!figures.is_empty()).then(|| median(figures))
        };
        let mut broken = self.laps.iter().filter(|lap| !lap.broke.is_empty());
        let mut broke = broken.next().map_or(Vec::new(), |lap| lap.broke.clone());
        let (times, rounds) = (1 + broken.count(), self.laps.len());
        if !broke.is_empty() && times < rounds {
            broke.push(format!("in {times} of {rounds} rounds"));
        }
        let limited = self.laps.iter().filter(|lap| lap.load_was_the_limit);
        Lap {
            a_second: middle(|lap| lap.a_second),
            p50: middle(|lap| lap.p50),
            p99: middle(|lap| lap.p99),
            processor: middle(|lap| lap.processor),
            load: middle(|lap| lap.load),
            disturbed: middle(|lap| lap.disturbed),
            memory: middle(|lap| lap.memory),
            load_was_the_limit: limited.count() * 2 > self.laps.len(),
            broke,
        }
    }
}

/// With four digits: what comes after them is chance, and makes a file long.
fn rounded(figure: f64) -> f64 {
    let digits = figure.abs().log10().floor();
    let unit = 10_f64.powf(3.0 - digits);
    match figure == 0.0 || !unit.is_finite() {
        true => 0.0,
        false => (figure * unit).round() / unit,
    }
}

/// The latency, in nanoseconds, that so many of 1,000 do not exceed. Sorts them.
pub fn permille(latencies: &mut [u64], of_1000: usize) -> Option<u64> {
    let rank = (latencies.len() * of_1000).div_ceil(1000).checked_sub(1)?;
    Some(*latencies.select_nth_unstable(rank).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_latencies_99_do_not_exceed_the_p99() {
        let mut latencies: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(permille(&mut latencies, 990), Some(99));
        assert_eq!(permille(&mut latencies, 500), Some(50));
        assert_eq!(permille(&mut latencies, 1000), Some(100));
        assert_eq!(permille(&mut [7], 500), Some(7));
        assert_eq!(permille(&mut [], 500), None);
    }

    #[test]
    fn four_digits_are_kept() {
        let figures = [123_456.7, 0.012_345, -98_765.0, 0.0, 7.0].map(rounded);
        assert_eq!(figures, [123_500.0, 0.012_35, -98_770.0, 0.0, 7.0]);
    }

    #[test]
    fn large_numbers_are_grouped() {
        let numbers = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_middle_of_some_laps_says_how_often_it_broke() {
        let lap = |a_second: f64, broke: &[&str]| Lap {
            a_second: Some(a_second),
            broke: broke.iter().map(|word| (*word).to_owned()).collect(),
            ..Lap::default()
        };
        let laps = vec![lap(1.0, &[]), lap(9.0, &["one"]), lap(2.0, &["two"])];
        let name = "it".to_owned();
        let middle = Entry {
            name,
            peer: false,
            laps,
        }
        .middle();
        assert_eq!(middle.a_second, Some(2.0));
        assert_eq!(middle.broke, ["one", "in 2 of 3 rounds"]);
        assert_eq!(middle.p50, None);
    }
}
