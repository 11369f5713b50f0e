//! Everything that was said, with times: recorded as it happens, shown as text, kept as JSON.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use serde::{Deserialize, Serialize};

use crate::bytes::{Excerpt, escape_controls, thousands};

/// This many events of the clients are kept from the start of a conversation, and as many from its
/// end; and likewise of the server, so that a talkative one drives out no client.
const KEPT: usize = 40;

/// What was said between a server and its clients, in the order in which the harness saw it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The events, oldest first.
    pub events: Vec<Event>,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the server was ready (or, if it never was, since it was started).
    pub ms: f64,
    /// The client that did or saw it; nobody if it is the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a client did or saw, or what the server did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The kernel let the client in.
    Connected {
        /// The client's own address, by which the server knows it.
        from: SocketAddr,
    },
    /// The client opened a UDP socket: it speaks, and nobody is asked.
    Opened {
        /// The client's own address, by which the server knows it.
        at: SocketAddr,
    },
    /// The server connected to the client, who waited for it there.
    Accepted {
        /// The client's own address.
        at: SocketAddr,
    },
    /// The kernel refused the client: nobody listens there.
    Refused,
    /// The client asked to be let in, and had no answer in this time.
    NotLetIn {
        /// Milliseconds.
        waited: u64,
    },
    /// The client sent these bytes, in one write.
    Sent {
        /// The bytes.
        bytes: Excerpt,
    },
    /// These bytes came back.
    Received {
        /// The bytes.
        bytes: Excerpt,
    },
    /// Nothing came for this time, as expected.
    Silence {
        /// Milliseconds.
        waited: u64,
    },
    /// The client will send no more, and still listens (a half-close).
    FinishedSending,
    /// The client closed the connection.
    HungUp,
    /// The client closed its UDP socket: nobody is told.
    Left,
    /// The client reset the connection.
    Reset,
    /// The server closed the connection.
    SawEnd,
    /// The server, or its kernel, reset the connection.
    SawReset,
    /// A program was started with these arguments.
    Started {
        /// The command line, as a person would type it.
        command: String,
    },
    /// The server said where it listens, or was found to listen there.
    Ready {
        /// What the server printed, or how it was found.
        line: String,
    },
    /// The server printed a line on its standard output.
    Printed {
        /// The line without its newline.
        line: String,
    },
    /// The server printed a line on its standard error.
    Complained {
        /// The line without its newline.
        line: String,
    },
    /// The server printed the same line again.
    Again {
        /// How many times more.
        times: usize,
    },
    /// The program ended by itself.
    Ended {
        /// Its exit status or signal.
        how: String,
    },
    /// The harness ended the program's standard input.
    InputEnded,
    /// The harness asked the server to end.
    AskedToEnd,
    /// The harness interrupted the server, as Ctrl-C does.
    Interrupted,
    /// The harness stopped the clock for the server: nothing it does happens until it is thawed.
    Frozen,
    /// The server goes on.
    Thawed,
    /// The harness ended the server.
    Stopped,
    /// More happened than is worth keeping.
    Omitted {
        /// How many events.
        events: usize,
    },
}

