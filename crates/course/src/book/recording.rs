//! A conversation as the book keeps it: the same for every run.
//!
//! Times are left out, ports and descriptors have names of their own, and what the server did stands
//! where it must have been done: as soon as what the clients had done made it possible.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use harness::{Conversation, Event, Excerpt, Judged, What};
use serde::{Deserialize, Serialize};

use super::merge::merge;
use super::trace::{Call, Names, Trace};

/// What was said in a check that passed, and what the kernel did for the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    #[serde(skip)]
    pub entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// The server called the kernel.
    Call(Call),
    /// A client did or saw something, or the server printed.
    Said {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
        #[serde(flatten)]
        what: What,
    },
}

/// The port of the server, and the ones before the first client's and before the first of any other. Like those
/// that the kernel gives, they have five digits: the lengths of what is printed stay right.
const SERVER: u16 = 40000;
const CLIENTS: u16 = 50000;
const OTHERS: u16 = 60000;
/// Every port that the kernel gives is above this.
const GIVEN: u16 = 10000;
/// When every recording was made, for a server that says it (RFC 9110, section 5.6.7).
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// Characters of a line that was printed.
const WIDEST: usize = 88;

impl Recording {
    /// What came of a check; `trace` is empty where nobody looked.
    pub fn of(judged: &Judged, trace: Trace) -> Self {
        let mut names = Names::new(&trace);
        let said = judged.conversation.events.iter().map(|event| Entry::Said {
            client: event.client.clone(),
            what: event.what.clone(),
        });
        let (acts, server) = said.partition(Entry::is_act);
        let merged = merge(acts, server, trace);
        // Only now: what is renamed or cut does not tell any more who and what it is about.
        let ports = ports(&judged.conversation, &merged);
        let stable = merged.into_iter().map(|entry| match entry {
            Entry::Call(mut call) => {
                names.name(&mut call);
                let arguments = renamed(&call.arguments, &ports);
                Entry::Call(Call { arguments, ..call }.shortened())
            }
            Entry::Said { client, what } => Entry::Said {
                client,
                what: stable(what, &ports),
            },
        });
        Self {
            title: judged.title.clone(),
            notice: judged.notice.clone(),
            entries: stable.collect(),
        }
    }

    /// The system calls.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Call(call) => Some(call),
            Entry::Said { .. } => None,
        })
    }

    /// A line of JSON for what it is about, then one for each entry.
    pub fn write(&self) -> Result<String> {
        let mut text = serde_json::to_string(self)? + "\n";
        for entry in &self.entries {
            text += &(serde_json::to_string(entry)? + "\n");
        }
        Ok(text)
    }

    /// Reads what was written.
    pub fn read(text: &str) -> Result<Self> {
        let (head, entries) = text.split_once('\n').context("it is empty")?;
        let mut recording: Self = serde_json::from_str(head)?;
        let entries = entries.lines().map(serde_json::from_str);
        recording.entries = entries.collect::<Result<_, _>>()?;
        Ok(recording)
    }

    /// As the tour shows it, without the times.
    pub fn text(&self) -> String {
        let said = self.entries.iter().filter_map(|entry| match entry {
            Entry::Said { client, what } => Some(Event {
                ms: 0.0,
                client: client.clone(),
                what: what.clone(),
            }),
            Entry::Call(_) => None,
        });
        let conversation = Conversation {
            events: said.collect(),
        };
        let text = anstream::adapter::strip_str(&conversation.render()).to_string();
        let mut plain = String::new();
        for line in text.lines() {
            let line = line.split_once(" ms  ").map_or(line, |(_, rest)| rest);
            plain += &format!("{}\n", line.trim_end());
        }
        plain
    }
}

/// A line that is not wider than a page, without its middle if it must be.
fn cut(line: &str) -> String {
    let length = line.chars().count();
    if length <= WIDEST {
        return line.to_owned();
    }
    let head: String = line.chars().take(WIDEST - 20).collect();
    let tail: String = line.chars().skip(length - 10).collect();
    format!("{head} … {tail}")
}

/// A text with other ports: wherever a number stands behind a colon or a bar, is given to htons(3), or is printed.
/// And with another date.
fn renamed(text: &str, ports: &BTreeMap<String, String>) -> String {
    let mut renamed = String::new();
    let mut rest = text;
    while let Some(start) = rest.find([':', '(', '"', '|']) {
        let (before, after) = rest.split_at(start + 1);
        let behind = after.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &after[..after.len() - behind.len()];
        renamed += before;
        renamed += ports.get(number).map_or(number, String::as_str);
        rest = behind;
    }
    dated(&(renamed + rest))
}

/// A text with another date, which is as long: wherever a header field says when the answer was made, also if not all
/// of it is there.
pub fn dated(text: &str) -> String {
    let mut parts = text.split("Date: ");
    let mut dated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // It ends with its line, or where it is cut.
        let ends = ["\\", "\"", " … "].map(|end| part.find(end).unwrap_or(part.len()));
        let length = ends.into_iter().fold(DATE.len(), usize::min);
        dated += &format!(
            "Date: {}{}",
            &DATE[..length],
            &part.get(length..).unwrap_or_default()
        );
    }
    dated
}

