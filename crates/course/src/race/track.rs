//! A load on a server: one lap after another, each on a server that was started for it.

use std::io;
use std::time::Duration;

use anyhow::Result;
use harness::Server;
use load::{Answers, Content, Crowd, Stream};

use super::SMALL;
use super::contestants::Contestant;
use super::lap::{Entry, Heat, Lap, Load, grouped, permille};
use super::processors::{Processors, time_of_this_thread, waited_for_a_processor};
use crate::bar::Bar;
use crate::bench::caught;

/// A load that used so much of its processor, while the server did not, was the limit.
const BUSY: f64 = 0.9;
/// The longest message.
const LONGEST: usize = 64 * 1024;
const MIB: u64 = 1 << 20;

/// Where it takes place.
pub struct Track {
    processors: Processors,
    content: Content,
    time: Duration,
}

impl Track {
    /// Clients ask for so long.
    pub fn new(time: Duration) -> Self {
        Self {
            processors: Processors::share(),
            content: Content::new(LONGEST),
            time,
        }
    }

    /// What a reader must know of the place.
    pub fn notes(&self) -> Vec<String> {
        let shared = match self.processors.of_servers() {
            Some(1) => "the load has a processor to itself, and so has the server".to_owned(),
            Some(count) => format!("the load has a processor to itself, and the server {count}"),
            None => "the load and the server share the processors".to_owned(),
        };
        let memory = "memory is the server's own; what the kernel keeps for a socket is not in it";
        let mut notes = vec![shared, memory.to_owned()];
        if cfg!(not(target_os = "linux")) {
            notes.push("a ? is what this system does not tell; Linux does".to_owned());
        }
        notes
    }

    /// A load on every contestant, by turns.
    pub fn heat(
        &mut self,
        load: Load,
        contestants: &[Contestant],
        rounds: u32,
        bar: &mut Bar,
    ) -> Result<Heat> {
        let entry = |contestant: &Contestant| Entry {
            name: contestant.name.clone(),
            peer: contestant.peer,
            laps: Vec::new(),
        };
        let mut entries: Vec<Entry> = contestants.iter().map(entry).collect();
        for _ in 0..rounds {
            for (contestant, entry) in contestants.iter().zip(&mut entries) {
                bar.show(&format!("{}: {}", contestant.name, load.title()));
                entry.laps.push(self.lap(load, contestant)?);
                bar.step();
            }
        }
        Ok(Heat { load, entries })
    }

    fn lap(&mut self, load: Load, contestant: &Contestant) -> Result<Lap> {
        let server = self.processors.among_servers(|| contestant.start())?;
        let mut lap = match load {
            Load::PingPong { connections, bytes } => self.ping_pong(&server, connections, bytes),
            Load::Idle { connections } => self.idle(&server, connections),
            Load::Stream { mebibytes } => self.stream(&server, mebibytes),
        }?;
        if caught(|| server.expect_running()).is_err() {
            lap.broke.push("the server has ended by itself".to_owned());
        }
        Ok(lap.round())
    }

    fn ping_pong(&mut self, server: &Server, connections: usize, bytes: usize) -> io::Result<Lap> {
        let mut crowd = Crowd::new(&mut self.content, bytes)?;
        crowd.gather(server.address(), connections)?;
        let mut lap = measure(&mut crowd, server, connections, self.time, &self.processors)?;
        lap.broke = broke(&crowd, server, connections);
        Ok(lap)
    }

    fn idle(&mut self, server: &Server, connections: usize) -> io::Result<Lap> {
        let mut crowd = Crowd::new(&mut self.content, SMALL)?;
        // What a server allocates for its first client is not for each of them.
        crowd.gather(server.address(), 1)?;
        let before = server.own_memory();
        let answered = crowd.gather(server.address(), connections)?;
        let after = server.own_memory();
        let mut lap = measure(&mut crowd, server, 1, self.time, &self.processors)?;
        let grown = before.zip(after).filter(|_| answered > 0);
        lap.memory = grown.map(|(before, after)| (after as f64 - before as f64) / answered as f64);
        lap.broke = broke(&crowd, server, connections + 1);
        Ok(lap)
    }

