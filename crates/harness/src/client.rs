//! One TCP connection, played from the client's side.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::bytes::{Difference, Excerpt, count};
use crate::conversation::{Recorder, What};
use crate::failure::{Failure, cannot_judge};

/// A client waits this long for the next byte, and for room to send one.
const PATIENCE: Duration = Duration::from_secs(2);
/// No single expectation takes longer, however steadily bytes drip in.
const LONGEST: Duration = Duration::from_secs(60);
/// How long [`Client::expect_silence`] listens.
const SILENCE: Duration = Duration::from_millis(100);
/// How long [`Client::pause`] waits for the server to take what was sent.
const PAUSE: Duration = Duration::from_millis(20);
/// After a wrong byte, what follows at once is shown as well.
const AFTERTHOUGHT: Duration = Duration::from_millis(20);

/// A TCP connection to the server. Every method takes it and gives it back, so that a conversation
/// reads in order; it ends in [`expect_end`](Self::expect_end), [`expect_reset`](Self::expect_reset),
/// [`hang_up`](Self::hang_up) or [`reset`](Self::reset).
///
/// Each send is one write and, as Nagle's algorithm is off (RFC 9293, section 3.7.4), at least one segment.
#[must_use = "a conversation ends in expect_end, expect_reset, hang_up or reset"]
pub struct Client {
    name: String,
    stream: TcpStream,
    address: SocketAddr,
    recorder: Recorder,
    /// How many bytes the server has sent.
    received: usize,
}

/// Why a client was not let in.
pub(crate) enum Refusal {
    Refused,
    NoAnswer,
}

/// How a connection was when no byte came.
enum Ending {
    Closed,
    Reset,
    Silent,
    Dripping,
}

impl Ending {
    fn name(&self) -> &'static str {
        match self {
            Self::Closed => "the server closed the connection",
            Self::Reset => "the connection was reset",
            Self::Silent => "the connection is still open and silent for 2 s",
            Self::Dripping => "the rest had still not come after 60 s",
        }
    }

    /// What a learner cannot see from the outside.
    fn note(&self) -> Option<(&'static str, String)> {
        let note = "a connection is reset when it is closed while bytes are unread, or its program dies;\n\
                    an answer sent just before may be lost (RFC 1122, section 4.2.2.13)";
        matches!(self, Self::Reset).then(|| ("note", note.to_owned()))
    }
}

