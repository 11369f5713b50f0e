//! Makes the recordings: runs what the pages ask for, and writes down what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use harness::{Judged, Verdict, What};
use tour::build;
use tour::catalog::{self, Lesson};

use super::pages::{Directive, Experiment};
use super::recording::{Recording, dated};
use super::trace::{self, Trace};
use crate::foreground;
use crate::stage::{self, Source};
use crate::suite::{self, CHECKS, CONVERSATION, Suite};

/// The same for every run, so that what is random is, too.
const SEED: &str = "1";
/// The beginner's server, and how it is started: from the top of the repository.
pub const CLASSIC: &str = "crates/05-respond/classic.py";

/// What this machine can record.
pub struct Means {
    pub strace: bool,
    /// Where Python itself is: what is in the PATH may be a script that takes its time to find it.
    pub python: Option<String>,
}

impl Means {
    /// Looks for the programs that some recordings need.
    pub fn of_this_machine() -> Result<Self> {
        // It may be there, and not be allowed to trace.
        let tries = ["-qq", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"];
        let strace = foreground::ask(Path::new("strace"), &tries)?;
        let finds_itself = ["-c", "import sys; print(sys.executable)"];
        let python = foreground::ask(Path::new("python3"), &finds_itself)?;
        Ok(Self {
            strace: strace.is_some(),
            python: python.map(|path| path.trim().to_owned()),
        })
    }
}

/// The programs that recordings are made with.
pub struct Recorder<'a> {
    means: &'a Means,
    /// The test program of each lesson.
    suites: BTreeMap<String, (Lesson, PathBuf)>,
    /// The program of each experiment, by its step and its name.
    experiments: BTreeMap<(String, String), PathBuf>,
    /// While this is open, nobody lays other sources in the place of the experiments'.
    _alone: fs::File,
    errors: Option<PathBuf>,
}

impl<'a> Recorder<'a> {
    /// Builds all that the pages ask for.
    pub fn build<'b>(
        wanted: impl Iterator<Item = &'b Directive>,
        means: &'a Means,
    ) -> Result<Self> {
        let mut suites = BTreeMap::new();
        let (mut steps, mut exercises) = (BTreeMap::new(), BTreeMap::new());
        let (mut experiments, mut errors) = (Vec::new(), false);
        for directive in wanted {
            let lesson = match directive {
                Directive::Conversation { step, .. } | Directive::Calls { step, .. } => step,
                Directive::Classic { lesson, .. } => lesson,
                Directive::Experiment(experiment) => {
                    experiments.push(experiment);
                    &experiment.step
                }
                other => {
                    errors |= matches!(other, Directive::Error { .. });
                    continue;
                }
            };
            match catalog::step(lesson) {
                Err(_) if matches!(directive, Directive::Classic { .. }) => {
                    let exercise = catalog::exercise(lesson)?;
                    exercises.insert(exercise.number, exercise)
                }
                step => step.map(|step| steps.insert(step.number, step))?,
            };
        }
        for (lessons, test) in [(steps, CONVERSATION), (exercises, CHECKS)] {
            let lessons: Vec<Lesson> = lessons.into_values().collect();
            let programs = suite::programs(&lessons, test)?;
            for (lesson, program) in lessons.into_iter().zip(programs) {
                suites.insert(lesson.name.clone(), (lesson, program?));
            }
        }
        let alone = stage::alone()?;
        Ok(Self {
            means,
            suites,
            _alone: alone,
            experiments: build_experiments(&experiments)?,
            errors: errors.then(|| program_of("errors")).transpose()?,
        })
    }

    /// Makes one recording, the text of its file; nothing if this machine has not what it takes.
    pub fn record(&self, directive: &Directive) -> Result<Option<String>> {
        match directive {
            Directive::Conversation { step, check } | Directive::Calls { step, check } => {
                let conversation = || self.conversation(step, check);
                self.means.strace.then(conversation).transpose()
            }
            Directive::Classic { lesson, check } => {
                let python = self.means.python.as_ref();
                python
                    .map(|python| self.classic(python, lesson, check))
                    .transpose()
            }
            Directive::Experiment(experiment) => self.experiment(experiment).map(Some),
            Directive::Error { name } => self.error(name).map(Some),
            _ => Ok(None),
        }
    }

    fn suite(&self, lesson: &str) -> Result<&(Lesson, PathBuf)> {
        self.suites
            .get(lesson)
            .with_context(|| format!("{lesson} was not built"))
    }

    fn conversation(&self, step: &str, check: &str) -> Result<String> {
        let (lesson, program) = self.suite(step)?;
        let suite = Suite::new(program, &lesson.folder);
        let (judged, trace) = traced(suite, check).context("under strace")?;
        let trace = trace.with_context(|| format!("{step} {check}"))?;
        ensure!(
            judged.verdict == Verdict::Passed,
            "{step} {check}: it does not pass\n{}",
            judged.render_stably()
        );
        Recording::of(&judged, trace).write()
    }

    fn classic(&self, python: &str, lesson: &str, check: &str) -> Result<String> {
        let (_, suite) = self.suite(lesson)?;
        let server = format!("{} {CLASSIC} {{port}}", shlex::try_quote(python)?);
        let suite = Suite::new(suite, catalog::root()).with(["--server", &server]);
        // Which part of a line failed, Python tells only from version 3.11 on.
        let suite = suite
            .environment("PYTHONNODEBUGRANGES", "1")
            .environment("PYTHON_COLORS", "0");
        Ok(text(&judge(suite, check)?, Trace::default()).replace(python, "python3"))
    }

    fn experiment(&self, experiment: &Experiment) -> Result<String> {
        let (lesson, suite) = self.suite(&experiment.step)?;
        let program = self
            .experiments
            .get(&experiment.key())
            .context("it was not built")?;
        let program = program.to_str().context("a path that is no text")?;
        let server = experiment.server(shlex::try_quote(program)?.as_ref(), lesson)?;
        let suite = || Suite::new(suite, &lesson.folder).with(["--server", &server]);
        let judged = judge(suite(), &experiment.check)?;
        if judged.verdict == Verdict::Passed && self.means.strace {
            // What several threads print is in order only if it is known which of them has printed it.
            let (judged, trace) = traced(suite(), &experiment.check)?;
            return Ok(text(&judged, trace.unwrap_or_default()));
        }
        Ok(text(&judged, Trace::default()))
    }

    fn error(&self, name: &str) -> Result<String> {
        let program = self.errors.as_ref().context("errors was not built")?;
        let output = Command::new(program).arg(name).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "errors {name}: {}\n{words}",
            output.status
        );
        String::from_utf8(output.stdout).context("no text")
    }
}

