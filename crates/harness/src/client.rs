//! One TCP connection, played from the client's side.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::bytes::{Difference, Excerpt, count, escape_controls};
use crate::conversation::{Recorder, What};
use crate::failure::{Failure, cannot_judge};
use crate::kernel::{self, Arrived};
use crate::patience::{AFTERTHOUGHT, Doing, Late, PATIENCE, look_patiently};
use crate::program::CHECK;

/// How long `expect_silence` listens.
pub(crate) const SILENCE: Duration = Duration::from_millis(100);
/// How long `pause` lasts where the system does not tell what the server has read.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
/// How often the system is asked.
pub(crate) const TICK: Duration = Duration::from_micros(200);
/// After a wrong byte, what follows soon is shown as well, up to this many bytes.
const AFTERTHOUGHTS: usize = 4096;

/// What [`Client::read_until`] reads is no longer.
const LONGEST_HEAD: usize = 1 << 16;

/// Whom a client talks to.
#[derive(Clone)]
pub(crate) struct Target {
    pub address: SocketAddr,
    /// The address of this machine that it comes from; if none is given, the system chooses.
    pub from: Option<IpAddr>,
    /// The process that serves there.
    pub process: Option<u32>,
    /// When the check is to be over.
    pub give_up: Instant,
    pub recorder: Recorder,
}

impl Target {
    /// Whether the server waits for something to happen; taken for granted where nobody can tell.
    pub fn asleep(&self) -> bool {
        self.process.and_then(kernel::asleep).unwrap_or(true)
    }

    /// What the server does, which is late since this was asked first.
    pub fn doing(&self, late: &mut Option<Late>) -> Doing {
        late.get_or_insert_with(|| Late::from_now_on(self.process, PATIENCE))
            .doing()
    }
}

/// A TCP connection to the server. Every method takes it and gives it back, so that a conversation
/// reads in order; it ends in [`expect_end`](Self::expect_end), [`expect_reset`](Self::expect_reset),
/// [`hang_up`](Self::hang_up) or [`reset`](Self::reset).
///
/// Each send is one write and, as Nagle's algorithm is off (RFC 9293, section 3.7.4), at least one segment.
#[must_use = "a conversation ends in expect_end, expect_reset, hang_up or reset"]
pub struct Client {
    name: String,
    pub(crate) stream: TcpStream,
    address: SocketAddr,
    pub(crate) target: Target,
    /// How many bytes were sent to the server.
    pub(crate) sent: u64,
    finished: bool,
    reset: bool,
    /// When the last byte came.
    heard: Instant,
}

/// Why a client was not let in.
pub(crate) enum Refusal {
    Refused,
    NoAnswer,
    Reset,
}

impl Refusal {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused => "a refusal: nobody listens there",
            Self::NoAnswer => "no answer within 2 s: its queue is full",
            Self::Reset => "a reset: it was let in and thrown out at once",
        }
    }
}

/// How a connection was when no byte came.
pub(crate) enum Ending {
    Closed,
    Reset,
    Silent,
    Busy,
    Dripping,
}

impl Ending {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Closed => "the server closed the connection",
            Self::Reset => "the connection was reset",
            Self::Silent => "the connection is still open and silent for 2 s",
            Self::Busy => {
                "the connection is still open and silent: the server is in an endless loop"
            }
            Self::Dripping => "the rest had still not come when the check's 60 s were over",
        }
    }

    /// What a learner cannot see from the outside.
    fn note(&self) -> Option<(&'static str, String)> {
        let note = "a connection is reset when it is closed while bytes are unread, and when its program \
                    dies; an answer sent just before may be lost (RFC 1122, section 4.2.2.13)";
        matches!(self, Self::Reset).then(|| ("note", note.to_owned()))
    }
}

