//! Passes over a datagram without bytes.
//!
//! Caught by:
//! - an-empty-datagram-is-answered-with-an-empty-one

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, Result, bail};

/// The longest request, in bytes.
const LONGEST: usize = 32;
/// So many peers are remembered.
const MOST: usize = 8;

fn main() -> Result<()> {
    let address = address()?;
    let socket = UdpSocket::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {}", socket.local_addr()?);
    let mut peers = Peers::default();
    // Every datagram fits, so that none is cut.
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (count, peer) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) => {
                eprintln!("error: recv_from: {error}");
                continue;
            }
        };
        if count == 0 {
            continue;
        }
        let answer = peers.answer(&buffer[..count], peer);
        if let Err(error) = socket.send_to(answer.as_bytes(), peer) {
            eprintln!("error: peer {peer}: {error}");
        }
    }
}

/// Those who have made a request, and how many requests were made in all.
#[derive(Default)]
struct Peers {
    known: HashMap<SocketAddr, Peer>,
    requests: u64,
}

struct Peer {
    /// The number of its last request.
    number: u32,
    /// The sum of its amounts so far.
    total: u64,
    /// Which of all requests was its last one.
    last: u64,
}

impl Peers {
    fn answer(&mut self, datagram: &[u8], address: SocketAddr) -> String {
        if datagram.is_empty() {
            return String::new();
        }
        if datagram.len() > LONGEST {
            return "too long".to_owned();
        }
        let Some((number, amount)) = request(datagram) else {
            return "?".to_owned();
        };
        self.requests += 1;
        let is_new = !self.known.contains_key(&address);
        if is_new && self.known.len() == MOST {
            self.forget_one();
        }
        let peer = self.known.entry(address).or_insert(Peer {
            number,
            total: 0,
            last: 0,
        });
        peer.last = self.requests;
        if number < peer.number {
            return "late".to_owned();
        }
        if number > peer.number || is_new {
            peer.number = number;
            peer.total += u64::from(amount);
        }
        format!("{number} {}", peer.total)
    }

    /// Forgets the peer whose last request is the longest ago.
    fn forget_one(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, peer)| peer.last);
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.known.remove(&address);
        }
    }
}

/// The number and the amount of a request, if it is one.
fn request(datagram: &[u8]) -> Option<(u32, u32)> {
    let text = str::from_utf8(datagram).ok()?;
    let (number, amount) = text.split_once(' ')?;
    Some((number.parse().ok()?, amount.parse().ok()?))
}

/// Where to listen: `--bind ADDRESS`.
fn address() -> Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SocketAddr::from(([127, 0, 0, 1], 9000))),
        (Some("--bind"), Some(address)) => address
            .parse()
            .with_context(|| format!("{address} is not an IP address and a port")),
        _ => bail!("usage: datagrams --bind ADDRESS"),
    }
}
