//! Grades exercises: builds what was handed in, in packages of ours, judges it, and reports.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, anyhow, bail, ensure};
use harness::{Report, Verdict};
use serde::Serialize;

use crate::bar::Bar;
use crate::confine;
use crate::formats::Format;
use crate::stage::{self, Files, Source};
use crate::submission;
use crate::suite::{self, Suite};
use tour::Outcome;
use tour::catalog::{self, Lesson};

/// One submission is built within this time.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// Grades, and writes a report. Whatever keeps it from that is no fault of a submission: exit status 2.
pub fn run(request: &Request) -> Outcome {
    grade_and_report(request).or_else(|error| {
        tour::complain(&error);
        Ok(ExitCode::from(2))
    })
}

fn grade_and_report(request: &Request) -> Outcome {
    let exercises = catalog::exercises_named(request.names)?;
    // A place that cannot be written to is found out before the work is done.
    let out = request.out.map(Out::create).transpose()?;
    if request.from.is_some() && !confine::is_possible() {
        anstream::eprintln!(
            "note: this system cannot confine a submission (Landlock): it runs with your rights"
        );
    }
    let alone = stage::alone()?;
    let grade = grade(&exercises, request.from)?;
    drop(alone);
    let text = request.format.render(&grade)?;
    match out {
        Some(out) => out.write(&text).inspect_err(|_| {
            anstream::print!("{text}"); // so that nobody has to grade again
        })?,
        None => anstream::print!("{text}"),
    }
    Ok(ExitCode::from(grade.status()))
}

fn grade(exercises: &[Lesson], from: Option<&Path>) -> Result<Grade> {
    if let Some(from) = from
        && !exercises
            .iter()
            .any(|exercise| place(exercise, from, exercises.len()).is_some())
    {
        bail!(
            "there is no exercise in {}\nhint: name a checkout, or one exercise and its folder",
            from.display()
        );
    }
    let suites = suite::programs(exercises, suite::CHECKS)?;
    // As they are now: what a submission makes of them later does not count.
    let suites: Vec<Result<Judge>> = suites
        .into_iter()
        .map(|suite| suite.and_then(Judge::new))
        .collect();
    let mut bar = Bar::start(exercises.len());
    let mut graded = Vec::new();
    for (exercise, judge) in exercises.iter().zip(suites) {
        bar.show(&format!("grading {}", exercise.name));
        graded.push(match (hand_in(exercise, from, exercises.len()), judge) {
            // Trouble with one is no trouble for the others.
            (Ok(files), Ok(judge)) => judge
                .judge(exercise, files)
                .or_else(|error| without_verdict(exercise, Verdict::NotJudged, &error))?,
            (Err(error), _) => without_verdict(exercise, Verdict::Failed, &error)?,
            // Our own source is what was handed in, and it does not build.
            (_, Err(error)) if from.is_none() => {
                without_verdict(exercise, Verdict::Failed, &error)?
            }
            (_, Err(error)) => without_verdict(exercise, Verdict::NotJudged, &error)?,
        });
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
        return submission::collect(&exercise.folder, Path::new("src"));
    };
    match place(exercise, from, count) {
        Some(place) => submission::collect(from, &place),
        None => bail!("there is no {} in {}", exercise.source(), from.display()),
    }
}

/// Where in a submission the source of an exercise is, if it is there.
fn place(exercise: &Lesson, from: &Path, count: usize) -> Option<PathBuf> {
    let numbered = Path::new(exercise.folder.file_name()?);
    let mut places = vec![
        Path::new("exercises").join(numbered).join("src"),
        numbered.join("src"),
        Path::new(&exercise.name).join("src"),
        PathBuf::from(&exercise.name),
    ];
    if count == 1 {
        places.extend(["src", ""].map(PathBuf::from));
    }
    places
        .into_iter()
        .find(|place| from.join(place).join("main.rs").symlink_metadata().is_ok())
}

/// The test program of an exercise, and what it was before any submission ran.
struct Judge {
    suite: PathBuf,
    bytes: Vec<u8>,
}

