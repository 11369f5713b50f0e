//! Clients that every server meets sooner or later, and must outlive.

use std::net::Ipv6Addr;

use crate::server::Server;
use crate::suite::Check;

/// What comes back for one piece.
type Reply = fn(&[u8]) -> Vec<u8>;

const ALIVE: &str = "One client's trouble ends that client only: log it, and serve the next.";

/// Checks for any TCP server that answers what it reads; `reply` says what comes back for one piece.
///
/// After each rude client a polite one must be served as if nothing had happened.
pub fn rude_clients(reply: Reply) -> Vec<Check> {
    let leaves = move |server: &Server| {
        server.connect_as("rude").hang_up();
        serves_the_next(server, reply);
    };
    let resets = move |server: &Server| {
        let rude = server.connect_as("rude").send("listen!");
        rude.expect(reply(b"listen!")).reset();
        serves_the_next(server, reply);
    };
    let half_closes = move |server: &Server| {
        let polite = server.connect().send("goodbye").finish_sending();
        polite.expect(reply(b"goodbye")).expect_end();
    };
    let sends_no_text = move |server: &Server| {
        let bytes = b"\xff\xfe\x00\xc3(\x80";
        let rude = server.connect_as("rude").send(bytes);
        rude.expect(reply(bytes)).finish_sending().expect_end();
        serves_the_next(server, reply);
    };
    let never_reads = move |server: &Server| {
        server.connect_as("rude").send_until_blocked().hang_up();
        serves_the_next(server, reply);
    };
    vec![
        Check::new(
            "a client that leaves at once does not stop the server",
            leaves,
        )
        .teaches(ALIVE),
        Check::new("a client that resets does not stop the server", resets).teaches(ALIVE),
        Check::new(
            "a client that never reads does not stop the server",
            never_reads,
        )
        .teaches(ALIVE),
        Check::new(
            "a client that has finished sending still gets its answer",
            half_closes,
        )
        .teaches("An end of sending closes one direction; the other is still open for the answer."),
        Check::new(
            "bytes that are no text come back as they are",
            sends_no_text,
        )
        .teaches(
            "A connection carries bytes. Not all of them are text, and not all text is UTF-8.",
        ),
    ]
}

/// Checks that a server takes its address as it is told: of both families, and again after a restart.
pub fn addresses(reply: Reply) -> Vec<Check> {
    let six = move |server: &Server| {
        server.expect_listens_as_told();
        serves_the_next(server, reply);
    };
    let restarts = move |server: &Server| {
        let last = server.connect_as("last").send("bye").expect(reply(b"bye"));
        server.restart();
        last.hang_up();
        serves_the_next(server, reply);
    };
    vec![
        Check::new("IPv6 works as IPv4 does", six).bind((Ipv6Addr::LOCALHOST, 0)),
        Check::new("a restart gets the same port at once", restarts).teaches(
            "Connections of the old server keep the port for a minute. SO_REUSEADDR lets the new one have it.",
        ),
    ]
}

/// A check that a server which sends everything back loses nothing of 64 MiB, whatever the pieces.
pub fn sends_everything_back() -> Check {
    Check::new("64 MiB come back as they were sent", |server| {
        let mut payload = vec![0; 64 << 20];
        server.random().fill(&mut payload);
        let bulk = server
            .connect_as("bulk")
            .send_while_reading(&payload, &payload);
        bulk.finish_sending().expect_end();
    })
    .teaches("A write may take less than it is given: go on until all is written.")
}

#[track_caller]
fn serves_the_next(server: &Server, reply: Reply) {
    let next = server.connect_as("next").send("still there?");
    next.expect(reply(b"still there?"))
        .finish_sending()
        .expect_end();
}
