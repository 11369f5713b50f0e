//! What a program prints, read as it comes and kept within bounds.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::conversation::{Recorder, What};

/// How the ready line begins; the address follows.
pub(crate) const READY: &str = "listening on ";
/// The first and the last lines of each stream are kept, up to this many; those between are counted.
const KEPT_LINES: usize = 1000;
/// A longer line is kept in pieces of this many bytes.
const LONGEST_LINE: usize = 4096;
/// Of a program that prints no more than this, every byte is kept.
const KEPT_BYTES: usize = 1 << 16;

/// How many lines count as a program's last words.
const LAST_WORDS: usize = 4;

/// Which stream of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The lines a program has printed; two threads fill it, checks wait on it.
#[derive(Clone)]
pub(crate) struct Output(Arc<(Mutex<Lines>, Condvar)>);

/// What is known of the output at one moment.
pub(crate) struct Lines {
    stdout: Kept,
    stderr: Kept,
    /// Streams that still have a writer.
    open: usize,
}

/// The lines of one stream.
#[derive(Default)]
pub(crate) struct Kept {
    head: Vec<String>,
    tail: VecDeque<String>,
    omitted: usize,
    /// What came after the last newline, if the stream has ended there.
    unfinished: Vec<u8>,
    /// How many lines of the stream a check has already looked at.
    seen: usize,
    /// Whether the next piece goes on with a line that was too long for one.
    continued: bool,
    /// The first bytes, as they came.
    bytes: Vec<u8>,
}

impl Output {
    /// Starts to read both streams; they end when the last process that holds them is gone.
    pub fn reading(
        stdout: impl Read + Send + 'static,
        stderr: impl Read + Send + 'static,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        let lines = Lines {
            stdout: Kept::default(),
            stderr: Kept::default(),
            open: 2,
        };
        let output = Self(Arc::new((Mutex::new(lines), Condvar::new())));
        output.read_in_background(stdout, Stream::Stdout, recorder.clone())?;
        output.read_in_background(stderr, Stream::Stderr, recorder.clone())?;
        Ok(output)
    }

    fn read_in_background(
        &self,
        pipe: impl Read + Send + 'static,
        stream: Stream,
        recorder: Recorder,
    ) -> io::Result<()> {
        let output = self.clone();
        let reader = move || {
            let mut pipe = BufReader::with_capacity(1 << 16, pipe);
            // An error is taken as the end: what was said until then counts.
            while let Some(chunk) = pipe.fill_buf().ok().filter(|chunk| !chunk.is_empty()) {
                output.take(stream, chunk, &recorder);
                let taken = chunk.len();
                pipe.consume(taken);
            }
            output.end(stream, &recorder);
        };
        thread::Builder::new().spawn(reader).map(drop)
    }

    pub fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was printed, line by line. What has no newline is unfinished: it may go on.
    fn take(&self, stream: Stream, mut bytes: &[u8], recorder: &Recorder) {
        let mut lines = self.lines();
        let kept = lines.stream(stream);
        let room = bytes.len().min(KEPT_BYTES + 1 - kept.bytes.len());
        kept.bytes.extend_from_slice(&bytes[..room]);
        while !bytes.is_empty() {
            let room = bytes.len().min(LONGEST_LINE - kept.unfinished.len());
            let end = memchr::memchr(b'\n', &bytes[..room]).map_or(room, |end| end + 1);
            let (piece, rest) = bytes.split_at(end);
            kept.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || kept.unfinished.len() >= LONGEST_LINE {
                kept.finish_line(stream, recorder);
            }
            bytes = rest;
        }
        self.0.1.notify_all();
    }

    /// A last word without a newline is recorded, but a line it is not: no check is to match it.
    fn end(&self, stream: Stream, recorder: &Recorder) {
        let mut lines = self.lines();
        lines.open -= 1;
        let rest = lines.stream(stream).unfinished();
        if !rest.is_empty() {
            recorder.server(stream.event(rest));
        }
        self.0.1.notify_all();
    }

    /// Waits until `ready` finds in the output what it looks for, at most until `deadline`.
    ///
    /// Looks again whenever something is printed, and at least every `tick`.
    pub fn wait<T>(
        &self,
        deadline: Instant,
        tick: Duration,
        mut ready: impl FnMut(&mut Lines) -> Option<T>,
    ) -> Option<T> {
        let mut lines = self.lines();
        loop {
            if let Some(found) = ready(&mut lines) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.0.1.wait_timeout(lines, left.min(tick));
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Lines {
    pub fn stream(&mut self, stream: Stream) -> &mut Kept {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether no process can print anything more.
    pub fn ended(&self) -> bool {
        self.open == 0
    }
}

impl Kept {
    fn finish_line(&mut self, stream: Stream, recorder: &Recorder) {
        let mut bytes = std::mem::take(&mut self.unfinished);
        let ended = bytes.ends_with(b"\n");
        while bytes
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            bytes.pop();
        }
        let mut line = String::from_utf8_lossy(&bytes).into_owned();
        if self.continued {
            line.insert(0, '…'); // so that it is taken for no line of its own
        }
        self.continued = !ended;
        recorder.server(stream.event(line.clone()));
        if self.head.len() < KEPT_LINES {
            self.head.push(line);
            return;
        }
        if self.tail.len() == KEPT_LINES {
            self.tail.pop_front();
            self.omitted += 1;
        }
        self.tail.push_back(line);
    }

    /// The next line that nobody has looked at yet.
    pub fn next_line(&mut self) -> Option<String> {
        let tail_from = self.head.len() + self.omitted;
        if self.seen >= self.head.len() {
            self.seen = self.seen.max(tail_from);
        }
        let line = self
            .head
            .get(self.seen)
            .or_else(|| self.tail.get(self.seen - tail_from.min(self.seen)))?
            .clone();
        self.seen += 1;
        Some(line)
    }

    /// What came after the last newline.
    pub fn unfinished(&self) -> String {
        String::from_utf8_lossy(&self.unfinished).into_owned()
    }

    /// The last lines, finished or not, without the advice that Rust's panics end with.
    pub fn last_words(&self) -> String {
        let text = self.text();
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("note: run with `RUST_"));
        let lines: Vec<&str> = lines.collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// Everything that was printed, as it was, or if that is too much, the lines that were kept.
    pub fn text(&self) -> String {
        if self.bytes.len() <= KEPT_BYTES {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        let line = |line: &String| format!("{line}\n");
        let omitted = if self.omitted > 0 {
            format!("(… {} more lines …)\n", self.omitted)
        } else {
            String::new()
        };
        let head: String = self.head.iter().map(line).collect();
        let tail: String = self.tail.iter().map(line).collect();
        head + &omitted + &tail + &self.unfinished()
    }
}

impl Stream {
    fn event(self, line: String) -> What {
        match self {
            Self::Stdout if line.starts_with(READY) => What::Ready { line },
            Self::Stdout => What::Printed { line },
            Self::Stderr => What::Complained { line },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_head_and_tail_and_counts_the_middle() {
        let flood: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        let output = Output::reading(
            std::io::Cursor::new(flood),
            std::io::empty(),
            &Recorder::new(false),
        );
        let output = output.expect("a thread");
        let deadline = Instant::now() + Duration::from_secs(5);
        output
            .wait(deadline, Duration::from_millis(5), |lines| {
                lines.ended().then_some(())
            })
            .expect("it ends");
        let text = output.lines().stream(Stream::Stdout).text();
        assert!(text.starts_with("0\n1\n"));
        assert!(text.contains("\n999\n(… 48000 more lines …)\n49000\n"));
        assert!(text.ends_with("49998\n49999\n"));
    }
}
