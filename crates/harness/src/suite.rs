//! A suite: named checks, run as a test program, each against a server of its own.

use std::any::Any;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::descriptors::allow_descriptors;
use crate::failure::{Failure, NotJudged, Skipped, write_entry};
use crate::group::adopt_strays;
use crate::program::Program;
use crate::report::{Judged, Report, Verdict};
use crate::server::Server;

/// For a check with a thousand clients, and for its server. Many systems give a program 1,024, or 256, until it asks.
const DESCRIPTORS: u64 = 4096;

/// One behaviour that is checked, and what there is to learn from it.
pub struct Check {
    title: String,
    body: Body,
    why: Option<String>,
    notice: Option<String>,
    page: Option<String>,
    points: Option<u32>,
    needs: Option<String>,
    bind: SocketAddr,
    arguments: Vec<String>,
}

enum Body {
    Server(Box<dyn Fn(&Server) + Send + Sync>),
    Program(Box<dyn Fn(&Program) + Send + Sync>),
}

impl Check {
    /// A check that talks with a fresh server. `title` says the behaviour, as a sentence.
    pub fn new(title: &str, body: impl Fn(&Server) + Send + Sync + 'static) -> Self {
        Self::with_body(title, Body::Server(Box::new(body)))
    }

    /// A check that starts the program itself: one that is no server, or does not become one.
    pub fn of_program(title: &str, body: impl Fn(&Program) + Send + Sync + 'static) -> Self {
        Self::with_body(title, Body::Program(Box::new(body)))
    }

    fn with_body(title: &str, body: Body) -> Self {
        Self {
            title: title.to_owned(),
            body,
            why: None,
            notice: None,
            page: None,
            points: None,
            needs: None,
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            arguments: Vec::new(),
        }
    }

    /// Why the behaviour matters: shown when the check fails.
    #[must_use]
    pub fn teaches(mut self, why: &str) -> Self {
        self.why = Some(why.to_owned());
        self
    }

    /// What to notice in the conversation. A check that has this is shown by the tour.
    #[must_use]
    pub fn notice(mut self, notice: &str) -> Self {
        self.notice = Some(notice.to_owned());
        self
    }

    /// Where the book explains it: a file and the title of a section.
    #[must_use]
    pub fn page(mut self, file: &str, section: &str) -> Self {
        self.page = Some(format!("{file}, \"{section}\""));
        self
    }

    /// What the check is worth.
    #[must_use]
    pub fn points(mut self, points: u32) -> Self {
        self.points = Some(points);
        self
    }

    /// The title of an earlier check without which this one says nothing. If it is not given, that is the first one.
    #[must_use]
    pub fn needs(mut self, title: &str) -> Self {
        self.needs = Some(title.to_owned());
        self
    }

    /// Where the server is told to listen, instead of a free port of 127.0.0.1.
    #[must_use]
    pub fn bind(mut self, address: impl Into<SocketAddr>) -> Self {
        self.bind = address.into();
        self
    }

    /// What else the server is started with.
    #[must_use]
    pub fn arguments<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// The title as one word: `a-line-in-pieces-is-answered-once`.
    pub fn name(&self) -> String {
        check_name(&self.title)
    }
}

/// A title as the name of its check. A name stays as it is.
pub fn check_name(title: &str) -> String {
    let words = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// The checks of one program, in the order in which a learner should meet them.
///
/// The first is the small success that everything else stands on: if it fails, the others are blocked.
pub struct Suite {
    package: String,
    program: Program,
    replay: Option<String>,
    /// What `--server` said, if it said something.
    command_line: Option<String>,
    page: Option<String>,
    checks: Vec<Check>,
}

/// What the suite's test program understands, besides what every test program does.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    test: Arguments,

    /// Print each conversation, in order
    #[arg(long)]
    show: bool,

    /// Take only the checks that say what to notice
    #[arg(long)]
    notable: bool,

    /// Drive this program: {addr} or {host}, {port}; {args} for more
    #[arg(long, value_name = "CMD")]
    server: Option<String>,

    /// Talk to a server that runs already, and print as it goes
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server", value_parser = resolve)]
    against: Option<SocketAddr>,

    /// Drive this binary instead of the package's own
    #[arg(long, value_name = "PATH", conflicts_with_all = ["server", "against"])]
    program: Option<String>,

    /// Start that binary by way of these words, such as a sandbox
    #[arg(long, value_name = "CMD", requires = "program")]
    through: Option<String>,

    /// Write the result to this file, as JSON; - is standard output, and nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Read a word from standard input and put it in the report
    #[arg(long, requires = "report")]
    seal: bool,

    /// Repeat what was random in an earlier run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Stop no server before it has come to rest and said its last words
    #[arg(long)]
    settle: bool,
}

