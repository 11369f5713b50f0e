//! Brings what the clients and the threads of a server did into one order, the same for every run.
//!
//! Each of them has its own order. What is known of causes says how they hang together: nothing is read before it was
//! sent, and a thread does nothing before it was made. Of what the server could do next, the first thread's comes first,
//! and what a thread does that only writes comes last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::net::SocketAddr;

use harness::What;

use super::recording::Entry;
use super::trace::{Call, Causes, Trace};

/// What belongs together: a call, or several that print a line, and that line.
type Deed = Vec<Entry>;

/// What each thread of the server did.
type Threads = BTreeMap<i32, VecDeque<Deed>>;

/// Puts the server's deeds between the acts of the others: each as soon as these acts have made it possible.
pub fn merge(acts: Vec<Entry>, server: Vec<Entry>, trace: Trace) -> Vec<Entry> {
    let mut world = World::new(&trace);
    let mut threads = by_thread(repeated(server), trace);
    let mut merged = Vec::new();
    for act in acts {
        world.is_done(&act);
        merged.push(act);
        while let Some(deed) = world.next(&mut threads) {
            merged.extend(deed);
        }
    }
    // Such as a call that never returned.
    for thread in &world.threads {
        let deeds = threads.remove(thread).unwrap_or_default();
        merged.extend(deeds.into_iter().flatten());
    }
    merged
}

/// A line that was printed several times, as often as it was.
fn repeated(server: Vec<Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for entry in server {
        match (&entry, all.last()) {
            (
                Entry::Said {
                    what: What::Again { times },
                    ..
                },
                Some(last),
            ) => {
                all.extend(iter::repeat_n(last.clone(), *times));
            }
            _ => all.push(entry),
        }
    }
    all
}

/// Puts each line that the server printed behind the call that printed it. Whatever nobody was seen to print is the
/// main thread's.
fn by_thread(server: Vec<Entry>, trace: Trace) -> Threads {
    let (mut printed, others): (Vec<_>, Vec<_>) = server
        .into_iter()
        .partition(|entry| entry.printed().is_some());
    // One that ends by itself leaves its threads no time: whether they have begun to wait again is a matter of luck.
    let has_ended = others.iter().any(Entry::is_end);
    let mut doing: BTreeMap<i32, Doing> = BTreeMap::new();
    for call in trace.calls {
        if call.result.is_some() || !has_ended {
            doing
                .entry(call.thread)
                .or_default()
                .add(call, &mut printed);
        }
    }
    let deeds = doing.into_iter().map(|(thread, mut doing)| {
        doing.finish();
        (thread, doing.deeds)
    });
    let mut threads: Threads = deeds.collect();
    let rest = printed.into_iter().chain(others).map(|entry| vec![entry]);
    threads.entry(trace.main).or_default().extend(rest);
    threads
}

/// What a thread has done, as far as it was looked at.
#[derive(Default)]
struct Doing {
    deeds: VecDeque<Deed>,
    /// What it is printing: the calls, and of each descriptor the text whose line has not ended.
    deed: Deed,
    texts: BTreeMap<i32, String>,
}

impl Doing {
    /// The next call, with the lines that it ends.
    fn add(&mut self, call: Call, printed: &mut Vec<Entry>) {
        let words = call.descriptor().zip(call.words());
        if words.is_none() {
            self.finish(); // it does something else before the line ends
        }
        self.deed.push(Entry::Call(call));
        if let Some((descriptor, words)) = words {
            let text = self.texts.entry(descriptor).or_default();
            text.push_str(&words);
            while let Some((line, rest)) = text.split_once('\n') {
                let is_it = |entry: &Entry| entry.printed() == Some((descriptor, line));
                let place = printed.iter().position(is_it);
                self.deed.extend(place.map(|place| printed.remove(place)));
                *text = rest.to_owned();
            }
        }
        if self.texts.values().all(String::is_empty) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let deed = std::mem::take(&mut self.deed);
        self.deeds
            .extend(Some(deed).filter(|deed| !deed.is_empty()));
    }
}

