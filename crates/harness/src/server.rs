//! A server under test: started, ready, spoken to, and gone.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::process::Signal;

use crate::bytes::{Excerpt, escape_controls};
use crate::client::{Client, Refusal, Target};
use crate::conversation::{Conversation, Recorder, What, shorten};
use crate::failure::{Failure, skip};
use crate::kernel;
use crate::listening::Listening;
use crate::output::{Lines, READY, Stream};
use crate::peer::Peer;
use crate::process::{DYING, Input, LAST_WORDS, Process, TICK};
use crate::program::{Finished, Program};

/// A server says within this time that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// A server that is asked to end does so, and one that is to print a line prints it, within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A server that waits sleeps for so long, and wakes at most so often meanwhile: some look twice a second
/// whether they are to end.
const NAP: Duration = Duration::from_millis(50);
const WAKES: u64 = 2;
/// A client is let in or refused at once, but Windows asks again for 2 s before it believes a refusal.
const CONNECT_WITHIN: Duration = Duration::from_secs(if cfg!(windows) { 5 } else { 2 });
/// This many of the lines that were not the right one are shown.
const PASSED: usize = 5;
/// A program that may print no ready line is taken as ready when it has listened for this long.
const QUIET: Duration = Duration::from_millis(100);

/// A server program that runs, and is ready for clients.
///
/// When it is dropped its processes are gone, children included, whatever state they are in.
pub struct Server {
    program: Program,
    told: SocketAddr,
    arguments: Vec<String>,
    address: Mutex<SocketAddr>,
    process: Mutex<Option<Process>>,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(program: Program, told: SocketAddr, arguments: Vec<String>) -> Self {
        let (process, address) = match program.against {
            Some(address) => (None, address),
            None => {
                let process = program.spawn(&told.to_string(), &arguments, Input::Ended);
                let address = wait_until_ready(&program, &process, told);
                (Some(process), address)
            }
        };
        Self {
            program,
            told,
            arguments,
            address: Mutex::new(address),
            process: Mutex::new(process),
        }
    }

    /// Where it listens: what its ready line said, or what the system says of a program without one.
    pub fn address(&self) -> SocketAddr {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self) -> Target {
        Target {
            address: self.address(),
            from: None,
            process: self.process().as_ref().map(|process| process.id),
            give_up: self.program.give_up,
            recorder: self.program.recorder.clone(),
        }
    }

    /// Opens a TCP connection, named `client` in the transcript. Fails the check if it is refused.
    #[track_caller]
    pub fn connect(&self) -> Client {
        self.connect_as("client")
    }

    /// Opens a TCP connection under a name of its own: for conversations of several clients.
    #[track_caller]
    pub fn connect_as(&self, name: &str) -> Client {
        match Client::connect(name, self.target(), CONNECT_WITHIN) {
            Ok(client) => client,
            Err(refusal) => self.cannot_connect(&refusal).raise(),
        }
    }

    /// Opens a TCP connection to another port of the address at which the server is reached: FTP's second
    /// connection, say. Fails the check if it is refused.
    #[track_caller]
    pub fn connect_to(&self, name: &str, port: u16) -> Client {
        self.connect_elsewhere(name, None, port)
    }

    /// The same from another address of this machine, such as 127.0.0.2: Linux has all of 127.0.0.0/8. Skips the check
    /// where there is no such address.
    #[track_caller]
    pub fn connect_from(&self, name: &str, from: IpAddr, port: u16) -> Client {
        if let Err(error) = TcpListener::bind((from, 0)) {
            skip(format!("this system has no address {from}: {error}"));
        }
        self.connect_elsewhere(name, Some(from), port)
    }

    #[track_caller]
    fn connect_elsewhere(&self, name: &str, from: Option<IpAddr>, port: u16) -> Client {
        let address = SocketAddr::new(self.address().ip(), port);
        let target = Target {
            address,
            from,
            ..self.target()
        };
        match Client::connect(name, target, CONNECT_WITHIN) {
            Ok(client) => client,
            Err(refusal) => {
                Failure::new(format!("a connection to {address}"), refusal.name()).raise()
            }
        }
    }