impl Suite {
    /// A suite for the server of `package`, whose binary is at `path`: `env!("CARGO_BIN_EXE_name")`.
    pub fn new(package: &str, path: &str) -> Self {
        Self {
            package: package.to_owned(),
            program: Program::new(path),
            replay: None,
            command_line: None,
            page: None,
            checks: Vec::new(),
        }
    }

    /// A suite for a program that is no server, and takes no address.
    pub fn without_address(package: &str, path: &str) -> Self {
        Self {
            program: Program::without_address(path),
            ..Self::new(package, path)
        }
    }

    /// The command that plays one check again: `{check}` and `{seed}` are filled in. If it is not given,
    /// that is `cargo test`.
    #[must_use]
    pub fn replayed_by(mut self, command: &str) -> Self {
        self.replay = Some(command.to_owned());
        self
    }

    /// Where the book explains those checks that name no page of their own.
    #[must_use]
    pub fn page(mut self, file: &str, section: &str) -> Self {
        self.page = Some(format!("{file}, \"{section}\""));
        self
    }

    /// Adds a check.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds several checks.
    #[must_use]
    pub fn checks(mut self, checks: impl IntoIterator<Item = Check>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// Runs as a test program: reads the command line, judges, prints, and returns the exit status.
    pub fn run(mut self) -> ExitCode {
        let mut options = Options::parse();
        // A check mostly waits.
        options.test.test_threads.get_or_insert(4);
        if let Err(problem) = self.choose_program(&mut options) {
            anstream::eprintln!(
                "error: --server: {problem}\nhint: try --server 'python3 server.py {{addr}}'"
            );
            return ExitCode::from(2);
        }
        adopt_strays();
        allow_descriptors(DESCRIPTORS);
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        let mut session = Session::new(self, seed);
        session.select(&options);
        session.seal = options.seal.then(seal);
        let session = Arc::new(session);
        if options.report.as_deref() == Some(Path::new("-")) {
            return session.report_only(options.test.test_threads.unwrap_or(1));
        }
        let status = if options.show || options.against.is_some() {
            session.show()
        } else {
            session.test(&options.test)
        };
        // Written when the last server is gone.
        match options
            .report
            .map_or(Ok(()), |file| session.write_report(&file))
        {
            Ok(()) => status,
            Err(error) => {
                anstream::eprintln!("error: cannot write the report: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Drives another program than the package's own, if the command line says so.
    fn choose_program(&mut self, options: &mut Options) -> Result<(), String> {
        if let Some(command_line) = options.server.take() {
            self.program = Program::from_command_line(&command_line)?;
            self.command_line = Some(command_line);
        }
        if let Some(path) = options.program.take() {
            let through = options.through.as_deref().and_then(shlex::split);
            let words = through.unwrap_or_default().into_iter().chain([path]);
            self.program.replace_binary(words.collect(), &self.package);
        }
        self.program.against = options.against;
        self.program.settles = options.settle;
        Ok(())
    }

    /// Judges every check, one after the other, and returns what came of them.
    pub fn judge(self, seed: u64) -> Report {
        let session = Session::new(self, seed);
        session.judge_selected().for_each(drop);
        session.report()
    }
}

/// One run of a suite. A check is judged once, whoever asks: the runner, or a check that needs it.
struct Session {
    suite: Suite,
    seed: u64,
    seal: Option<String>,
    /// The checks that are asked for.
    selected: Vec<usize>,
    /// For each check the earlier one that it stands on.
    needs: Vec<Option<usize>>,
    judged: Vec<OnceLock<Judged>>,
}

impl Session {
    fn new(suite: Suite, seed: u64) -> Self {
        let checks = &suite.checks;
        let needs = checks.iter().enumerate().map(|(index, check)| {
            let earlier = &checks[..index];
            let same = |other: &&Check| other.name() == check.name();
            assert!(
                earlier.iter().find(same).is_none(),
                "two checks are named {}",
                check.name()
            );
            match &check.needs {
                Some(title) => match earlier.iter().position(|check| check.title == *title) {
                    Some(needed) => Some(needed),
                    None => panic!(
                        "{:?} needs {title:?}, which is no earlier check",
                        check.title
                    ),
                },
                None => (index > 0).then_some(0),
            }
        });
        Self {
            needs: needs.collect(),
            selected: (0..checks.len()).collect(),
            judged: checks.iter().map(|_| OnceLock::new()).collect(),
            suite,
            seed,
            seal: None,
        }
    }

    /// Leaves out what the command line does not ask for.
    fn select(&mut self, options: &Options) {
        let checks = &self.suite.checks;
        self.selected.retain(|index| {
            let check = &checks[*index];
            let trial = Trial::test(check.name(), || Ok(()));
            !options.test.is_filtered_out(&trial) && (!options.notable || check.notice.is_some())
        });
    }

    fn judge_selected(&self) -> impl Iterator<Item = &Judged> {
        self.selected.iter().map(|index| self.judge(*index))
    }

    fn test(self: &Arc<Self>, arguments: &Arguments) -> ExitCode {
        let trials = self.selected.iter().map(|index| {
            let (session, index) = (Arc::clone(self), *index);
            Trial::ignorable_test(self.suite.checks[index].name(), move || {
                session.judge(index).completion()
            })
        });
        let conclusion = libtest_mimic::run(arguments, trials.collect());
        if conclusion.has_failed() {
            return conclusion.exit_code();
        }
        // A blocked check is listed as ignored. Asked for alone, it must not look like a success.
        let blocked = self
            .report()
            .checks
            .into_iter()
            .filter(|check| !check.is_good());
        for check in blocked {
            anstream::eprintln!("{}", check.render_briefly());
        }
        self.status()
    }

    fn show(&self) -> ExitCode {
        if self.selected.is_empty() {
            anstream::eprintln!("error: there is no such check\nhint: these there are:");
            for check in &self.suite.checks {
                anstream::eprintln!("  {}", check.name());
            }
            return ExitCode::from(2);
        }
        for index in &self.selected {
            let judged = self.judge(*index);
            if let Some(cause) = self.cause(*index) {
                anstream::println!("{}", cause.render());
            }
            match self.suite.program.against {
                Some(_) => anstream::println!("{}", judged.render_briefly()), // the rest was printed as it came
                None => anstream::println!("{}", judged.render()),
            }
        }
        anstream::println!("{}   (seed {})", self.report().summary(), self.seed);
        self.status()
    }

    /// The check that blocks this one, if nobody has asked for it and so would not see why it failed.
    fn cause(&self, index: usize) -> Option<&Judged> {
        let mut cause = index;
        while self.judge(cause).verdict == Verdict::Blocked {
            cause = self.needs[cause]?;
        }
        (!self.selected.contains(&cause)).then(|| self.judge(cause))
    }

    /// Judges what is asked for, several checks at a time, and writes nothing but the report.
    fn report_only(&self, threads: usize) -> ExitCode {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    while let Some(index) = self.selected.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        self.judge(*index);
                    }
                });
            }
        });
        let json = serde_json::to_vec(&self.report()).unwrap_or_default();
        match io::stdout().write_all(&json) {
            Ok(()) => self.status(),
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// What a test program ends with.
    fn status(&self) -> ExitCode {
        match self.report().checks.iter().all(Judged::is_good) {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(101),
        }
    }

    fn report(&self) -> Report {
        let judged = |index: &usize| self.judged[*index].get().cloned();
        let checks = self.selected.iter().filter_map(judged).collect();
        Report {
            suite: self.suite.package.clone(),
            seed: self.seed,
            seal: self.seal.clone(),
            checks,
        }
    }

    fn write_report(&self, file: &Path) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(&self.report())?;
        std::fs::write(file, json)
    }

