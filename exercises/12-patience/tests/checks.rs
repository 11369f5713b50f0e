//! What is graded, in the order in which a learner should meet it.
//!
//! Where a time is to run out it is short, and whoever waits for that waits long. Where it must not run out it is long.
//! So nothing here depends on how busy the machine is.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{Check, Client, Failure, Server, Suite, cannot_judge};

/// What other checks stand on.
const HALF_A_LINE: &str = "half a line that goes no further is told so";
const NO_READER: &str = "a client that does not read its reply is cut off";

/// Times that are soon over, and one that never is, in milliseconds.
const SHORT: u64 = 300;
const NOT_SO_SHORT: u64 = 1000;
const LONG: u64 = 60_000;
/// A line that is longer counts as several.
const LONGEST: usize = 1 << 20;

/// One byte comes in each of these, and so many at most.
const PACE: Duration = Duration::from_millis(250);
const BYTES: usize = 10;
/// For a line that comes at this pace: six bytes are in time.
const TIME_FOR_BYTES: u64 = 1500;

/// Who talks now and then says nothing for this long.
const NOW_AND_THEN: Duration = Duration::from_millis(1200);
/// Longer than that, shorter than two of it.
const TIME_FOR_SILENCE: u64 = 2000;

/// Who reads in sips takes so many bytes of its reply each time, and so many times.
const SIP: usize = 1 << 16;
const SIPS: usize = 10;
const BETWEEN_SIPS: Duration = Duration::from_millis(200);
/// Half of the sips are in time. What is left then, the kernel has no room for.
const TIME_FOR_SIPS: u64 = 1000;

fn main() -> ExitCode {
    Suite::new("patience", env!("CARGO_BIN_EXE_patience"))
        .replayed_by("just replay patience {check} --seed {seed}")
        .page("docs/src/steps/http.md", "What a client can stretch")
        .check(
            timed("a client that says nothing is told so, and its connection ends", [SHORT, LONG, LONG], says_nothing)
                .points(3)
                .teaches("A client that is silent keeps a thread, a stack and a descriptor. A read without a time-out waits for it for ever. When the time is over, that is an error of a kind that differs: WouldBlock on Unix, TimedOut on Windows."),
        )
        .check(
            timed("every line gets a reply, and who has finished is not late", [LONG; 3], every_line)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .points(1)
                .teaches("All that worked without time-outs still has to. The end of sending is a read of 0 bytes, and nobody was late."),
        )
        .check(
            timed("a time-out is an event, and no error", [SHORT, LONG, LONG], is_an_event)
                .points(1)
                .teaches("That a client is late is not a fault of the server: it is what time-outs are for. Whoever looks after the server wants to know whom it has closed, and for what."),
        )
        .check(
            timed(HALF_A_LINE, [LONG, NOT_SO_SHORT, LONG], half_a_line)
                .points(2)
                .teaches("Who has begun a line has a shorter time than who says nothing: it begins with the first byte of the line, however long the silence before it was."),
        )
        .check(
            timed("half a line is not idle, and who has its reply is idle anew", [SHORT, LONG, LONG], is_not_idle)
                .needs(HALF_A_LINE)
                .points(2)
                .teaches("The two waits are different questions: does this client still want something, and does it get on with it? From the first byte of a line on only the second one counts, and from the reply on only the first."),
        )
        .check(
            timed("a line that comes byte by byte has no more time than another", [LONG, TIME_FOR_BYTES, LONG], byte_by_byte)
                .needs(HALF_A_LINE)
                .page("docs/src/steps/websocket.md", "How long")
                .points(3)
                .teaches("A time-out of a socket holds for one read, and each byte begins it anew: one byte a second keeps a thread for ever. Set a deadline for the line. Each read then gets what is left of the time."),
        )
        .check(
            timed("a client that talks now and then stays", [TIME_FOR_SILENCE, LONG, LONG], now_and_then)
                .points(2)
                .teaches("The idle time is for those who say nothing. With each reply it begins anew, however long the client has been there."),
        )
        .check(
            timed(NO_READER, [LONG, LONG, SHORT], never_reads)
                .points(2)
                .teaches("Who does not read lets the buffers of both kernels fill up, and then a write waits as a read does. It needs a time-out as well. There is nothing to say to one who does not read: close the connection."),
        )
        .check(
            timed("a reply that is taken in sips has no more time than another", [LONG, LONG, TIME_FOR_SIPS], in_sips)
                .needs(NO_READER)
                .points(1)
                .teaches("`write_all` calls `write` as often as it needs, and a time-out of the socket holds for one of these calls: who takes a little each time keeps a thread for as long as it likes. Set a deadline for the reply."),
        )
        .check(
            timed("clients that keep it waiting harm nobody else", [LONG; 3], others)
                .page("docs/src/steps/threads.md", "A thread for each client")
                .points(1)
                .teaches("Until its time is over, each of them has a thread that waits. Let it wait with nothing in its hands that another one needs: no lock, no turn."),
        )
        .check(
            timed("it sleeps while it waits", [LONG; 3], sleeps)
                .points(1)
                .teaches("The kernel has a clock, and wakes a thread when its time is over: give it all the time that is left. Who looks at the clock again and again keeps a processor from those who have something to do."),
        )
        .check(
            timed("clients that were late leave nothing behind", [NOT_SO_SHORT, LONG, SHORT], leaves_nothing)
                .points(1)
                .teaches("That was the purpose: to have back what they hold. A stream that is kept in a list, or a thread that still watches over a client, is never given back."),
        )
        .run()
}