impl Client {
    pub(crate) fn connect(name: &str, target: Target, waiting: Duration) -> Result<Self, Refusal> {
        let recorder = &target.recorder;
        let refuse = |what, refusal| {
            recorder.client(name, what);
            Err(refusal)
        };
        let waited = millis(waiting);
        let stream = match connect(&target, waiting) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return refuse(What::Refused, Refusal::Refused);
            }
            Err(error) if is_timeout(&error) => {
                return refuse(What::NotLetIn { waited }, Refusal::NoAnswer);
            }
            Err(error) if is_reset(&error) => return refuse(What::SawReset, Refusal::Reset),
            Err(error) => cannot_judge(format!("cannot connect to {}: {error}", target.address)),
        };
        let address = match set_up(&stream) {
            Ok(address) => address,
            Err(error) => cannot_judge(format!("cannot set up a client's socket: {error}")),
        };
        if address == target.address {
            // TCP lets a socket connect to itself when nobody listens (simultaneous open, RFC 9293,
            // section 3.5). It would echo whatever is sent, and an echo check would pass without a server.
            return refuse(What::Refused, Refusal::Refused);
        }
        recorder.client(name, What::Connected { from: address });
        Ok(Self::new(name, stream, address, target))
    }

    /// The client's end of a connection that the server has opened.
    pub(crate) fn accepted(name: &str, stream: TcpStream, target: Target) -> Self {
        // Some systems hand on what the listener does not do: wait.
        let set_up = stream.set_nonblocking(false).and_then(|()| set_up(&stream));
        match set_up {
            Ok(at) => {
                target.recorder.client(name, What::Accepted { at });
                Self::new(name, stream, at, target)
            }
            Err(error) => cannot_judge(format!("cannot set up a client's socket: {error}")),
        }
    }

    fn new(name: &str, stream: TcpStream, address: SocketAddr, target: Target) -> Self {
        Self {
            name: name.to_owned(),
            stream,
            address,
            target,
            sent: 0,
            finished: false,
            reset: false,
            heard: Instant::now(),
        }
    }

    /// The client's own address: what the server should print as its peer.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes it has sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn record(&self, what: What) {
        self.target.recorder.client(&self.name, what);
    }

    /// Sends `bytes` in one write. If the connection is gone, the next expectation tells.
    #[track_caller]
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.record(What::Sent {
            bytes: Excerpt::of(bytes),
        });
        if let Err(error) = write_all(&self.stream, bytes, &self.target) {
            // Who has been told of a reset is not told again: the next read finds a mere end.
            self.reset |= error.kind() == ErrorKind::ConnectionReset;
            if !is_reset(&error) {
                cannot_send(&error, bytes.len()).raise();
            }
        }
        self.sent += bytes.len() as u64;
        self
    }

    /// Sends `bytes` in one write, the last of them as urgent data (`MSG_OOB`, send(2)): so does Telnet with the mark of
    /// its Synch (RFC 854). A reader that has not asked for it in its place does not find it there.
    #[track_caller]
    pub fn send_urgent(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.record(What::Sent {
            bytes: Excerpt::of(bytes),
        });
        match SockRef::from(&self.stream).send_out_of_band(bytes) {
            Err(error) if !is_reset(&error) => cannot_send(&error, bytes.len()).raise(),
            _ => self.sent += bytes.len() as u64,
        }
        self
    }

    /// Sends `bytes` one at a time, each in a segment of its own, with a pause after it.
    #[track_caller]
    pub fn send_byte_by_byte(mut self, bytes: impl AsRef<[u8]>) -> Self {
        for byte in bytes.as_ref().chunks(1) {
            self = self.send(byte).pause();
        }
        self
    }

    /// Sends several messages in one write, so that they arrive in one piece.
    #[track_caller]
    pub fn send_together<M: AsRef<[u8]>>(self, messages: &[M]) -> Self {
        let together: Vec<u8> = messages.iter().flat_map(AsRef::as_ref).copied().collect();
        self.send(together)
    }

    /// Sends `bytes` and reads at the same time, until exactly `expected` has come back.
    ///
    /// For more data than the buffers on the way can hold: whoever only sends would wait for ever.
    #[track_caller]
    pub fn send_while_reading(mut self, bytes: &[u8], expected: &[u8]) -> Self {
        self.record(What::Sent {
            bytes: Excerpt::of(bytes),
        });
        let sender = match self.stream.try_clone() {
            Ok(sender) => sender,
            Err(error) => cannot_judge(format!("cannot clone a client's socket: {error}")),
        };
        let target = self.target.clone();
        let (sent, received) = thread::scope(|scope| {
            let sending = scope.spawn(move || write_all(&sender, bytes, &target));
            let received = self.receive(expected);
            if received.is_err() {
                // Wakes a sender that waits for a server that no longer reads.
                let _ = self.stream.shutdown(Shutdown::Both);
            }
            (sending.join(), received)
        });
        if let Err(failure) = received {
            failure.raise();
        }
        if let Ok(Err(error)) = sent {
            cannot_send(&error, bytes.len()).raise();
        }
        self.sent += bytes.len() as u64;
        self
    }

    /// Sends without ever reading until the server takes no more: a client that does not listen.
    ///
    /// Fails the check if the server goes on taking, and so has 64 MiB to keep somewhere.
    #[track_caller]
    pub fn send_until_blocked(self) -> Self {
        self.send_until_blocked_before(64 << 20)
    }

    /// The same, for a server that works on what it takes: it fails the check with as many bytes as `most`. The kernels
    /// on both sides take a few MiB by themselves.
    #[track_caller]
    pub fn send_until_blocked_before(mut self, most: usize) -> Self {
        let chunk = [b'x'; 1 << 16];
        let _ = self.stream.set_write_timeout(Some(SILENCE));
        let (mut sent, mut late) = (0, None);
        while sent < most {
            let tired = Instant::now() > self.target.give_up;
            // Exactly so many, also when a write was cut short by its time-out: the text is always the same.
            let room = chunk.len().min(most - sent);
            match self.stream.write(&chunk[..room]) {
                Ok(count) if !tired => (sent, late) = (sent + count, None),
                Ok(_) => cannot_send(&ErrorKind::TimedOut.into(), sent).raise(),
                // On a busy machine it may only be waiting for its turn.
                Err(error) if is_timeout(&error) => match self.target.doing(&mut late) {
                    Doing::Works => {}
                    // It has just had its turn, and waits for us.
                    Doing::Waits if self.has_nothing_to_read() && !tired => {}
                    Doing::Waits | Doing::Spins => break,
                },
                Err(error) => cannot_send(&error, sent).raise(),
            }
        }
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        self.sent += sent as u64;
        self.record(What::Sent {
            bytes: Excerpt {
                length: sent,
                head: "xxx".into(),
                tail: "xxx".into(),
            },
        });
        if sent >= most {
            let got = format!("it took {} and sent nothing that was read", count(sent));
            Failure::new(
                "a server that stops reading while its answers are not read",
                got,
            )
            .raise();
        }
        self
    }

    /// Waits until the server has read all that was sent: what is sent next comes as a new piece.
    ///
    /// Waits 2 s at most for a server that does not read, and 20 ms where the system does not tell.
    pub fn pause(self) -> Self {
        match self.arrived() {
            Some(_) => wait_for(PATIENCE, || self.is_read()),
            None => wait_for(PAUSE, || false),
        }
        self
    }

    fn arrived(&self) -> Option<Arrived> {
        kernel::arrived(self.address, self.target.address)
    }

    /// Whether the server has read all that has arrived there; not taken for granted.
    fn has_nothing_to_read(&self) -> bool {
        self.arrived().is_some_and(|arrived| arrived.unread == 0)
    }

    /// Whether the server has read all that was sent, as far as the system tells.
    fn is_read(&self) -> bool {
        let is_read = |arrived: Arrived| arrived.all >= self.sent && arrived.unread == 0;
        self.arrived().is_none_or(is_read)
    }

    /// Says that nothing more will be sent, and goes on reading (a half-close, shutdown(2)).
    #[track_caller]
    pub fn finish_sending(mut self) -> Self {
        self.record(What::FinishedSending);
        self.finished = true;
        // A connection that is already reset has no direction left to close; the next expectation tells.
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Expects exactly these bytes next. Each must come within 2 s of the one before.
    #[track_caller]
    pub fn expect(mut self, expected: impl AsRef<[u8]>) -> Self {
        match self.receive(expected.as_ref()) {
            Ok(()) => self,
            Err(failure) => failure.raise(),
        }
    }

    /// The same for more than the buffers on the way can hold: where it goes wrong is a matter of luck then, so neither
    /// the failure nor the conversation says where.
    #[track_caller]
    pub fn expect_whole(mut self, expected: impl AsRef<[u8]>) -> Self {
        let expected = expected.as_ref();
        let (good, wrong, ending) = self.read_while_right(expected);
        if good == expected.len() {
            self.record_received(expected);
            return self;
        }
        let got = match &ending {
            Some(ending) if wrong.is_empty() => ending.name(),
            _ => "other bytes",
        };
        let note = ending.as_ref().and_then(Ending::note);
        if let Some(ending) = &ending {
            self.record_ending(ending);
        }
        let expected = format!("all of {}", Excerpt::of(expected));
        Failure::new(expected, format!("a part of it, then {got}"))
            .entries(note)
            .raise()
    }

    /// Expects exactly this line next. `line` is without its newline, which must come too.
    #[track_caller]
    pub fn expect_line(self, line: &str) -> Self {
        self.expect(format!("{line}\n"))
    }

    /// Reads up to and with the first `end`, whatever it is: for what no check can know, such as a date.
    /// Fails the check if no byte comes for 2 s, or 64 KiB have come without it.
    #[track_caller]
    pub fn read_until(mut self, end: &[u8]) -> (Self, Vec<u8>) {
        let expected = format!("bytes that end in {}", Excerpt::of(end));
        let got = self.receive_until(end, &expected);
        (self, got)
    }

    #[track_caller]
    fn receive_until(&mut self, end: &[u8], expected: &str) -> Vec<u8> {
        let mut got = Vec::new();
        while !got.ends_with(end) {
            let mut byte = [0];
            match self.read_patiently(&mut byte) {
                Ok(_) if got.len() < LONGEST_HEAD => got.extend(byte),
                Ok(_) => {
                    self.record_received(&got);
                    let got = format!("{} without that end", count(got.len()));
                    Failure::new(expected, got).raise();
                }
                Err(ending) => self.fell_short(expected, &got, &ending),
            }
        }
        self.record_received(&got);
        got
    }

    /// Reads a line, whatever it says; it is returned without its end, `\n` or `\r\n`.
    #[track_caller]
    pub fn read_line(self) -> (Self, String) {
        let (client, line) = self.read_until(b"\n");
        (client, without_end(&line))
    }

    /// Expects a line that begins so next, whatever else it says: a reply of FTP is known by its number. The line is
    /// returned without its end, `\n` or `\r\n`.
    #[track_caller]
    pub fn expect_line_that_begins(mut self, beginning: &str) -> (Self, String) {
        let expected = format!("a line that begins with \"{}\"", escape_controls(beginning));
        let line = self.receive_until(b"\n", &expected);
        if !line.starts_with(beginning.as_bytes()) {
            Failure::new(expected, Excerpt::of(&line).to_string()).raise();
        }
        (self, without_end(&line))
    }

    /// Reads so many bytes, whatever they are. Each must come within 2 s of the one before.
    #[track_caller]
    pub fn read_exactly(mut self, length: usize) -> (Self, Vec<u8>) {
        let (got, ending) = self.fill(length);
        if let Some(ending) = ending {
            self.fell_short(&count(length), &got, &ending);
        }
        self.record_received(&got);
        (self, got)
    }

    /// Reads so many bytes, whatever they are, or those that come before the connection ends in whatever way. Each must
    /// come within 2 s of the one before.
    #[track_caller]
    pub fn read_up_to(mut self, length: usize) -> (Self, Vec<u8>) {
        let (got, ending) = self.fill(length);
        match ending {
            None | Some(Ending::Closed | Ending::Reset) => {}
            Some(ending) => self.fell_short(&count(length), &got, &ending),
        }
        self.record_received(&got);
        (self, got)
    }

    /// Reads so many bytes, or those that came before something else happened.
    pub(crate) fn fill(&mut self, length: usize) -> (Vec<u8>, Option<Ending>) {
        let mut got = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.read_patiently(&mut got[filled..]) {
                Ok(more) => filled += more,
                Err(ending) => {
                    got.truncate(filled);
                    return (got, Some(ending));
                }
            }
        }
        (got, None)
    }

    /// Reads all that comes until the server closes the connection. Fails the check if it does not, or resets it.
    #[track_caller]
    pub fn read_to_end(mut self) -> Vec<u8> {
        let mut got = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.read_patiently(&mut buffer) {
                Ok(count) => got.extend_from_slice(&buffer[..count]),
                Err(Ending::Closed) => {
                    self.record_received(&got);
                    self.record(What::SawEnd);
                    return got;
                }
                Err(ending) => self.fell_short("the end of the connection", &got, &ending),
            }
        }
    }

    /// Ends the check: the connection has ended, or fell silent, before all was there.
    #[track_caller]
    fn fell_short(&self, expected: &str, got: &[u8], ending: &Ending) -> ! {
        self.record_received(got);
        self.record_ending(ending);
        let bytes = match got {
            [] => String::new(),
            got => format!("{}, then ", Excerpt::of(got)),
        };
        Failure::new(expected, bytes + ending.name())
            .entries(ending.note())
            .entries(self.state(ending))
            .raise()
    }

    fn record_received(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let bytes = Excerpt::of(bytes);
            let recorder = &self.target.recorder;
            recorder.client_at(self.heard, &self.name, What::Received { bytes });
        }
    }

    /// Waits until something comes or the connection ends, for so long at most: for a server's own time-outs, which may
    /// be longer than the 2 s of an expectation. What comes is left for that.
    pub fn wait_up_to(self, waiting: Duration) -> Self {
        self.hears_within(waiting);
        self
    }

    /// Whether something comes or the connection ends within this time. What comes is left for the next expectation.
    pub fn hears_within(&self, waiting: Duration) -> bool {
        // A socket that was shut down on both sides takes no time-out on macOS; the next expectation tells.
        let _ = self.stream.set_read_timeout(Some(waiting));
        let peeked = self.stream.peek(&mut [0]);
        !peeked.is_err_and(|error| is_timeout(&error))
    }

    /// Expects that nothing comes for 100 ms, and that the connection stays open.
    #[track_caller]
    pub fn expect_silence(self) -> Self {
        self.expect_silence_for(SILENCE)
    }

    /// Expects that nothing comes for as long as `waiting`, or longer if the server works until then, and that the
    /// connection stays open.
    #[track_caller]
    pub fn expect_silence_for(mut self, waiting: Duration) -> Self {
        let mut buffer = [0; 64];
        let read = self.read_while_it_works(&mut buffer, waiting);
        let (got, note) = match self.recorded(read, &buffer) {
            Err(Ending::Silent | Ending::Busy) => {
                self.record(What::Silence {
                    waited: millis(waiting),
                });
                return self;
            }
            Ok(count) => (Excerpt::of(&buffer[..count]).to_string(), None),
            Err(ending) => (ending.name().to_owned(), ending.note()),
        };
        Failure::new(format!("nothing for {} ms", millis(waiting)), got)
            .entries(note)
            .raise()
    }

    /// Expects that the server closes the connection next, and has sent nothing more.
    #[track_caller]
    pub fn expect_end(mut self) {
        self.expect_ending("the end of the connection", |ending| {
            matches!(ending, Ending::Closed)
        });
    }

    /// Expects that the connection is reset next, and that nothing more was sent.
    #[track_caller]
    pub fn expect_reset(mut self) {
        self.expect_ending("a reset", |ending| matches!(ending, Ending::Reset));
    }

    #[track_caller]
    fn expect_ending(&mut self, expected: &str, right: fn(&Ending) -> bool) {
        let mut buffer = [0; 64];
        let read = self.read_patiently(&mut buffer);
        match self.recorded(read, &buffer) {
            Err(ending) if right(&ending) => {}
            Err(ending) => Failure::new(expected, ending.name())
                .entries(ending.note())
                .entries(self.state(&ending))
                .entries(self.finished_note(matches!(ending, Ending::Silent | Ending::Busy)))
                .raise(),
            Ok(count) => {
                let got = format!("{} that nobody asked for", Excerpt::of(&buffer[..count]));
                Failure::new(format!("{expected}, and nothing before it"), got)
                    .entries(self.finished_note(true))
                    .raise();
            }
        }
    }

    /// How far a server has come that says nothing, as its kernel knows.
    fn state(&self, ending: &Ending) -> Option<(&'static str, String)> {
        if !matches!(ending, Ending::Silent | Ending::Busy) {
            return None;
        }
        let arrived = self.arrived()?;
        let state = match (arrived.accepted, arrived.unread) {
            (false, _) => "it has not let this client in (accept)".to_owned(),
            (true, 0) if self.sent == 0 => "it has let this client in, and waits".to_owned(),
            (true, 0) if self.finished => "it has read all that this client has sent".to_owned(),
            (true, 0) => {
                "it has read all that this client has sent, and waits: for more, or for the end?\n\
                          Or is its answer in a buffer that was not flushed?"
                    .to_owned()
            }
            (true, unread) => format!("it has not read the last {} yet", count(unread as usize)),
        };
        Some(("server", state))
    }

    /// What a server may have missed when a client has finished sending and it does not end.
    fn finished_note(&self, goes_on: bool) -> Option<(&'static str, String)> {
        let note = "the client has finished sending: from now on a read returns 0 bytes. That is the end, not an \
                    empty message: answer what is left, and close the connection";
        (self.finished && goes_on).then(|| ("note", note.to_owned()))
    }

    /// Closes the connection. Bytes that were not read make this a reset.
    pub fn hang_up(self) {
        self.record(What::HungUp);
    }

    /// Resets the connection: the server's next read fails (SO_LINGER with a time of zero, socket(7)).
    ///
    /// What was sent has reached the server's kernel before, and it knows of the reset after this: on a
    /// busy machine packets are handled late, and even out of order.
    pub fn reset(self) {
        let (client, server) = (self.address, self.target.address);
        wait_for(PATIENCE, || {
            let has_all = |arrived: Arrived| arrived.all >= self.sent;
            self.arrived().is_none_or(has_all)
        });
        self.record(What::Reset);
        if let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            cannot_judge(format!("cannot reset a connection: {error}"));
        }
        drop(self);
        wait_for(PATIENCE, || kernel::is_over(client, server).unwrap_or(true));
    }

    /// Reads until `expected` is there, or something else is.
    fn receive(&mut self, expected: &[u8]) -> Result<(), Failure> {
        let (good, wrong, ending) = self.read_while_right(expected);
        let got = match good == expected.len() {
            true => Cow::Borrowed(expected),
            false => Cow::Owned([&expected[..good], &wrong].concat()),
        };
        self.record_received(&got);
        if let Some(ending) = &ending {
            self.record_ending(ending);
        }
        let Some(difference) = Difference::between(expected, &got) else {
            return Ok(());
        };
        let how = match &ending {
            Some(ending) => format!("{}, then {}", count(got.len()), ending.name()),
            None => count(got.len()),
        };
        let failure = Failure::of_bytes(difference, &count(expected.len()), &how);
        let note = ending.as_ref().and_then(Ending::note);
        let state = ending.and_then(|ending| self.state(&ending));
        Err(failure
            .entries(note)
            .entries(state)
            .entries(unused_room(&wrong)))
    }

    /// How many bytes were as expected, what came instead of the next one, and whether it ended there.
    fn read_while_right(&mut self, expected: &[u8]) -> (usize, Vec<u8>, Option<Ending>) {
        let mut buffer = vec![0; expected.len().clamp(1, 1 << 16)];
        let mut good = 0;
        while good < expected.len() {
            let room = buffer.len().min(expected.len() - good);
            match self.read_patiently(&mut buffer[..room]) {
                Ok(count) if expected[good..].starts_with(&buffer[..count]) => good += count,
                Ok(count) => {
                    let mut wrong = buffer[..count].to_vec();
                    let ending = self.read_afterthoughts(&mut wrong);
                    return (good, wrong, ending);
                }
                Err(ending) => return (good, Vec::new(), Some(ending)),
            }
            if Instant::now() > self.target.give_up {
                return (good, Vec::new(), Some(Ending::Dripping));
            }
        }
        (good, Vec::new(), None)
    }

    /// Reads what else the server has to say now, and whether it ends the connection with that.
    fn read_afterthoughts(&mut self, wrong: &mut Vec<u8>) -> Option<Ending> {
        let mut buffer = [0; AFTERTHOUGHTS];
        let started = Instant::now();
        while wrong.len() < AFTERTHOUGHTS {
            // It has read everything and waits for more: what it had to say is here, or on the way.
            let settled = self.is_read() && self.target.asleep();
            match self.read_within(&mut buffer, AFTERTHOUGHT) {
                Ok(count) => wrong.extend_from_slice(&buffer[..count]),
                Err(Ending::Silent) if settled => return None,
                Err(Ending::Silent) if started.elapsed() > PATIENCE => return None,
                Err(Ending::Silent) => {}
                Err(ending) => return Some(ending),
            }
        }
        None
    }

    /// Puts what was read, or how it ended, into the conversation.
    fn recorded(&mut self, read: Result<usize, Ending>, buffer: &[u8]) -> Result<usize, Ending> {
        match &read {
            Ok(count) => {
                self.record(What::Received {
                    bytes: Excerpt::of(&buffer[..*count]),
                });
            }
            Err(ending) => self.record_ending(ending),
        }
        read
    }

    fn record_ending(&self, ending: &Ending) {
        match ending {
            Ending::Closed => self.record(What::SawEnd),
            Ending::Reset => self.record(What::SawReset),
            Ending::Silent | Ending::Busy | Ending::Dripping => {}
        }
    }

    /// Reads what comes within 2 s, and later as long as the server works.
    fn read_patiently(&mut self, buffer: &mut [u8]) -> Result<usize, Ending> {
        self.read_while_it_works(buffer, PATIENCE)
    }

    /// What comes within this time, or later if the server works until then.
    fn read_while_it_works(
        &mut self,
        buffer: &mut [u8],
        waiting: Duration,
    ) -> Result<usize, Ending> {
        let process = self.target.process;
        let read = look_patiently(process, waiting, |waiting| {
            match self.read_within(buffer, waiting) {
                Err(Ending::Silent) => None,
                read => Some(read),
            }
        });
        read.unwrap_or_else(|doing| match doing {
            Doing::Spins => Err(Ending::Busy),
            _ => Err(Ending::Silent),
        })
    }

    fn read_within(&mut self, buffer: &mut [u8], waiting: Duration) -> Result<usize, Ending> {
        let deadline = Instant::now() + waiting;
        loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            // A socket that was shut down on both sides takes no time-out on macOS; the read tells.
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(buffer) {
                Ok(0) if self.reset => return Err(Ending::Reset),
                Ok(0) => return Err(Ending::Closed),
                Ok(count) => {
                    self.heard = Instant::now();
                    return Ok(count);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    _ if is_timeout(&error) && Instant::now() < deadline => {}
                    _ if is_timeout(&error) => return Err(Ending::Silent),
                    _ if is_reset(&error) => return Err(Ending::Reset),
                    _ => cannot_judge(format!("cannot read from a connection: {error}")),
                },
            }
        }
    }
}

