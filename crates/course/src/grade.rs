//! Grades exercises: builds what was handed in, in packages of ours, judges it, and reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use harness::{Report, Verdict};
use serde::Serialize;

use crate::bar::Bar;
use crate::formats::Format;
use crate::stage::{self, Files, Source};
use crate::submission;
use crate::suite::{self, Suite};
use tour::Outcome;
use tour::catalog::{self, Lesson};

/// What was handed in is worth so much.
#[derive(Serialize)]
pub struct Grade {
    pub points: u32,
    pub got: u32,
    pub exercises: Vec<Graded>,
}

/// One exercise of it.
#[derive(Serialize)]
pub struct Graded {
    pub name: String,
    pub points: u32,
    pub got: u32,
    /// What was random came from this number.
    pub seed: u64,
    pub checks: Vec<GradedCheck>,
}

/// One check of it.
#[derive(Serialize)]
pub struct GradedCheck {
    pub name: String,
    pub title: String,
    pub points: u32,
    pub got: u32,
    pub verdict: Verdict,
    /// What was expected and what came, or why there is no verdict; empty if it passed.
    pub message: String,
    /// What was said between the clients and the server.
    pub transcript: String,
    pub seconds: f64,
}

/// What is asked of a grading.
pub struct Request<'a> {
    pub names: &'a [String],
    /// Where the submission is, if it is not this checkout.
    pub from: Option<&'a Path>,
    pub format: Format,
    /// Where the report goes, if not to standard output.
    pub out: Option<&'a Path>,
}

/// Grades, and writes a report.
pub fn run(request: &Request) -> Outcome {
    let exercises = catalog::exercises_named(request.names)?;
    // A place that cannot be written to is found out before the work is done.
    let out = request.out.map(Out::create).transpose()?;
    let mut lock = stage::lock()?;
    let alone = stage::alone(&mut lock)?;
    let grade = grade(&exercises, request.from)?;
    drop(alone);
    let text = request.format.render(&grade)?;
    match out {
        Some(out) => out.write(&text)?,
        None => anstream::print!("{text}"),
    }
    Ok(ExitCode::from(grade.status()))
}

fn grade(exercises: &[Lesson], from: Option<&Path>) -> Result<Grade> {
    let handed_in: Vec<Result<Files>> = exercises
        .iter()
        .map(|exercise| hand_in(exercise, from, exercises.len()))
        .collect();
    let mut sources = Vec::new();
    for (exercise, files) in exercises.iter().zip(&handed_in) {
        if let Ok(files) = files {
            sources.push(Source {
                exercise: exercise.clone(),
                label: "submission".into(),
                files: files.clone(),
            });
        }
    }
    let suites = suite::programs(exercises)?;
    let mut built = stage::build(&sources.iter().collect::<Vec<_>>())?.into_iter();
    let mut bar = Bar::start(exercises.len());
    let mut graded = Vec::new();
    for ((exercise, files), suite) in exercises.iter().zip(handed_in).zip(&suites) {
        bar.show(&format!("grading {}", exercise.name));
        let binary = files.and_then(|_| match built.next() {
            Some(built) => built.map_err(|text| anyhow::anyhow!("it does not build\n{text}")),
            None => bail!("it was not built"),
        });
        graded.push(judge(exercise, suite, binary)?);
        bar.step();
    }
    let sum = |points: fn(&Graded) -> u32| graded.iter().map(points).sum();
    Ok(Grade {
        points: sum(|graded| graded.points),
        got: sum(|graded| graded.got),
        exercises: graded,
    })
}

/// The source of an exercise in a submission: a checkout, a folder of exercises, or, if only one is
/// graded, its folder or its files.
fn hand_in(exercise: &Lesson, from: Option<&Path>, count: usize) -> Result<Files> {
    let Some(from) = from else {
        return submission::collect(&exercise.folder.join("src"));
    };
    let numbered = exercise.folder.file_name().unwrap_or_default();
    let mut places = vec![
        from.join("exercises").join(numbered).join("src"),
        from.join(numbered).join("src"),
        from.join(&exercise.name).join("src"),
        from.join(&exercise.name),
    ];
    if count == 1 {
        places.extend([from.join("src"), from.to_owned()]);
    }
    match places
        .iter()
        .find(|place| place.join("main.rs").symlink_metadata().is_ok())
    {
        Some(place) => submission::collect(place),
        None => bail!("there is no {} in {}", exercise.source(), from.display()),
    }
}