/// What the clients have done, and how much of it the server has seen.
struct World {
    /// The threads that were made, in that order; the first is that of `main`.
    threads: Vec<i32>,
    /// The descriptors that were opened.
    opened: BTreeSet<i32>,
    /// The address of each client, by its name.
    addresses: BTreeMap<String, String>,
    /// By a client's address.
    clients: BTreeMap<String, Seen>,
    /// Which client a descriptor of the server's is about.
    descriptors: BTreeMap<i32, String>,
    /// How often the server was started, and how often it was ready.
    started: usize,
    ready: usize,
    /// Whether the server was asked to end.
    interrupted: bool,
    /// A thread that said that it lets nobody in before so many threads at most are at work.
    full: Option<(i32, usize)>,
    /// The threads that only write; how often they did, by descriptor, and how often others have read something.
    writers: BTreeSet<i32>,
    writes: BTreeMap<i32, usize>,
    reads: usize,
}

/// In bytes; of one who sends datagrams, in datagrams.
#[derive(Default)]
struct Seen {
    by_datagrams: bool,
    sent: usize,
    finished: bool,
    read: usize,
    told: usize,
}

impl Seen {
    fn amount(&self, bytes: usize) -> usize {
        if self.by_datagrams { 1 } else { bytes }
    }
}

impl World {
    fn new(trace: &Trace) -> Self {
        Self {
            threads: vec![trace.main],
            opened: [1, 2]
                .into_iter()
                .chain(trace.open.iter().copied())
                .collect(),
            addresses: BTreeMap::new(),
            clients: BTreeMap::new(),
            descriptors: BTreeMap::new(),
            started: 0,
            ready: 0,
            interrupted: false,
            full: None,
            writers: trace.writers.clone(),
            writes: BTreeMap::new(),
            reads: 0,
        }
    }

    /// The next deed of the server, if it can do any by now.
    fn next(&mut self, threads: &mut Threads) -> Option<Deed> {
        let at_work = |thread: &&i32| threads.get(thread).is_some_and(|deeds| !deeds.is_empty());
        let at_work = self.threads.iter().skip(1).filter(at_work).count();
        let can = |thread: &&i32| {
            let deed = threads.get(thread).and_then(VecDeque::front);
            deed.is_some_and(|deed| self.allows(**thread, deed, at_work))
        };
        let only_writes = |thread: &&i32| self.writers.contains(thread);
        let (writers, others): (Vec<&i32>, Vec<&i32>) = self.threads.iter().partition(only_writes);
        let thread = *others.into_iter().chain(writers).find(can)?;
        let deed = threads.get_mut(&thread)?.pop_front()?;
        deed.iter()
            .for_each(|entry| self.server_does(thread, entry));
        Some(deed)
    }

    /// Whether a thread can do this, while so many others are at work.
    fn allows(&self, thread: i32, deed: &Deed, at_work: usize) -> bool {
        let waits = self
            .full
            .is_some_and(|(who, most)| who == thread && at_work >= most);
        let can = |entry: &Entry| match entry {
            Entry::Call(call) => self.allows_call(call),
            Entry::Said {
                what: What::Ready { .. },
                ..
            } => self.ready < self.started,
            Entry::Said { .. } => entry
                .printed()
                .is_none_or(|(_, line)| self.allows_line(line, at_work)),
        };
        (!waits || self.interrupted) && deed.iter().all(can)
    }

    fn is_done(&mut self, entry: &Entry) {
        let Entry::Said { client, what } = entry else {
            return;
        };
        match what {
            What::Started { .. } => self.started += 1,
            What::Interrupted | What::AskedToEnd => self.interrupted = true,
            _ => {}
        }
        let Some(name) = client else { return };
        if let What::Connected { from: at } | What::Opened { at } = what {
            let seen = Seen {
                by_datagrams: matches!(what, What::Opened { .. }),
                ..Seen::default()
            };
            self.addresses.insert(name.clone(), at.to_string());
            self.clients.insert(at.to_string(), seen);
            return;
        }
        let address = self.addresses.get(name);
        let Some(seen) = address.and_then(|address| self.clients.get_mut(address)) else {
            return;
        };
        match what {
            What::Sent { bytes } => seen.sent += seen.amount(bytes.length),
            What::FinishedSending | What::HungUp | What::Reset | What::SawEnd => {
                seen.finished = true
            }
            _ => {}
        }
    }

