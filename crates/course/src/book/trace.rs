//! What strace(1) writes, a system call a line, and the numbers in it that differ from run to run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// What is asked of strace: the calls that are about sockets, those that open, read, write and close, those that make
/// threads, and those that say what a loop waits for.
pub const CALLS: &str = "socket,setsockopt,getsockopt,bind,listen,getsockname,accept,accept4,connect,\
                         recvfrom,recvmsg,read,sendto,sendmsg,sendfile,write,writev,shutdown,close,\
                         openat,openat2,fcntl,clone,clone3,epoll_create1,epoll_ctl";

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    #[serde(rename = "call")]
    pub name: String,
    /// As strace shows them.
    pub arguments: String,
    /// What the kernel returned; nothing if the program still waited for it when it was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Which thread made it. That of `main` is 0, the others are counted as they are made.
    #[serde(default, skip_serializing_if = "is_main")]
    pub thread: i32,
    /// What had ended when it began, as far as its cause may be there.
    #[serde(skip)]
    pub causes: Causes,
}

/// Some threads only write what others give them. No call tells when that was, so it is told from what strace has seen:
/// such a thread writes what was read before. And who reads from the same connection prints, shuts down or closes behind
/// what was written there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    pub reads: usize,
    /// How many, and by which descriptor.
    pub writes: Option<(i32, usize)>,
}

/// What strace has seen of a program, from its first socket on. Each descriptor and each thread has a number
/// that no other has, also if the kernel used one again: see [`Names`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// In the order in which they were seen to begin.
    pub calls: Vec<Call>,
    /// The thread of `main`.
    pub main: i32,
    /// The descriptors that were open before.
    pub open: Vec<i32>,
    /// The threads that only write.
    pub writers: BTreeSet<i32>,
}

/// Strings longer than this are cut, as strace does.
const LONGEST: usize = 32;
/// Of the flags of a thread, those that say what it has in common with the others.
const SHARED: [&str; 3] = ["CLONE_VM", "CLONE_FILES", "CLONE_THREAD"];

fn is_main(thread: &i32) -> bool {
    *thread == 0
}

impl Call {
    /// A line such as `recvfrom(4, "hel", 1024, 0, NULL, NULL) = 3`.
    fn parse(thread: i32, line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if result.starts_with("? ERESTART") {
            return None; // a signal came, and the kernel begins it again
        }
        let arguments = arguments.trim_end();
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        let waits = arguments.ends_with("<unfinished ...>");
        let arguments = arguments.trim_end_matches("<unfinished ...>");
        Some(Self {
            name: name.to_owned(),
            arguments: arguments.trim_end().trim_end_matches(',').to_owned(),
            result: (!waits && !result.starts_with('?')).then(|| result.to_owned()),
            thread,
            causes: Causes::default(),
        })
    }

    /// The descriptor that it is about.
    pub fn descriptor(&self) -> Option<i32> {
        self.arguments.split(',').next()?.parse().ok()
    }

    /// Gives another number to the descriptor that it is about.
    fn rename(&mut self, name: i32) {
        let rest = self
            .arguments
            .trim_start_matches(|c: char| c.is_ascii_digit());
        self.arguments = format!("{name}{rest}");
    }

    /// The descriptor that `epoll` is to watch, or no longer.
    fn watched(&self) -> Option<i32> {
        let mut arguments = self.arguments.split(", ");
        let watched = arguments.nth(2)?.parse().ok();
        watched.filter(|_| self.name == "epoll_ctl")
    }

    /// Gives another number to the descriptor that is watched, and leaves out the mark by which the program knows it: often
    /// an address in its memory.
    fn rename_watched(&mut self, name: i32) {
        let mut parts: Vec<&str> = self.arguments.splitn(4, ", ").collect();
        let (name, what) = (name.to_string(), parts.pop().unwrap_or_default());
        let events = what.split(", data=").next().unwrap_or_default();
        let rest = if events == what { "" } else { ", ...}" };
        self.arguments = format!("{}, {}, {name}, {events}{rest}", parts[0], parts[1]);
    }

    /// Whether it would have had to wait, and did not. How often a loop tries that is a matter of luck.
    fn would_block(&self) -> bool {
        let result = self.result.as_deref();
        result.is_some_and(|result| result.starts_with("-1 EAGAIN"))
    }