fn connect(target: &Target, waiting: Duration) -> io::Result<TcpStream> {
    let Some(from) = target.from else {
        return TcpStream::connect_timeout(&target.address, waiting);
    };
    // A socket that is bound has its own address before it asks for a connection.
    let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&target.address.into(), waiting)?;
    Ok(socket.into())
}

/// A line as text, without its end.
fn without_end(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.trim_end_matches('\n')
        .trim_end_matches('\r')
        .to_owned()
}

/// What every connection needs. Returns the client's own address.
fn set_up(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.local_addr()
}

/// What is wrong with bytes that begin with zeros.
fn unused_room(wrong: &[u8]) -> Option<(&'static str, String)> {
    let note = "a buffer holds zeros where no read has put anything: of its bytes, use as many as the read \
                has returned";
    wrong
        .starts_with(&[0, 0])
        .then(|| ("note", note.to_owned()))
}

/// Waits until it is so, for `patience` at most.
pub(crate) fn wait_for(patience: Duration, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() && started.elapsed() < patience {
        thread::park_timeout(TICK);
    }
}

/// Each part must be taken within 2 s (the stream's own time-out) by a server that does not work on the
/// last one, and all before the check is over.
pub(crate) fn write_all(
    mut stream: &TcpStream,
    mut bytes: &[u8],
    target: &Target,
) -> io::Result<()> {
    let mut late = None;
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => (bytes, late) = (&bytes[count..], None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) && target.doing(&mut late) == Doing::Works => {}
            Err(error) => return Err(error),
        }
        if !bytes.is_empty() && Instant::now() > target.give_up {
            return Err(ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// A socket's time-out is a WouldBlock on Unix and a TimedOut on Windows.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether the other side has thrown the connection away.
pub(crate) fn is_reset(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

fn cannot_send(error: &io::Error, bytes: usize) -> Failure {
    let expected = format!("a server that reads {}", count(bytes));
    if is_timeout(error) {
        let limits = format!("(2 s without a byte, or {} s in all)", CHECK.as_secs());
        return Failure::new(expected, format!("a server that took too long {limits}"));
    }
    Failure::new(expected, Ending::Reset.name()).entries(Ending::Reset.note())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every way to send `message` in two pieces, both of them with something in them.
pub fn splits(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    (1..message.len()).map(|boundary| message.split_at(boundary))
}
