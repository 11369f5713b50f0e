//! One UDP socket, played from the client's side.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::bytes::{Difference, Excerpt, count};
use crate::client::{PAUSE, SILENCE, Target, is_timeout, millis, wait_for};
use crate::conversation::What;
use crate::failure::{Failure, cannot_judge};
use crate::kernel::{self, Inbox};
use crate::patience::{AFTERTHOUGHT, Doing, PATIENCE, look_patiently};

/// No datagram is longer (RFC 768: 16 bits of length, less the 8 bytes of its own header; IPv4 takes 20 more).
const LONGEST: usize = 65_527;
/// macOS sends nothing longer than 9,216 bytes at once from a socket that has not asked for more room.
const ROOM: usize = 1 << 17;
/// How long [`Peer::ask`] waits before it asks again.
const AGAIN: Duration = Duration::from_millis(200);
/// This many datagrams that came behind a wrong one are shown.
const AFTERTHOUGHTS: usize = 4;

/// A UDP socket that speaks with the server: a datagram is a message, whole or lost.
///
/// Nobody connects, so nothing has to end: a peer that is dropped is gone, and the server is not told.
pub struct Peer {
    name: String,
    socket: UdpSocket,
    address: SocketAddr,
    target: Target,
    /// What came last from an address that is not the server's.
    strange: Option<(SocketAddr, Excerpt)>,
}

/// Why no datagram came.
enum Nothing {
    Silent,
    Busy,
}

impl Nothing {
    fn name(&self) -> &'static str {
        match self {
            Self::Silent => "nothing for 2 s",
            Self::Busy => "nothing: the server is in an endless loop",
        }
    }
}

impl Peer {
    pub(crate) fn new(name: &str, target: Target) -> Self {
        let any: SocketAddr = match target.address {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        let opened = UdpSocket::bind(any).and_then(|socket| {
            SockRef::from(&socket).set_send_buffer_size(ROOM)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        });
        let (socket, address) = match opened {
            Ok(opened) => opened,
            Err(error) => cannot_judge(format!("cannot open a UDP socket: {error}")),
        };
        target.recorder.client(name, What::Opened { at: address });
        Self {
            name: name.to_owned(),
            socket,
            address,
            target,
            strange: None,
        }
    }

    /// The peer's own address: where the server should say that a datagram came from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn record(&self, what: What) {
        self.target.recorder.client(&self.name, what);
    }