/// A check of a server that waits so long, in milliseconds: when a client is idle, for the rest of a line, and for a
/// client that takes its reply.
fn timed(title: &str, [idle, line, reply]: [u64; 3], check: fn(&Server)) -> Check {
    let arguments = [("idle", idle), ("line", line), ("reply", reply)];
    let arguments = arguments.map(|(name, time)| [format!("--{name}-ms"), time.to_string()]);
    Check::new(title, check).arguments(arguments.into_iter().flatten())
}

/// So many letters that nobody can know beforehand.
fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    let letters = std::iter::repeat_with(|| random.lowercase());
    letters.take(length).collect()
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    letters(random, length)
}

#[track_caller]
fn is_answered(client: Client, word: &str) -> Client {
    client
        .send(format!("{word}\n"))
        .expect(format!("received: {word}\n"))
}

/// Expects that the client hears what it was too late with, and the end.
#[track_caller]
fn is_late(client: Client, with: &str) {
    client.expect(format!("timed out: {with}\n")).expect_end();
}

/// What the server prints then.
fn event(client: &Client, late_with: &str) -> String {
    format!("client {} timed out: {late_with}", client.address())
}

/// One that sends the longest line, and reads nothing of its reply.
#[track_caller]
fn stuck(server: &Server) -> Client {
    let mut line = letters(&mut server.random(), 1024).repeat(LONGEST / 1024);
    line.replace_range(LONGEST - 1.., "\n");
    server.connect_as("stuck").send(line)
}

fn says_nothing(server: &Server) {
    is_late(server.connect_as("silent"), "idle");
    is_late(server.connect_as("next"), "idle");
}

fn every_line(server: &Server) {
    let random = &mut server.random();
    let [one, two, three] = [(); 3].map(|()| word(random));
    let client = server.connect().send(&one).pause().send("\n");
    let client = client.expect(format!("received: {one}\n"));
    let client = client.send(format!("{two}\n{three}\n{one}"));
    let client = client.expect(format!("received: {two}\nreceived: {three}\n"));
    let client = client.finish_sending();
    client.expect(format!("received: {one}\n")).expect_end();
    let next = is_answered(server.connect_as("next"), &two);
    next.finish_sending().expect_end();
}

fn is_an_event(server: &Server) {
    let client = server.connect();
    let event = event(&client, "idle");
    is_late(client, "idle");
    server.expect_line(&event);
}

fn half_a_line(server: &Server) {
    let word = word(&mut server.random());
    // Silent for longer than the time for a line, which has not begun.
    let client = server.connect().expect_silence_for(NOW_AND_THEN);
    let event = event(&client, "line");
    let begun = Instant::now();
    is_late(client.send(&word), "line");
    // The server's clock runs since a moment after ours. Half of its time is enough to tell, on any system.
    if begun.elapsed() < Duration::from_millis(NOT_SO_SHORT / 2) {
        let expected = format!("{NOT_SO_SHORT} ms for the line, from its first byte on");
        Failure::new(expected, "its end at once, after a long silence").raise();
    }
    server.expect_line(&event);
}

fn is_not_idle(server: &Server) {
    let word = word(&mut server.random());
    // Its first bytes are there before the server sees it: it was not idle for a moment.
    let client = server.frozen(|| server.connect().send(&word));
    let client = client.expect_silence_for(Duration::from_millis(2 * SHORT));
    let client = client.send("\n").expect(format!("received: {word}\n"));
    is_late(client, "idle");
}

