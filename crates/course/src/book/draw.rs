//! Draws a conversation: a sequence diagram, time downwards, as an SVG that stands in the page itself.
//!
//! Colours come from the page (docs/theme/book.css), so that it can be read in every theme.

use std::fmt::Write;

use harness::{Excerpt, What};

use super::recording::{Entry, Recording};
use super::trace::Call;

/// In the units of the drawing, which are pixels where there is room.
const ROW: usize = 24;
const TOP: usize = 48;
/// Between the lifelines of two clients, and between the last of them and the server.
const LANE: usize = 90;
const SPAN: usize = 220;
const MARGIN: usize = 60;
/// Room for what the server does, on the right of its lifeline.
const DEEDS: usize = 330;
/// A character of the fixed-width font, at its size in the drawing.
const CHARACTER: usize = 7;

/// Something that happens, and where.
enum Row {
    Act {
        client: usize,
        act: Act,
    },
    /// `begins` is false for the rest of a long one.
    Deed {
        class: &'static str,
        label: String,
        begins: bool,
    },
}

/// What a client does or sees.
struct Act {
    way: Way,
    label: String,
    /// What is said of it to those who cannot see the drawing, behind the client's name.
    words: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToServer,
    ToClient,
    /// To the server, which does not take it.
    Lost,
    Nowhere,
}

impl Act {
    fn of(what: &What) -> Option<Self> {
        use Way::{Lost, Nowhere, ToClient, ToServer};
        let act = |way, label: &str, words: &str| {
            Some(Self {
                way,
                label: label.to_owned(),
                words: words.to_owned(),
            })
        };
        match what {
            What::Connected { .. } => act(ToServer, "connect", "connects"),
            What::Opened { .. } => act(Nowhere, "(opens a socket)", "opens a socket"),
            What::Accepted { .. } => act(ToClient, "connect", "is connected to"),
            What::Refused => act(Lost, "connect: refused", "is refused"),
            What::NotLetIn { waited } => {
                let label = format!("connect: no answer for {waited} ms");
                act(Lost, &label, &format!("is not let in within {waited} ms"))
            }
            What::Sent { bytes } => {
                let bytes = brief(bytes);
                act(ToServer, &bytes, &format!("sends {bytes}"))
            }
            What::Received { bytes } => {
                let bytes = brief(bytes);
                act(ToClient, &bytes, &format!("receives {bytes}"))
            }
            What::FinishedSending => act(ToServer, "end of sending", "has finished sending"),
            What::HungUp => act(ToServer, "hang up", "hangs up"),
            What::Left => act(Nowhere, "(closes its socket)", "closes its socket"),
            What::Reset => act(ToServer, "reset", "resets the connection"),
            What::SawEnd => act(ToClient, "end", "sees the end"),
            What::SawReset => act(ToClient, "reset", "sees a reset"),
            What::Silence { waited } => {
                let label = format!("(nothing for {waited} ms)");
                act(Nowhere, &label, &format!("hears nothing for {waited} ms"))
            }
            _ => None,
        }
    }
}

/// The drawing, with its words for a screen reader.
pub fn svg(recording: &Recording) -> String {
    let clients = clients(recording);
    let rows: Vec<Row> = recording
        .entries
        .iter()
        .flat_map(|entry| rows(entry, &clients))
        .collect();
    let server =
        MARGIN + LANE * clients.len().saturating_sub(1) + if clients.is_empty() { 0 } else { SPAN };
    let (width, height) = (server + DEEDS, TOP + ROW * rows.len() + ROW);
    let mut text = String::new();
    let mut line = |part: String| {
        let _ = writeln!(text, "{part}"); // a String takes every write
    };
    line(format!(
        "<svg class=\"talk\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{}\">",
        escaped(&format!(
            "Sequence diagram: {}. {}",
            recording.title,
            words(recording)
        ))
    ));
    line(head(&clients, server, height));
    for (index, row) in rows.iter().enumerate() {
        line(drawn(row, TOP + ROW * (index + 1), server));
    }
    line("</svg>".to_owned());
    text
}

/// The names of the clients, in the order in which they come.
fn clients(recording: &Recording) -> Vec<&str> {
    let mut names = Vec::new();
    for entry in &recording.entries {
        if let Entry::Said {
            client: Some(name), ..
        } = entry
            && !names.contains(&name.as_str())
        {
            names.push(name.as_str());
        }
    }
    names
}

fn place(client: usize) -> usize {
    MARGIN + LANE * client
}

/// The lifelines, each with its name.
fn head(clients: &[&str], server: usize, height: usize) -> String {
    let lifeline = |(name, x): (&str, usize)| {
        let width = name.chars().count() * CHARACTER + 20;
        let left = x.saturating_sub(width / 2);
        format!(
            "<rect class=\"who\" x=\"{left}\" y=\"8\" width=\"{width}\" height=\"26\" rx=\"5\"/>\
             <text class=\"who\" x=\"{x}\" y=\"25\" text-anchor=\"middle\">{}</text>\
             <line class=\"life\" x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{height}\"/>",
            escaped(name)
        )
    };
    let places = clients
        .iter()
        .enumerate()
        .map(|(index, name)| (*name, place(index)));
    places.chain([("server", server)]).map(lifeline).collect()
}