    /// A client at a free port of this machine, under this name, that waits for the server to connect to it.
    pub fn await_client(&self, name: &str) -> Listening {
        Listening::new(name, self.target())
    }

    /// Where the server listens at this moment, in order, as the system knows; `None` where that does not tell.
    pub fn listeners(&self) -> Option<Vec<SocketAddr>> {
        let group = self.process().as_ref()?.id;
        kernel::listeners(group)
    }

    /// A UDP socket that sends to this server, named `peer` in the transcript.
    #[must_use = "a peer that nothing is expected of proves nothing"]
    pub fn peer(&self) -> Peer {
        self.peer_as("peer")
    }

    /// A UDP socket that sends to this server, under a name of its own.
    #[must_use = "a peer that nothing is expected of proves nothing"]
    pub fn peer_as(&self, name: &str) -> Peer {
        Peer::new(name, self.target())
    }

    /// One of so many that the conversation would be about nobody else.
    pub(crate) fn unrecorded_peer(&self) -> Peer {
        let target = Target {
            recorder: Recorder::new(false),
            ..self.target()
        };
        Peer::new("one of many", target)
    }

    /// What all of those have sent, in one line of the conversation.
    pub(crate) fn record_as_sent(&self, name: &str, bytes: &[u8]) {
        let bytes = Excerpt::of(bytes);
        self.program.recorder.client(name, What::Sent { bytes });
    }

    /// Fails unless a connection is refused: nobody listens any more.
    #[track_caller]
    pub fn expect_refusal(&self) {
        match Client::connect("client", self.target(), CONNECT_WITHIN) {
            Err(Refusal::Refused) => {}
            Err(refusal) => Failure::new("a refused connection", refusal.name()).raise(),
            Ok(client) => {
                client.hang_up();
                Failure::new("a refused connection", "the client was let in").raise();
            }
        }
    }

    /// Fails if a client is let in, or refused, within `waited`: the queue is to be full.
    #[track_caller]
    pub fn expect_no_admission(&self, name: &str, waited: Duration) {
        let expected = format!("no answer to the connect for {} ms", waited.as_millis());
        match Client::connect(name, self.target(), waited) {
            Err(Refusal::NoAnswer) => {}
            Err(refusal) => Failure::new(expected, refusal.name()).raise(),
            Ok(client) => {
                client.hang_up();
                Failure::new(expected, "the client was let in").raise();
            }
        }
    }

    /// Waits up to 2 s for the line `expected` on standard output. Lines before it are passed over.
    #[track_caller]
    pub fn expect_line(&self, expected: &str) {
        let line = format!("\"{}\" on stdout", escape_controls(expected));
        self.expect_words(Stream::Stdout, &line, |line| line == expected);
    }

    /// Waits up to 2 s for a line on standard error that begins with `beginning`. Lines before it are passed over.
    #[track_caller]
    pub fn expect_complaint(&self, beginning: &str) {
        let line = format!(
            "a line on stderr that begins with \"{}\"",
            escape_controls(beginning)
        );
        self.expect_words(Stream::Stderr, &line, |line| line.starts_with(beginning));
    }

    /// Waits for a line that is the right one; `expected` says which.
    #[track_caller]
    fn expect_words(&self, stream: Stream, expected: &str, is_right: impl Fn(&str) -> bool) {
        let process = self.process();
        let Some(process) = process.as_ref() else {
            skip("only a server that the harness has started can be heard");
        };
        let mut passed = VecDeque::new();
        let found = process.wait_patiently(|lines| {
            next_lines(lines, stream).find_map(|line| {
                let found = is_right(&line);
                passed.push_back(line);
                passed.drain(..passed.len().saturating_sub(PASSED));
                found.then_some(())
            })
        });
        if found.is_none() {
            let got: Vec<String> = passed
                .iter()
                .map(|line| format!("\"{}\"", shorten(line)))
                .collect();
            let got = if got.is_empty() {
                "no further line".to_owned()
            } else {
                got.join("\n")
            };
            Failure::new(format!("{expected} within 2 s"), got).raise();
        }
    }