fn byte_by_byte(server: &Server) {
    let mut client = server.connect();
    for byte in letters(&mut server.random(), BYTES).as_bytes().chunks(1) {
        client = client.send(byte).pause();
        // Who looks at the clock whenever a byte has come is done before the last one.
        if client.hears_within(PACE) {
            return is_late(client, "line");
        }
    }
    let waited = PACE.as_millis() as usize * BYTES;
    let expected = format!("the end of a line's time after {TIME_FOR_BYTES} ms");
    let got = format!("{BYTES} bytes in {waited} ms, and it still waits for the rest");
    Failure::new(expected, got).raise();
}

fn now_and_then(server: &Server) {
    // On a busy machine the client may itself be late. Then nothing is said, and it is tried again.
    if !(0..5).any(|_| stays(server)) {
        cannot_judge("this machine is too busy: the client could not be in time");
    }
}

/// Whether the client was in time, and so stayed.
fn stays(server: &Server) -> bool {
    let random = &mut server.random();
    let mut before = Instant::now();
    let mut client = server.connect();
    for _ in 0..2 {
        let (since, word) = (before, word(random));
        client = client.wait_up_to(NOW_AND_THEN);
        before = Instant::now();
        let (rest, line) = client.send(format!("{word}\n")).read_line();
        client = rest;
        // It was silent for no longer than this, whatever the server's clock says.
        let silent = since.elapsed();
        match line == format!("received: {word}") {
            true => {}
            false if silent >= Duration::from_millis(TIME_FOR_SILENCE) => {
                client.hang_up();
                return false;
            }
            false => Failure::new(
                format!(
                    "\"received: {word}\\n\", for it is silent for {} ms at a time",
                    NOW_AND_THEN.as_millis()
                ),
                format!("{:?}", line + "\n"),
            )
            .raise(),
        }
    }
    client.hang_up(); // to wait for its end would be to be silent once more
    true
}

fn never_reads(server: &Server) {
    let word = word(&mut server.random());
    let before = server.descriptors();
    let stuck = stuck(server);
    server.expect_line(&event(&stuck, "reply"));
    server.expect_descriptors(before);
    stuck.hang_up();
    let next = is_answered(server.connect_as("next"), &word);
    next.finish_sending().expect_end();
}

fn in_sips(server: &Server) {
    let quiet = server.connect_as("quiet");
    let mut client = stuck(server);
    let mut taken = 0;
    for _ in 0..SIPS {
        let (rest, sip) = client.read_up_to(SIP);
        (client, taken) = (rest, taken + sip.len());
        if sip.len() < SIP {
            return; // it is cut off
        }
        quiet.hears_within(BETWEEN_SIPS);
    }
    let all = LONGEST + "received: ".len();
    let (client, rest) = client.read_up_to(all - taken);
    if taken + rest.len() == all {
        let expected = format!("the end of the reply's time after {TIME_FOR_SIPS} ms");
        let waited = BETWEEN_SIPS.as_millis() as usize * SIPS;
        let got = format!("all of the reply, for which the client took {waited} ms");
        Failure::new(expected, got).raise();
    }
    client.hang_up();
}

/// Clients that the server waits for: for a line, for the rest of one, and for one that reads.
fn slow_clients(server: &Server) -> [Client; 3] {
    let half = word(&mut server.random());
    [
        server.connect_as("silent"),
        server.connect_as("half").send(half).pause(),
        stuck(server).pause(),
    ]
}

fn others(server: &Server) {
    let word = word(&mut server.random());
    let slow = slow_clients(server);
    let client = is_answered(server.connect(), &word);
    client.finish_sending().expect_end();
    slow.into_iter().for_each(Client::hang_up);
}

fn sleeps(server: &Server) {
    let slow = slow_clients(server);
    server.expect_asleep();
    slow.into_iter().for_each(Client::hang_up);
}

fn leaves_nothing(server: &Server) {
    let (descriptors, threads) = (server.descriptors(), server.threads());
    let silent = [(); 5].map(|()| server.connect_as("silent"));
    let stuck = [(); 5].map(|()| stuck(server));
    silent
        .into_iter()
        .for_each(|client| is_late(client, "idle"));
    server.expect_descriptors(descriptors);
    // One more may be there for all of them.
    server.expect_threads(threads + 1);
    stuck.into_iter().for_each(Client::hang_up);
}
