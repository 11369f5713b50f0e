//! Many clients, rude ones among them, clients that fall silent, and the end of the server.

use std::net::Ipv6Addr;

use harness::{Check, Client, Server};

use crate::wire::{
    BINARY, CLOSE, PING, PONG, TEXT, WELCOME, closes_well, frame, from_server, handshake,
    is_closed, is_echoed, reason, serves_the_next, talk, talk_as,
};

pub fn checks() -> Vec<Check> {
    let mut checks = patience();
    checks.extend(rude());
    checks.extend(many());
    checks.extend(ends());
    checks
}

/// A check of a server that waits for a second only.
fn in_a_second(title: &str, body: fn(&Server)) -> Check {
    Check::new(title, body).arguments(["--timeout", "1"])
}

fn patience() -> Vec<Check> {
    vec![
        in_a_second(
            "a silent client is asked whether it is there, and stays if it is",
            |server| {
                let client = talk(server, "/").expect(from_server(PING, ""));
                let client = client.send(frame(PONG, "")).expect(from_server(PING, ""));
                closes_well(is_echoed(client, "yes"));
            },
        ),
        in_a_second(
            "a client that does not answer a ping is dropped",
            |server| {
                let client = talk_as(server, "asleep", "/").expect(from_server(PING, ""));
                is_dropped(server, client);
            },
        ),
        in_a_second(
            "a client that sends a byte now and then is dropped",
            |server| {
                let whole = frame(TEXT, "slow");
                let client = talk_as(server, "slow", "/").send(&whole[..3]);
                is_dropped(
                    server,
                    client.expect(from_server(PING, "")).send(&whole[3..4]),
                );
            },
        ),
        in_a_second(
            "a client that does not read its answers is dropped",
            |server| {
                // More than the buffers on the way hold, in both directions.
                let much = frame(BINARY, vec![b'x'; 1 << 20]).repeat(24);
                is_dropped(server, talk_as(server, "stuck", "/").send(much));
            },
        ),
    ]
}

/// The first answer is more than the system's buffers hold, the second waits in the outbox, and the third for room there.
fn reads_late(server: &Server) {
    let bytes = vec![b'x'; 8 << 20];
    let (said, heard) = (frame(BINARY, &bytes), from_server(BINARY, &bytes));
    let client = talk(server, "/").send(&said).send(&said).send(&said);
    let client = client.send(frame(PING, "")).expect(&heard).expect(&heard);
    closes_well(client.expect(&heard).expect(from_server(PONG, "")));
}

/// The server gives this client up, and nobody else.
#[track_caller]
fn is_dropped(server: &Server, client: Client) {
    server.expect_line(&format!("client {} disconnected", client.address()));
    client.hang_up();
    serves_the_next(server);
}

fn rude() -> Vec<Check> {
    vec![
        Check::new("a client that leaves or resets harms nobody", |server| {
            server.connect_as("rude").hang_up();
            server.connect_as("rude").send(handshake("/")).hang_up();
            talk_as(server, "rude", "/").reset();
            talk_as(server, "rude", "/")
                .send(&frame(TEXT, "half")[..5])
                .hang_up();
            serves_the_next(server);
        }),
        Check::new("1,000 noisy clients leave nothing behind", |server| {
            let before = server.descriptors();
            harness::send_noise(server, 1000);
            serves_the_next(server);
            server.expect_descriptors(before);
        }),
        Check::new(
            "1,000 clients that make noise after a good handshake leave nothing behind",
            noise,
        ),
    ]
}

fn noise(server: &Server) {
    let before = server.descriptors();
    let mut random = server.random();
    for index in 0..1000 {
        let length = random.usize(1..1 << 11);
        let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        let path = ["/", "/clock", "/chat"][index % 3];
        let client = talk_as(server, "noise", path).send(noise);
        match index % 4 {
            0 => client.finish_sending().hang_up(),
            1 => client.reset(),
            _ => client.hang_up(),
        }
    }
    serves_the_next(server);
    server.expect_descriptors(before);
}

