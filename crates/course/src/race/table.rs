//! The figures as text: a table for each load, with a bar for each server.

use super::lap::{Entry, Heat, Lap, Load, Race, grouped};

/// From this share on, in percent, it is said that the machine had something else to do.
const NOTICEABLE: f64 = 5.0;
/// The parts of a character cell that Unicode has blocks for, from an eighth to seven.
const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The machine, and what a reader must know.
pub fn head(race: &Race) -> String {
    let notes = race.notes.iter().map(|note| format!("- {note}\n"));
    format!("{}\n{}", race.machine.text(), notes.collect::<String>())
}

/// A load, and a row for each server. The longest bar has this length.
pub fn heat(heat: &Heat, length: usize) -> String {
    let middles: Vec<(&Entry, Lap)> = heat
        .entries
        .iter()
        .map(|entry| (entry, entry.middle()))
        .collect();
    let fastest = middles.iter().filter_map(|(_, lap)| lap.a_second);
    let fastest = fastest.fold(0.0, f64::max);
    let width = middles.iter().map(|(entry, _)| entry.name.chars().count());
    let width = width.max().unwrap_or_default().max(8);
    let (title, columns) = (heat.load.title(), columns(heat.load));
    let mut text = format!("{title}\n{:width$}  {:length$}{columns}\n", "", "");
    for (entry, lap) in &middles {
        let bar = bar(lap.a_second.unwrap_or_default(), fastest, length);
        let row = row(heat.load, lap);
        text += &format!("{:width$}  {bar:length$}{row}\n", entry.name);
        for broke in &lap.broke {
            text += &format!("{:width$}  {broke}\n", "");
        }
        if lap.load_was_the_limit {
            let limit = "the load was the limit here: the server could do more";
            text += &format!("{:width$}  {limit}\n", "");
        }
    }
    let disturbed = middles.iter().filter_map(|(_, lap)| lap.disturbed);
    let most = disturbed.fold(0.0, f64::max).min(1.0) * 100.0;
    if most > NOTICEABLE {
        text += &format!(
            "other programs had the load's processor meanwhile, for up to {most:.0} % of the time\n"
        );
    }
    text
}

/// The heads of the columns, as wide as `row` writes them.
fn columns(load: Load) -> String {
    let last = match load {
        Load::PingPong { .. } => "load busy",
        Load::Idle { .. } => "bytes each",
        Load::Stream { .. } => {
            return format!(
                "{:>12}{:>16}{:>21}",
                "MiB/s", "CPU, ms/GiB", "peak grew, KiB"
            );
        }
    };
    format!(
        "{:>12}{:>10}{:>10}{:>14}{last:>12}",
        "requests/s", "p50, µs", "p99, µs", "CPU, µs each"
    )
}

fn row(load: Load, lap: &Lap) -> String {
    let number = |figure: Option<f64>| figure.map_or("?".to_owned(), whole);
    let speed = number(lap.a_second);
    let last = match load {
        Load::PingPong { .. } => lap
            .load
            .map_or("?".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        Load::Idle { .. } => number(lap.memory),
        Load::Stream { .. } => {
            let processor = number(lap.processor.map(|each| each * 1024.0 / 1e3));
            let memory = number(lap.memory.map(|bytes| bytes / 1024.0));
            return format!("{speed:>12}{processor:>16}{memory:>21}");
        }
    };
    let processor = lap
        .processor
        .map_or("?".to_owned(), |each| format!("{each:.1}"));
    let (p50, p99) = (number(lap.p50), number(lap.p99));
    format!("{speed:>12}{p50:>10}{p99:>10}{processor:>14}{last:>12}")
}

pub fn whole(figure: f64) -> String {
    match figure < 0.0 {
        true => format!("-{}", grouped(-figure.round() as u64)),
        false => grouped(figure.round() as u64),
    }
}

/// A bar that is as long as its value, where the longest has this width.
pub fn bar(value: f64, longest: f64, width: usize) -> String {
    if longest <= 0.0 {
        return String::new();
    }
    let eighths = (value / longest * (width * 8) as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(PARTS[part]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        assert_eq!(bar(10.0, 10.0, 4), "████");
        assert_eq!(bar(5.0, 10.0, 4), "██");
        assert_eq!(bar(1.0, 32.0, 4), "▏");
        assert_eq!(bar(0.0, 10.0, 4), "");
        assert_eq!(bar(0.0, 0.0, 4), "");
    }
}