    fn stream(&mut self, server: &Server, mebibytes: u64) -> io::Result<Lap> {
        // Once with little, so that what is grown is not the server's start.
        Stream::run(server.address(), &self.content, MIB)?;
        let (before, used) = (server.peak_memory(), Used::so_far(server));
        let stream = Stream::run(server.address(), &self.content, mebibytes * MIB)?;
        let used = Used::so_far(server).since(&used);
        let after = server.peak_memory();
        let came = stream.received as f64 / MIB as f64;
        let mut lap = Lap {
            a_second: (came > 0.0).then(|| came / stream.time.as_secs_f64()),
            memory: before
                .zip(after)
                .map(|(before, after)| after as f64 - before as f64),
            ..Lap::default()
        };
        used.tell(&mut lap, stream.time, came, &self.processors);
        if let Some(trouble) = stream.trouble {
            let came = grouped(stream.received);
            lap.broke
                .push(format!("after {came} bytes the client was {trouble}"));
        }
        Ok(lap)
    }
}

/// Lets these clients ask, and counts: after a moment, so that caches are warm and buffers as large as they get.
fn measure(
    crowd: &mut Crowd,
    server: &Server,
    clients: usize,
    time: Duration,
    processors: &Processors,
) -> io::Result<Lap> {
    let mut warming = crowd.ping_pong(clients, time / 10)?;
    crowd.finish(&mut warming)?;
    let before = Used::so_far(server);
    let mut answers = crowd.ping_pong(clients, time)?;
    let used = Used::so_far(server).since(&before);
    crowd.finish(&mut answers)?;
    let Answers {
        count,
        time,
        mut latencies,
    } = answers;
    let mut microseconds =
        |of_1000| permille(&mut latencies, of_1000).map(|nanoseconds| nanoseconds as f64 / 1e3);
    let count = count as f64;
    let mut lap = Lap {
        a_second: (count > 0.0).then(|| count / time.as_secs_f64()),
        p50: microseconds(500),
        p99: microseconds(990),
        ..Lap::default()
    };
    used.tell(&mut lap, time, count, processors);
    Ok(lap)
}

/// What went wrong for how many of so many clients, and what the server said of it.
fn broke(crowd: &Crowd, server: &Server, clients: usize) -> Vec<String> {
    let all = grouped(clients as u64);
    let troubles = crowd.troubles().iter();
    let mut broke: Vec<String> = troubles
        .map(|(trouble, count)| format!("{} of {all} clients: {trouble}", grouped(*count as u64)))
        .collect();
    if !broke.is_empty()
        && let Some(words) = server.last_words()
    {
        broke.extend(words.lines().last().map(|line| format!("it said: {line}")));
    }
    broke
}

/// How long the server and the load have had a processor.
struct Used {
    server: Option<Duration>,
    load: Option<Duration>,
    /// How long the load has waited for one though it had something to do.
    waited: Option<Duration>,
    /// How many processors the server could use at once, if there were as many.
    threads: usize,
}

impl Used {
    fn so_far(server: &Server) -> Self {
        Self {
            server: server.processor_time(),
            load: time_of_this_thread(),
            waited: waited_for_a_processor(),
            threads: match cfg!(target_os = "linux") {
                true => caught(|| server.threads()).unwrap_or(usize::MAX), // it may be gone
                false => usize::MAX,
            },
        }
    }

    fn since(self, before: &Self) -> Self {
        let between = |after: Option<Duration>, before: Option<Duration>| {
            after
                .zip(before)
                .map(|(after, before)| after.saturating_sub(before))
        };
        Self {
            server: between(self.server, before.server),
            load: between(self.load, before.load),
            waited: between(self.waited, before.waited),
            threads: self.threads,
        }
    }

    /// Puts this into a lap that took so long, in which so much was done.
    fn tell(&self, lap: &mut Lap, time: Duration, done: f64, processors: &Processors) {
        if done == 0.0 {
            return; // it may have taken no time at all, and then a share of that says nothing
        }
        let share = |used: Duration| used.as_secs_f64() / time.as_secs_f64();
        lap.processor = self.server.map(|used| used.as_secs_f64() * 1e6 / done);
        lap.load = self.load.map(share);
        lap.disturbed = self.waited.map(|waited| share(waited).min(1.0));
        let of_servers = processors.of_servers().unwrap_or(1) as usize;
        let of_servers = of_servers.min(self.threads) as f64;
        let is_busy =
            |used: Option<Duration>, of: f64| used.is_some_and(|used| share(used) > BUSY * of);
        lap.load_was_the_limit = is_busy(self.load, 1.0) && !is_busy(self.server, of_servers);
    }
}
