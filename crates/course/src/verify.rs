//! Proves the exercises themselves: starters fail, references pass, and every wrong variant is caught
//! by exactly the checks that it names, with the failure texts that stand beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail, ensure};
use harness::{Report, Verdict};

use crate::stage::{self, Source};
use crate::suite::{self, Suite};
use crate::{check, lesson, submission};
use tour::Outcome;
use tour::catalog::{self, Lesson};

/// The same for every run, so that the failure texts are.
const SEED: &str = "1";

/// A source that an exercise keeps, and what must come of it.
struct Variant {
    /// Its path below `variants`.
    file: String,
    source: Source,
    expected: Expected,
}

enum Expected {
    /// A starter: no points.
    Fails,
    /// A reference: all points.
    Passes,
    /// A wrong variant: caught by these checks, with this text.
    CaughtBy {
        checks: BTreeSet<String>,
        golden: PathBuf,
    },
}

/// Judges every variant of the exercises named, or of all; `bless` writes the failure texts anew.
pub fn run(names: &[String], bless: bool, fresh: bool) -> Outcome {
    let exercises = catalog::exercises_named(names)?;
    if fresh && let Some(begun) = exercises.iter().find(|exercise| !check::is_fresh(exercise)) {
        bail!(
            "{} is not as {}",
            begun.source(),
            begun.path("variants/starter.rs")
        );
    }
    let _alone = stage::alone()?;
    let judged = judge_all(&exercises)?;
    let mut wrong = 0;
    let count = judged.len();
    for (variant, judged) in judged {
        let verdict = judged.and_then(|report| variant.compare(&report, bless).map(|()| report));
        wrong += usize::from(!variant.print(&verdict));
    }
    anstream::println!(
        "{count} variants of {} exercises, {wrong} not as they should be",
        exercises.len()
    );
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

/// Builds and judges every variant.
fn judge_all(exercises: &[Lesson]) -> Result<Vec<(Variant, Result<Report>)>> {
    let suites: Vec<PathBuf> = suite::programs(exercises, suite::CHECKS)?
        .into_iter()
        .collect::<Result<_>>()?;
    let mut variants = Vec::new();
    for (index, exercise) in exercises.iter().enumerate() {
        variants.extend(
            variants_of(exercise)?
                .into_iter()
                .map(|variant| (index, variant)),
        );
    }
    let (owners, variants): (Vec<usize>, Vec<Variant>) = variants.into_iter().unzip();
    let sources: Vec<&Source> = variants.iter().map(|variant| &variant.source).collect();
    let built = stage::build(&sources, None)?;
    let judged = in_parallel(variants.len(), |index| -> Result<Report> {
        let binary = match &built[index] {
            Ok(binary) => binary,
            Err(text) => bail!("it does not build\n{text}"),
        };
        let suite = Suite::new(&suites[owners[index]], &exercises[owners[index]].folder);
        suite.with(["--seed", SEED]).confined(binary)?.judge()
    });
    Ok(variants.into_iter().zip(judged).collect())
}

fn variants_of(exercise: &Lesson) -> Result<Vec<Variant>> {
    let folder = exercise.folder.join("variants");
    let mut files = Vec::new();
    for folder in [folder.clone(), folder.join("wrong")] {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let entries: Result<Vec<_>, _> = entries.collect();
        let paths = entries?.into_iter().map(|entry| entry.path());
        let mut rust: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "rs"))
            .collect();
        rust.sort();
        files.extend(rust);
    }
    files.iter().map(|path| variant(exercise, path)).collect()
}

fn variant(exercise: &Lesson, path: &Path) -> Result<Variant> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let label = path
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is_wrong = path
        .parent()
        .is_some_and(|folder| folder.ends_with("wrong"));
    let expected = match label {
        _ if is_wrong => Expected::CaughtBy {
            checks: caught_by(&text),
            golden: path.with_extension("txt"),
        },
        "starter" => Expected::Fails,
        _ => Expected::Passes,
    };
    let file = if is_wrong {
        format!("wrong/{label}")
    } else {
        label.to_owned()
    };
    let files = vec![("main.rs".into(), text.into_bytes())];
    submission::check(&files)?; // a variant is handed in as a learner's source is
    let source = Source {
        exercise: exercise.clone(),
        label: file.replace('/', "-"),
        files,
    };
    Ok(Variant {
        file,
        source,
        expected,
    })
}

