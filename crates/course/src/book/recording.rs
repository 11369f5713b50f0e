//! A conversation as the book keeps it: the same for every run.
//!
//! Times are left out, ports and descriptors have names of their own, and what the server did stands
//! where it must have been done: as soon as what the clients had done made it possible.

use std::collections::{BTreeMap, VecDeque};
use std::iter;

use anyhow::{Context, Result};
use harness::{Conversation, Event, Judged, What};
use serde::{Deserialize, Serialize};

use super::trace::Call;

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

/// The port of the server, and the one before the first client's. Like those that the kernel gives, they
/// have five digits: the lengths of what is printed stay right.
const SERVER: u16 = 40000;
const CLIENTS: u16 = 50000;
/// Characters of a line that was printed.
const WIDEST: usize = 88;

impl Recording {
    /// What came of a check; `calls` is empty where nobody looked.
    pub fn of(judged: &Judged, calls: Vec<Call>) -> Self {
        let ports = ports(&judged.conversation);
        let said = judged.conversation.events.iter().map(|event| {
            let (client, what) = (event.client.clone(), event.what.clone());
            Entry::Said { client, what }.with_ports(&ports)
        });
        let (acts, server): (Vec<_>, Vec<_>) = said.partition(Entry::is_act);
        let calls = calls.into_iter().map(Entry::Call);
        let calls = calls.map(|call| call.with_ports(&ports)).collect();
        let merged = merge(acts, behind_calls(repeated(server), calls));
        Self {
            title: judged.title.clone(),
            notice: judged.notice.clone(),
            // Only now, for a string that is cut does not tell any more that it ended a line.
            entries: merged.into_iter().map(Entry::shortened).collect(),
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

/// A text with other ports: wherever a number stands behind a colon, is given to htons(3), or is printed.
fn renamed(text: &str, ports: &BTreeMap<String, String>) -> String {
    let mut renamed = String::new();
    let mut rest = text;
    while let Some(start) = rest.find([':', '(', '"']) {
        let (before, after) = rest.split_at(start + 1);
        let behind = after.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &after[..after.len() - behind.len()];
        renamed += before;
        renamed += ports.get(number).map_or(number, String::as_str);
        rest = behind;
    }
    renamed + rest
}

/// The ports that the kernel gave, and those that stand for them: clients are counted as they come.
fn ports(conversation: &Conversation) -> BTreeMap<String, String> {
    let mut ports = BTreeMap::new();
    let mut clients = CLIENTS..;
    for event in &conversation.events {
        match &event.what {
            What::Ready { line } => {
                if let Some((_, port)) = line.rsplit_once(':') {
                    let port = port.trim_end_matches(')'); // of a server that was found
                    ports.insert(port.to_owned(), SERVER.to_string());
                }
            }
            What::Connected { from } => {
                clients.next();
                ports.insert(from.port().to_string(), clients.start.to_string());
            }
            _ => {}
        }
    }
    ports
}

impl Entry {
    /// With other ports.
    fn with_ports(self, ports: &BTreeMap<String, String>) -> Self {
        let rename = |text: &str| renamed(text, ports);
        let line = |line: String| cut(&rename(&line));
        let (client, what) = match self {
            Self::Call(call) => {
                let arguments = rename(&call.arguments);
                return Self::Call(Call { arguments, ..call });
            }
            Self::Said { client, what } => (client, what),
        };
        let what = match what {
            What::Started { command } => What::Started {
                command: rename(&command),
            },
            What::Ready { line: ready } => What::Ready { line: line(ready) },
            What::Printed { line: printed } => What::Printed {
                line: line(printed),
            },
            What::Complained { line: complained } => What::Complained {
                line: line(complained),
            },
            What::Connected { from } => What::Connected {
                from: rename(&from.to_string()).parse().unwrap_or(from),
            },
            other => other,
        };
        Self::Said { client, what }
    }

    /// With the strings of a call cut.
    fn shortened(self) -> Self {
        match self {
            Self::Call(call) => Self::Call(call.shortened()),
            said @ Self::Said { .. } => said,
        }
    }

    /// Whether a client does it, or the harness: all of them act in the order of the check.
    fn is_act(&self) -> bool {
        match self {
            Self::Call(_) => false,
            Self::Said { client, what } => {
                use What::{AskedToEnd, Frozen, InputEnded, Started, Stopped, Thawed};
                let acts = |what: &What| {
                    matches!(
                        what,
                        Started { .. } | Stopped | Frozen | Thawed | InputEnded | AskedToEnd
                    )
                };
                client.is_some() || acts(what)
            }
        }
    }

    /// The line that it prints, and on which descriptor.
    fn printed(&self) -> Option<(i32, &str)> {
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

/// A line that was printed several times, as often as it was.
fn repeated(server: Vec<Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for entry in server {
        match (&entry, all.last()) {
            (
                Entry::Said {
                    what: What::Again { times },
                    ..
                },
                Some(last),
            ) => {
                all.extend(iter::repeat_n(last.clone(), *times));
            }
            _ => all.push(entry),
        }
    }
    all
}

/// Puts each line that the server printed behind the call that printed it.
fn behind_calls(server: Vec<Entry>, calls: Vec<Entry>) -> VecDeque<Entry> {
    if calls.is_empty() {
        return server.into();
    }
    let (printed, others): (Vec<_>, Vec<_>) = server
        .into_iter()
        .partition(|entry| entry.printed().is_some());
    let mut woven = VecDeque::new();
    let mut lines: BTreeMap<i32, VecDeque<Entry>> = BTreeMap::new();
    for entry in printed {
        let descriptor = entry.printed().map_or(1, |(descriptor, _)| descriptor);
        lines.entry(descriptor).or_default().push_back(entry);
    }
    for entry in calls {
        let descriptor = match &entry {
            Entry::Call(call) if call.ends_line() => call.descriptor(),
            _ => None,
        };
        woven.push_back(entry);
        let line = descriptor.and_then(|descriptor| lines.get_mut(&descriptor)?.pop_front());
        woven.extend(line);
    }
    woven.extend(lines.into_values().flatten());
    woven.extend(others);
    woven
}

/// Brings the two sides together. Each has its order; of what both could do next, the server's comes
/// first, as soon as the acts of the others have made it possible.
fn merge(acts: Vec<Entry>, mut server: VecDeque<Entry>) -> Vec<Entry> {
    let mut world = World::default();
    let mut merged = Vec::new();
    for act in acts {
        world.is_done(&act);
        merged.push(act);
        while server.front().is_some_and(|next| world.allows(next)) {
            let next = server.pop_front();
            next.iter().for_each(|entry| world.server_does(entry));
            merged.extend(next);
        }
    }
    merged.extend(server); // such as a call that never returned
    merged
}

/// What the clients have done, and how much of it the server has seen.
#[derive(Default)]
struct World {
    /// The address of each client, by its name.
    addresses: BTreeMap<String, String>,
    /// By a client's address.
    clients: BTreeMap<String, Seen>,
    /// Which client a descriptor of the server's is about.
    descriptors: BTreeMap<i32, String>,
    /// How often the server was started, and how often it was ready.
    started: usize,
    ready: usize,
}

#[derive(Default)]
struct Seen {
    sent: usize,
    finished: bool,
    read: usize,
    told: usize,
}

impl World {
    fn is_done(&mut self, entry: &Entry) {
        if let Entry::Said {
            what: What::Started { .. },
            ..
        } = entry
        {
            self.started += 1;
        }
        let Entry::Said {
            client: Some(name),
            what,
        } = entry
        else {
            return;
        };
        if let What::Connected { from } = what {
            self.addresses.insert(name.clone(), from.to_string());
            self.clients.insert(from.to_string(), Seen::default());
            return;
        }
        let address = self.addresses.get(name);
        let Some(seen) = address.and_then(|address| self.clients.get_mut(address)) else {
            return;
        };
        match what {
            What::Sent { bytes } => seen.sent += bytes.length,
            What::FinishedSending | What::HungUp | What::Reset => seen.finished = true,
            _ => {}
        }
    }

    /// Whether the server can do this by now.
    fn allows(&self, next: &Entry) -> bool {
        match next {
            Entry::Call(call) => self.allows_call(call),
            Entry::Said {
                what: What::Ready { .. },
                ..
            } => self.ready < self.started,
            Entry::Said { .. } => next
                .printed()
                .is_none_or(|(_, line)| self.allows_line(line)),
        }
    }

    fn allows_call(&self, call: &Call) -> bool {
        let about = call.descriptor();
        let client = about.and_then(|descriptor| self.descriptors.get(&descriptor));
        let seen = client.and_then(|client| self.clients.get(client));
        match (call.name.as_str(), call.number(), seen) {
            (_, None, _) => false, // it waits for what never came
            ("accept" | "accept4", Some(_), _) => {
                peer(call).is_some_and(|peer| self.clients.contains_key(&peer))
            }
            ("recvfrom" | "read", Some(count @ 1..), Some(seen)) => {
                seen.read + count as usize <= seen.sent
            }
            ("recvfrom" | "read", Some(_), Some(seen)) => seen.finished,
            _ => true,
        }
    }

    /// Lines are told by the words that every step has for them; any other may come at any time.
    fn allows_line(&self, line: &str) -> bool {
        match (about(line), received(line)) {
            (Some(client), Some(count)) => {
                let seen = self.clients.get(client);
                seen.is_some_and(|seen| seen.told + count <= seen.sent)
            }
            (Some(client), None) => {
                let ends = !line.ends_with(" connected");
                self.clients
                    .get(client)
                    .is_some_and(|seen| !ends || seen.finished)
            }
            (None, _) => true,
        }
    }

    fn server_does(&mut self, entry: &Entry) {
        if let Entry::Said {
            what: What::Ready { .. },
            ..
        } = entry
        {
            self.ready += 1;
        }
        if let Some((_, line)) = entry.printed()
            && let (Some(client), Some(count)) = (about(line), received(line))
            && let Some(seen) = self.clients.get_mut(client)
        {
            seen.told += count;
        }
        let Entry::Call(call) = entry else { return };
        if let (Some(peer), Some(descriptor)) = (peer(call), call.number()) {
            self.descriptors.insert(descriptor, peer);
        }
        let client = call
            .descriptor()
            .and_then(|descriptor| self.descriptors.get(&descriptor));
        if let ("recvfrom" | "read", Some(count @ 1..), Some(client)) =
            (call.name.as_str(), call.number(), client)
            && let Some(seen) = self.clients.get_mut(client)
        {
            seen.read += count as usize;
        }
    }
}

/// The client that an accept has let in.
fn peer(call: &Call) -> Option<String> {
    let is_accept = matches!(call.name.as_str(), "accept" | "accept4");
    let (_, port) = call.arguments.split_once("htons(").filter(|_| is_accept)?;
    let (port, rest) = port.split_once(')')?;
    let (_, ip) = rest.split_once("(\"").or(rest.split_once(", \""))?;
    let (ip, _) = ip.split_once('"')?;
    Some(if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    })
}

/// The client that a line is about: `client ADDRESS ...`, `received N bytes from ADDRESS: ...`.
fn about(line: &str) -> Option<&str> {
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let (_, from) = line.split_once("client ").or(line.split_once(" from "))?;
    let word = from.split_whitespace().next()?;
    Some(word.trim_end_matches(':'))
}

/// How many bytes a line says were received.
fn received(line: &str) -> Option<usize> {
    line.strip_prefix("received ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(client: Option<&str>, what: What) -> Entry {
        Entry::Said {
            client: client.map(str::to_owned),
            what,
        }
    }

    fn printed(line: &str) -> Entry {
        said(
            None,
            What::Printed {
                line: line.to_owned(),
            },
        )
    }

    fn connected(name: &str, address: &str) -> Entry {
        let from = address.parse().expect("an address");
        said(Some(name), What::Connected { from })
    }

    #[test]
    fn what_the_server_prints_stands_behind_what_caused_it() {
        let end = || said(Some("second"), What::FinishedSending);
        let clients = vec![
            said(
                None,
                What::Started {
                    command: "a server".to_owned(),
                },
            ),
            connected("first", "127.0.0.1:50001"),
            connected("second", "127.0.0.1:50002"),
            said(Some("first"), What::HungUp),
            end(),
        ];
        let lines = [
            "backlog 5",
            "client 127.0.0.1:50001 connected",
            "client 127.0.0.1:50001 disconnected",
            "client 127.0.0.1:50002 connected",
            "client 127.0.0.1:50002 disconnected",
        ];
        let server = lines.iter().map(|line| printed(line)).collect();
        let expected = [
            clients[0].clone(),
            printed(lines[0]),
            clients[1].clone(),
            printed(lines[1]),
            clients[2].clone(),
            clients[3].clone(),
            printed(lines[2]),
            printed(lines[3]),
            end(),
            printed(lines[4]),
        ];
        assert_eq!(merge(clients, server), expected);
    }

    #[test]
    fn a_read_waits_for_what_was_sent() {
        let call = |name: &str, arguments: &str, result: &str| {
            Entry::Call(Call {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
                result: Some(result.to_owned()),
            })
        };
        let accept =
            "3, {sa_family=AF_INET, sin_port=htons(50001), sin_addr=inet_addr(\"127.0.0.1\")}";
        let server = [
            call("accept4", accept, "4"),
            call("recvfrom", "4, \"hel\", 1024", "3"),
            call("recvfrom", "4, \"lo\", 1024", "2"),
        ];
        let sent = |text: &str| {
            let bytes = harness::Excerpt::of(text.as_bytes());
            said(Some("one"), What::Sent { bytes })
        };
        let clients = vec![connected("one", "127.0.0.1:50001"), sent("hel"), sent("lo")];
        let expected: Vec<Entry> = clients
            .iter()
            .zip(&server)
            .flat_map(|(a, b)| [a.clone(), b.clone()])
            .collect();
        assert_eq!(merge(clients, server.into()), expected);
    }
}
