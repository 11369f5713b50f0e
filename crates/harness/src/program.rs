//! What to start: the package's own binary, or any program in any language.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::conversation::{Recorder, What};
use crate::failure::{Failure, skip};
use crate::kernel;
use crate::output::Stream;
use crate::process::{Ended, Input, Process};
use crate::server::Server;

/// How long a program that is to end by itself may run.
const RUN: Duration = Duration::from_secs(10);
/// No check takes longer than about this, however steadily a server drips.
pub(crate) const CHECK: Duration = Duration::from_secs(60);

/// Where a program is that others have written: in one of the folders of PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.find(|program| program.is_file())
}

/// The path of an example of the package whose test asks, for [`Suite`](crate::Suite): cargo builds it beside the
/// tests. `None`, and a word on it, if it has not: it does not for a test program that is asked for alone.
pub fn example(name: &str) -> Option<String> {
    let test = std::env::current_exe().ok()?;
    let built = test.parent()?.parent()?; // the test itself is in `deps`, below that
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = built.join("examples").join(file);
    if !program.is_file() {
        let remedy = "`cargo build --examples` builds it, and so does a plain `cargo test`";
        anstream::eprintln!("left out: there is no example {name} yet; {remedy}");
        return None;
    }
    program.to_str().map(str::to_owned)
}

/// A command line with gaps: `{addr}`, `{host}` and `{port}` for where to listen, and `{args}` for
/// what else a check asks for.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<String>,
    /// How many words at the start are shown as this name instead.
    name: Option<(usize, String)>,
    /// Whether it keeps to the contract of this course, and so prints a ready line.
    pub(crate) promises_ready_line: bool,
    /// A server that runs already, and is only talked to.
    pub(crate) against: Option<SocketAddr>,
    /// Whether a server that passed is stopped only when it has come to rest.
    pub(crate) settles: bool,
    pub(crate) seed: u64,
    pub(crate) recorder: Recorder,
    /// When the check is to be over.
    pub(crate) give_up: Instant,
}

impl Program {
    /// The program at `path`, started as `path --bind ADDRESS ARGUMENTS`: it prints a ready line.
    pub fn new(path: &str) -> Self {
        let words = [path, "--bind", "{addr}", "{args}"].map(str::to_owned);
        Self {
            words: words.into(),
            name: None,
            promises_ready_line: true,
            against: None,
            settles: false,
            seed: 0,
            recorder: Recorder::new(false),
            give_up: Instant::now() + CHECK,
        }
    }

    /// The program at `path` that is no server, started as `path ARGUMENTS`.
    pub fn without_address(path: &str) -> Self {
        Self {
            words: [path, "{args}"].map(str::to_owned).into(),
            ..Self::new(path)
        }
    }

