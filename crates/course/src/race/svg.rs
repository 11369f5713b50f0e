//! The figures as a picture: a panel for each load, and in it a bar for each server.

use super::lap::{Heat, Lap, Load, Race};
use super::table::whole;

const WIDTH: usize = 700;
/// Two panels beside each other.
const PANEL: usize = 350;
/// Where bars begin, and the length of the longest.
const BARS: usize = 78;
const LONGEST: f64 = 130.0;
const ROW: usize = 19;
/// A panel's title, and the space below it.
const TITLE: usize = 47;

/// How it looks on its own, in the light and in the dark. In the book the reader's theme says.
const STYLE: &str = "<style>svg { color: #222; background: #fff; font: 13px sans-serif } text { fill: currentColor } \
                     .small { font-size: 11px; opacity: 0.85 } .bar { fill: #1f6fb2 } .peer { fill-opacity: 0.45 } \
                     .broke { fill: none; stroke: currentColor; stroke-dasharray: 4 3 } \
                     @media (prefers-color-scheme: dark) { svg { color: #ddd; background: #1b1d20 } .bar { fill: #5aa7e0 } }\
                     </style>\n";

/// A picture for a page of the book.
pub fn picture(race: &Race) -> String {
    drawing(race, "")
}

/// The same as a file of its own.
pub fn file(race: &Race) -> String {
    drawing(race, STYLE)
}

fn drawing(race: &Race, style: &str) -> String {
    let mut panels = String::new();
    let mut top = 0;
    for pair in race.heats.chunks(2) {
        let rows = pair.iter().map(|heat| heat.entries.len()).max();
        for (heat, left) in pair.iter().zip([0, PANEL]) {
            panels += &panel(heat, left, top);
        }
        top += TITLE + rows.unwrap_or_default() * ROW + 14;
    }
    let label = "The speed of each server under each load, and for idle connections their memory, as bars; the same \
                 figures stand in the tables";
    format!(
        "<svg class=\"picture\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" width=\"{WIDTH}\" \
         height=\"{top}\" role=\"img\" aria-label=\"{label}\">\n{style}{panels}</svg>\n"
    )
}

fn panel(heat: &Heat, left: usize, top: usize) -> String {
    let middles: Vec<Lap> = heat.entries.iter().map(|entry| entry.middle()).collect();
    let values: Vec<Option<f64>> = middles.iter().map(|lap| shown(heat.load, lap)).collect();
    let longest = values.iter().flatten().copied().fold(0.0, f64::max);
    let (title, unit) = (heat.load.title(), unit(heat.load));
    let mut svg = text(left, top + 14, "", &title) + &text(left, top + 30, "small", unit);
    for (index, entry) in heat.entries.iter().enumerate() {
        let (value, lap) = (values[index], &middles[index]);
        let y = top + TITLE + index * ROW;
        let length = value
            .filter(|_| longest > 0.0)
            .map_or(0.0, |value| value / longest * LONGEST);
        let class = match (lap.broke.is_empty(), entry.peer) {
            (false, _) => "broke",
            (true, true) => "bar peer",
            (true, false) => "bar",
        };
        let (x, bar_top, end) = (left + BARS, y - 9, left + BARS + length as usize + 5);
        svg += &text(left, y, "small", &entry.name);
        svg += &format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{bar_top}\" width=\"{length:.1}\" height=\"12\"/>\n"
        );
        svg += &text(end, y, "small", &said(heat.load, value, lap));
    }
    svg
}

fn shown(load: Load, lap: &Lap) -> Option<f64> {
    match load {
        Load::Idle { .. } => lap.memory.map(|bytes| bytes.max(0.0)),
        _ => lap.a_second,
    }
}

fn unit(load: Load) -> &'static str {
    match load {
        Load::PingPong { .. } => "requests a second, and p99",
        Load::Idle { .. } => "bytes of its own for each, and p99 of the one",
        Load::Stream { .. } => "MiB a second",
    }
}

/// What stands at the end of a bar.
fn said(load: Load, value: Option<f64>, lap: &Lap) -> String {
    let mut text = value.map_or("?".to_owned(), whole);
    if let (Load::PingPong { .. } | Load::Idle { .. }, Some(p99)) = (load, lap.p99) {
        text += &match p99 {
            1e6.. => format!(", {:.1} s", p99 / 1e6),
            1e4.. => format!(", {:.0} ms", p99 / 1e3),
            1e3.. => format!(", {:.1} ms", p99 / 1e3),
            _ => format!(", {p99:.0} µs"),
        };
    }
    if !lap.broke.is_empty() {
        text += ", broke";
    }
    text
}

fn text(x: usize, y: usize, class: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::super::lap::Entry;
    use super::super::machine::Machine;
    use super::*;

    #[test]
    fn the_picture_has_a_bar_for_each_server_and_says_which_broke() {
        let lap = |a_second: f64, broke: &[&str]| Lap {
            a_second: Some(a_second),
            p99: Some(1500.0),
            broke: broke.iter().map(|word| (*word).to_owned()).collect(),
            ..Lap::default()
        };
        let entry = |name: &str, peer: bool, lap: Lap| Entry {
            name: name.to_owned(),
            peer,
            laps: vec![lap],
        };
        let connections = 64;
        let heat = Heat {
            load: Load::PingPong {
                connections,
                bytes: 64,
            },
            entries: vec![
                entry("a<b", false, lap(50_000.0, &["63 of 64 clients: refused"])),
                entry("epoll.c", true, lap(100_000.0, &[])),
            ],
        };
        let race = Race {
            machine: Machine::this(),
            notes: Vec::new(),
            heats: vec![heat],
        };
        let svg = picture(&race);
        for part in [
            "64 connections, messages of 64 bytes",
            "a&lt;b",
            "class=\"broke\" x=\"78\" y=\"38\" width=\"65.0\"",
            "class=\"bar peer\" x=\"78\" y=\"57\" width=\"130.0\"",
            ">50,000, 1.5 ms, broke<",
        ] {
            assert!(svg.contains(part), "{part} is not in\n{svg}");
        }
        assert!(!svg.contains("<style>") && file(&race).contains("<style>"));
    }
}