    /// Fails unless the server listens where it was told to, and nowhere else.
    ///
    /// Port 0 stands for any port: a second server beside this one has another. On Linux the system is
    /// asked, elsewhere the ready line is believed.
    #[track_caller]
    pub fn expect_listens_as_told(&self) {
        let group = self.process().as_ref().map(|process| process.id);
        if let Some(failure) = listens_elsewhere(self.told, self.address(), group) {
            failure.raise();
        }
        if self.told.port() != 0 || group.is_none() {
            return;
        }
        let second = || Self::start(self.program.clone(), self.told, self.arguments.clone());
        if let Err(payload) = catch_unwind(AssertUnwindSafe(second)) {
            let note = "this was a second server beside the first, and port 0 asks the system for a port that is \
                        free: does it listen where --bind says?";
            match payload.downcast::<Failure>() {
                Ok(failure) => failure.note(note).raise(),
                Err(other) => resume_unwind(other),
            }
        }
    }

    /// Fails if the program has ended by itself.
    #[track_caller]
    pub fn expect_running(&self) {
        let process = self.process();
        let Some(process) = process.as_ref() else {
            return;
        };
        process.settle();
        if process.ended().is_some() {
            ended_by_itself().raise();
        }
    }

    /// Asks the program to end (SIGTERM, as a terminal or a service manager does) and fails unless it
    /// does within 2 s. Skips the check on Windows, which has no such signal.
    #[track_caller]
    pub fn terminate(&self) {
        #[cfg(not(unix))]
        skip("this system has no SIGTERM");
        #[cfg(unix)]
        {
            let process = self.process().take();
            let Some(process) = process else { return };
            process.settle();
            if let Some(ended) = process.wait(Instant::now()) {
                Failure::new("a server that runs until it is asked to end", ended.how())
                    .entries(process.last_words().map(|words| ("stderr", words)))
                    .raise();
            }
            process.signal(Signal::TERM, What::AskedToEnd);
            if process.wait_for_end().is_none() {
                let expected = "a server that ends when it is asked to (SIGTERM)";
                Failure::new(expected, "still running after 2 s").raise();
            }
        }
    }

    /// Interrupts the program as Ctrl-C in a terminal does (SIGINT), and goes on at once. Skips the check on Windows.
    pub fn interrupt(&self) {
        #[cfg(not(unix))]
        skip("this system has no SIGINT");
        #[cfg(unix)]
        match self.process().as_ref() {
            Some(process) => process.signal(Signal::INT, What::Interrupted),
            None => skip("only a server that the harness has started can be interrupted"),
        }
    }

    /// Fails unless the program ends within 2 s, and with this exit status.
    #[track_caller]
    pub fn expect_exit(&self, status: i32) {
        let Some(process) = self.process().take() else {
            return;
        };
        let Some(ended) = process.wait_for_end() else {
            Failure::new(format!("exit status {status}"), "still running after 2 s").raise();
        };
        if ended.status.code() != Some(status) {
            Failure::new(format!("exit status {status}"), ended.how())
                .entries(process.last_words().map(|words| ("stderr", words)))
                .raise();
        }
    }

    /// Runs a client that others have written, such as `curl`, within 60 s; it inherits nothing but the
    /// environment. Skips the check where there is no such program.
    #[track_caller]
    pub fn run_client(&self, program: &str, arguments: &[&str]) -> Finished {
        let words = [&[program], arguments].concat();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Finished::of_client(&words)
    }