/// Judges a program; the error, if there is none, is the learner's own.
fn judge(exercise: &Lesson, suite: &Path, binary: Result<PathBuf>) -> Result<Graded> {
    let binary = match binary {
        Ok(binary) => binary,
        Err(error) => {
            return without_verdict(exercise, suite, Verdict::Failed, &format!("{error:#}"));
        }
    };
    let folder = stage::folder(exercise, "submission");
    let judged = Suite::new(suite, &folder)
        .with(["--program".as_ref(), binary.as_os_str()])
        .judge();
    match judged {
        Ok(report) => Ok(Graded::new(exercise, report)),
        Err(error) => without_verdict(exercise, suite, Verdict::NotJudged, &format!("{error:#}")),
    }
}

/// All checks of an exercise, none of which was run: the first says why, and the others wait for it.
fn without_verdict(exercise: &Lesson, suite: &Path, verdict: Verdict, why: &str) -> Result<Graded> {
    let nothing = catalog::target().join("no-such-program");
    let suite =
        Suite::new(suite, &exercise.folder).with(["--program".as_ref(), nothing.as_os_str()]);
    let mut graded = Graded::new(exercise, suite.judge()?);
    for (index, check) in graded.checks.iter_mut().enumerate() {
        check.transcript.clear();
        check.seconds = 0.0;
        (check.verdict, check.message) = match index {
            0 => (
                verdict,
                why.lines().map(|line| format!("    {line}\n")).collect(),
            ),
            _ if verdict == Verdict::Failed => (Verdict::Blocked, "see the first check".to_owned()),
            _ => (verdict, "see the first check".to_owned()),
        };
    }
    Ok(graded)
}

impl Graded {
    fn new(exercise: &Lesson, report: Report) -> Self {
        let (points, got, seed) = (report.points(), report.got(), report.seed);
        let checks = report.checks.into_iter().map(|check| GradedCheck {
            points: check.points.unwrap_or_default(),
            got: check.got.unwrap_or_default(),
            name: check.name,
            title: check.title,
            verdict: check.verdict,
            message: check.message,
            transcript: check.transcript,
            seconds: check.seconds,
        });
        Self {
            name: exercise.name.clone(),
            points,
            got,
            seed,
            checks: checks.collect(),
        }
    }
}

impl Grade {
    /// 0: all passed. 1: not all did. 2: something could not be judged.
    fn status(&self) -> u8 {
        let mut verdicts = self
            .exercises
            .iter()
            .flat_map(|exercise| &exercise.checks)
            .map(|check| check.verdict);
        match verdicts
            .clone()
            .any(|verdict| verdict == Verdict::NotJudged)
        {
            true => 2,
            false => u8::from(
                !verdicts.all(|verdict| matches!(verdict, Verdict::Passed | Verdict::Skipped)),
            ),
        }
    }
}

/// A report that takes its place when it is whole.
struct Out {
    file: PathBuf,
    fresh: PathBuf,
}

impl Out {
    fn create(file: &Path) -> Result<Self> {
        let mut fresh = file.as_os_str().to_owned();
        fresh.push(".new");
        let out = Self {
            file: file.to_owned(),
            fresh: fresh.into(),
        };
        fs::write(&out.fresh, "").with_context(|| format!("cannot write to {}", file.display()))?;
        Ok(out)
    }

    fn write(self, text: &str) -> Result<()> {
        let plain = anstream::adapter::strip_str(text).to_string();
        let written =
            fs::write(&self.fresh, plain).and_then(|()| fs::rename(&self.fresh, &self.file));
        written.with_context(|| format!("cannot write {}", self.file.display()))
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.fresh); // which is gone if all went well
    }
}