/// The names under `//! Caught by:`, each as `//! - name`.
fn caught_by(text: &str) -> BTreeSet<String> {
    let list = text
        .lines()
        .skip_while(|line| *line != "//! Caught by:")
        .skip(1);
    list.map_while(|line| line.strip_prefix("//! - "))
        .map(str::to_owned)
        .collect()
}

impl Variant {
    /// Whether it came as it should; the error says what did not.
    fn compare(&self, report: &Report, bless: bool) -> Result<()> {
        for check in &report.checks {
            ensure!(
                check.verdict != Verdict::NotJudged,
                "{} was not judged\n{}",
                check.name,
                check.message
            );
        }
        let (got, points) = (report.got(), report.points());
        match &self.expected {
            Expected::Fails => ensure!(got == 0, "a fresh start has {got} points"),
            Expected::Passes => {
                ensure!(
                    got == points,
                    "{got} of {points} points\n{}",
                    self.failure_text(report)
                );
                self.compare_with_readme(report)?;
            }
            Expected::CaughtBy { checks, golden } => {
                self.compare_with(checks, golden, report, bless)?
            }
        }
        Ok(())
    }

    /// What the README says is graded is what is graded, in its order.
    fn compare_with_readme(&self, report: &Report) -> Result<()> {
        let graded = report.checks.iter();
        let graded = graded.map(|check| (check.title.clone(), check.points.unwrap_or_default()));
        let (graded, promised) = (graded.collect::<Vec<_>>(), self.source.exercise.points()?);
        let path = self.source.exercise.path("README.md");
        ensure!(
            graded == promised,
            "{path} promises\n{promised:?}\nand graded is\n{graded:?}"
        );
        ensure!(
            lesson::hints(&self.source.exercise)?.len() == 3,
            "hints come in three levels"
        );
        Ok(())
    }

    fn compare_with(
        &self,
        checks: &BTreeSet<String>,
        golden: &Path,
        report: &Report,
        bless: bool,
    ) -> Result<()> {
        let failed = report
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Failed);
        let failed: BTreeSet<String> = failed.map(|check| check.name.clone()).collect();
        let text = self.failure_text(report);
        if cfg!(not(target_os = "linux")) {
            // Elsewhere the kernel tells less: some checks are left out, and words differ.
            ensure!(
                failed.is_subset(checks),
                "it is caught by {failed:?} as well"
            );
            return Ok(());
        }
        if failed.is_empty() || failed != *checks {
            let list = |names: &BTreeSet<String>| {
                names
                    .iter()
                    .map(|name| format!("\n//! - {name}"))
                    .collect::<String>()
            };
            bail!(
                "it names{}\nand is caught by{}\n{text}",
                list(checks),
                list(&failed)
            );
        }
        if bless {
            fs::write(golden, &text)
                .with_context(|| format!("cannot write {}", golden.display()))?;
        }
        let known = fs::read_to_string(golden)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        ensure!(
            known == text,
            "other words than in {}\n{text}",
            golden.display()
        );
        Ok(())
    }

    /// What a learner would read, the same for every run.
    fn failure_text(&self, report: &Report) -> String {
        let failed = report
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Failed);
        let texts: Vec<String> = failed.map(|check| check.render_stably()).collect();
        let package = format!("{}/", self.source.package());
        texts.join("\n").replace(&package, "")
    }

    /// Prints a row of the matrix. Returns whether all is well.
    fn print(&self, verdict: &Result<Report>) -> bool {
        let (sign, colour, words) = match verdict {
            Ok(report) => {
                let signs: String = report
                    .checks
                    .iter()
                    .map(|check| check.verdict.mark().0)
                    .collect();
                let points = format!("{:>2}/{}", report.got(), report.points());
                (
                    '✓',
                    AnsiColor::Green.on_default(),
                    format!("{points}  {signs}"),
                )
            }
            Err(error) => {
                let error = format!("{error:#}").replace('\n', "\n      ");
                ('✗', AnsiColor::Red.on_default(), error)
            }
        };
        let (name, dimmed) = (&self.source.exercise.name, Style::new().dimmed());
        anstream::println!(
            "{colour}{sign}{colour:#} {dimmed}{name:<9}{dimmed:#} {:<44} {words}",
            self.file
        );
        verdict.is_ok()
    }
}

/// Does all of `0..count`, several at a time: a suite mostly waits.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(8, |cores| 6 * cores.get());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let result = work(index);
                    if let Ok(mut done) = done.lock() {
                        done.push((index, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