impl Client {
    pub(crate) fn connect(
        name: &str,
        server: SocketAddr,
        waiting: Duration,
        recorder: &Recorder,
    ) -> Result<Self, Refusal> {
        let stream = match TcpStream::connect_timeout(&server, waiting) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                recorder.client(name, What::Refused);
                return Err(Refusal::Refused);
            }
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                recorder.client(
                    name,
                    What::NotLetIn {
                        waited: millis(waiting),
                    },
                );
                return Err(Refusal::NoAnswer);
            }
            Err(error) => cannot_judge(format!("cannot connect to {server}: {error}")),
        };
        let setup = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        let address = match setup.and_then(|()| stream.local_addr()) {
            Ok(address) => address,
            Err(error) => cannot_judge(format!("cannot set up a client's socket: {error}")),
        };
        if address == server {
            // TCP lets a socket connect to itself when nobody listens (simultaneous open, RFC 9293,
            // section 3.5). It would echo whatever is sent, and an echo check would pass without a server.
            recorder.client(name, What::Refused);
            return Err(Refusal::Refused);
        }
        recorder.client(name, What::Connected);
        Ok(Self {
            name: name.to_owned(),
            stream,
            address,
            recorder: recorder.clone(),
            received: 0,
        })
    }

    /// The client's own address: what the server should print as its peer.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn record(&self, what: What) {
        self.recorder.client(&self.name, what);
    }

    /// Sends `bytes` in one write.
    #[track_caller]
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.record(What::Sent {
            bytes: Excerpt::of(bytes),
        });
        if let Err(error) = self.stream.write_all(bytes) {
            cannot_send(&error, bytes.len()).raise();
        }
        self
    }

    /// Sends `bytes` one at a time, each in a segment of its own, with a pause after it.
    #[track_caller]
    pub fn send_byte_by_byte(self, bytes: impl AsRef<[u8]>) -> Self {
        bytes
            .as_ref()
            .chunks(1)
            .fold(self, |client, byte| client.send(byte).pause())
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
        let mut sender = match self.stream.try_clone() {
            Ok(sender) => sender,
            Err(error) => cannot_judge(format!("cannot clone a client's socket: {error}")),
        };
        let (sent, received) = thread::scope(|scope| {
            let sending = scope.spawn(move || sender.write_all(bytes));
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
        self
    }

    /// Sends without ever reading until the server takes no more for 100 ms, at most 64 MiB: a client
    /// that does not listen. Fails the check if the server goes on taking.
    #[track_caller]
    pub fn send_until_blocked(mut self) -> Self {
        let chunk = [b'x'; 1 << 16];
        let _ = self.stream.set_write_timeout(Some(SILENCE));
        let mut sent = 0;
        while sent < 64 << 20 {
            match self.stream.write(&chunk) {
                Ok(count) => sent += count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => cannot_send(&error, sent).raise(),
            }
        }
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        self.record(What::Sent {
            bytes: Excerpt {
                length: sent,
                head: "xxx".into(),
                tail: "xxx".into(),
            },
        });
        if sent >= 64 << 20 {
            let got = format!("it took {} and sent nothing that was read", count(sent));
            Failure::new(
                "a server that stops reading while its answers are not read",
                got,
            )
            .raise();
        }
        self
    }

    /// Waits until the server says something, or for 20 ms: what is sent next comes as a new piece.
    pub fn pause(self) -> Self {
        let _ = self.stream.set_read_timeout(Some(PAUSE));
        // Whatever comes is left for the next expectation.
        let _ = self.stream.peek(&mut [0]);
        self
    }

    /// Says that nothing more will be sent, and goes on reading (a half-close, shutdown(2)).
    #[track_caller]
    pub fn finish_sending(self) -> Self {
        self.record(What::FinishedSending);
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

    /// Expects exactly this line next. `line` is without its newline, which must come too.
    #[track_caller]
    pub fn expect_line(self, line: &str) -> Self {
        self.expect(format!("{line}\n"))
    }

    /// Expects that nothing comes for 100 ms, and that the connection stays open.
    #[track_caller]
    pub fn expect_silence(self) -> Self {
        self.expect_silence_for(SILENCE)
    }

    /// Expects that nothing comes for as long as `waiting`, and that the connection stays open.
    #[track_caller]
    pub fn expect_silence_for(mut self, waiting: Duration) -> Self {
        let mut buffer = [0; 64];
        let (got, note) = match self.read(&mut buffer, waiting) {
            Err(Ending::Silent) => {
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
        match self.read(&mut buffer, PATIENCE) {
            Err(ending) if right(&ending) => {}
            Err(ending) => Failure::new(expected, ending.name())
                .entries(ending.note())
                .raise(),
            Ok(count) => {
                let got = format!("{} that nobody asked for", Excerpt::of(&buffer[..count]));
                Failure::new(format!("{expected}, and nothing before it"), got).raise();
            }
        }
    }

    /// Closes the connection. Bytes that were not read make this a reset.
    pub fn hang_up(self) {
        self.record(What::HungUp);
    }

    /// Resets the connection: the server's next read fails (SO_LINGER with a time of zero, socket(7)).
    pub fn reset(self) {
        self.record(What::Reset);
        if let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            cannot_judge(format!("cannot reset a connection: {error}"));
        }
    }

    /// Reads until `expected` is there, or something else is.
    #[track_caller]
    fn receive(&mut self, expected: &[u8]) -> Result<(), Failure> {
        let (good, wrong, ending) = self.read_while_right(expected);
        let got = match good == expected.len() {
            true => Cow::Borrowed(expected),
            false => Cow::Owned([&expected[..good], &wrong].concat()),
        };
        let offset = self.received;
        self.received += got.len();
        if !got.is_empty() {
            self.record(What::Received {
                bytes: Excerpt::of(&got),
            });
        }
        if let Some(ending) = &ending {
            self.record_ending(ending);
        }
        let Some(difference) = Difference::between(expected, &got, offset) else {
            return Ok(());
        };
        let how = match &ending {
            Some(ending) => format!("{}, then {}", count(got.len()), ending.name()),
            None => count(got.len()),
        };
        let failure = Failure::of_bytes(difference, &count(expected.len()), &how);
        Err(failure.entries(ending.and_then(|ending| ending.note())))
    }

    /// How many bytes were as expected, what came instead of the next one, and whether it ended there.
    fn read_while_right(&mut self, expected: &[u8]) -> (usize, Vec<u8>, Option<Ending>) {
        let give_up = Instant::now() + LONGEST;
        let mut buffer = vec![0; expected.len().clamp(1, 1 << 16)];
        let mut good = 0;
        while good < expected.len() {
            let room = buffer.len().min(expected.len() - good);
            match self.read_unrecorded(&mut buffer[..room], PATIENCE) {
                Ok(count) if expected[good..].starts_with(&buffer[..count]) => good += count,
                Ok(count) => {
                    let mut wrong = buffer[..count].to_vec();
                    let more = self.read_unrecorded(&mut buffer, AFTERTHOUGHT).unwrap_or(0);
                    wrong.extend_from_slice(&buffer[..more]);
                    return (good, wrong, None);
                }
                Err(ending) => return (good, Vec::new(), Some(ending)),
            }
            if Instant::now() > give_up {
                return (good, Vec::new(), Some(Ending::Dripping));
            }
        }
        (good, Vec::new(), None)
    }

    fn read(&mut self, buffer: &mut [u8], waiting: Duration) -> Result<usize, Ending> {
        let read = self.read_unrecorded(buffer, waiting);
        match &read {
            Ok(count) => {
                self.received += count;
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
            Ending::Silent | Ending::Dripping => {}
        }
    }

    fn read_unrecorded(&mut self, buffer: &mut [u8], waiting: Duration) -> Result<usize, Ending> {
        let deadline = Instant::now() + waiting;
        loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            // A socket that was shut down on both sides takes no time-out on macOS; the read tells.
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(buffer) {
                Ok(0) => return Err(Ending::Closed),
                Ok(count) => return Ok(count),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if Instant::now() < deadline => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Ending::Silent),
                    ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe => {
                        return Err(Ending::Reset);
                    }
                    _ => cannot_judge(format!("cannot read from a connection: {error}")),
                },
            }
        }
    }
}

#[track_caller]
fn cannot_send(error: &io::Error, bytes: usize) -> Failure {
    let expected = format!("a server that reads {}", count(bytes));
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::new(expected, "a server that read nothing for 2 s")
        }
        _ => Failure::new(expected, Ending::Reset.name()).entries(Ending::Reset.note()),
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every way to send `message` in two pieces, both of them with something in them.
pub fn splits(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    (1..message.len()).map(|boundary| message.split_at(boundary))
}
