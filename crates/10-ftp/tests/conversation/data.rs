//! The second connection: who opens it, who may, and what TYPE A does to the lines on it.

use std::fs;
use std::net::Ipv6Addr;
use std::time::Duration;

use harness::{Check, Failure, Server, splits};

use super::place::{
    COMPLETE, ELSEWHERE, Ftp, HELLO, HELLO_ON_THE_WIRE, HUGE, OPENS, Place, WELCOME, host_port,
    logged_in, reads, writes,
};

const GOES_THERE: &str = "200 the next data connection goes there";

// ---- The second connection, opened by the client.

pub fn passive() -> Vec<Check> {
    vec![
        reads(
            "a file is fetched over a second connection",
            second_connection,
        )
        .notice(
            "The control connection names a port. The file comes over a \
             connection to that port, and ends with it.",
        ),
        reads("PASV tells an address, too", pasv),
        reads(
            "the client may connect before the command, or after it",
            early_or_late,
        ),
        reads("IPv6 works as IPv4 does, with EPSV and EPRT", ipv6).bind((Ipv6Addr::LOCALHOST, 0)),
        reads(
            "EPSV may name a protocol, and is refused for another",
            named_protocol,
        ),
        reads(
            "after EPSV ALL nothing else opens a data connection",
            only_epsv,
        ),
        reads("without a port there is no transfer", no_port),
        reads("a port is good for one transfer", one_transfer),
        reads("somebody else at the port is turned away", turned_away).notice(
            "Whoever guesses the port would get the file. The server takes \
             a connection from the client's address only.",
        ),
        reads("a new port takes the place of the last", new_port),
    ]
}

fn second_connection(server: &Server, _: &Place) {
    let control = logged_in(server).binary();
    control
        .expect_fetched(server, "RETR hello.txt", HELLO)
        .quit();
}

