//! The machine that all of this runs on, and how many descriptors it allows.

use std::fs;
use std::thread;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What a figure is worth nothing without.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub system: String,
    pub date: String,
}

impl Machine {
    /// This one, today.
    pub fn this() -> Self {
        let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = information.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let system = format!("{} {}", system_name(), kernel.trim());
        // `Thu, 26 Nov 2026 07:00:00 GMT`
        let date = httpdate::fmt_http_date(SystemTime::now());
        let date: Vec<&str> = date.split(' ').skip(1).take(3).collect();
        Self {
            processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: system.trim().to_owned(),
            date: date.join(" "),
        }
    }

    /// `AMD EPYC, 2 cores, Linux 6.18.44, 26 Nov 2026`.
    pub fn text(&self) -> String {
        let Self {
            processor,
            cores,
            system,
            date,
        } = self;
        let unit = if *cores == 1 { "core" } else { "cores" };
        format!("{processor}, {cores} {unit}, {system}, {date}")
    }
}

fn system_name() -> &'static str {
    match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    }
}
