//! What a server of datagrams answers, and whom it outlives.

use std::net::Ipv6Addr;
use std::process::ExitCode;

use harness::{Check, Peer, Server, Suite};

fn main() -> ExitCode {
    let longest = ["--buffer", "65535"];
    Suite::new("udp", env!("CARGO_BIN_EXE_udp"))
        .page("docs/src/steps/udp.md", "What is said")
        .check(Check::new("says where it listens", Server::expect_listens_as_told))
        .check(Check::new("answers with its prefix and what was sent", answers))
        .check(Check::new("two datagrams get two answers", two_datagrams).notice(
            "Each send is a message, and each receive brings one, whole. Nobody has to look for a border.",
        ))
        .check(Check::new("datagrams that wait together stay apart", waiting_together))
        .check(Check::new("an empty datagram is a message too", an_empty_datagram).notice(
            "A read of 0 bytes was the end of a TCP client. Here it is a message without bytes, and the next one comes.",
        ))
        .check(
            Check::new("a datagram that is too long is not answered", too_long)
                .arguments(["--buffer", "8"])
                .notice("The kernel has cut it and thrown away the rest. The next receive brings the next datagram."),
        )
        .check(Check::new("peers take turns at one socket", peers_take_turns).notice(
            "Nobody connected and nobody was let in: the address that a datagram comes from is all that tells peers apart.",
        ))
        .check(Check::new("32 peers at once, the last one first", many))
        .check(Check::new("bytes that are no text come back as they are", no_text))
        .check(Check::new("the prefix may be any text", any_prefix).arguments(["--prefix", "收到数据:"]))
        .check(
            Check::new("65,507 bytes are the most", the_longest)
                .arguments(longest.into_iter().chain(["--prefix", ""])),
        )
        .check(Check::new("an answer that is too long does not stop it", a_long_answer).arguments(longest))
        .check(Check::new("a peer that is gone does not stop it", a_peer_that_is_gone))
        .check(Check::new("a flood does not stop it", a_flood))
        .check(Check::new("1,000 noisy peers leave nothing behind", noise))
        .check(Check::new("sleeps while nobody speaks", sleeps))
        .check(Check::new("IPv6 works as IPv4 does", ipv6).bind((Ipv6Addr::LOCALHOST, 0)))
        .check(Check::new("a restart gets the same port at once", a_restart))
        .run()
}

#[track_caller]
fn is_answered(peer: Peer) -> Peer {
    peer.send("hello").expect("received: hello")
}

fn answers(server: &Server) {
    let peer = server.peer().send("hello\n").expect("received: hello\n");
    let address = peer.address();
    server.expect_line(&format!("received 6 bytes from {address}: \"hello\\n\""));
    peer.expect_silence();
}

fn two_datagrams(server: &Server) {
    let peer = server.peer().send("hel").send("lo\n");
    let peer = peer.expect("received: hel").expect("received: lo\n");
    peer.expect_silence();
}

fn waiting_together(server: &Server) {
    let peer = server.peer();
    let peer = server.frozen(|| peer.send("one").send("").send("three"));
    let peer = peer.expect("received: one").expect("received: ");
    peer.expect("received: three").expect_silence();
}

fn an_empty_datagram(server: &Server) {
    let peer = server.peer().send("").expect("received: ");
    let address = peer.address();
    server.expect_line(&format!("received 0 bytes from {address}: \"\""));
    is_answered(peer);
}

fn too_long(server: &Server) {
    let peer = server.peer().send("12345678").expect("received: 12345678");
    let peer = peer.send("123456789").expect_silence();
    let peer = peer.send("hello, world").expect_silence();
    if cfg!(not(windows)) {
        let words = "a datagram of more than 8 bytes was cut";
        server.expect_complaint(&format!("error: peer {}: {words}", peer.address()));
    }
    is_answered(peer);
}

fn peers_take_turns(server: &Server) {
    let silent = server.peer_as("silent");
    let first = server.peer_as("first").send("one");
    let first = first.expect("received: one");
    let second = server.peer_as("second").send("two");
    let second = second.expect("received: two");
    let first = first.send("three").expect("received: three");
    for peer in [first, second, silent] {
        peer.expect_silence();
    }
}

fn many(server: &Server) {
    let peers: Vec<Peer> = (0..32).map(|_| server.peer_as("one of 32")).collect();
    for peer in peers.into_iter().rev() {
        is_answered(peer);
    }
}

fn no_text(server: &Server) {
    let peer = server.peer().send(b"\xff\xfe\x00\xc3(\x80");
    let peer = peer.expect(b"received: \xff\xfe\x00\xc3(\x80");
    is_answered(peer);
}

fn any_prefix(server: &Server) {
    let prefix = b"\xe6\x94\xb6\xe5\x88\xb0\xe6\x95\xb0\xe6\x8d\xae:\xc3";
    server.peer().send(b"\xc3").expect(prefix);
}

/// 65,535 less 8 bytes for the header of UDP and 20 for that of IPv4: a length has 16 bits (RFC 768; RFC 791, section 3.1).
const LONGEST: usize = 65_507;

fn the_longest(server: &Server) {
    if cfg!(target_vendor = "apple") {
        harness::skip(
            "macOS sends nothing longer than 9,216 bytes unless a program asks for more room",
        );
    }
    let longest: Vec<u8> = (0..=255).cycle().take(LONGEST).collect();
    server.peer().send(&longest).expect(&longest);
}

fn a_long_answer(server: &Server) {
    let peer = server.peer().send([b'x'; LONGEST]).expect_silence();
    server.expect_complaint(&format!("error: peer {}: ", peer.address()));
    is_answered(peer);
}

fn a_peer_that_is_gone(server: &Server) {
    let next = server.peer_as("next");
    for _ in 0..3 {
        harness::send_and_leave(server, b"and good-bye");
    }
    is_answered(is_answered(next));
}

fn a_flood(server: &Server) {
    harness::flood(server, 20_000);
    server.peer_as("next").ask("hello", "received: hello");
}

fn noise(server: &Server) {
    let before = server.descriptors();
    harness::send_noise_datagrams(server, 1000);
    is_answered(server.peer_as("next"));
    server.expect_descriptors(before);
}

fn sleeps(server: &Server) {
    let peer = is_answered(server.peer());
    server.expect_asleep();
    is_answered(peer);
}

fn ipv6(server: &Server) {
    server.expect_listens_as_told();
    is_answered(server.peer());
}

fn a_restart(server: &Server) {
    let peer = is_answered(server.peer());
    server.restart();
    is_answered(peer);
}
