//! Clients that every server meets sooner or later, and must outlive.

use std::net::Ipv6Addr;

use crate::client::Client;
use crate::server::Server;
use crate::suite::Check;

/// What comes back for one piece.
type Reply = fn(&[u8]) -> Vec<u8>;

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
            let next = match server.can_be_frozen() {
                true => server.frozen(meanwhile),
                false => meanwhile(),
            };
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

#[track_caller]
fn serves_the_next(server: &Server, reply: Reply) {
    is_served(server.connect_as("next"), reply);
}

#[track_caller]
fn is_served(client: Client, reply: Reply) {
    let client = client.send("still there?").expect(reply(b"still there?"));
    client.finish_sending().expect_end();
}