    /// Does this while the clock is stopped for the server, or where it cannot be, while the server goes on.
    #[track_caller]
    pub(crate) fn frozen_if_it_can_be<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let can_be_frozen = cfg!(unix) && self.process().is_some();
        match can_be_frozen {
            true => self.frozen(meanwhile),
            false => meanwhile(),
        }
    }

    /// Stops the clock for the server while `meanwhile` happens (SIGSTOP, SIGCONT; signal(7)): the kernel
    /// goes on letting clients in, taking what they send and noting that they left, and the server finds
    /// it all when it goes on. What is otherwise a matter of luck is certain. Skips the check on Windows.
    #[track_caller]
    pub fn frozen<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        #[cfg(not(unix))]
        {
            drop(meanwhile);
            skip("this system cannot stop a process for a while");
        }
        #[cfg(unix)]
        {
            let signal = |signal, what| match self.process().as_ref() {
                Some(process) => process.signal(signal, what),
                None => skip("only a server that the harness has started can be frozen"),
            };
            signal(Signal::STOP, What::Frozen);
            // A program that runs on another core goes on for a moment.
            if let Some(process) = self.process().as_ref() {
                process
                    .output
                    .wait(Instant::now() + ANSWER_WITHIN, TICK, |_| {
                        kernel::stopped(process.id).unwrap_or(true).then_some(())
                    });
            }
            let result = meanwhile();
            signal(Signal::CONT, What::Thawed);
            result
        }
    }

    /// Fails unless the server sleeps for 50 ms within 2 s: it has nothing to do, and uses no processor for it.
    /// Skips the check where the system does not tell.
    #[track_caller]
    pub fn expect_asleep(&self) {
        let mut seen: Option<(Instant, u64)> = None;
        let slept = self.ask_kernel(|group| {
            let (asleep, switches) = (kernel::all_asleep(group)?, kernel::switches(group)?);
            let (since, before) = *seen.get_or_insert_with(|| (Instant::now(), switches));
            if !asleep || switches > before + WAKES {
                seen = None;
            }
            Some((seen.is_some() && since.elapsed() >= NAP).then_some(()))
        });
        if slept.is_none() {
            let got = "one that runs on and on: it asks again and again instead of waiting";
            Failure::new("a server that sleeps while there is nothing to do", got).raise();
        }
    }

    /// Waits until the server sleeps, 5 s at most, and not at all where the system does not tell.
    pub(crate) fn come_to_rest(&self) {
        if let Some(process) = self.process().as_ref() {
            let asleep = || kernel::all_asleep(process.id).unwrap_or(true);
            let until = Instant::now() + READY_WITHIN;
            let _ = process // a server that works on is stopped as it is
                .output
                .wait(until, TICK, |_| {
                    (process.ended().is_some() || asleep()).then_some(())
                });
        }
    }

    /// How many descriptors the server has open. Skips the check where the system does not tell.
    pub fn descriptors(&self) -> usize {
        self.ask_kernel(|process| kernel::descriptors(process).map(Some))
            .unwrap_or_default()
    }

    /// Fails unless the server has no more than `count` descriptors open, within 2 s after the time `waited` for it.
    #[track_caller]
    pub fn expect_descriptors_after(&self, waited: Duration, count: usize) {
        if let Some(process) = self.process().as_ref() {
            let few = |open: usize| (open <= count).then_some(());
            let look = |_: &mut Lines| kernel::descriptors(process.id).map_or(Some(()), few);
            let _ = process.output.wait(Instant::now() + waited, TICK, look); // what follows tells
        }
        self.expect_descriptors(count);
    }

    /// Fails unless the server has no more than `count` descriptors open, within 2 s.
    #[track_caller]
    pub fn expect_descriptors(&self, count: usize) {
        let few = |open: usize| (open <= count).then_some(());
        let found = self.ask_kernel(|process| kernel::descriptors(process).map(few));
        if found.is_none() {
            let more = self.descriptors().saturating_sub(count);
            let got = format!("{more} more that are still open");
            Failure::new("no more open descriptors than before these clients", got).raise();
        }
    }

    /// How many threads the server has, those of its children included. Skips the check where the system does not tell.
    pub fn threads(&self) -> usize {
        self.ask_kernel(|group| kernel::threads(group).map(Some))
            .unwrap_or_default()
    }

    /// Fails unless the server has no more than `count` threads, within 2 s.
    #[track_caller]
    pub fn expect_threads(&self, count: usize) {
        let few = |threads: usize| (threads <= count).then_some(());
        let found = self.ask_kernel(|group| kernel::threads(group).map(few));
        if found.is_none() {
            let got = format!("{} threads", self.threads());
            Failure::new(format!("no more threads than {count}"), got).raise();
        }
    }

    /// How long the server and all that it has started have had a processor so far, for themselves and in the kernel.
    /// `None` where the system does not tell.
    pub fn processor_time(&self) -> Option<Duration> {
        kernel::worked(self.process().as_ref()?.id)
    }

    /// The most memory, in bytes, that was resident at a time, for each of the server's processes that still run, added
    /// up. `None` where the system does not tell.
    pub fn peak_memory(&self) -> Option<u64> {
        kernel::peak_memory(self.process().as_ref()?.id)
    }

    /// How much memory, in bytes, is the own of the server and of all that it has started: what they have written to, and
    /// no file. The kernel's for them is not in it. `None` where the system does not tell.
    pub fn own_memory(&self) -> Option<u64> {
        kernel::own_memory(self.process().as_ref()?.id)
    }

    /// The last lines that the server has printed on standard error, each safe to print.
    pub fn last_words(&self) -> Option<String> {
        self.process().as_ref()?.last_words()
    }

    /// Asks until there is an answer, for 2 s at most. `None` is no answer yet; the inner one of `answer`
    /// is its own.
    fn ask_kernel<T>(&self, mut answer: impl FnMut(u32) -> Option<Option<T>>) -> Option<T> {
        let process = self.process();
        let Some(process) = process.as_ref() else {
            skip("only a server that the harness has started can be looked into");
        };
        process.wait_for_what_lasts(ANSWER_WITHIN, 2 * NAP, |_| {
            if process.ended().is_some() {
                ended_by_itself().raise();
            }
            match answer(process.id) {
                Some(answer) => answer,
                None => skip("this system does not tell what a process is doing"),
            }
        })
    }

    /// Ends the server at once, as a power cut would.
    pub fn stop(&self) {
        if self.process().take().is_some() {
            self.program.recorder.server(What::Stopped);
        }
    }

    /// Ends the server at once and starts it again on the address it had.
    #[track_caller]
    pub fn restart(&self) {
        if self.program.against.is_some() {
            skip("only a server that the harness has started can be started again");
        }
        self.stop();
        let told = self.address();
        let process = self
            .program
            .spawn(&told.to_string(), &self.arguments, Input::Ended);
        let address = wait_until_ready(&self.program, &process, told);
        *self.process() = Some(process);
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Random numbers that are the same for the same `--seed`.
    pub fn random(&self) -> fastrand::Rng {
        self.program.random()
    }

    /// Everything said so far.
    pub fn conversation(&self) -> Conversation {
        self.program.recorder.conversation()
    }

    /// What a dead or dying server leaves behind, for a failure text.
    pub(crate) fn traces(&self) -> Vec<(&'static str, String)> {
        let process = self.process();
        let Some(process) = process.as_ref() else {
            return Vec::new();
        };
        let ended = match self.seems_gone() {
            true => process.dies(),
            false => process.ended(),
        };
        let Some(ended) = ended else {
            return Vec::new();
        };
        process.wait_for_output(Instant::now() + LAST_WORDS);
        let mut traces = vec![("server", format!("ended by itself: {}", ended.how()))];
        traces.extend(process.last_words().map(|words| ("stderr", words)));
        let left = kernel::listeners(process.id).unwrap_or_default();
        if !left.is_empty() {
            traces.push((
                "note",
                format!("a child of it is left and holds {}", list(&left)),
            ));
        }
        traces
    }

    /// Whether the last thing that a client saw was the end of a connection.
    fn seems_gone(&self) -> bool {
        let seen = self.conversation().events.into_iter();
        let last = seen.rev().find(|event| event.client.is_some());
        let what = last.map(|event| event.what);
        matches!(what, Some(What::SawEnd | What::SawReset | What::Refused))
    }

    fn cannot_connect(&self, refusal: &Refusal) -> Failure {
        let address = self.address();
        let failure = |expected: String| Failure::new(expected, refusal.name());
        match self.program.against {
            Some(_) => failure(format!(
                "a connection to {address}, where your server listens"
            )),
            None => failure(format!(
                "a connection to {address}, where it said it listens"
            )),
        }
    }
}