    fn judge(&self, index: usize) -> &Judged {
        self.judged[index].get_or_init(|| {
            let check = &self.suite.checks[index];
            let program = self.suite.program.fresh(self.seed);
            let started = Instant::now();
            let outcome = match self.blocked_by(index) {
                Some(earlier) => Outcome::Blocked(earlier),
                None => check.perform(&program),
            };
            self.verdict(check, &program, outcome, started.elapsed())
        })
    }

    /// The title of the check that this one stands on, if that did not pass.
    fn blocked_by(&self, index: usize) -> Option<String> {
        if self.suite.program.against.is_some() {
            return None; // whoever asks for one check by hand wants to see that one
        }
        let judged = self.judge(self.needs[index]?);
        (!judged.is_good()).then(|| judged.title.clone())
    }

    fn verdict(
        &self,
        check: &Check,
        program: &Program,
        outcome: Outcome,
        took: Duration,
    ) -> Judged {
        let (verdict, message) = outcome.words();
        let conversation = program.recorder.conversation();
        Judged {
            name: check.name(),
            title: check.title.clone(),
            points: check.points,
            got: match verdict {
                Verdict::Passed => check.points,
                Verdict::Failed | Verdict::Blocked => check.points.map(|_| 0),
                Verdict::NotJudged | Verdict::Skipped => None,
            },
            verdict,
            message,
            why: check.why.clone(),
            notice: check.notice.clone(),
            page: check.page.as_ref().or(self.suite.page.as_ref()).cloned(),
            replay: self.replay(check),
            transcript: anstream::adapter::strip_str(&conversation.render()).to_string(),
            conversation,
            seconds: took.as_secs_f64(),
        }
    }

