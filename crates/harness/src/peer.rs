//! One UDP socket, played from the client's side.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::bytes::{Difference, Excerpt, count};
use crate::client::millis;
use crate::conversation::{Recorder, What};
use crate::failure::{Failure, cannot_judge};

/// A peer waits this long for a datagram.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long [`Peer::expect_silence`] listens.
const SILENCE: Duration = Duration::from_millis(100);
/// No datagram is longer (RFC 768: 16 bits of length, less the headers of UDP and IPv4).
const LONGEST: usize = 65_507;

/// A UDP socket that speaks with the server: a datagram is a message, whole or lost.
#[must_use = "a peer that nothing is expected of proves nothing"]
pub struct Peer {
    name: String,
    socket: UdpSocket,
    server: SocketAddr,
    recorder: Recorder,
}

impl Peer {
    pub(crate) fn new(name: &str, server: SocketAddr, recorder: &Recorder) -> Self {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        match UdpSocket::bind(any) {
            Ok(socket) => Self {
                name: name.to_owned(),
                socket,
                server,
                recorder: recorder.clone(),
            },
            Err(error) => cannot_judge(format!("cannot open a UDP socket: {error}")),
        }
    }

    /// The peer's own address.
    ///
    /// # Errors
    ///
    /// If the system does not tell (getsockname(2)).
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends `bytes` as one datagram, which may be empty.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.recorder.client(
            &self.name,
            What::Sent {
                bytes: Excerpt::of(bytes),
            },
        );
        if let Err(error) = self.socket.send_to(bytes, self.server) {
            cannot_judge(format!(
                "cannot send a datagram of {}: {error}",
                count(bytes.len())
            ));
        }
        self
    }

    /// Expects one datagram with exactly these bytes within 2 s.
    #[track_caller]
    pub fn expect(self, expected: impl AsRef<[u8]>) -> Self {
        let expected = expected.as_ref();
        let Some(got) = self.receive(PATIENCE) else {
            Failure::new(
                format!("a datagram {}", Excerpt::of(expected)),
                "nothing for 2 s",
            )
            .raise();
        };
        if let Some(difference) = Difference::between(expected, &got) {
            Failure::of_bytes(difference, &count(expected.len()), &count(got.len())).raise();
        }
        self
    }

    /// Expects that no datagram comes for 100 ms.
    #[track_caller]
    pub fn expect_silence(self) -> Self {
        if let Some(got) = self.receive(SILENCE) {
            Failure::new("no datagram for 100 ms", Excerpt::of(&got).to_string()).raise();
        }
        self.recorder.client(
            &self.name,
            What::Silence {
                waited: millis(SILENCE),
            },
        );
        self
    }

    /// One datagram from the server; those of others do not count.
    fn receive(&self, waiting: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + waiting;
        let mut buffer = vec![0; LONGEST];
        loop {
            let left = deadline
                .checked_duration_since(Instant::now())?
                .max(Duration::from_millis(1));
            if let Err(error) = self.socket.set_read_timeout(Some(left)) {
                cannot_judge(format!("cannot set a time-out: {error}"));
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((count, sender)) if sender == self.server => {
                    buffer.truncate(count);
                    self.recorder.client(
                        &self.name,
                        What::Received {
                            bytes: Excerpt::of(&buffer),
                        },
                    );
                    return Some(buffer);
                }
                // Windows reports a port that nobody reads on the next receive; so does Linux once connected.
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused => {}
                    _ => cannot_judge(format!("cannot receive a datagram: {error}")),
                },
            }
        }
    }
}
