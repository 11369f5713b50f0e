//! A client that the server is to connect to.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use crate::client::{Client, TICK, Target};
use crate::failure::{Failure, cannot_judge};
use crate::patience::{Doing, PATIENCE};

/// A client that waits for the server's connection, as in FTP's active mode (RFC 959, section 3.3).
#[must_use = "a client that waits proves nothing until it accepts"]
pub struct Listening {
    name: String,
    listener: TcpListener,
    address: SocketAddr,
    target: Target,
}

impl Listening {
    pub(crate) fn new(name: &str, target: Target) -> Self {
        let listener = TcpListener::bind((target.address.ip(), 0));
        let listener = listener.and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        match listener {
            Ok((address, listener)) => Self {
                name: name.to_owned(),
                listener,
                address,
                target,
            },
            Err(error) => cannot_judge(format!("cannot listen for the server: {error}")),
        }
    }

    /// Where it waits: what the server is to be told.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Expects that the server connects within 2 s. From then on it is a [`Client`] like any other.
    #[track_caller]
    pub fn accept(self) -> Client {
        let started = Instant::now();
        let mut late = None;
        loop {
            match self.listener.accept() {
                Ok((stream, server)) => {
                    let target = Target {
                        address: server,
                        ..self.target
                    };
                    return Client::accepted(&self.name, stream, target);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(TICK),
                Err(error) => cannot_judge(format!("cannot accept the server: {error}")),
            }
            let in_time = started.elapsed() < PATIENCE;
            if !in_time && self.target.doing(&mut late) != Doing::Works {
                let expected = format!("a connection of the server's to {}", self.address);
                Failure::new(expected, "none within 2 s").raise();
            }
        }
    }

    /// Fails if the server has connected, and nobody accepted it.
    #[track_caller]
    pub fn expect_nobody(self) {
        if let Ok((_, server)) = self.listener.accept() {
            let expected = format!("nobody at {}", self.address);
            Failure::new(expected, format!("a connection from {server}")).raise();
        }
    }
}