/// The ports that the kernel gave, and those that stand for them: clients are counted as they come, and any others
/// as they are seen.
fn ports(conversation: &Conversation, merged: &[Entry]) -> BTreeMap<String, String> {
    let mut ports = BTreeMap::new();
    let (mut clients, mut others) = (CLIENTS + 1.., OTHERS + 1..);
    for event in &conversation.events {
        let name = match &event.what {
            What::Ready { line } => {
                // A server that was found is shown in brackets.
                let port = line.rsplit_once(':').map(|(_, port)| port);
                port.map(|port| (port.trim_end_matches(')').to_owned(), SERVER))
            }
            What::Connected { from: at } | What::Opened { at } | What::Accepted { at } => {
                let name = clients.next().unwrap_or(CLIENTS);
                Some((at.port().to_string(), name))
            }
            _ => None,
        };
        ports.extend(name.map(|(port, name)| (port, name.to_string())));
    }
    for entry in merged {
        if let Entry::Call(call) = entry
            && let Some(port) = call.port()
            && port.parse().is_ok_and(|port: u16| port > GIVEN)
            && !ports.contains_key(port)
        {
            let name = others.next().unwrap_or(OTHERS);
            ports.insert(port.to_owned(), name.to_string());
        }
    }
    ports
}

/// The same in every run.
fn stable(what: What, ports: &BTreeMap<String, String>) -> What {
    let rename = |text: &str| renamed(text, ports);
    let line = |line: &str| cut(&rename(line));
    let address =
        |address: std::net::SocketAddr| rename(&address.to_string()).parse().unwrap_or(address);
    let excerpt = |bytes: Excerpt| Excerpt {
        length: bytes.length,
        head: rename(&bytes.head),
        tail: rename(&bytes.tail),
    };
    match what {
        What::Started { command } => What::Started {
            command: rename(&command),
        },
        What::Ready { line: ready } => What::Ready { line: line(&ready) },
        What::Printed { line: printed } => What::Printed {
            line: line(&printed),
        },
        What::Complained { line: complained } => What::Complained {
            line: line(&without_id(&complained)),
        },
        What::Connected { from } => What::Connected {
            from: address(from),
        },
        What::Opened { at } => What::Opened { at: address(at) },
        What::Accepted { at } => What::Accepted { at: address(at) },
        What::Sent { bytes } => What::Sent {
            bytes: excerpt(bytes),
        },
        What::Received { bytes } => What::Received {
            bytes: excerpt(bytes),
        },
        other => other,
    }
}

/// What Rust says of a panic, without the number of the thread: `thread 'name' (71) panicked at ...`.
pub fn without_id(line: &str) -> String {
    let split = line
        .split_once("' (")
        .zip(line.split_once(") panicked at "));
    match split {
        Some(((name, _), (_, place))) if name.contains("thread '") => {
            format!("{name}' panicked at {place}")
        }
        _ => line.to_owned(),
    }
}

impl Entry {
    /// Whether a client does it, or the harness: all of them act in the order of the check.
    pub fn is_act(&self) -> bool {
        match self {
            Self::Call(_) => false,
            Self::Said { client, what } => {
                use What::{AskedToEnd, Frozen, InputEnded, Interrupted, Started, Stopped, Thawed};
                let acts = |what: &What| {
                    matches!(
                        what,
                        Started { .. }
                            | Stopped
                            | Frozen
                            | Thawed
                            | InputEnded
                            | AskedToEnd
                            | Interrupted
                    )
                };
                client.is_some() || acts(what)
            }
        }
    }

    /// Whether the server ends by itself.
    pub fn is_end(&self) -> bool {
        let Self::Said { what, .. } = self else {
            return false;
        };
        matches!(what, What::Ended { .. })
    }

    /// The line that it prints, and on which descriptor.
    pub fn printed(&self) -> Option<(i32, &str)> {
        match self {
            Self::Said { client: None, what } => match what {
                What::Ready { line } | What::Printed { line } => Some((1, line)),
                What::Complained { line } => Some((2, line)),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_dates_have_names_and_lengths_stay_right() {
        let ports = [("41873".to_owned(), "60001".to_owned())].into();
        let text = "229 Entering (|||41873|)\\r\\nDate: Mon, 19 Oct 2026 11:00:01 GMT\\r\\n";
        let expected = "229 Entering (|||60001|)\\r\\nDate: Sun, 06 Nov 1994 08:49:37 GMT\\r\\n";
        assert_eq!(renamed(text, &ports), expected);
        assert_eq!(renamed("Date: Mon, 19", &ports), "Date: Sun, 06");
        assert_eq!(dated("Date: M … \\n\""), "Date: S … \\n\"");
        assert_eq!(dated("Date: Mon\" …"), "Date: Sun\" …");
    }

    #[test]
    fn a_panic_is_told_without_the_number_of_its_thread() {
        let line = without_id("thread '<unnamed>' (71) panicked at src/main.rs:5:9:");
        assert_eq!(line, "thread '<unnamed>' panicked at src/main.rs:5:9:");
        assert_eq!(without_id("error: it's (5)"), "error: it's (5)");
    }
}