    /// What it returned, as a number: a descriptor, or a count of bytes.
    pub fn number(&self) -> Option<i32> {
        self.result.as_ref()?.split(' ').next()?.parse().ok()
    }

    /// Whether it asks for a descriptor.
    fn opens(&self) -> bool {
        let opens = [
            "socket",
            "accept",
            "accept4",
            "openat",
            "openat2",
            "epoll_create1",
        ];
        opens.contains(&self.name.as_str()) || self.duplicates()
    }

    /// The descriptor that it has opened.
    pub fn opened(&self) -> Option<i32> {
        self.number().filter(|number| self.opens() && *number >= 0)
    }

    /// Whether it gives a second descriptor to what has one.
    pub fn duplicates(&self) -> bool {
        self.name == "fcntl" && self.arguments.contains("F_DUPFD")
    }

    /// The thread that it has made.
    pub fn made(&self) -> Option<i32> {
        let makes = self.name.starts_with("clone") && self.arguments.contains("CLONE_THREAD");
        self.number().filter(|number| makes && *number > 0)
    }

    /// The port of an address among its arguments.
    pub fn port(&self) -> Option<&str> {
        let (_, port) = self.arguments.split_once("htons(")?;
        Some(port.split_once(')')?.0)
    }

    /// Whether it opens what belongs to the system, such as the settings of the C library.
    fn is_housekeeping(&self) -> bool {
        let path = self.arguments.split('"').nth(1).unwrap_or_default();
        let systems = ["/dev/", "/etc/", "/lib", "/proc/", "/sys/", "/usr/"];
        self.name.starts_with("openat") && systems.iter().any(|system| path.starts_with(system))
    }

    /// Whether a reader is to see it.
    fn is_of_interest(&self) -> bool {
        match self.name.as_str() {
            "fcntl" => self.duplicates(),
            "clone" | "clone3" => self.made().is_some(),
            _ => !self.is_housekeeping(),
        }
    }

    /// Whether it writes to the standard output (1) or the standard error (2).
    pub fn prints(&self) -> bool {
        self.name == "write" && matches!(self.descriptor(), Some(1 | 2))
    }

    /// Whether it reads something from a connection.
    pub fn reads(&self) -> bool {
        let reads = ["recvfrom", "recvmsg", "read"].contains(&self.name.as_str());
        reads && self.number().is_some_and(|count| count > 0)
    }

    /// Whether it writes something to a connection.
    pub fn writes(&self) -> bool {
        let writes = ["sendto", "sendmsg", "write", "writev"].contains(&self.name.as_str());
        writes && !self.prints()
    }

    /// What it prints.
    pub fn words(&self) -> Option<String> {
        let (_, text) = self.arguments.split_once('"').filter(|_| self.prints())?;
        Some(unescaped(&text[..closing_quote(text)]))
    }

    /// The same with its long strings cut, as strace shows them.
    pub fn shortened(self) -> Self {
        Self {
            arguments: shorten(&without_fractions(&self.name, &self.arguments)),
            ..self
        }
    }

    /// As strace shows it.
    pub fn text(&self) -> String {
        match &self.result {
            Some(result) if self.name.starts_with("clone") => {
                format!("{}({}) = thread {result}", self.name, self.arguments)
            }
            Some(result) => format!("{}({}) = {result}", self.name, self.arguments),
            None => format!("{}({}, ...", self.name, self.arguments),
        }
    }

    /// The call, its descriptor and what came back.
    pub fn brief(&self) -> String {
        let (name, descriptor) = (&self.name, self.descriptor());
        let descriptor = descriptor.map_or(String::new(), |descriptor| descriptor.to_string());
        match self.result.as_deref() {
            Some(result) if name.starts_with("clone") => format!("{name}() = thread {result}"),
            Some("0") if name != "recvfrom" => format!("{name}({descriptor})"),
            Some(result) => format!("{name}({descriptor}) = {result}"),
            None => format!("{name}({descriptor}) waits"),
        }
    }
}

/// A call, and the lines of strace's where it begins and ends.
struct Seen {
    call: Call,
    begins: usize,
    ends: Option<usize>,
}