    fn replay(&self, check: &Check) -> String {
        let program = std::env::current_exe().unwrap_or_default();
        let stem = program
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        // Cargo names a test program after its target and a hash.
        let target = stem.rsplit_once('-').map_or(stem, |(target, _)| target);
        let package = &self.suite.package;
        let own = format!(
            "cargo test -p {package} --test {target} -- --show --exact {{check}} --seed {{seed}}"
        );
        let command = self.suite.replay.as_ref().unwrap_or(&own);
        let mut command = command
            .replace("{check}", &check.name())
            .replace("{seed}", &self.seed.to_string());
        if let Some(address) = self.suite.program.against {
            command += &format!(" --against {address}");
        }
        if let Some(Ok(server)) = self.suite.command_line.as_deref().map(shlex::try_quote) {
            command += &format!(" --server {server}");
        }
        command
    }
}

/// The word that proves to whoever started this program that the report is its own. No server can
/// know it: it is gone from the input, and on Linux nobody may look into this program's memory.
fn seal() -> String {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let mut word = String::new();
    let _ = io::stdin().read_line(&mut word); // without a word there is no proof
    word.trim_end().to_owned()
}

/// How a check went, before there is a word on it.
enum Outcome {
    Passed,
    Failed(Box<Failure>),
    Blocked(String),
    NotJudged(String),
    Skipped(String),
}

impl Check {
    fn perform(&self, program: &Program) -> Outcome {
        let performed = catch_unwind(AssertUnwindSafe(|| match &self.body {
            Body::Program(body) => body(program),
            Body::Server(body) => {
                let server = program.start(self.bind, &self.arguments);
                let talked = catch_unwind(AssertUnwindSafe(|| {
                    body(&server);
                    server.expect_running();
                    if program.settles {
                        server.come_to_rest();
                    }
                }));
                if let Err(payload) = talked {
                    match payload.downcast::<Failure>() {
                        Ok(failure) => failure.entries(server.traces()).raise(),
                        Err(other) => resume_unwind(other),
                    }
                }
            }
        }));
        performed.map_or_else(Outcome::of_panic, |()| Outcome::Passed)
    }
}

impl Outcome {
    /// The verdict, and the labelled lines that explain it.
    fn words(self) -> (Verdict, String) {
        let mut text = String::new();
        let verdict = match self {
            Self::Passed => Verdict::Passed,
            Self::Failed(failure) => {
                text = failure.text();
                if let Some(at) = failure.at() {
                    write_entry(&mut text, "at", &at);
                }
                Verdict::Failed
            }
            Self::Blocked(earlier) => {
                let until = format!("until this passes: {earlier}");
                write_entry(&mut text, "blocked", &until);
                Verdict::Blocked
            }
            Self::NotJudged(reason) => {
                let trouble = format!("{reason}\nthis says nothing about the server");
                write_entry(&mut text, "trouble", &trouble);
                Verdict::NotJudged
            }
            Self::Skipped(reason) => {
                write_entry(&mut text, "left out", &reason);
                Verdict::Skipped
            }
        };
        (verdict, text)
    }

    fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let payload = match payload.downcast::<Failure>() {
            Ok(failure) => return Self::Failed(failure),
            Err(other) => other,
        };
        if let Some(Skipped(reason)) = payload.downcast_ref() {
            return Self::Skipped(reason.clone());
        }
        if let Some(NotJudged(reason)) = payload.downcast_ref() {
            return Self::NotJudged(reason.clone());
        }
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or(payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Self::NotJudged(format!("the check itself panicked: {text}"))
    }
}

impl Judged {
    fn completion(&self) -> Result<Completion, Failed> {
        match self.verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped | Verdict::Blocked => {
                let words: Vec<&str> = self.message.split_whitespace().collect();
                Ok(Completion::ignored_with(words.join(" ")))
            }
            Verdict::Failed | Verdict::NotJudged => {
                let text = self.render();
                let colours =
                    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
                Err(if colours {
                    text
                } else {
                    anstream::adapter::strip_str(&text).to_string()
                }
                .into())
            }
        }
    }
}

/// An address and a port; a name, too, such as localhost. Of several addresses, IPv4 first.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    let first = addresses.min_by_key(SocketAddr::is_ipv6);
    first.ok_or_else(|| "it has no address".to_owned())
}