fn ended_by_itself() -> Failure {
    Failure::new("a server that goes on serving", "one that has ended")
}

fn list(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    addresses.join(", ")
}

fn next_lines(lines: &mut Lines, stream: Stream) -> impl Iterator<Item = String> + '_ {
    std::iter::from_fn(move || lines.stream(stream).next_line())
}

/// What is wrong with where a server listens: by what it says, and on Linux by what the kernel says.
fn listens_elsewhere(told: SocketAddr, says: SocketAddr, group: Option<u32>) -> Option<Failure> {
    // Where the kernel does not tell, the server is believed.
    let really = group.and_then(kernel::listeners).unwrap_or(vec![says]);
    if really.is_empty() {
        let expected = format!("a listener on {says}, as the ready line says");
        let note = "a socket that is bound takes no clients until listen is called";
        return Some(Failure::new(expected, "no listener at all").note(note));
    }
    if !really.contains(&says) {
        let expected = format!("\"{READY}{}\", where it really listens", list(&really));
        let failure = Failure::new(expected, format!("\"{READY}{says}\""));
        let note = "port 0 asks the system for a free port; local_addr() tells which one it gave";
        return Some(if says.port() == 0 {
            failure.note(note)
        } else {
            failure
        });
    }
    if really.iter().all(|address| is_as_told(*address, told)) {
        return None;
    }
    let expected = match told.port() {
        0 => format!("a listener on some port of {}", told.ip()),
        _ => format!("a listener on {told}"),
    };
    let failure = Failure::new(expected, format!("a listener on {}", list(&really)));
    let same_ip = really.iter().all(|address| address.ip() == told.ip());
    Some(match same_ip {
        true => failure.note("it was told a port, and took another"),
        false => failure,
    })
}