/// Reads what strace has written of several programs and their threads. Such a line begins with the number of the
/// thread. If another thread had its turn meanwhile, a call has two lines.
fn seen(text: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut halves: BTreeMap<i32, (usize, &str)> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let Some((thread, line)) = line.split_once(' ') else {
            continue;
        };
        let (Ok(thread), line) = (thread.parse(), line.trim_start()) else {
            continue;
        };
        if let Some(half) = line.strip_suffix(" <unfinished ...>") {
            halves.insert(thread, (number, half));
            continue;
        }
        let (begins, call) = match line.split_once(" resumed>") {
            Some((start, end)) if start.starts_with("<... ") => match halves.remove(&thread) {
                Some((begins, half)) => (begins, Call::parse(thread, &format!("{half}{end}"))),
                None => continue,
            },
            _ => (number, Call::parse(thread, line)),
        };
        let ends = Some(number);
        all.extend(call.map(|call| Seen { call, begins, ends }));
    }
    for (thread, (begins, half)) in halves {
        let call = Call::parse(thread, &format!("{half} <unfinished ...>) = ?"));
        let ends = None;
        all.extend(call.map(|call| Seen { call, begins, ends }));
    }
    all.sort_by_key(|seen| seen.begins);
    all
}

/// Reads what strace has written of the program that has printed this line.
pub fn read(text: &str, line: &str) -> Result<Trace> {
    let mut all = seen(text);
    let line = format!("{line}\n");
    let says = |seen: &&Seen| seen.call.words().as_ref() == Some(&line);
    let mains: BTreeSet<i32> = all
        .iter()
        .filter(says)
        .map(|seen| seen.call.thread)
        .collect();
    ensure!(
        mains.len() == 1,
        "strace has seen {} such programs",
        mains.len()
    );
    let mut threads = mains.clone();
    for Seen { call, .. } in &all {
        let made = call.made().filter(|_| threads.contains(&call.thread));
        threads.extend(made);
    }
    all.retain(|seen| threads.contains(&seen.call.thread));
    if all.iter().any(|seen| seen.call.name == "epoll_create1") {
        all.retain(|seen| !seen.call.would_block());
    }
    let mut trace = about_descriptors(all);
    trace.main = mains.first().copied().unwrap_or_default();
    trace.leave_out_helpers();
    Ok(trace)
}

/// The calls that are about descriptors which the program was seen to open, or that print; and those that make threads.
fn about_descriptors(mut all: Vec<Seen>) -> Trace {
    let mut moments = Vec::new();
    for (index, seen) in all.iter().enumerate() {
        moments.push((seen.begins, false, index));
        moments.extend(seen.ends.map(|ends| (ends, true, index)));
    }
    moments.sort_unstable();
    let first = all.iter().position(|seen| seen.call.name == "socket");
    let first = first.unwrap_or(all.len());
    let (mut trace, mut known, mut kept) = (Trace::default(), Known::new(), BTreeSet::new());
    for (_, is_end, index) in moments {
        if index == first && !is_end {
            trace.open = known
                .names
                .values()
                .copied()
                .filter(|name| *name > 2)
                .collect();
        }
        let call = &mut all[index].call;
        if !is_end && known.begins(call) {
            kept.insert(index);
        } else if is_end && kept.contains(&index) {
            known.ends(call);
        }
    }
    let seen = all.into_iter().enumerate().skip(first);
    let seen = seen.filter(|(index, _)| kept.contains(index));
    let mut seen: Vec<Seen> = seen.map(|(_, seen)| seen).collect();
    trace.writers = find_causes(&mut seen);
    trace.calls = seen.into_iter().map(|seen| seen.call).collect();
    trace
}

/// Finds out what the causes of calls are. Returns the threads that only write.
fn find_causes(seen: &mut [Seen]) -> BTreeSet<i32> {
    let others = seen.iter().filter(|seen| !seen.call.writes());
    let others: BTreeSet<i32> = others.map(|seen| seen.call.thread).collect();
    let writers = seen.iter().map(|seen| seen.call.thread);
    let writers: BTreeSet<i32> = writers.filter(|thread| !others.contains(thread)).collect();
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for Seen { call, ends, .. } in seen.iter() {
        reads.extend(ends.filter(|_| call.reads()));
        let written = call.descriptor().zip(*ends);
        writes.extend(written.filter(|_| writers.contains(&call.thread)));
    }
    let mut connections = BTreeMap::new();
    for Seen { call, begins, .. } in seen {
        if let Some(descriptor) = call.descriptor().filter(|_| call.reads()) {
            connections.insert(call.thread, descriptor);
        }
        if writers.contains(&call.thread) {
            call.causes.reads = reads.iter().filter(|end| *end < begins).count();
        } else if call.prints() || ["shutdown", "close"].contains(&call.name.as_str()) {
            let before = |connection: &i32| {
                let writes = writes
                    .iter()
                    .filter(|(to, end)| to == connection && end < begins);
                (*connection, writes.count())
            };
            call.causes.writes = connections.get(&call.thread).map(before);
        }
    }
    writers
}