/// What an entry shows. A long deed takes several rows.
fn rows(entry: &Entry, clients: &[&str]) -> Vec<Row> {
    match entry {
        Entry::Call(call) => deed_of(call),
        Entry::Said { client: None, what } => match what {
            What::Ready { line } | What::Printed { line } => deed("says", line),
            What::Complained { line } => deed("says wrong", line),
            What::Ended { how } => deed("does", how),
            _ => Vec::new(),
        },
        Entry::Said {
            client: Some(name),
            what,
        } => {
            let client = clients.iter().position(|known| known == name).unwrap_or(0);
            let act = Act::of(what);
            act.map(|act| Row::Act { client, act })
                .into_iter()
                .collect()
        }
    }
}

/// What is printed is shown as it is printed, not as a call.
fn deed_of(call: &Call) -> Vec<Row> {
    match call.prints() {
        true => Vec::new(),
        false => deed("does", &by_thread(call)),
    }
}

/// What a thread does that is not the thread of `main`, with its number.
fn by_thread(call: &Call) -> String {
    match call.thread {
        0 => call.brief(),
        thread => format!("thread {thread}: {}", call.brief()),
    }
}

fn deed(class: &'static str, text: &str) -> Vec<Row> {
    let options = textwrap::Options::new((DEEDS - 20) / CHARACTER).subsequent_indent("  ");
    let lines = textwrap::wrap(text, options);
    let lines = lines.into_iter().enumerate();
    let row = |(index, label): (usize, std::borrow::Cow<str>)| Row::Deed {
        class,
        label: label.into_owned(),
        begins: index == 0,
    };
    lines.map(row).collect()
}

/// Bytes that fit on the shortest arrow.
fn brief(bytes: &Excerpt) -> String {
    let room = SPAN / CHARACTER - 4;
    let whole = bytes.to_string();
    if whole.chars().count() <= room {
        return whole;
    }
    let head: String = bytes.head.chars().take(12).collect();
    format!("\"{head}…\" {} bytes", bytes.length)
}

fn drawn(row: &Row, y: usize, server: usize) -> String {
    match row {
        Row::Act { client, act } if act.way == Way::Nowhere => format!(
            "<text class=\"note\" x=\"{}\" y=\"{y}\">{}</text>",
            place(*client) + 10,
            escaped(&act.label)
        ),
        Row::Act { client, act } => arrow(place(*client), server, y, act),
        Row::Deed {
            class,
            label,
            begins,
        } => {
            let mark = format!(
                "<circle class=\"{class}\" cx=\"{server}\" cy=\"{}\" r=\"3\"/>",
                y - 4
            );
            format!(
                "{}<text class=\"{class}\" xml:space=\"preserve\" x=\"{}\" y=\"{y}\">{}</text>",
                if *begins { &mark } else { "" },
                server + 12,
                escaped(label)
            )
        }
    }
}

fn arrow(client: usize, server: usize, y: usize, act: &Act) -> String {
    let (from, to, barb, class) = match act.way {
        Way::ToClient => (server, client + 1, client + 9, "says"),
        Way::Lost => {
            let to = client + (server - client) * 3 / 4;
            (client, to, to - 8, "says lost")
        }
        Way::ToServer | Way::Nowhere => (client, server - 1, server - 9, "says"),
    };
    // The label keeps clear of the lifelines of other clients: it stands beside the server's.
    let middle = server - SPAN / 2;
    format!(
        "<line class=\"{class}\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>\
         <path class=\"tip\" d=\"M{to} {y} L{barb} {} L{barb} {} Z\"/>\
         <text class=\"bytes\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        y - 4,
        y + 4,
        y - 5,
        escaped(&act.label)
    )
}

/// The same, for a screen reader: a sentence each.
fn words(recording: &Recording) -> String {
    let sentence = |entry: &Entry| match entry {
        Entry::Call(call) if call.prints() => None,
        Entry::Call(call) => Some(format!("Server: {}.", by_thread(call))),
        Entry::Said { client: None, what } => match what {
            What::Ready { line } | What::Printed { line } | What::Complained { line } => {
                Some(format!("Server prints: {line}."))
            }
            _ => None,
        },
        Entry::Said {
            client: Some(name),
            what,
        } => Act::of(what).map(|act| format!("{name} {}.", act.words)),
    };
    let sentences: Vec<String> = recording.entries.iter().filter_map(sentence).collect();
    sentences.join(" ")
}

/// As text of an XML document (XML 1.0, section 2.4), and without what no such document may hold.
pub fn escaped(text: &str) -> String {
    let text = harness::escape_controls(text);
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
