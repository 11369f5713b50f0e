//! The tour: every step driven over real sockets, and what there is to notice.

use std::fs;
use std::process::{Command, ExitCode, Output};

use anstyle::Style;
use anyhow::{Context, Result, bail};
use harness::{Judged, Report, Verdict};

use crate::Outcome;
use crate::build::{self, Built};
use crate::catalog::{self, LAST_OF_THE_FIVE, Lesson};
use crate::link;

/// The name of the test program that holds a step's conversations.
const SUITE: &str = "conversation";
/// Where the name of the source ends, on the right.
const WIDTH: usize = 80;

const LEGEND: &str = "\
Each conversation from top to bottom: clients on the left, what the program
prints on the right. Time counts from the ready line. A printed line stands
where it was read, which may be a moment late.";

/// Shows the conversations of `wanted`, or of the first five steps: what those after them use takes a while to
/// build.
pub fn run(wanted: Option<&str>) -> Outcome {
    let steps = match wanted {
        Some(wanted) => vec![catalog::step(wanted)?],
        None => {
            let mut steps = catalog::steps()?;
            steps.retain(|step| step.number <= LAST_OF_THE_FIVE);
            steps
        }
    };
    let mut arguments = vec!["test", "--no-run", "--test", SUITE];
    let packages: Vec<String> = steps.iter().map(Lesson::package).collect();
    arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
    let built = build::cargo(&arguments)?;
    let dimmed = Style::new().dimmed();
    anstream::println!("{dimmed}{LEGEND}{dimmed:#}\n");
    let mut failed = 0;
    for step in &steps {
        failed += show(step, &talk(step, &built)?);
    }
    anstream::println!("{}", what_next(&steps, failed)?);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets the step's test program talk with it, and reads its report.
fn talk(step: &Lesson, built: &[Built]) -> Result<Report> {
    let suite = built
        .iter()
        .find(|program| program.folder == step.folder && program.target == SUITE);
    let suite = suite.with_context(|| format!("{} has no tests/{SUITE}.rs", step.name))?;
    let file = suite
        .executable
        .with_extension(format!("{}.json", std::process::id()));
    let mut command = Command::new(&suite.executable);
    command
        .args(["--notable", "--show", "--report"])
        .arg(&file)
        .current_dir(&suite.folder);
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", suite.executable.display()))?;
    let Ok(json) = fs::read(&file) else {
        bail!(no_report(step, &output));
    };
    fs::remove_file(&file).context("cannot remove a report")?;
    serde_json::from_slice(&json)
        .with_context(|| format!("cannot read the report on {}", step.name))
}

fn no_report(step: &Lesson, output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    let run = format!("cargo test --package {} --test {SUITE}", step.package());
    format!(
        "the suite of {} ended without a report ({})\n{words}hint: see what `{run}` says",
        step.name, output.status
    )
}

/// Prints what is worth seeing of a step. Returns how many checks went wrong.
fn show(step: &Lesson, report: &Report) -> usize {
    let bold = Style::new().bold();
    let title = format!("step {} · {}", step.number, step.name);
    anstream::println!(
        "{bold}{title}{bold:#}{:>1$}\n",
        step.source(),
        WIDTH - title.chars().count()
    );
    for check in &report.checks {
        anstream::println!("{}", check.render());
    }
    let dimmed = Style::new().dimmed();
    let more = format!(
        "cargo test --package {} --test {SUITE} -- --show",
        step.package()
    );
    anstream::println!("{dimmed}every check of this step: {more}{dimmed:#}");
    let page = report.checks.iter().find_map(|check| check.page.as_deref());
    let page = page.map(link::pages).unwrap_or_default();
    anstream::println!("{dimmed}the book explains it:     {page}{dimmed:#}\n");
    let wrong = |check: &&Judged| !matches!(check.verdict, Verdict::Passed | Verdict::Skipped);
    report.checks.iter().filter(wrong).count()
}

/// The step that a step's page shows it beside: the one before, or the one that it grew from.
fn compared_with(step: &Lesson) -> Option<String> {
    let page = format!("docs/src/steps/{}.md", step.name);
    let page = fs::read_to_string(catalog::root().join(page)).ok()?;
    let end = format!(" {}}}}}", step.name);
    let of = |line: &str| Some(line.strip_prefix("{{diff ")?.strip_suffix(&end)?.to_owned());
    page.lines().find_map(of)
}

/// What to do now that these steps were shown: one, or the first five.
fn what_next(shown: &[Lesson], failed: usize) -> Result<String> {
    if failed > 0 {
        let (bold, checks) = (
            Style::new().bold(),
            if failed == 1 { "check" } else { "checks" },
        );
        return Ok(format!(
            "{bold}{failed} {checks} did not pass.{bold:#} Next: mend it, and replay it."
        ));
    }
    let steps = catalog::steps()?;
    let last = shown.last().context("there are no steps")?;
    let named = |number: u32| steps.iter().find(|step| step.number == number);
    let run = format!("just step {}", last.name);
    let diff = compared_with(last).map(|before| format!("just diff {before} {}", last.name));
    let after = named(last.number + 1).map(|after| format!("just tour {}", after.name));
    if let [_] = shown {
        let next: Vec<String> = diff.into_iter().chain([run]).chain(after).collect();
        return Ok(format!("Next: {}", next.join(" · ")));
    }
    let (diff, after) = (diff.unwrap_or_default(), after.unwrap_or_default());
    Ok(format!(
        "That was the way from a socket to an answer, over real sockets. Next:\n\n  \
         {:<28}prove it, with every check there is\n  \
         {run:<28}run one yourself, and talk to it: nc 127.0.0.1 9000\n  \
         {diff:<28}see what a step adds to the one before\n  \
         {after:<28}go on: many clients, and the protocols\n  \
         {:<28}read the book: a page for each step\n\n\
         README.md says how to get just.",
        "cargo test", "just read",
    ))
}