/// What a reader sees of a check: all of it if it passed, else why it did not.
fn text(judged: &Judged, trace: Trace) -> String {
    if judged.verdict == Verdict::Passed {
        let recording = Recording::of(judged, trace);
        return format!("✓ {}\n\n{}", judged.title, recording.text());
    }
    let top = format!("{}/", catalog::root().display());
    let failure = dated(&judged.render_stably().replace(&top, ""));
    let mut text = String::new();
    for line in failure.lines() {
        // Which command plays it again is told beside it, and the reader is in the book.
        let label = line.trim_start();
        let told = ["replay  ", "at  ", "see  "];
        if !told.iter().any(|told| label.starts_with(told)) {
            text += line
                .strip_prefix("         T ms  ")
                .unwrap_or(line)
                .trim_end();
            text.push('\n');
        }
    }
    text
}

/// Runs one check, and lets the server come to rest: its last words count.
fn judge(suite: Suite, check: &str) -> Result<Judged> {
    let arguments = ["--exact", check, "--seed", SEED, "--settle"];
    // A recording is not to depend on whether whoever makes it wants to see the way to a panic.
    let suite = suite.with(arguments).environment("RUST_BACKTRACE", "0");
    let mut report = suite.judge()?;
    ensure!(report.checks.len() == 1, "there is no check {check}");
    let judged = report.checks.remove(0);
    if judged.verdict == Verdict::NotJudged {
        bail!("{check} could not be judged\n{}", judged.message);
    }
    Ok(judged)
}

/// The same, with the system calls of the server, if there was one that can be told from others.
fn traced(suite: Suite, check: &str) -> Result<(Judged, Result<Trace>)> {
    let folder = tempfile::tempdir_in(catalog::target()).context("no folder for the calls")?;
    let file = folder.path().join("calls");
    // Of all processes and threads (-f), with long strings.
    let strace = [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-s",
        "4096",
        "-e",
        trace::CALLS,
        "-e",
        "signal=none",
        "-o",
    ];
    let words = strace.iter().map(AsRef::as_ref).chain([file.as_os_str()]);
    let judged = judge(suite.through(words), check)?;
    // What the harness reads may be no text.
    let bytes = fs::read(&file).context("strace has written nothing")?;
    let printed = first_line(&judged).context("nothing was printed");
    let trace = printed.and_then(|line| trace::read(&String::from_utf8_lossy(&bytes), line));
    Ok((judged, trace))
}

/// What a program prints tells it from others.
fn first_line(judged: &Judged) -> Option<&str> {
    let events = judged.conversation.events.iter();
    let mut lines = events.filter_map(|event| match &event.what {
        What::Ready { line } | What::Printed { line } => Some(line.as_str()),
        _ => None,
    });
    lines.next()
}

fn program_of(package: &str) -> Result<PathBuf> {
    let built = build::cargo(&["build", "--package", package, "--bins"])?;
    let program = built.into_iter().next();
    Ok(program
        .with_context(|| format!("{package} has no program"))?
        .executable)
}

/// Builds what the experiments change, the way a submission is built.
fn build_experiments(experiments: &[&Experiment]) -> Result<BTreeMap<(String, String), PathBuf>> {
    let source = |experiment: &&Experiment| -> Result<Source> {
        let step = catalog::step(&experiment.step)?;
        let files = experiment.apply(&step)?;
        Ok(Source {
            exercise: step,
            label: experiment.name.clone(),
            files,
        })
    };
    let sources: Vec<Source> = experiments.iter().map(source).collect::<Result<_>>()?;
    let built = stage::build(&sources.iter().collect::<Vec<_>>(), None)?;
    let failed = built
        .iter()
        .zip(experiments)
        .filter_map(|(built, experiment)| {
            let text = built.as_ref().err()?;
            Some(format!(
                "experiment {} does not build\n{text}",
                experiment.name
            ))
        });
    let failed: Vec<String> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    let keys = experiments.iter().map(|experiment| experiment.key());
    Ok(keys.zip(built.into_iter().flatten()).collect())
}

/// What differs from what is kept, as a person sees it.
pub fn difference(kept: &Path, made: &str) -> Option<String> {
    let old = fs::read_to_string(kept).unwrap_or_default();
    let old = old.replace("\r\n", "\n");
    (old != made).then(|| {
        let diff = similar::TextDiff::from_lines(old.as_str(), made);
        diff.unified_diff().header("kept", "made now").to_string()
    })
}