/// The descriptors of a program that are known, each with a number of its own.
struct Known {
    names: BTreeMap<i32, i32>,
    next: i32,
}

impl Known {
    fn new() -> Self {
        Self {
            names: [(1, 1), (2, 2)].into(),
            next: 3,
        }
    }

    /// A call begins. With `close`, its descriptor is free again. Returns whether a reader is to see it.
    fn begins(&mut self, call: &mut Call) -> bool {
        if let Some(number) = call.descriptor() {
            let Some(name) = self.names.get(&number).copied() else {
                return false; // something else that the program has open
            };
            call.rename(name);
            if let Some(number) = call.watched() {
                let Some(name) = self.names.get(&number).copied() else {
                    return false;
                };
                call.rename_watched(name);
            }
            if call.name == "close" {
                self.names.remove(&number);
            }
        } else if !call.opens() && call.made().is_none() {
            return false;
        }
        call.is_of_interest()
    }

    /// A call ends. Now the kernel has given it a descriptor.
    fn ends(&mut self, call: &mut Call) {
        if let Some(number) = call.opened() {
            self.names.insert(number, self.next);
            call.result = Some(self.next.to_string());
            self.next += 1;
        }
    }
}

impl Trace {
    /// Leaves out the threads that have nothing to do with clients, such as the one that waits for Ctrl-C; and
    /// which connects, then, to the server itself, to wake it up.
    fn leave_out_helpers(&mut self) {
        let own = |call: &&Call| call.name == "getsockname";
        let own: BTreeSet<&str> = self
            .calls
            .iter()
            .filter(own)
            .filter_map(Call::port)
            .collect();
        let is_helper = |call: &&Call| {
            call.name == "connect" && call.port().is_some_and(|port| own.contains(port))
        };
        let helpers = self.calls.iter().filter(is_helper);
        let helpers: BTreeSet<i32> = helpers.map(|call| call.thread).collect();
        let is_at_work = |call: &Call| call.thread == self.main || !helpers.contains(&call.thread);
        let mut calls = std::mem::take(&mut self.calls);
        calls.retain(is_at_work);
        let at_work: BTreeSet<i32> = calls.iter().map(|call| call.thread).collect();
        calls.retain(|call| call.made().is_none_or(|thread| at_work.contains(&thread)));
        self.calls = calls;
    }
}

/// The numbers that a reader sees: threads are counted from 1 as they are made, descriptors are the lowest that are
/// free, from 3 on, as the kernel counts them.
pub struct Names {
    descriptors: BTreeMap<i32, i32>,
    threads: BTreeMap<i32, i32>,
}

impl Names {
    pub fn new(trace: &Trace) -> Self {
        let standard = [(1, 1), (2, 2)];
        let open = trace.open.iter().copied().zip(3..);
        Self {
            descriptors: standard.into_iter().chain(open).collect(),
            threads: [(trace.main, 0)].into(),
        }
    }

    /// The next call, in the order in which a reader sees them.
    pub fn name(&mut self, call: &mut Call) {
        let thread = call.thread;
        call.thread = self.threads.get(&thread).copied().unwrap_or(thread);
        if let Some(number) = call.descriptor() {
            let name = self.descriptors.get(&number).copied().unwrap_or(number);
            call.rename(name);
            if let Some(watched) = call.watched() {
                let name = self.descriptors.get(&watched).copied();
                call.rename_watched(name.unwrap_or(watched));
            }
            if call.name == "close" {
                self.descriptors.remove(&number);
            }
        }
        if let Some(number) = call.opened() {
            let is_free = |name: &i32| self.descriptors.values().all(|taken| taken != name);
            let name = (3..).find(is_free).unwrap_or(number);
            self.descriptors.insert(number, name);
            call.result = Some(name.to_string());
        }
        if let Some(thread) = call.made() {
            let name = self.threads.len() as i32;
            self.threads.insert(thread, name);
            call.result = Some(name.to_string());
            let flags = SHARED.join("|");
            call.arguments = format!("{{flags={flags}|..., ...}}, ...");
        }
    }
}

