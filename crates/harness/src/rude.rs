//! Clients that every server meets sooner or later, and must outlive.

use std::net::Ipv6Addr;

use crate::client::Client;
use crate::server::Server;
use crate::suite::Check;

/// What comes back for one piece.
pub(crate) type Reply = fn(&[u8]) -> Vec<u8>;

const ALIVE: &str = "One client's trouble ends that client only: log it, and serve the next.";

/// Checks for any TCP server that answers what it reads; `reply` says what comes back for one piece.
///
/// After each rude client a polite one must be served as if nothing had happened.
pub fn rude_clients(reply: Reply) -> Vec<Check> {
    vec![
        leaves(reply),
        resets(reply),
        never_reads(reply),
        finishes_sending(reply),
        sends_no_text(reply),
    ]
}

/// Checks that a server takes its address as it is told: of both families, and again after a restart.
pub fn addresses(reply: Reply) -> Vec<Check> {
    vec![listens_on_ipv6(reply), restarts(reply)]
}

fn leaves(reply: Reply) -> Check {
    Check::new(
        "a client that leaves at once does not stop the server",
        move |server| {
            server.connect_as("rude").hang_up();
            serves_the_next(server, reply);
        },
    )
    .teaches(ALIVE)
}

fn resets(reply: Reply) -> Check {
    Check::new(
        "a client that resets does not stop the server",
        move |server| {
            let rude = server.connect_as("rude").send("listen!");
            let rude = rude.expect(reply(b"listen!"));
            let meanwhile = || {
                rude.reset();
                server.connect_as("next")
            };
            // Where the clock can be stopped, the next one is there before the server knows of the reset.
            let next = server.frozen_if_it_can_be(meanwhile);
            is_served(next, reply);
        },
    )
    .teaches(ALIVE)
}

fn never_reads(reply: Reply) -> Check {
    Check::new(
        "a client that stops reading and leaves does not stop the server",
        move |server| {
            server.connect_as("rude").send_until_blocked().hang_up();
            serves_the_next(server, reply);
        },
    )
    .teaches(ALIVE)
}

fn finishes_sending(reply: Reply) -> Check {
    Check::new(
        "a client that has finished sending still gets its answer",
        move |server| {
            server
                .connect()
                .send("goodbye")
                .finish_sending()
                .expect(reply(b"goodbye"))
                .expect_end();
        },
    )
    .teaches("An end of sending closes one direction; the other is still open for the answer.")
}

fn sends_no_text(reply: Reply) -> Check {
    Check::new(
        "bytes that are no text come back as they are",
        move |server| {
            let bytes = b"\xff\xfe\x00\xc3(\x80";
            server
                .connect_as("rude")
                .send(bytes)
                .expect(reply(bytes))
                .finish_sending()
                .expect_end();
            serves_the_next(server, reply);
        },
    )
    .teaches("A connection carries bytes. Not all of them are text, and not all text is UTF-8.")
}

fn listens_on_ipv6(reply: Reply) -> Check {
    Check::new("IPv6 works as IPv4 does", move |server| {
        server.expect_listens_as_told();
        serves_the_next(server, reply);
    })
    .bind((Ipv6Addr::LOCALHOST, 0))
}

fn restarts(reply: Reply) -> Check {
    Check::new("a restart gets the same port at once", move |server| {
        let last = server.connect_as("last").send("bye").expect(reply(b"bye"));
        server.restart();
        last.hang_up();
        serves_the_next(server, reply);
    })
    .teaches("Connections that the old server left open keep its port for a minute. SO_REUSEADDR lets a new one have it.")
}

/// A check that a server which sends everything back loses nothing of 64 MiB, whatever the pieces.
pub fn sends_everything_back() -> Check {
    Check::new("64 MiB come back as they were sent", |server| {
        // Numbered blocks: one that is lost, doubled or out of order shows. Text, because a server
        // may print what it reads, and escaping 64 MiB of anything else takes it ten seconds.
        let mut random = server.random();
        let noise: String = (8..1 << 16).map(|_| random.alphanumeric()).collect();
        let payload: String = (0..1 << 10)
            .map(|block| format!("{block:08}{noise}"))
            .collect();
        let payload = payload.as_bytes();
        let bulk = server
            .connect_as("bulk")
            .send_while_reading(payload, payload);
        bulk.finish_sending().expect_end();
    })
    .teaches("A stream keeps every byte, in order. What is missing here was lost by the program: where did it go?")
}

/// Sends random bytes over so many connections, one after the other, and leaves each in another way: with an end,
/// at once, or with a reset. The server may answer what it likes, and must still be there.
#[track_caller]
pub fn send_noise(server: &Server, connections: usize) {
    let mut random = server.random();
    for index in 0..connections {
        let noise: Vec<u8> = (0..random.usize(1..1 << 11))
            .map(|_| random.u8(..))
            .collect();
        let client = server.connect_as("noise").send(noise);
        match index % 3 {
            0 => client.finish_sending().hang_up(),
            1 => client.hang_up(),
            _ => client.reset(),
        }
    }
    server.expect_running();
}

/// Sends a datagram from a peer that is gone when the answer comes: the server's kernel is told that nobody is there
/// (ICMP: port unreachable; RFC 1122, section 4.1.3.1). Where the clock can be stopped, it is certainly gone.
pub fn send_and_leave(server: &Server, bytes: &[u8]) {
    server.frozen_if_it_can_be(|| server.peer_as("gone").send(bytes).leave());
}

/// Sends random bytes from so many peers, one datagram each, of which one in 16 is empty. All leave at once. The
/// server may answer what it likes, and must still be there.
#[track_caller]
pub fn send_noise_datagrams(server: &Server, peers: usize) {
    let mut random = server.random();
    let mut all = Vec::new();
    for index in 0..peers {
        let length = random.usize(..1 << 11);
        let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        all.extend_from_slice(&noise);
        let peer = server.unrecorded_peer();
        // Now and then it is let catch up: what a full kernel throws away harms nobody.
        match index % 16 {
            0 => peer.send("").pause().leave(),
            _ => peer.send(noise).leave(),
        }
    }
    server.unrecorded_peer().pause().leave();
    server.record_as_sent(&format!("{peers} peers"), &all);
    server.expect_running();
}

/// Sends many datagrams as fast as it can, and hears no answer: the server's kernel throws away what it has no room
/// for, and so does this peer's. The server must still be there.
#[track_caller]
pub fn flood(server: &Server, datagrams: usize) {
    let mut peer = server.unrecorded_peer();
    let mut all = Vec::new();
    for index in 0..datagrams {
        let datagram = format!("datagram {index} of too many");
        all.extend_from_slice(datagram.as_bytes());
        peer = peer.send(datagram);
    }
    peer.leave();
    server.record_as_sent("flood", &all);
    server.expect_running();
}

#[track_caller]
pub(crate) fn serves_the_next(server: &Server, reply: Reply) {
    is_served(server.connect_as("next"), reply);
}

#[track_caller]
pub(crate) fn is_served(client: Client, reply: Reply) {
    let client = client.send("still there?").expect(reply(b"still there?"));
    client.finish_sending().expect_end();
}
