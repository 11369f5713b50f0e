//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Peer, Server, Suite};

/// What most checks stand on.
const ANSWERS: &str = "a request is answered with its number and the total";

fn main() -> ExitCode {
    Suite::new("datagrams", env!("CARGO_BIN_EXE_datagrams"))
        .replayed_by("just replay datagrams {check} --seed {seed}")
        .page("docs/src/steps/udp.md", "A datagram is a message")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/udp.md", "One socket for all")
                .points(1)
                .teaches("Peers, and these checks, can only send when they know where to."),
        )
        .check(
            Check::new(ANSWERS, totals)
                .points(3)
                .teaches("One datagram in, one datagram out, to the address that it came from. Of the buffer, use as many bytes as were received."),
        )
        .check(
            Check::new("each peer has a total of its own", each_its_own)
                .page("docs/src/steps/udp.md", "One socket for all")
                .needs(ANSWERS)
                .points(2)
                .teaches("All datagrams come out of one socket. Who has sent one, only its address tells: an IP address and a port."),
        )
        .check(
            Check::new("a request that comes again is answered again and counted once", again)
                .page("docs/src/steps/udp.md", "What is missing")
                .needs(ANSWERS)
                .points(4)
                .teaches("The answer may have been lost, so a client that hears nothing asks again. It needs the answer, and has asked once."),
        )
        .check(
            Check::new("a request that was overtaken is late, and not counted", overtaken)
                .page("docs/src/steps/udp.md", "What is missing")
                .needs(ANSWERS)
                .points(2)
                .teaches("Datagrams overtake each other. A number lower than the last is an old request, and may have been counted before. A gap is none: what was in it may be lost."),
        )
        .check(
            Check::new("an empty datagram is answered with an empty one", empty)
                .needs(ANSWERS)
                .points(2)
                .teaches("A receive of 0 bytes is no end: there is no connection that could end. It is a message without bytes."),
        )
        .check(
            Check::new("what is no request is answered with a question mark", nonsense)
                .needs(ANSWERS)
                .points(2)
                .teaches("Anybody can send anything. It may be no text, or no number, and must not end the server or leave anything behind."),
        )
        .check(
            Check::new("a datagram that is too long is an error, not a shorter one", too_long)
                .needs(ANSWERS)
                .points(2)
                .teaches("What does not fit into the buffer is thrown away, and on Linux nobody says so. The rest looks like a request of another amount."),
        )
        .check(
            Check::new("noise and peers that are gone change nothing", noise)
                .page("docs/src/steps/udp.md", "Nobody there")
                .needs(ANSWERS)
                .points(1)
                .teaches("Whoever makes no request is not remembered: otherwise noise pushes out those who do. And an answer that finds nobody is no reason to end."),
        )
        .check(
            Check::new("one peer too many takes the place of who was silent longest", too_many)
                .page("docs/src/steps/udp.md", "Who has sent this?")
                .needs(ANSWERS)
                .points(1)
                .teaches("Nobody says good-bye over UDP. Without a bound on what is remembered, anybody can fill the memory, one address after the other."),
        )
        .run()
}

/// Sends a request, and expects its answer.
#[track_caller]
fn adds(peer: Peer, number: u32, amount: u64, total: u64) -> Peer {
    peer.send(format!("{number} {amount}"))
        .expect(format!("{number} {total}"))
}

/// Two amounts that nobody can know beforehand.
fn amounts(server: &Server) -> (u64, u64) {
    let mut random = server.random();
    (random.u64(100..1000), random.u64(10..100))
}

fn totals(server: &Server) {
    let (one, other) = amounts(server);
    let peer = adds(server.peer(), 1, one, one);
    let peer = adds(peer, 2, other, one + other);
    let peer = adds(peer, 3, 0, one + other);
    let most = u64::from(u32::MAX);
    let peer = adds(peer, 4, most, one + other + most);
    peer.expect_silence();
}

fn each_its_own(server: &Server) {
    let (one, other) = amounts(server);
    let first = adds(server.peer_as("first"), 4_000_000_000, one, one);
    let second = adds(server.peer_as("second"), 1, other, other);
    let first = adds(first, 4_000_000_001, other, one + other);
    let second = adds(second, 2, one, other + one);
    first.expect_silence();
    second.expect_silence();
}

fn again(server: &Server) {
    let (one, other) = amounts(server);
    let request = format!("1 {one}");
    let peer = server.peer().send(&request).send(&request);
    let peer = peer.expect(&request).expect(&request);
    let peer = adds(peer, 2, other, one + other);
    // It is the number that tells.
    let peer = adds(peer, 2, one, one + other);
    let peer = adds(peer, 2, other, one + other);
    adds(peer, 3, 1, one + other + 1).expect_silence();
}

fn overtaken(server: &Server) {
    let (one, other) = amounts(server);
    let peer = adds(server.peer(), 10, one, one);
    let peer = adds(peer, 15, other, one + other);
    let peer = peer.send(format!("12 {one}")).expect("late");
    // It is 15 that is still the last.
    let peer = peer.send("13 1").expect("late").send("0 1").expect("late");
    adds(peer, 16, 1, one + other + 1).expect_silence();
}

fn empty(server: &Server) {
    let (one, other) = amounts(server);
    let peer = server.peer().send("").expect("");
    let peer = adds(peer, 1, one, one).send("").expect("");
    adds(peer, 2, other, one + other).expect_silence();
}

fn nonsense(server: &Server) {
    let (one, other) = amounts(server);
    let mut peer = adds(server.peer(), 1, one, one);
    for bytes in [
        &b"hello"[..],
        b"7",
        b"7 ",
        b" 7",
        b"7 7 7",
        b"7 -7",
        b"2 4294967296",
        b"\xff\xfe 7",
        b"2 7\n",
    ] {
        peer = peer.send(bytes).expect("?");
    }
    adds(peer, 2, other, one + other).expect_silence();
}

fn too_long(server: &Server) {
    let (one, other) = amounts(server);
    let peer = adds(server.peer(), 1, one, one);
    // 32 bytes are a request, 33 are none; and so they are not if one looks at fewer of them.
    let peer = peer.send(format!("2 {other:030}"));
    let peer = peer.expect(format!("2 {}", one + other));
    let peer = peer.send(format!("3 {other:031}")).expect("too long");
    let peer = peer.send("4 1".to_owned() + &" ".repeat(9000));
    let peer = peer.expect("too long").send([b'7'; 1200]);
    adds(peer.expect("too long"), 3, 1, one + other + 1).expect_silence();
}

fn noise(server: &Server) {
    let (one, other) = amounts(server);
    let peer = adds(server.peer(), 1, one, one);
    harness::send_noise_datagrams(server, 200);
    for _ in 0..3 {
        harness::send_and_leave(server, b"1 1");
    }
    adds(peer, 2, other, one + other).expect_silence();
}

fn too_many(server: &Server) {
    let (one, other) = amounts(server);
    let names = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
    ];
    let peers = names.map(|name| adds(server.peer_as(name), 1, one, one));
    let [first, second, third, .., eighth] = peers;
    // Now the second is the one who is silent longest.
    let first = adds(first, 2, other, one + other);
    adds(server.peer_as("ninth"), 1, other, other).expect_silence();
    adds(third, 2, other, one + other);
    adds(eighth, 2, other, one + other);
    adds(first, 3, other, one + 2 * other);
    adds(second, 2, other, other).expect_silence();
}