impl Conversation {
    /// A line an event: time, client, what was said, and what the server printed beside it.
    ///
    /// The text has colour codes; print it with `anstream`, which removes them where they do not belong.
    pub fn render(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self
            .events
            .iter()
            .filter_map(|event| event.client.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut text = String::new();
        let mut events = self.events.iter().peekable();
        while let Some(event) = events.next() {
            let left = event.what.left();
            let fits = left.chars().count() <= LANE;
            let beside = event.client.is_some() && fits;
            let right = match events.peek() {
                Some(next) if beside && next.client.is_none() => {
                    events.next().map(|event| &event.what)
                }
                _ => Some(&event.what).filter(|_| event.client.is_none()),
            };
            write_row(&mut text, event, &names, &left, right);
        }
        text
    }
}

/// Columns for what a client says: an arrow and a short message.
const LANE: usize = 32;

fn write_row(text: &mut String, event: &Event, names: &[&str], left: &str, right: Option<&What>) {
    let dim = Style::new().dimmed();
    let time = event.ms.max(-9999.9);
    let mut line = format!("{dim}{time:>8.1} ms{dim:#}  ");
    // Without clients there is no left side.
    if let Some(width) = names.iter().map(|name| name.chars().count()).max() {
        let name = event.client.as_deref().unwrap_or("");
        let colour = client_style(names.iter().position(|known| *known == name));
        line += &format!("{colour}{name:<width$}{colour:#}  {left:<LANE$}  ");
    }
    line += &right.map(What::right).unwrap_or_default();
    let _ = writeln!(text, "  {}", line.trim_end()); // a String takes every write
}

/// The colour of the first client, the second, ...
fn client_style(index: Option<usize>) -> Style {
    let colours = [
        AnsiColor::Cyan,
        AnsiColor::Magenta,
        AnsiColor::Yellow,
        AnsiColor::Blue,
    ];
    index.map_or(Style::new(), |index| {
        colours[index % colours.len()].on_default()
    })
}

impl What {
    /// What the client's side shows.
    fn left(&self) -> String {
        match self {
            Self::Connected { from } => to_server(&format!("connect from {from}")),
            Self::Opened { at } => format!("(speaks from {at})"),
            Self::Accepted { at } => to_client(&format!("connect to {at}")),
            Self::Refused => "connect ──▶ refused".to_owned(),
            Self::NotLetIn { waited } => format!("connect ──▶ no answer for {waited} ms"),
            Self::Sent { bytes } => to_server(&bytes.to_string()),
            Self::Received { bytes } => to_client(&bytes.to_string()),
            Self::Silence { waited } => format!("(nothing for {waited} ms, as expected)"),
            Self::FinishedSending => to_server("end of sending"),
            Self::HungUp => to_server("hang up"),
            Self::Left => "(leaves, and nobody is told)".to_owned(),
            Self::Reset => to_server("reset"),
            Self::SawEnd => to_client("end"),
            Self::SawReset => to_client("reset"),
            _ => String::new(),
        }
    }

    /// What the server's side shows.
    fn right(&self) -> String {
        let dim = Style::new().dimmed();
        let red = AnsiColor::Red.on_default();
        match self {
            Self::Started { command } => format!("{dim}$ {}{dim:#}", shorten(command)),
            Self::Ready { line } | Self::Printed { line } => shorten(line),
            Self::Complained { line } => format!("{red}stderr: {}{red:#}", shorten(line)),
            Self::Again { times: 1 } => format!("{dim}(the same once more){dim:#}"),
            Self::Again { times } => {
                format!("{dim}(the same {} times more){dim:#}", thousands(*times))
            }
            Self::Ended { how } => format!("{dim}({how}){dim:#}"),
            Self::Interrupted => format!("{dim}(interrupted, as by Ctrl-C: SIGINT){dim:#}"),
            Self::Frozen => format!("{dim}(held still by the harness: SIGSTOP){dim:#}"),
            Self::Thawed => format!("{dim}(let go on by the harness: SIGCONT){dim:#}"),
            Self::InputEnded => format!("{dim}(its standard input ends){dim:#}"),
            Self::AskedToEnd => format!("{dim}(asked to end: SIGTERM){dim:#}"),
            Self::Stopped => format!("{dim}(stopped by the harness){dim:#}"),
            Self::Omitted { events } => {
                format!("{dim}(… {} more lines …){dim:#}", thousands(*events))
            }
            _ => String::new(),
        }
    }
}

/// At most this many characters of a line are shown.
const WIDEST: usize = 88;

/// A line without control characters, and without its middle if it is long.
pub(crate) fn shorten(line: &str) -> String {
    let line = escape_controls(line);
    let length = line.chars().count();
    if length <= WIDEST {
        return line;
    }
    let head: String = line.chars().take(WIDEST - 32).collect();
    let tail: String = line.chars().skip(length - 8).collect();
    format!("{head} … {tail} ({} characters)", thousands(length))
}

fn to_server(label: &str) -> String {
    let dashes = LANE.saturating_sub(label.chars().count() + 2);
    format!("{label} {}▶", "─".repeat(dashes))
}

fn to_client(label: &str) -> String {
    let dashes = LANE.saturating_sub(label.chars().count() + 2);
    format!("◀{} {label}", "─".repeat(dashes))
}

/// The growing record, shared by the server, its readers and its clients.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

#[derive(Debug)]
struct Record {
    live: bool,
    zero: Instant,
    ready: bool,
    said: Kept,
    printed: Kept,
    count: usize,
}

/// The first and the last events of one side; those between are counted.
#[derive(Debug, Default)]
struct Kept {
    head: Vec<Recorded>,
    tail: VecDeque<Recorded>,
    omitted: usize,
}

#[derive(Clone, Debug)]
struct Recorded {
    number: usize,
    at: Instant,
    client: Option<String>,
    what: What,
    /// How many times the same was printed once more.
    again: usize,
}

impl Kept {
    fn push(&mut self, recorded: Recorded) {
        if self.head.len() < KEPT {
            self.head.push(recorded);
            return;
        }
        if self.tail.len() == KEPT {
            self.tail.pop_front();
            self.omitted += 1;
        }
        self.tail.push_back(recorded);
    }