/// Port 0 stands for any port.
fn is_as_told(address: SocketAddr, told: SocketAddr) -> bool {
    address.ip() == told.ip() && (told.port() == 0 || address.port() == told.port())
}

/// Waits until the program says that it is ready, and makes sure that it listens where it says.
#[track_caller]
fn wait_until_ready(program: &Program, process: &Process, told: SocketAddr) -> SocketAddr {
    let mut signs = Signs::default();
    let look = |lines: &mut Lines| signs.of_readiness(lines, program, process, told);
    let ready = match program.promises_ready_line {
        true => process.wait_while_it_works(READY_WITHIN, look),
        // It is found by listening for a while.
        false => process.wait_for_what_lasts(READY_WITHIN, 2 * QUIET, look),
    };
    let address = match ready.unwrap_or(Err(NotReady::Silent)) {
        Ok(address) => address,
        Err(trouble) => never_ready(trouble, process).raise(),
    };
    // A program that says so a moment too early is not worse than one that says so in time.
    let mut wrong = None;
    process.wait_while_it_works(DYING, |_| {
        wrong = listens_elsewhere(told, address, Some(process.id));
        wrong.is_none().then_some(())
    });
    let Some(failure) = wrong else {
        return address;
    };
    match process.wait(Instant::now()) {
        Some(ended) => Failure::new(
            "a server that stays, once it has said where it listens",
            ended.how(),
        )
        .entries(process.last_words().map(|words| ("stderr", words)))
        .raise(),
        None => failure.raise(),
    }
}

