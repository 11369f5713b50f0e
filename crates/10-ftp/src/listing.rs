//! What is in a directory, a line each: for people (LIST), as names (NLST), as facts (MLSD).

use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, Metadata};
use chrono::{DateTime, Utc};

use crate::files::below;

/// How a line looks.
pub enum Style {
    /// As `ls -l` has it, with this before it. No document says so, but clients have always taken it apart.
    Long(&'static str),
    /// Only the name, with this before it.
    Name(String),
    /// Made for programs: these facts (RFC 3659, section 7).
    Facts(Vec<&'static str>),
}

/// The facts that there are.
pub const FACTS: [&str; 3] = ["type", "size", "modify"];
/// `ls` shows the time of day for what is younger, and else the year.
const HALF_A_YEAR: Duration = Duration::from_secs(182 * 24 * 60 * 60);

/// Lists a directory, or a single file, in the order of the system: of ten thousand only one is in memory at a time.
pub fn write(root: &Dir, path: &str, style: &Style, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    let metadata = root.metadata(below(path))?;
    if !metadata.is_dir() {
        let name = path.rsplit('/').next().unwrap_or_default();
        write!(to, "{}\r\n", style.line(name, &metadata))?;
        return to.flush();
    }
    let directory = root.open_dir(below(path))?;
    for entry in directory.entries()? {
        let name = entry?.file_name();
        // What a client cannot ask for is not listed: a name that is no text, or would be two lines; and a link that
        // leads nowhere, or out of the root. Of any other it is told what it leads to.
        let Some(name) = name
            .to_str()
            .filter(|name| !name.contains(char::is_control))
        else {
            continue;
        };
        if let Ok(metadata) = directory.metadata(name)
            && (metadata.is_file() || metadata.is_dir())
        {
            write!(to, "{}\r\n", style.line(name, &metadata))?;
        }
    }
    to.flush()
}

impl Style {
    pub fn line(&self, name: &str, metadata: &Metadata) -> String {
        match self {
            Self::Long(before) => {
                let kind = if metadata.is_dir() {
                    "drwxr-xr-x"
                } else {
                    "-rw-r--r--"
                };
                let (size, time) = (metadata.len(), modified(metadata));
                let format = match SystemTime::now().duration_since(time) {
                    Ok(age) if age < HALF_A_YEAR => "%b %e %H:%M",
                    _ => "%b %e  %Y",
                };
                format!(
                    "{before}{kind} 1 ftp ftp {size:>12} {} {name}",
                    date(time).format(format)
                )
            }
            Self::Name(before) => format!("{before}{name}"),
            Self::Facts(facts) => {
                let facts: String = facts
                    .iter()
                    .filter_map(|fact| fact_of(fact, metadata))
                    .collect();
                format!("{facts} {name}")
            }
        }
    }
}

/// Such as `type=file;`.
fn fact_of(fact: &str, metadata: &Metadata) -> Option<String> {
    let value = match fact {
        "type" if metadata.is_dir() => "dir".to_owned(),
        "type" => "file".to_owned(),
        "size" if metadata.is_file() => metadata.len().to_string(),
        "modify" => timestamp(metadata),
        _ => return None,
    };
    Some(format!("{fact}={value};"))
}

/// Such as `20260131235959`, in UTC (RFC 3659, section 2.3).
pub fn timestamp(metadata: &Metadata) -> String {
    date(modified(metadata)).format("%Y%m%d%H%M%S").to_string()
}

/// When it was changed last; the beginning of 1970 where that is not known.
fn modified(metadata: &Metadata) -> SystemTime {
    metadata
        .modified()
        .map_or(UNIX_EPOCH, |time| time.into_std())
}

fn date(time: SystemTime) -> DateTime<Utc> {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    DateTime::from_timestamp(seconds.cast_signed(), 0).unwrap_or_default()
}
