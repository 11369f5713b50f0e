//! What lasts when the machine is another one: how many times as fast, and at how many times the cost.

use super::lap::{Entry, Heat, Kind, Lap, Load, Race};
use crate::bench::median;

/// The model that all others of the course are to be ahead of.
const PLAIN_MODEL: &str = "threads";

/// A table for every load of small messages with many clients: ours by whatever it is measured by. Empty if there is nothing of the kind.
pub fn text(race: &Race) -> String {
    let many = |heat: &&Heat| {
        let is_small = heat.load.kind() == Kind::Small;
        is_small && matches!(heat.load, Load::PingPong { connections, .. } if connections > 1)
    };
    race.heats.iter().filter(many).map(table).collect()
}

fn table(heat: &Heat) -> String {
    let is_whole = |entry: &&Entry| entry.laps.iter().all(|lap| lap.broke.is_empty());
    let whole: Vec<&Entry> = heat.entries.iter().filter(is_whole).collect();
    let measures = whole
        .iter()
        .filter(|entry| entry.peer || entry.name == PLAIN_MODEL);
    let mut rows = String::new();
    for measure in measures {
        for ours in whole
            .iter()
            .filter(|entry| !entry.peer && entry.name != measure.name)
        {
            let speed = ratio(ours, measure, |lap| lap.a_second);
            let cost = ratio(ours, measure, |lap| lap.processor);
            let (Some(speed), Some(cost)) = (speed, cost) else {
                continue;
            };
            let names = format!("{} to {}", ours.name, measure.name);
            rows += &format!("  {names:<28}{speed:<26}{cost}\n");
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let title = heat.load.title();
    format!(
        "{title}, as a multiple\n  {:<28}{:<26}CPU a request\n{rows}\n",
        "", "requests/s"
    )
}

/// How many times as much, round by round: the middle one, and if there are several, the least and the most.
fn ratio(ours: &Entry, measure: &Entry, figure: fn(&Lap) -> Option<f64>) -> Option<String> {
    let laps = ours.laps.iter().zip(&measure.laps);
    let ratios = laps.map(|(ours, measure)| Some(figure(ours)? / figure(measure)?));
    let mut ratios: Vec<f64> = ratios.collect::<Option<_>>()?;
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios.first()?, ratios.last()?);
    let middle = median(ratios.clone());
    Some(match ratios.len() {
        1 => format!("{middle:.2}"),
        _ => format!("{middle:.2} ({least:.2} to {most:.2})"),
    })
}