/// What strace has put between quotes.
fn unescaped(string: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = string.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let Some((kind, behind)) = after.split_first().filter(|_| *first == b'\\') else {
            bytes.push(*first);
            continue;
        };
        let digits = after
            .iter()
            .take(3)
            .take_while(|byte| (b'0'..=b'7').contains(byte));
        let digits: Vec<u8> = digits.map(|digit| digit - b'0').collect();
        let octal = digits.iter().fold(0, |value, digit| value << 3 | digit);
        if digits.is_empty() {
            bytes.push(control(*kind));
            rest = behind;
        } else {
            bytes.push(octal);
            rest = &after[digits.len()..];
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that stands behind a backslash, in C.
fn control(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        other => other,
    }
}

/// Cuts the strings in the arguments of a call, and takes out where in memory a buffer was.
fn shorten(arguments: &str) -> String {
    let mut text = String::new();
    let mut rest = arguments;
    while let Some((before, after)) = rest.split_once('"') {
        let (string, behind) = after.split_at(closing_quote(after));
        let cut = cut(string);
        text += &format!("{}\"{cut}\"", without_addresses(before));
        rest = behind.strip_prefix('"').unwrap_or(behind);
        if cut.len() < string.len() {
            text += "...";
            rest = rest.strip_prefix("...").unwrap_or(rest);
        }
    }
    text + &without_addresses(rest)
}

/// A time-out that is no whole second is what was left until some moment, and differs from run to run. strace shows it as
/// 16 bytes, of which the last 8 are the fraction.
fn without_fractions(name: &str, arguments: &str) -> String {
    let parts = arguments.split_once('"').filter(|_| name == "setsockopt");
    if let Some((before, after)) = parts
        && before.contains("TIMEO")
        && let (value, rest) = after.split_at(closing_quote(after))
        && !value.ends_with(&"\\0".repeat(8))
    {
        return format!("{before}...{}", rest.trim_start_matches('"'));
    }
    arguments.to_owned()
}

fn without_addresses(text: &str) -> String {
    let words = text.split_inclusive([',', ' ']);
    let word = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => format!(
            "0x...{}",
            digits.trim_start_matches(|c: char| c.is_ascii_hexdigit())
        ),
        None => word.to_owned(),
    };
    words.map(word).collect()
}