    /// Any command line, split into words as a POSIX shell does. It need not print a ready line.
    ///
    /// # Errors
    ///
    /// If a quote is not closed or there is no word at all.
    pub fn from_command_line(command_line: &str) -> Result<Self, String> {
        let words = shlex::split(command_line).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| format!("not a command line: {command_line}"))?;
        Ok(Self {
            words,
            promises_ready_line: false,
            ..Self::new("")
        })
    }

    /// The same command line for another binary, which is called `name` in transcripts; `words` are
    /// what it is started by way of, and its path.
    pub(crate) fn replace_binary(&mut self, words: Vec<String>, name: &str) {
        self.name = Some((words.len(), name.to_owned()));
        self.words.splice(..1, words);
    }

    /// The same program with a record and a time of its own, for one check.
    pub(crate) fn fresh(&self, seed: u64) -> Self {
        Self {
            seed,
            recorder: Recorder::new(self.against.is_some()),
            give_up: Instant::now() + CHECK,
            ..self.clone()
        }
    }

    /// Random numbers that are the same for the same `--seed`.
    pub fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed)
    }

    /// Starts a server on `bind` and waits until it is ready.
    #[track_caller]
    pub fn start<S: AsRef<str>>(&self, bind: SocketAddr, arguments: &[S]) -> Server {
        Server::start(self.clone(), bind, owned(arguments))
    }

    /// Runs a program that ends by itself, within 10 s.
    #[track_caller]
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Finished {
        self.run_at("127.0.0.1:0", arguments)
    }

    /// The same for a server that is not to start: it is told to listen on `address`, be it nonsense.
    #[track_caller]
    pub fn run_at<S: AsRef<str>>(&self, address: &str, arguments: &[S]) -> Finished {
        let process = self.spawn(address, &owned(arguments), Input::Ended);
        let Some(ended) = process.wait(Instant::now() + RUN) else {
            let got = format!("still running after {} s", RUN.as_secs());
            Failure::new("a program that ends by itself", got).raise();
        };
        Finished::of(&process, ended)
    }

    /// Starts a program that stays until its standard input ends, and waits until it has printed so many
    /// lines, or waits for something else, or has ended.
    #[track_caller]
    pub fn hold<S: AsRef<str>>(&self, arguments: &[S], lines: usize) -> Held {
        let process = self.spawn("", &owned(arguments), Input::Open);
        process.wait_patiently(|printed| {
            let text = printed.stream(Stream::Stdout).text();
            let enough = text.matches('\n').count() >= lines;
            (enough || process.ended().is_some()).then_some(())
        });
        process.settle();
        Held { process }
    }

    pub(crate) fn spawn(&self, address: &str, arguments: &[String], input: Input) -> Process {
        if self.against.is_some() {
            skip("it starts the program itself, and here one is running already");
        }
        if !arguments.is_empty() && !self.words.iter().any(|word| word == "{args}") {
            let needed = arguments.join(" ");
            skip(format!(
                "it needs `{needed}`; put {{args}} where --server takes more arguments"
            ));
        }
        let words = self.words.iter().flat_map(|word| match word.as_str() {
            "{args}" => arguments.to_vec(),
            word => vec![fill(word, address)],
        });
        let words: Vec<String> = words.collect();
        let (hidden, name) = match &self.name {
            Some((count, name)) => (*count, name.as_str()),
            None => (1, file_name(&words[0])),
        };
        let shown = words[hidden..].iter().map(|word| file_name(word));
        let command = shlex::try_join([name].into_iter().chain(shown)).unwrap_or_default();
        self.recorder.server(What::Started { command });
        Process::start(&words, input, &self.recorder)
    }
}

fn owned<S: AsRef<str>>(words: &[S]) -> Vec<String> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

fn fill(word: &str, address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let word = word.replace("{addr}", address);
    word.replace("{host}", host).replace("{port}", port)
}

/// The path of a build is nobody's business in a transcript.
fn file_name(word: &str) -> &str {
    let path = Path::new(word);
    let name = path
        .file_name()
        .and_then(OsStr::to_str)
        .filter(|_| path.is_absolute());
    let name = name.unwrap_or(word);
    name.strip_suffix(std::env::consts::EXE_SUFFIX)
        .unwrap_or(name)
}

/// A program that stays until its standard input ends, so that others can look at what it has opened.
#[must_use = "end its input, and look at how it ended: release"]
pub struct Held {
    process: Process,
}

impl Held {
    /// What it has printed on standard output so far.
    pub fn stdout(&self) -> String {
        self.process.output.lines().stream(Stream::Stdout).text()
    }

    /// The socket that the program calls by this number, as it has printed it, to be asked what it is
    /// (`pidfd_getfd(2)`). `None` if the system lets nobody look, or the program has ended.
    ///
    /// Fails the check if it has no such socket open.
    #[track_caller]
    pub fn socket(&self, descriptor: &str) -> Option<Socket> {
        // No descriptor is so large that it does not fit.
        let number = descriptor.parse().unwrap_or(-1);
        match kernel::open_socket(self.process.id, number) {
            Ok(Some(socket)) => Some(socket),
            _ if self.process.ended().is_some() => None, // release tells
            Err(_) => None,
            Ok(None) => {
                let expected = format!("descriptor {descriptor} to be an open socket");
                Failure::new(expected, "it is none: closed again, or never open").raise()
            }
        }
    }