fn pasv(server: &Server, _: &Place) {
    let (control, reply) = logged_in(server)
        .send("PASV\r\n")
        .expect_line_that_begins("227 ");
    let port = reply.rsplit_once(',').and_then(|(before, low)| {
        let (address, high) = before.rsplit_once(',')?;
        let is_ours = address == "227 Entering Passive Mode (127,0,0,1";
        let (high, low): (u16, u16) = (high.parse().ok()?, low.trim_end_matches(')').parse().ok()?);
        is_ours.then_some(high * 256 + low)
    });
    let Some(port) = port else {
        Failure::new("227 ... (127,0,0,1,p1,p2)", reply).raise()
    };
    let data = server.connect_to("data", port);
    let control = control.say("RETR hello.txt", OPENS);
    data.expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

fn early_or_late(server: &Server, _: &Place) {
    let (control, port) = logged_in(server).ask_for_port();
    let control = control.say("RETR hello.txt", OPENS);
    server
        .connect_to("data", port)
        .expect(HELLO_ON_THE_WIRE)
        .expect_end();
    control.reply(COMPLETE).quit();
}

fn ipv6(server: &Server, _: &Place) {
    server.expect_listens_as_told();
    let control = logged_in(server).say("PASV", "425 no IPv6 with PASV; say EPSV");
    let control = control.say("EPSV 1", "522 use the other network protocol (2)");
    let control = control.say(
        "EPRT |1|127.0.0.1|5000|",
        "522 use the other network protocol (2)",
    );
    let control = control.expect_fetched(server, "RETR hello.txt", HELLO_ON_THE_WIRE);
    let waiting = server.await_client("data");
    let port = waiting.address().port();
    let control = control
        .say(&format!("EPRT |2|::1|{port}|"), GOES_THERE)
        .say("RETR hello.txt", OPENS);
    waiting.accept().expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

fn named_protocol(server: &Server, _: &Place) {
    let control = logged_in(server).say("EPSV 2", "522 use the other network protocol (1)");
    let (control, _) = control.send("EPSV 1\r\n").expect_line_that_begins("229 ");
    control
        .say("EPSV 7", "522 use the other network protocol (1)")
        .quit();
}

fn only_epsv(server: &Server, _: &Place) {
    let mut control = logged_in(server).say("EPSV ALL", "200 nothing but EPSV from now on");
    for command in ["PASV", "PORT 127,0,0,1,200,13", "EPRT |1|127.0.0.1|50000|"] {
        control = control.say(command, "503 nothing but EPSV, as you said");
    }
    control
        .expect_fetched(server, "RETR hello.txt", HELLO_ON_THE_WIRE)
        .quit();
}

fn no_port(server: &Server, _: &Place) {
    let control = logged_in(server).say("RETR hello.txt", "425 say PASV, EPSV, PORT or EPRT first");
    control
        .say("LIST", "425 say PASV, EPSV, PORT or EPRT first")
        .quit();
}

fn one_transfer(server: &Server, _: &Place) {
    let control = logged_in(server).expect_fetched(server, "RETR hello.txt", HELLO_ON_THE_WIRE);
    control
        .say("RETR hello.txt", "425 say PASV, EPSV, PORT or EPRT first")
        .quit();
}

fn new_port(server: &Server, _: &Place) {
    let (control, data) = logged_in(server).passive(server);
    let control = control.expect_fetched(server, "RETR hello.txt", HELLO_ON_THE_WIRE);
    data.expect_reset();
    control.quit();
}

fn turned_away(server: &Server, _: &Place) {
    let (control, port) = logged_in(server).ask_for_port();
    let other = server.connect_from("other", ELSEWHERE, port);
    let control = control.say("RETR hello.txt", OPENS);
    other.expect_end();
    let data = server.connect_to("data", port);
    data.expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

// ---- The second connection, opened by the server.

const NOT_THERE: &str = "504 only your own address, and a port from 1024 on";

pub fn active() -> Vec<Check> {
    vec![
        reads(
            "in active mode the server connects to the client",
            server_connects,
        )
        .notice(
            "Now the client waits, and the server connects: the \
             direction that firewalls do not like.",
        ),
        writes("PORT says the same in bytes", port_in_bytes),
        reads("the server connects to nobody but the client", nobody_else).notice(
            "If it did, anybody could have it speak to a third machine, \
             from behind a firewall: the bounce attack.",
        ),
        reads(
            "the client of another address is served at that",
            from_elsewhere,
        ),
        reads(
            "the server connects to no service of the client's system",
            no_service,
        ),
        reads("an address that is none is refused", no_address),
        reads("a client that does not wait there is told so", nobody_waits),
    ]
}

fn server_connects(server: &Server, _: &Place) {
    let waiting = server.await_client("data");
    let port = waiting.address().port();
    let control = logged_in(server).say(&format!("EPRT |1|127.0.0.1|{port}|"), GOES_THERE);
    let control = control.say("RETR hello.txt", OPENS);
    waiting.accept().expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

fn port_in_bytes(server: &Server, place: &Place) {
    let waiting = server.await_client("data");
    let address = waiting.address();
    let (control, _) = logged_in(server)
        .send(format!(
            "PORT {}\r\n",
            host_port(address.ip(), address.port())
        ))
        .expect_line_that_begins("200 ");
    let control = control.say("STOR new.txt", OPENS);
    waiting
        .accept()
        .send("a\r\nb")
        .finish_sending()
        .expect_end();
    control.reply(COMPLETE).quit();
    place.expect("new.txt", "a\nb");
}

fn nobody_else(server: &Server, _: &Place) {
    let waiting = server.await_client("third party");
    let port = waiting.address().port();
    let mut control = logged_in(server);
    for ip in ["127.0.0.2", "192.0.2.1", "0.0.0.0"] {
        control = control.say(&format!("EPRT |1|{ip}|{port}|"), NOT_THERE);
        let ip = ip.parse().expect("an address");
        control = control.say(&format!("PORT {}", host_port(ip, port)), NOT_THERE);
    }
    control
        .say("RETR hello.txt", "425 say PASV, EPSV, PORT or EPRT first")
        .quit();
    waiting.expect_nobody();
}

fn from_elsewhere(server: &Server, _: &Place) {
    let control = server.connect_from("control", ELSEWHERE, server.address().port());
    let control = control
        .reply(WELCOME)
        .say("USER ftp", "331 any password will do");
    let control = control
        .say("PASS", "230 welcome")
        .say("EPRT |1|127.0.0.1|50000|", NOT_THERE);
    let (control, port) = control.ask_for_port();
    let control = control.say("RETR hello.txt", OPENS);
    let other = server.connect_to("other", port);
    other.expect_end();
    let data = server.connect_from("data", ELSEWHERE, port);
    data.expect(HELLO_ON_THE_WIRE).expect_end();
    control.reply(COMPLETE).quit();
}

fn no_service(server: &Server, _: &Place) {
    let control = logged_in(server).say("PORT 127,0,0,1,0,25", NOT_THERE);
    control.say("EPRT |1|127.0.0.1|1023|", NOT_THERE).quit();
}

fn no_address(server: &Server, _: &Place) {
    let mut control = logged_in(server);
    for argument in [
        "",
        "127,0,0,1,5",
        "127,0,0,1,5,5,5",
        "256,0,0,1,5,5",
        "a,b,c,d,e,f",
        "127.0.0.1:5000",
        ",,,,,",
    ] {
        control = control.say(
            &format!("PORT {argument}"),
            "501 try PORT h1,h2,h3,h4,p1,p2",
        );
    }
    let hint = "501 try EPRT |1|ADDRESS|PORT| or EPRT |2|ADDRESS|PORT|";
    for argument in [
        "",
        "|",
        "|1|127.0.0.1|5000",
        "|1|::1|5000|",
        "|1|127.0.0.1|65536|",
        "|2|127.0.0.1|5000|",
    ] {
        control = control.say(&format!("EPRT {argument}"), hint);
    }
    let control = control.say(
        "EPRT |3|127.0.0.1|5000|",
        "522 network protocol not supported, use (1,2)",
    );
    control
        .say(
            "EPRT |2|::1|5000|",
            "522 use the other network protocol (1)",
        )
        .quit();
}

fn nobody_waits(server: &Server, _: &Place) {
    let waiting = server.await_client("data");
    let port = waiting.address().port();
    drop(waiting);
    let command = format!("EPRT !1!127.0.0.1!{port}!");
    let control = logged_in(server).say(&command, GOES_THERE);
    // Windows asks again for 2 s before it believes a refusal.
    let control = control.say("RETR hello.txt", OPENS);
    let control = control.wait_up_to(Duration::from_secs(10));
    let control = control.reply("425 connection refused");
    control.say("NOOP", "200 nothing done").quit();
}

// ---- TYPE A: lines.

/// Line ends of every kind, next to each other and at both ends.
const MIXED: &[u8] = b"\nunix\ndos\r\nmac\rtwo\n\n\r\r\n\r";

pub fn text() -> Vec<Check> {
    vec![
        reads(
            "in TYPE A each line that is fetched ends with CR LF",
            lines_out,
        ),
        reads(
            "a CR LF that lies across two reads of the file stays one",
            across_reads,
        ),
        writes("in TYPE A each CR LF that is sent becomes LF", lines_in),
        writes("CR and LF may come in two pieces", two_pieces).teaches(
            "A CR at the end of a piece says nothing until the next \
             byte is there: keep it, and wait.",
        ),
        writes("in TYPE I no byte is touched", every_byte).notice(
            "The types differ in line ends only. A picture that \
             is moved as text may arrive broken.",
        ),
        reads("64 MiB are fetched as they are", huge_out),
        writes("64 MiB are sent as they are", huge_in),
    ]
}

fn lines_out(server: &Server, place: &Place) {
    place.write("mixed.txt", MIXED);
    let expected = b"\r\nunix\r\ndos\r\nmac\rtwo\r\n\r\n\r\r\n\r";
    logged_in(server)
        .expect_fetched(server, "RETR mixed.txt", expected)
        .quit();
}

fn across_reads(server: &Server, place: &Place) {
    // The server reads a file in pieces of its own; whatever their length, some line lies across their border.
    let lines = |end: &str| format!("x{end}").repeat(40_000);
    place.write("dos.txt", lines("\r\n"));
    place.write("unix.txt", lines("\n"));
    let control = logged_in(server).expect_fetched(server, "RETR dos.txt", lines("\r\n"));
    control
        .expect_fetched(server, "RETR unix.txt", lines("\r\n"))
        .quit();
}

fn lines_in(server: &Server, place: &Place) {
    logged_in(server)
        .put(server, "STOR mixed.txt", MIXED)
        .quit();
    place.expect("mixed.txt", b"\nunix\ndos\nmac\rtwo\n\n\r\n\r");
}

fn two_pieces(server: &Server, place: &Place) {
    let mut control = logged_in(server);
    for (start, rest) in splits(b"\r\nb\r\r\nc\r") {
        let (after, data) = control.passive(server);
        control = after.say("STOR pieces.txt", OPENS);
        data.send(start)
            .pause()
            .send(rest)
            .finish_sending()
            .expect_end();
        control = control.reply(COMPLETE);
        place.expect("pieces.txt", "\nb\r\nc\r");
    }
    control.quit();
}

fn every_byte(server: &Server, place: &Place) {
    let every: Vec<u8> = (0..=u8::MAX).chain(MIXED.iter().copied()).collect();
    let control = logged_in(server)
        .binary()
        .put(server, "STOR every.bin", &every);
    place.expect("every.bin", &every);
    control
        .expect_fetched(server, "RETR every.bin", &every)
        .quit();
}

fn huge_out(server: &Server, place: &Place) {
    let bytes = noise_of(server, HUGE);
    place.write("huge.bin", &bytes);
    logged_in(server)
        .binary()
        .expect_fetched(server, "RETR huge.bin", bytes)
        .quit();
}

fn huge_in(server: &Server, place: &Place) {
    let bytes = noise_of(server, HUGE);
    logged_in(server)
        .binary()
        .put(server, "STOR huge.bin", &bytes)
        .quit();
    if fs::read(place.path("huge.bin")).is_ok_and(|got| got == bytes) {
        return;
    }
    Failure::new("the file that was sent", "another").raise();
}

fn noise_of(server: &Server, length: u64) -> Vec<u8> {
    let mut random = server.random();
    let block: Vec<u8> = (0..65_521).map(|_| random.u8(..)).collect(); // a prime: no border falls on that of a piece
    block
        .iter()
        .copied()
        .cycle()
        .take(length as usize)
        .collect()
}