/// The start of an escaped string. An escape is one byte, and stays whole.
fn cut(string: &str) -> &str {
    let mut bytes = 0;
    let mut characters = string.char_indices().peekable();
    while let Some((start, c)) = characters.next() {
        if bytes == LONGEST {
            return &string[..start];
        }
        bytes += 1;
        if c == '\\' {
            let is_octal = |next: &(usize, char)| next.1.is_digit(8);
            let escaped = characters.next();
            if escaped.is_some_and(|escaped| is_octal(&escaped)) {
                while characters.next_if(is_octal).is_some() {}
            }
        }
    }
    string
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            '"' if !escaped => return index,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, expected: &[&str]) {
        let trace = read(text, "ready").expect("one program");
        let mut names = Names::new(&trace);
        let text = trace.calls.into_iter().map(|mut call| {
            names.name(&mut call);
            format!("{} {}", call.thread, call.text())
        });
        assert_eq!(text.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_not_about_sockets_is_left_out_and_descriptors_are_counted_from_3() {
        reads(
            "70 read(3, \"\\177ELF\", 832) = 832\n\
             70 close(3)                    = 0\n\
             70 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 7\n\
             70 read(5, \"settings\", 100) = 8\n\
             70 write(1, \"ready\\n\", 6) = 6\n\
             70 accept4(7, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 9\n\
             70 close(9)                    = 0\n\
             70 accept4(7,  <unfinished ...>) = ?\n\
             70 +++ killed by SIGKILL +++\n",
            &[
                "0 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3",
                "0 write(1, \"ready\\n\", 6) = 6",
                "0 accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 4",
                "0 close(4) = 0",
                "0 accept4(3, ...",
            ],
        );
    }

    #[test]
    fn a_thread_that_only_writes_has_its_causes_elsewhere() {
        let text = "70 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3\n\
                    70 write(1, \"ready\\n\", 6) = 6\n\
                    70 accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 4\n\
                    70 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 71\n\
                    70 recvfrom(4, \"a\", 10, 0, NULL, NULL) = 1\n\
                    71 sendto(4, \"a\", 1, MSG_NOSIGNAL, NULL, 0) = 1\n\
                    70 shutdown(4, SHUT_WR) = 0\n";
        let trace = read(text, "ready").expect("one program");
        assert_eq!(trace.writers, [71].into());
        let causes = trace.calls.iter().map(|call| &call.causes);
        let causes: Vec<_> = causes.map(|causes| (causes.reads, causes.writes)).collect();
        assert_eq!(
            causes,
            [
                (0, None),
                (0, None),
                (0, None),
                (0, None),
                (0, None),
                (1, None),
                (0, Some((4, 1)))
            ]
        );
    }

    #[test]
    fn a_time_out_that_is_no_whole_second_is_left_out() {
        let shown = |value: &str| {
            let line = format!("setsockopt(4, SOL_SOCKET, SO_RCVTIMEO_OLD, \"{value}\", 16) = 0");
            let call = Call::parse(70, &line).expect("a call");
            call.shortened().arguments
        };
        let whole = r"\36\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert!(shown(whole).contains(whole));
        let rest = r"\35\0\0\0\0\0\0\0006B\17\0\0\0\0\0";
        assert_eq!(shown(rest), "4, SOL_SOCKET, SO_RCVTIMEO_OLD, ..., 16");
    }

    #[test]
    fn a_thread_is_found_by_the_call_that_made_it_and_helpers_are_left_out() {
        reads(
            &several_threads(),
            &[
                "0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3",
                "0 getsockname(3, {sa_family=AF_INET, sin_port=htons(40000)}, [16]) = 0",
                "0 write(1, \"ready\\n\", 6) = 6",
                "0 accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 4",
                "0 clone3({flags=CLONE_VM|CLONE_FILES|CLONE_THREAD|..., ...}, ...) = thread 1",
                "0 accept4(3, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC) = 5",
                "1 close(4) = 0",
                "0 clone3({flags=CLONE_VM|CLONE_FILES|CLONE_THREAD|..., ...}, ...) = thread 2",
                "2 recvfrom(5, ...",
            ],
        );
    }

    /// Thread 71 waits for Ctrl-C. The descriptor 6 is used twice.
    fn several_threads() -> String {
        let clone = |main: i32, thread: i32| {
            format!(
                "{main} clone3({{flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, tls=0x7f}} <unfinished ...>\n\
                 {main} <... clone3 resumed> => {{parent_tid=[{thread}]}}, 88) = {thread}\n"
            )
        };
        format!(
            "50 write(1, \"another\\n\", 8) = 8\n\
                 70 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3\n\
                 {}\
                 70 getsockname(3, {{sa_family=AF_INET, sin_port=htons(40000)}}, [16]) = 0\n\
                 70 write(1, \"ready\\n\", 6) = 6\n\
                 70 accept4(3, {{sa_family=AF_INET}}, [128 => 16], SOCK_CLOEXEC) = 6\n\
                 {}\
                 70 accept4(3,  <unfinished ...>\n\
                 72 close(6 <unfinished ...>\n\
                 70 <... accept4 resumed>{{sa_family=AF_INET}}, [128 => 16], SOCK_CLOEXEC) = 6\n\
                 72 <... close resumed>)        = 0\n\
                 {}\
                 71 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 7\n\
                 71 connect(7, {{sa_family=AF_INET, sin_port=htons(40000)}}, 16) = 0\n\
                 71 close(7)                    = 0\n\
                 73 recvfrom(6,  <unfinished ...>\n\
                 50 read(0, \"\", 1) = 0\n",
            clone(70, 71),
            clone(70, 72),
            clone(70, 73)
        )
    }

    #[test]
    fn a_string_is_read_as_c_writes_it() {
        assert_eq!(
            unescaped("a \\\"b\\\"\\t\\303\\274\\0\\n"),
            "a \"b\"\t\u{fc}\0\n"
        );
    }
}