    /// Ends its standard input, and waits for its end.
    ///
    /// Fails the check if it had ended before with exit status 0, or does not end now.
    #[track_caller]
    pub fn release(self) -> Finished {
        let early = self.process.wait(Instant::now());
        if let Some(ended) = early {
            if ended.status.success() {
                let got = format!("its end while its standard input was open: {}", ended.how());
                Failure::new("a program that stays until its standard input ends", got).raise();
            }
            return Finished::of(&self.process, ended);
        }
        self.process.end_input();
        let Some(ended) = self.process.wait_for_end() else {
            let expected = "a program that ends when its standard input ends";
            Failure::new(expected, "still running, 2 s after that").raise();
        };
        Finished::of(&self.process, ended)
    }
}

/// A program that has ended, and what it said.
#[derive(Clone)]
#[must_use = "look at how it ended: expect_status, stdout"]
pub struct Finished {
    ended: Ended,
    stdout: String,
    stderr: String,
    last_words: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn of_client(words: &[String]) -> Self {
        let program = &words[0];
        if find_program(program).is_none() && !Path::new(program).is_file() {
            skip(format!("there is no {program} on this machine"));
        }
        let process = Process::start(words, Input::Ended, &Recorder::new(false));
        let Some(ended) = process.wait(Instant::now() + CHECK) else {
            let got = format!("still running after {} s", CHECK.as_secs());
            Failure::new(format!("{program} to come to an end"), got).raise();
        };
        Self::of(&process, ended)
    }

    fn of(process: &Process, ended: Ended) -> Self {
        let mut lines = process.output.lines();
        let stdout = lines.stream(Stream::Stdout).text();
        let stderr = lines.stream(Stream::Stderr).text();
        drop(lines);
        Self {
            ended,
            stdout,
            stderr,
            last_words: process.last_words().unwrap_or_default(),
        }
    }

    /// Fails unless the exit status is `expected`.
    #[track_caller]
    pub fn expect_status(self, expected: i32) -> Self {
        if self.ended.status.code() != Some(expected) {
            let failure = Failure::new(format!("exit status {expected}"), self.ended.how());
            let words = Some(self.last_words.clone()).filter(|words| !words.is_empty());
            failure
                .entries(words.map(|words| ("stderr", words)))
                .raise();
        }
        self
    }

    /// Fails unless everything printed on standard output is exactly `expected`.
    #[track_caller]
    pub fn expect_stdout(self, expected: &str) -> Self {
        expect_text("stdout", expected, &self.stdout);
        self
    }

    /// Fails unless everything printed on standard error is exactly `expected`.
    #[track_caller]
    pub fn expect_stderr(self, expected: &str) -> Self {
        expect_text("stderr", expected, &self.stderr);
        self
    }

    /// Fails unless a line on standard error begins with `beginning`.
    #[track_caller]
    pub fn expect_complaint(self, beginning: &str) -> Self {
        if !self.stderr.lines().any(|line| line.starts_with(beginning)) {
            let expected = format!("a line on stderr that begins with \"{beginning}\"");
            let got = match self.last_words.as_str() {
                "" => "nothing on stderr",
                words => words,
            };
            Failure::new(expected, got).raise();
        }
        self
    }

    /// Everything printed on standard error.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Everything printed on standard output.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }
}

#[track_caller]
fn expect_text(stream: &str, expected: &str, got: &str) {
    if let Some(difference) = crate::bytes::Difference::between(expected.as_bytes(), got.as_bytes())
    {
        Failure::of_bytes(difference, &format!("on {stream}"), "").raise();
    }
}