    fn allows_call(&self, call: &Call) -> bool {
        let about = call.descriptor();
        let is_open = about.is_none_or(|descriptor| self.opened.contains(&descriptor));
        let client = about.and_then(|descriptor| self.descriptors.get(&descriptor));
        let address = peer(call);
        let client = address.as_ref().or(client);
        let seen = client.and_then(|client| self.clients.get(client));
        let can = match (call.name.as_str(), call.number(), seen) {
            (_, None, _) => false, // it waits for what never came
            // It tells that it would have to wait, and that may be at any time.
            (_, Some(-1), _) if call.result.iter().any(|result| result.contains("EAGAIN")) => true,
            // One that is no client wakes the server, so that it ends.
            ("accept" | "accept4", Some(0..), seen) => seen.is_some() || self.interrupted,
            ("recvfrom" | "recvmsg" | "read", Some(count), Some(seen))
                if count > 0 || seen.by_datagrams =>
            {
                seen.read + seen.amount(count as usize) <= seen.sent
            }
            ("recvfrom" | "recvmsg" | "read", Some(_), Some(seen)) => seen.finished,
            // It has come from somebody who has not been there yet.
            ("recvfrom" | "recvmsg", Some(_), None) if address.is_some() => self.interrupted,
            _ => true,
        };
        let has_cause = call.causes.reads <= self.reads && self.is_written(&call.causes);
        is_open && has_cause && can
    }

    fn is_written(&self, causes: &Causes) -> bool {
        let written = |to| self.writes.get(&to).copied().unwrap_or_default();
        causes.writes.is_none_or(|(to, count)| count <= written(to))
    }

    /// Lines are told by the words that every step has for them; any other may come at any time.
    fn allows_line(&self, line: &str, at_work: usize) -> bool {
        if let Some(left) = line.strip_prefix("stopped; clients cut off: ") {
            return self.interrupted && left.parse().is_ok_and(|left: usize| at_work <= left);
        }
        if line.starts_with("stopping: ") {
            return self.interrupted;
        }
        match (about(line), received(line)) {
            (Some(client), Some(count)) => {
                let seen = self.clients.get(client);
                seen.is_some_and(|seen| seen.told + seen.amount(count) <= seen.sent)
            }
            (Some(client), None) => {
                let ends = line.ends_with(" disconnected") || line.starts_with("error: ");
                self.clients
                    .get(client)
                    .is_some_and(|seen| !ends || seen.finished || seen.by_datagrams)
            }
            (None, _) => true,
        }
    }

    fn server_does(&mut self, thread: i32, entry: &Entry) {
        if let Entry::Said {
            what: What::Ready { .. },
            ..
        } = entry
        {
            self.ready += 1;
        }
        if self.full.is_some_and(|(who, _)| who == thread) {
            self.full = None; // it goes on
        }
        if let Some((_, line)) = entry.printed() {
            if let (Some(client), Some(count)) = (about(line), received(line))
                && let Some(seen) = self.clients.get_mut(client)
            {
                seen.told += seen.amount(count);
            }
            self.full = most(line).map(|most| (thread, most)).or(self.full);
        }
        if let Entry::Call(call) = entry {
            self.server_calls(call);
        }
    }

    fn server_calls(&mut self, call: &Call) {
        self.reads += usize::from(call.reads());
        if let Some(to) = call
            .descriptor()
            .filter(|_| self.writers.contains(&call.thread))
        {
            *self.writes.entry(to).or_default() += 1;
        }
        self.threads.extend(call.made());
        self.opened.extend(call.opened());
        let about = call
            .descriptor()
            .and_then(|descriptor| self.descriptors.get(&descriptor));
        let client = peer(call).or(about.cloned());
        if let (Some(client), Some(opened)) = (&client, call.opened()) {
            self.descriptors.insert(opened, client.clone());
        }
        if let ("recvfrom" | "recvmsg" | "read", Some(count @ 0..), Some(client)) =
            (call.name.as_str(), call.number(), client)
            && let Some(seen) = self.clients.get_mut(&client)
        {
            seen.read += seen.amount(count as usize);
        }
    }
}

/// The client that an accept has let in, or that a datagram came from.
fn peer(call: &Call) -> Option<String> {
    let tells = ["accept", "accept4", "recvfrom", "recvmsg"].contains(&call.name.as_str());
    let (_, port) = call.arguments.split_once("htons(").filter(|_| tells)?;
    let (port, rest) = port.split_once(')')?;
    let (_, ip) = rest.split_once("(\"").or(rest.split_once(", \""))?;
    let (ip, _) = ip.split_once('"')?;
    Some(if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    })
}

/// The client that a line is about: `client ADDRESS ...`, `peer ADDRESS ...`, `received N bytes from ADDRESS: ...`.
fn about(line: &str) -> Option<&str> {
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let before = ["client ", "peer ", " from "];
    let (_, from) = before.iter().find_map(|before| line.split_once(before))?;
    let word = from.split_whitespace().next()?.trim_end_matches(':');
    word.parse::<SocketAddr>().is_ok().then_some(word)
}