    /// Sends `bytes` as one datagram, which may be empty. If nobody is there, or there is no room for it, the next
    /// expectation tells.
    #[must_use = "a peer that nothing is expected of proves nothing"]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.record(What::Sent {
            bytes: Excerpt::of(bytes),
        });
        if let Err(error) = self.socket.send_to(bytes, self.target.address)
            && !is_refusal(&error)
            && !is_full(&error)
        {
            let bytes = count(bytes.len());
            cannot_judge(format!("cannot send a datagram of {bytes}: {error}"));
        }
        self
    }

    /// Waits until the server has received all that was sent to it, by anybody: what its kernel has no room for is
    /// lost.
    ///
    /// Waits 2 s at most for a server that does not receive, and 20 ms where the system does not tell.
    #[must_use = "a peer that nothing is expected of proves nothing"]
    pub fn pause(self) -> Self {
        let inbox = || kernel::inbox(self.target.address);
        match inbox() {
            Some(_) => wait_for(PATIENCE, || !matches!(inbox(), Some(Inbox::Unread(1..)))),
            None => wait_for(PAUSE, || false),
        }
        self
    }

    /// Expects one datagram with exactly these bytes within 2 s, or later if the server works all the time.
    #[track_caller]
    pub fn expect(mut self, expected: impl AsRef<[u8]>) -> Self {
        let expected = expected.as_ref();
        match self.receive_patiently() {
            Ok(got) => self.expect_same(expected, &got),
            Err(nothing) => self.heard(&nothing, &wanted(expected)).raise(),
        }
        self
    }

    /// Sends `question` until there is an answer, as UDP's clients do: for a server that may have no room for the
    /// first one. Expects exactly this answer within 2 s, or later if the server works all the time.
    #[track_caller]
    pub fn ask(mut self, question: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref();
        let (asked, mut late) = (Instant::now(), None);
        loop {
            self = self.send(&question);
            if let Some(got) = self.receive(AGAIN) {
                self.expect_same(answer, &got);
                return self;
            }
            if asked.elapsed() < PATIENCE {
                continue;
            }
            let nothing = match self.target.doing(&mut late) {
                Doing::Works => continue,
                Doing::Waits => Nothing::Silent,
                Doing::Spins => Nothing::Busy,
            };
            self.heard(&nothing, &wanted(answer)).raise();
        }
    }

    /// Expects that no datagram comes for 100 ms.
    #[track_caller]
    pub fn expect_silence(mut self) -> Self {
        if let Some(got) = self.receive(SILENCE) {
            let got = Excerpt::of(&got).to_string();
            Failure::new(format!("no datagram for {} ms", millis(SILENCE)), got)
                .entries(self.afterthoughts())
                .raise();
        }
        self.record(What::Silence {
            waited: millis(SILENCE),
        });
        self
    }

    /// Closes the socket. The server is not told: whatever it sends now finds nobody.
    pub fn leave(self) {
        self.record(What::Left);
    }

    #[track_caller]
    fn expect_same(&mut self, expected: &[u8], got: &[u8]) {
        if let Some(difference) = Difference::between(expected, got) {
            Failure::of_bytes(difference, &count(expected.len()), &count(got.len()))
                .entries(self.afterthoughts())
                .raise();
        }
    }

    /// What else the server has to say, after something wrong.
    fn afterthoughts(&mut self) -> Option<(&'static str, String)> {
        let more = std::iter::from_fn(|| self.receive(AFTERTHOUGHT));
        let more: Vec<String> = more
            .take(AFTERTHOUGHTS)
            .map(|bytes| Excerpt::of(&bytes).to_string())
            .collect();
        let note = format!("behind it came another datagram: {}", more.join(", and "));
        (!more.is_empty()).then_some(("note", note))
    }

    /// The failure of a server that says nothing, with what its kernel knows.
    fn heard(&self, nothing: &Nothing, expected: &str) -> Failure {
        let waits = matches!(nothing, Nothing::Silent);
        let state = match kernel::inbox(self.target.address) {
            Some(Inbox::Unread(0)) if waits => {
                Some("it has received all that was sent to it, and waits".to_owned())
            }
            Some(Inbox::Unread(0)) | None => None,
            Some(Inbox::Unread(_)) => {
                Some("it has not received all that was sent to it".to_owned())
            }
            Some(Inbox::OnlyFrom(peer)) => Some(format!(
                "its socket is connected to {peer}, and receives from nobody else (connect)"
            )),
            Some(Inbox::Closed) if !self.has_ended() => {
                Some("it has closed the socket that received".to_owned())
            }
            Some(Inbox::Closed) => None, // how it ended is told beside this
        };
        let strange = self.strange.as_ref().map(|(from, bytes)| {
            let note = format!(
                "{bytes} came from {from}, where this peer has sent nothing: answer from the socket that received"
            );
            ("note", note)
        });
        Failure::new(expected, nothing.name())
            .entries(state.map(|state| ("server", state)))
            .entries(strange)
    }

    /// Whether the server's program has: then it has nothing open any more.
    fn has_ended(&self) -> bool {
        let open = self.target.process.map(kernel::descriptors);
        open.is_some_and(|open| open.is_none_or(|count| count == 0))
    }

    /// What comes within 2 s, and later as long as the server works.
    fn receive_patiently(&mut self) -> Result<Vec<u8>, Nothing> {
        let process = self.target.process;
        let got = look_patiently(process, PATIENCE, |waiting| self.receive(waiting));
        got.map_err(|doing| match doing {
            Doing::Spins => Nothing::Busy,
            _ => Nothing::Silent,
        })
    }

    /// One datagram from the server; those of others do not count.
    fn receive(&mut self, waiting: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + waiting;
        let mut buffer = vec![0; LONGEST];
        loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            if let Err(error) = self.socket.set_read_timeout(Some(left)) {
                cannot_judge(format!("cannot set a time-out: {error}"));
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((count, sender)) if sender == self.target.address => {
                    buffer.truncate(count);
                    self.record(What::Received {
                        bytes: Excerpt::of(&buffer),
                    });
                    return Some(buffer);
                }
                Ok((count, sender)) => self.strange = Some((sender, Excerpt::of(&buffer[..count]))),
                Err(error) if is_timeout(&error) && Instant::now() >= deadline => return None,
                Err(error) if is_timeout(&error) || is_refusal(&error) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => cannot_judge(format!("cannot receive a datagram: {error}")),
            }
            if Instant::now() >= deadline + PAUSE {
                return None; // others go on and on
            }
        }
    }
}

fn wanted(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty datagram".to_owned(),
        bytes => format!("a datagram {}", Excerpt::of(bytes)),
    }
}

/// Windows says on the next call that nobody was there for an earlier datagram; so do others once connected.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Some systems say that they have no room for what is sent (ENOBUFS), others lose it in silence.
fn is_full(error: &io::Error) -> bool {
    #[cfg(unix)]
    let full = rustix::io::Errno::NOBUFS.raw_os_error();
    #[cfg(windows)]
    let full = 10055; // WSAENOBUFS
    error.raw_os_error() == Some(full)
}