    fn last_mut(&mut self) -> Option<&mut Recorded> {
        self.tail.back_mut().or(self.head.last_mut())
    }

    /// All that is kept, with a word on what is not.
    fn events(&self) -> Vec<Recorded> {
        let mut events = Vec::new();
        if let Some(next) = self.tail.front().filter(|_| self.omitted > 0) {
            events.push(next.with(What::Omitted {
                events: self.omitted,
            }));
        }
        for recorded in self.head.iter().chain(&self.tail) {
            events.push(recorded.clone());
            if recorded.again > 0 {
                events.push(recorded.with(What::Again {
                    times: recorded.again,
                }));
            }
        }
        events
    }
}

impl Recorded {
    /// A word of ours, in the place of this.
    fn with(&self, what: What) -> Self {
        Self {
            what,
            client: None,
            ..self.clone()
        }
    }
}

impl Recorder {
    /// A new record; a `live` one prints each row as it comes.
    pub fn new(live: bool) -> Self {
        let record = Record {
            live,
            zero: Instant::now(),
            ready: live,
            said: Kept::default(),
            printed: Kept::default(),
            count: 0,
        };
        Self(Arc::new(Mutex::new(record)))
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something the server did.
    pub fn server(&self, what: What) {
        let mut record = self.record();
        if matches!(what, What::Ready { .. }) && !record.ready {
            record.ready = true;
            record.zero = Instant::now();
        }
        match record.printed.last_mut() {
            Some(last) if last.what == what => last.again += 1,
            _ => {
                let recorded = record.number(Instant::now(), None, what);
                record.printed.push(recorded);
            }
        }
    }

    /// Something a client does or sees now.
    pub fn client(&self, name: &str, what: What) {
        self.client_at(Instant::now(), name, what);
    }

    /// Something a client saw then.
    pub fn client_at(&self, at: Instant, name: &str, what: What) {
        let mut record = self.record();
        let recorded = record.number(at, Some(name.to_owned()), what);
        record.said.push(recorded);
    }

    /// The conversation up to now.
    pub fn conversation(&self) -> Conversation {
        let record = self.record();
        let ms = |at: Instant| match at.checked_duration_since(record.zero) {
            Some(after) => after.as_secs_f64() * 1e3,
            None => -record.zero.duration_since(at).as_secs_f64() * 1e3,
        };
        let mut events = record.said.events();
        events.extend(record.printed.events());
        events.sort_by_key(|event| event.number);
        let event = |Recorded {
                         at, client, what, ..
                     }| Event {
            ms: ms(at),
            client,
            what,
        };
        Conversation {
            events: events.into_iter().map(event).collect(),
        }
    }
}

impl Record {
    fn number(&mut self, at: Instant, client: Option<String>, what: What) -> Recorded {
        self.count += 1;
        let number = self.count;
        if self.live {
            let ms = at.duration_since(self.zero).as_secs_f64() * 1e3;
            let event = Event {
                ms,
                client: client.clone(),
                what: what.clone(),
            };
            anstream::print!(
                "{}",
                Conversation {
                    events: vec![event]
                }
                .render()
            );
        }
        Recorded {
            number,
            at,
            client,
            what,
            again: 0,
        }
    }
}