/// How many bytes a line says were received.
fn received(line: &str) -> Option<usize> {
    line.strip_prefix("received ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// How many clients there are at most, if a line says that there are.
fn most(line: &str) -> Option<usize> {
    line.strip_prefix("full: ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "127.0.0.1:50001";
    const SECOND: &str = "127.0.0.1:50002";

    fn said(client: Option<&str>, what: What) -> Entry {
        Entry::Said {
            client: client.map(str::to_owned),
            what,
        }
    }

    fn printed(line: &str) -> Entry {
        let line = line.to_owned();
        said(None, What::Printed { line })
    }

    fn connected(name: &str, address: &str) -> Entry {
        let from = address.parse().expect("an address");
        said(Some(name), What::Connected { from })
    }

    fn sent(name: &str, text: &str) -> Entry {
        let bytes = harness::Excerpt::of(text.as_bytes());
        said(Some(name), What::Sent { bytes })
    }

    fn finished(name: &str) -> Entry {
        said(Some(name), What::FinishedSending)
    }

    fn call(thread: i32, name: &str, arguments: &str, result: &str) -> Call {
        Call {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            result: Some(result.to_owned()),
            thread,
            causes: Causes::default(),
        }
    }

    fn from(address: &str) -> String {
        let (ip, port) = address.split_once(':').expect("a port");
        format!("{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"{ip}\")}}")
    }

    fn accept(address: &str, descriptor: &str) -> Call {
        call(0, "accept4", &format!("3, {}", from(address)), descriptor)
    }

    fn clone(made: &str) -> Call {
        call(0, "clone3", "{flags=CLONE_THREAD}", made)
    }

    fn write(thread: i32, line: &str) -> Call {
        call(thread, "write", &format!("1, \"{line}\\n\", 1"), "1")
    }

    fn trace(calls: &[&Call]) -> Trace {
        Trace {
            calls: calls.iter().map(|call| (*call).clone()).collect(),
            main: 0,
            open: vec![3],
            writers: BTreeSet::new(),
        }
    }

    /// What comes of it, in the words that a failed assertion shows best.
    #[track_caller]
    fn merges(acts: &[Entry], server: Vec<Entry>, trace: Trace, expected: &[Entry]) {
        let merged = merge(acts.to_vec(), server, trace);
        let lines = |entries: &[Entry]| {
            let lines = entries.iter().map(|entry| format!("{entry:?}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(lines(&merged), lines(expected));
    }

    #[test]
    fn what_the_server_prints_stands_behind_what_caused_it() {
        let command = "a server".to_owned();
        let acts = [
            said(None, What::Started { command }),
            connected("first", FIRST),
            connected("second", SECOND),
            said(Some("first"), What::HungUp),
            finished("second"),
        ];
        let lines = [
            "backlog 5",
            "client 127.0.0.1:50001 connected",
            "client 127.0.0.1:50001 disconnected",
            "client 127.0.0.1:50002 connected",
            "client 127.0.0.1:50002 disconnected",
        ]
        .map(printed);
        let [a, b, c, d, e] = acts.clone();
        let [v, w, x, y, z] = lines.clone();
        let expected = [a, v, b, w, c, d, x, y, e, z];
        merges(&acts, lines.into(), Trace::default(), &expected);
    }

    #[test]
    fn a_read_waits_for_what_was_sent() {
        let calls = [
            accept(FIRST, "4"),
            call(0, "recvfrom", "4, \"hel\", 1024", "3"),
            call(0, "recvfrom", "4, \"lo\", 1024", "2"),
        ];
        let acts = [
            connected("one", FIRST),
            sent("one", "hel"),
            sent("one", "lo"),
        ];
        let [a, b, c] = acts.clone();
        let [x, y, z] = calls.clone().map(Entry::Call);
        let trace = trace(&calls.each_ref());
        merges(&acts, Vec::new(), trace, &[a, x, b, y, c, z]);
    }

    #[test]
    fn a_datagram_waits_for_its_sender_and_an_empty_one_is_one_too() {
        let received = |text: &str, peer: &str| {
            let arguments = format!("3, \"{text}\", 1024, 0, {}", from(peer));
            call(0, "recvfrom", &arguments, &text.len().to_string())
        };
        let calls = [
            received("", FIRST),
            received("a", SECOND),
            received("b", FIRST),
        ];
        let opened = |name, address: &str| {
            let at = address.parse().expect("an address");
            said(Some(name), What::Opened { at })
        };
        let acts = [
            opened("first", FIRST),
            sent("first", ""),
            opened("second", SECOND),
            sent("second", "a"),
            sent("first", "b"),
        ];
        let [a, b, c, d, e] = acts.clone();
        let [x, y, z] = calls.clone().map(Entry::Call);
        let trace = trace(&calls.each_ref());
        merges(&acts, Vec::new(), trace, &[a, b, x, c, d, y, e, z]);
    }

    /// In whatever order strace has seen the calls of two threads, the merged order is one.
    #[test]
    fn of_several_threads_the_one_that_was_made_first_comes_first() {
        let acts = [connected("first", FIRST), connected("second", SECOND)];
        let calls = [
            accept(FIRST, "4"),
            clone("71"),
            write(71, "one"),
            accept(SECOND, "5"),
            clone("72"),
            write(72, "two"),
        ];
        let (lines, [a, b]) = (["one", "two"].map(printed), acts.clone());
        let [c, d] = lines.clone();
        let [u, v, w, x, y, z] = calls.clone().map(Entry::Call);
        let expected = [a, u, v, w, c, b, x, y, z, d];
        let [u, v, w, x, y, z] = &calls;
        for seen in [[u, v, x, y, z, w], [u, v, x, w, y, z], [u, v, w, x, y, z]] {
            merges(&acts, lines.clone().into(), trace(&seen), &expected);
        }
    }

    #[test]
    fn a_thread_that_only_writes_does_so_behind_what_was_read() {
        let mut calls = [
            accept(FIRST, "4"),
            clone("71"),
            call(0, "recvfrom", "4, \"hello\", 1024", "5"),
            call(71, "sendto", "4, \"hello\", 5", "5"),
            call(0, "shutdown", "4, SHUT_WR", "0"),
        ];
        calls[3].causes.reads = 1;
        calls[4].causes.writes = Some((4, 1));
        let acts = [connected("first", FIRST), sent("first", "hello")];
        let [a, b] = acts.clone();
        let [v, w, x, y, z] = calls.clone().map(Entry::Call);
        let mut trace = trace(&calls.each_ref());
        trace.writers.insert(71);
        merges(&acts, Vec::new(), trace, &[a, v, w, b, x, y, z]);
    }

    #[test]
    fn a_full_house_lets_nobody_in_before_a_thread_has_ended() {
        let full = "full: 1 of 1 places are taken; the next client waits";
        let calls = [
            &accept(FIRST, "4"),
            &clone("71"),
            &write(0, full),
            &accept(SECOND, "5"),
            &call(71, "recvfrom", "4, \"\", 1024", "0"),
            &call(71, "close", "4", "0"),
        ];
        let acts = [
            connected("first", FIRST),
            connected("second", SECOND),
            finished("first"),
        ];
        let [a, b, c] = acts.clone();
        let [u, v, w, z, x, y] = calls.map(|call| Entry::Call(call.clone()));
        let expected = [a, u, v, w, printed(full), b, c, x, y, z];
        merges(&acts, vec![printed(full)], trace(&calls), &expected);
    }

    #[test]
    fn whoever_wakes_a_server_that_is_to_end_is_no_client() {
        let stopped = "stopped; clients cut off: 0";
        let calls = [
            &accept(FIRST, "4"),
            &clone("71"),
            &accept("127.0.0.1:50009", "5"),
            &write(0, stopped),
            &call(71, "recvfrom", "4, \"\", 1024", "0"),
        ];
        let acts = [
            connected("first", FIRST),
            said(None, What::Interrupted),
            finished("first"),
        ];
        let [a, b, c] = acts.clone();
        let [v, w, x, z, y] = calls.map(|call| Entry::Call(call.clone()));
        let expected = [a, v, w, b, x, c, y, z, printed(stopped)];
        merges(&acts, vec![printed(stopped)], trace(&calls), &expected);
    }

    #[test]
    fn a_line_stands_behind_the_last_of_the_calls_that_print_it() {
        let part = |text: &str| call(0, "write", &format!("2, \"{text}\", 1"), "1");
        let (one, two) = (part("error: "), part("no\\n"));
        let line = "error: no".to_owned();
        let complained = said(None, What::Complained { line });
        let act = connected("first", FIRST);
        let expected = [
            act.clone(),
            Entry::Call(one.clone()),
            Entry::Call(two.clone()),
            complained.clone(),
        ];
        merges(&[act], vec![complained], trace(&[&one, &two]), &expected);
    }
}