impl Judge {
    fn new(suite: PathBuf) -> Result<Self> {
        let bytes = fs::read(&suite).with_context(|| format!("cannot read {}", suite.display()))?;
        Ok(Self { suite, bytes })
    }

    /// Builds what was handed in, by itself (one that does not build, or not in time, holds up no
    /// other), and judges it.
    fn judge(&self, exercise: &Lesson, files: Files) -> Result<Graded> {
        let source = Source {
            exercise: exercise.clone(),
            label: "submission".into(),
            files,
        };
        stage::forget(&source)?;
        let built = stage::build(&[&source], Some(PATIENCE))?
            .pop()
            .context("it was not built")?;
        let binary = match built {
            Ok(binary) => binary,
            Err(text) => {
                return without_verdict(
                    exercise,
                    Verdict::Failed,
                    &anyhow!("it does not build\n{text}"),
                );
            }
        };
        ensure!(
            fs::read(&self.suite).is_ok_and(|now| now == self.bytes),
            "somebody has changed {}\nhint: `cargo clean`, and grade where a submission can do no harm",
            self.suite.display()
        );
        let suite = Suite::new(&self.suite, &stage::folder(exercise, "submission"));
        let report = suite.confined(&binary)?.judge()?;
        Ok(Graded::new(exercise, report))
    }
}

/// All checks of an exercise, none of which was run: the first says why, and the others wait for it.
fn without_verdict(exercise: &Lesson, verdict: Verdict, why: &anyhow::Error) -> Result<Graded> {
    let why: String = format!("{why:#}")
        .lines()
        .map(|line| format!("    {}\n", seen(line)))
        .collect();
    let checks = exercise
        .points()?
        .into_iter()
        .enumerate()
        .map(|(index, (title, points))| {
            let (verdict, message) = match (index, verdict) {
                (0, verdict) => (verdict, why.clone()),
                (_, Verdict::Failed) => (
                    Verdict::Blocked,
                    "    blocked   see the first check\n".to_owned(),
                ),
                (_, verdict) => (verdict, String::new()),
            };
            let name = harness::check_name(&title);
            GradedCheck {
                name,
                title,
                points,
                got: 0,
                verdict,
                message,
                transcript: String::new(),
                seconds: 0.0,
            }
        });
    let checks: Vec<GradedCheck> = checks.collect();
    let points = checks.iter().map(|check| check.points).sum();
    Ok(Graded {
        name: exercise.name.clone(),
        points,
        got: 0,
        seed: 0,
        checks,
    })
}

/// The compiler quotes the source, which may hold what moves a cursor.
fn seen(line: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    line.chars().map(escape).collect()
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

/// Where the report goes: a file takes the new one when that is whole; anything else is written to.
struct Out {
    file: PathBuf,
    fresh: Option<tempfile::NamedTempFile>,
}

impl Out {
    fn create(file: &Path) -> Result<Self> {
        let problem = || format!("cannot write to {}", file.display());
        // A link stays one; what it points to is what is written.
        let file = &fs::canonicalize(file).unwrap_or(file.to_owned());
        let fresh = match fs::metadata(file) {
            Ok(metadata) if metadata.is_dir() => bail!("{}: it is a folder", problem()),
            Ok(metadata) if !metadata.is_file() => None, // a device or a pipe
            _ => {
                let folder = file
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                Some(readable().tempfile_in(folder).with_context(problem)?)
            }
        };
        Ok(Self {
            file: file.to_owned(),
            fresh,
        })
    }

    fn write(self, text: &str) -> Result<()> {
        let plain = anstream::adapter::strip_str(text).to_string();
        let written = match self.fresh {
            Some(fresh) => {
                let written = fs::write(fresh.path(), plain);
                written.and_then(|()| fresh.persist(&self.file).map(drop).map_err(io::Error::from))
            }
            None => fs::write(&self.file, plain),
        };
        written.with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// A new file for whoever may read what this user writes: a temporary one is for its owner alone.
fn readable() -> tempfile::Builder<'static, 'static> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "other systems have no modes"))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder
}