fn many() -> Vec<Check> {
    vec![
        Check::new(
            "a client that reads its answers late still gets all of them",
            reads_late,
        )
        .arguments(["--max-message", "16777216"]),
        Check::new("the server sleeps while nobody speaks", |server| {
            let client = is_echoed(talk(server, "/"), "hello");
            server.expect_asleep();
            closes_well(client);
        }),
        Check::new("32 clients at once, the last one first", |server| {
            let clients = [(); 32].map(|()| talk_as(server, "one of 32", "/"));
            let last_first = clients.into_iter().rev();
            last_first.for_each(|client| closes_well(is_echoed(client, "hello")));
        }),
        Check::new("a full house lets the next one wait", |server| {
            let first = talk_as(server, "first", "/chat");
            let second = talk_as(server, "second", "/chat");
            let third = server
                .connect_as("third")
                .send(handshake("/"))
                .expect_silence();
            closes_well(first);
            closes_well(is_echoed(third.expect(WELCOME), "hello"));
            closes_well(second);
        })
        .arguments(["--max-clients", "2"]),
        Check::new("IPv6 works as IPv4 does", |server| {
            server.expect_listens_as_told();
            serves_the_next(server);
        })
        .bind((Ipv6Addr::LOCALHOST, 0)),
        Check::new("a restart gets the same port at once", |server| {
            let last = is_echoed(talk_as(server, "last", "/"), "bye");
            server.restart();
            last.hang_up();
            serves_the_next(server);
        }),
    ]
}

const WORDS: &str = "the server stops";

/// Hears the goodbye, and answers it.
#[track_caller]
fn is_let_go(client: Client) {
    let client = client.expect(from_server(CLOSE, reason(1001, WORDS)));
    client.send(frame(CLOSE, reason(1001, ""))).expect_end();
}

fn ends() -> Vec<Check> {
    vec![
        Check::new("an interruption says goodbye to everybody", everybody)
            .arguments(["--grace", "60"])
            .notice("Here, too, the server speaks first: 1001, it is going away. Each client answers, and is let go."),
        Check::new("an interruption ends the clock, too", ends_the_clock),
        Check::new("a client that does not answer the goodbye is cut off in the end", |server| {
            let client = talk_as(server, "deaf", "/");
            server.interrupt();
            is_closed(client, 1001, WORDS);
            server.expect_exit(0);
        })
        .arguments(["--grace", "1"]),
        Check::new("what is said during the goodbye is not answered", |server| {
            let client = talk(server, "/");
            server.interrupt();
            let client = client.expect(from_server(CLOSE, reason(1001, WORDS)));
            let client = client.send(frame(TEXT, "wait")).expect_silence();
            client.send(frame(CLOSE, reason(1001, ""))).expect_end();
            server.expect_exit(0);
        }),
        Check::new("who comes to the goodbye is told at once", late),
    ]
}

fn everybody(server: &Server) {
    let echo = talk_as(server, "echo", "/");
    let chat = talk_as(server, "chat", "/chat");
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.expect_refusal();
    is_let_go(echo);
    is_let_go(chat);
    server.expect_exit(0);
}

fn ends_the_clock(server: &Server) {
    let client = talk(server, "/clock");
    server.interrupt();
    // On a busy machine the time may come first.
    let (mut client, mut head) = client.read_exactly(2);
    while head[0] == TEXT {
        client = client.read_exactly(12).0;
        (client, head) = client.read_exactly(2);
    }
    let client = client.expect(reason(1001, WORDS));
    client.send(frame(CLOSE, reason(1001, ""))).expect_end();
    server.expect_exit(0);
}

fn late(server: &Server) {
    let first = talk_as(server, "first", "/chat");
    let handshake = handshake("/chat");
    let (begun, rest) = handshake.split_at(20);
    let second = server.connect_as("second").send(begun).pause();
    server.interrupt();
    is_let_go(first);
    is_let_go(second.send(rest).expect(WELCOME));
    server.expect_exit(0);
}