/// Since when there have been signs of what has become of a program.
#[derive(Default)]
struct Signs {
    listens: Option<Instant>,
    ended: Option<Instant>,
}

impl Signs {
    fn of_readiness(
        &mut self,
        lines: &mut Lines,
        program: &Program,
        process: &Process,
        told: SocketAddr,
    ) -> Option<Result<SocketAddr, NotReady>> {
        let said = |line: String| line.strip_prefix(READY).map(str::to_owned);
        while let Some(said) = next_lines(lines, Stream::Stdout).find_map(said) {
            match said.parse::<SocketAddr>() {
                Ok(address) => {
                    return Some(Ok((address.ip().to_canonical(), address.port()).into()));
                }
                Err(_) if program.promises_ready_line => {
                    return Some(Err(NotReady::Nonsense(said)));
                }
                Err(_) => {} // words of its own
            }
        }
        if process.ended().is_some() {
            // Its last line may still be on the way, and a child of it may hold its output open.
            let since = *self.ended.get_or_insert_with(Instant::now);
            let heard_out = lines.ended() || since.elapsed() >= LAST_WORDS;
            return heard_out.then_some(Err(NotReady::Ended));
        }
        if program.promises_ready_line {
            return None;
        }
        let listeners = kernel::listeners(process.id)?;
        let as_told = listeners.iter().find(|address| is_as_told(**address, told));
        let address = *as_told.or(listeners.first())?;
        let since = *self.listens.get_or_insert_with(Instant::now);
        (since.elapsed() >= QUIET).then(|| {
            let line = format!("(no ready line; the system says: {READY}{address})");
            program.recorder.server(What::Ready { line });
            Ok(address)
        })
    }
}

/// Why a program does not count as ready.
enum NotReady {
    Ended,
    Silent,
    Nonsense(String),
}

/// The first line that may be meant as the ready line.
fn similar(printed: &str) -> Option<String> {
    let mut lines = printed.lines().filter(|line| !line.starts_with(READY));
    lines
        .find(|line| line.to_lowercase().contains("listen"))
        .map(shorten)
}

#[track_caller]
fn never_ready(trouble: NotReady, process: &Process) -> Failure {
    let expected = format!(
        "a line \"{READY}IP:PORT\" on stdout within {} s",
        READY_WITHIN.as_secs()
    );
    let got = match trouble {
        NotReady::Ended => match process.wait(Instant::now() + READY_WITHIN) {
            Some(ended) => format!("{} after {} ms", ended.how(), ended.after.as_millis()),
            None => "a program that came to nothing".to_owned(),
        },
        NotReady::Nonsense(address) => format!(
            "\"{READY}{}\", which names no IP:PORT",
            escape_controls(&address)
        ),
        NotReady::Silent if kernel::all_asleep(process.id) == Some(false) => {
            "a program in an endless loop, and no such line".to_owned()
        }
        NotReady::Silent => "a program that runs, and no such line".to_owned(),
    };
    let failure = Failure::new(expected, got);
    let failure = failure.entries(process.last_words().map(|words| ("stderr", words)));
    let mut lines = process.output.lines();
    let stdout = lines.stream(Stream::Stdout);
    let (unfinished, printed) = (stdout.unfinished(), stdout.text());
    drop(lines);
    let really = kernel::listeners(process.id).unwrap_or_default();
    if !unfinished.is_empty() {
        let line = escape_controls(&unfinished);
        failure.note(format!(
            "it printed \"{line}\" without a newline: a line ends with \\n"
        ))
    } else if let Some(similar) = similar(&printed) {
        failure.note(format!(
            "it printed \"{similar}\": the line begins with \"{READY}\", to the letter"
        ))
    } else if !really.is_empty() {
        let note = format!("it does listen, on {}", list(&really));
        failure.note(note + ": what is missing is the line (does it end with \\n? was it flushed?)")
    } else {
        failure
    }
}
