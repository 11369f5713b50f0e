//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

/// What other checks stand on.
const MANY_LINES: &str = "many lines in one piece are answered one by one";
const READS_LATE: &str = "a client that reads late gets every reply";

/// A line that is longer counts as several.
const LONGEST: usize = 1024;
/// So many lines of a letter have more replies than the kernels on both sides keep, and fewer bytes than they keep of
/// what is sent.
const TOO_MANY: usize = 64 * 1024;
/// Whoever takes so many bytes has them in its own memory.
const TOO_MUCH: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    Suite::new("multiplex", env!("CARGO_BIN_EXE_multiplex"))
        .replayed_by("just replay multiplex {check} --seed {seed}")
        .page("docs/src/steps/event-loop.md", "State in the place of a stack")
        .check(
            Check::new("it listens as it is told, and answers a line", one_line)
                .points(2)
                .teaches("An event says that a client can be read. What the read returns is yours to answer, and the end of it, 0 bytes, is the end of the client."),
        )
        .check(
            Check::new(MANY_LINES, many_lines)
                .page("docs/src/steps/event-loop.md", "Ready is an edge")
                .points(1)
                .teaches("What comes is not told twice: an event says that something has come since the last time, and nothing of what you have left unread (edge-triggered, epoll(7)). Read on until there is nothing more: WouldBlock."),
        )
        .check(
            Check::new("what is too long counts as several, and the last line needs no end", limits)
                .needs(MANY_LINES)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .points(1)
                .teaches("What a client can stretch has a bound, and an unfinished line is memory that it fills as it likes. When it has finished sending, what there is of a line is a line."),
        )
        .check(
            Check::new("half a line keeps nobody waiting", half_a_line)
                .page("docs/src/steps/event-loop.md", "Nothing waits, but poll")
                .points(1)
                .teaches("There is one thread, and whoever waits for one client lets all others wait. Only `poll` waits: put away what has come, and return."),
        )
        .check(
            Check::new("lines that come byte by byte do not mix", byte_by_byte)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .points(3)
                .teaches("Each byte is an event, and between two of a client others have theirs. What a thread would have on its stack, how far it has come in a line, is in the client's own state here."),
        )
        .check(
            Check::new(READS_LATE, reads_late)
                .needs(MANY_LINES)
                .points(3)
                .teaches("A write takes as much as the kernel has room for, which may be a part, or nothing. Keep the rest, and ask to be told when there is room. And when all is sent, read on: what has come in the meantime is not told again by itself."),
        )
        .check(
            Check::new("a client with much to say is heard to the end", much_to_say)
                .page("docs/src/steps/event-loop.md", "Ready is an edge")
                .needs(READS_LATE)
                .points(1)
                .teaches("It has sent 80 lines at once. Whoever stops reading before WouldBlock, so that others get their turn, is not told of the rest. Then the kernel has to be asked anew, also for what it was asked for before."),
        )
        .check(
            Check::new("a client that has finished sending gets every reply", has_finished)
                .needs(MANY_LINES)
                .points(2)
                .teaches("The end of sending closes one direction. The other is open for as long as replies wait: the client is over when both are done."),
        )
        .check(
            Check::new("a client that never reads is not read, and harms nobody", never_reads)
                .points(2)
                .teaches("Replies that wait are memory, and a client that sends and never reads makes more and more of them. Stop reading from it while they wait. Then the kernel's buffers fill up, and it has to stop: back-pressure."),
        )
        .check(
            Check::new("it sleeps while there is nothing to do", sleeps)
                .page("docs/src/steps/event-loop.md", "Ready is an edge")
                .points(1)
                .teaches("Ask to be told of room to write only while something waits to be written: there nearly always is room, and whoever asks for it is told so. And give `poll` no time-out if you do not need the clock."),
        )
        .check(
            Check::new("one thread serves 200 clients at once", two_hundred)
                .points(1)
                .teaches("That is the point of it: a client is a few bytes of state and a socket, and no stack."),
        )
        .check(
            Check::new("clients that reset leave nothing behind", resets)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(1)
                .teaches("An error of a client ends that client, and not the loop. Take it out of the slab, whatever it still had to send or to say."),
        )
        .check(
            Check::new("who gets a slot inherits nothing", inherits_nothing)
                .points(1)
                .teaches("A slot is used again, and so is its number. What belongs to a client has to go with it: keep all of it in one place, and take it out as one."),
        )
        .run()
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    letters(random, length)
}

/// So many letters that nobody can know beforehand.
fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    let letters = std::iter::repeat_with(|| random.lowercase());
    letters.take(length).collect()
}

/// The replies to these lines.
fn replies<'line>(lines: impl IntoIterator<Item = &'line str>) -> String {
    let reply = |line| format!("received: {line}\n");
    lines.into_iter().map(reply).collect()
}

#[track_caller]
fn is_answered(client: Client, word: &str) -> Client {
    client.send(format!("{word}\n")).expect(replies([word]))
}

/// A client that sends too many lines, and reads none of the replies. Returns these as well.
#[track_caller]
fn too_many(server: &Server, name: &str) -> (Client, String) {
    let letters = letters(&mut server.random(), TOO_MANY / 2);
    let lines: String = letters.chars().flat_map(|letter| [letter, '\n']).collect();
    let client = server.connect_as(name).send(&lines);
    (client, replies(lines.lines()))
}

/// Another client, which is served meanwhile. What came before it has had its turn then: there is one loop.
#[track_caller]
fn is_served_meanwhile(server: &Server) -> Client {
    let other = is_answered(server.connect_as("other"), "meanwhile");
    is_answered(other, "again")
}

fn one_line(server: &Server) {
    let word = word(&mut server.random());
    server.expect_listens_as_told();
    let client = is_answered(server.connect(), &word);
    is_answered(client, "").finish_sending().expect_end();
    let next = is_answered(server.connect_as("next"), &word);
    next.finish_sending().expect_end();
}

fn many_lines(server: &Server) {
    let random = &mut server.random();
    let words: Vec<String> = (0..3000).map(|_| word(random)).collect();
    let lines: String = words.iter().map(|word| format!("{word}\n")).collect();
    let client = server.connect().send(&lines);
    let client = client.expect_whole(replies(lines.lines()));
    is_answered(client, &words[0]).finish_sending().expect_end();
}

fn limits(server: &Server) {
    let random = &mut server.random();
    let (line, rest) = (letters(random, LONGEST), word(random));
    let client = is_answered(server.connect(), &line[1..]);
    let client = client.send(format!("{line}{rest}"));
    let client = client.expect(replies([line.as_str()]));
    let client = client.finish_sending();
    client.expect(replies([rest.as_str()])).expect_end();
}

fn half_a_line(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (word(random), word(random));
    let half = server.connect_as("half").send(&one).pause();
    let other = is_answered(server.connect_as("other"), &other);
    other.finish_sending().expect_end();
    let half = half.send("\n").expect(replies([one.as_str()]));
    half.finish_sending().expect_end();
}

fn byte_by_byte(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (letters(random, 6), letters(random, 6));
    let mut first = server.connect_as("first");
    let mut second = server.connect_as("second");
    for (a, b) in one.bytes().zip(other.bytes()) {
        first = first.send([a]).pause();
        second = second.send([b]).pause();
    }
    let second = second.send("\n").expect(replies([other.as_str()]));
    let first = first.send("\n").expect(replies([one.as_str()]));
    first.finish_sending().expect_end();
    second.finish_sending().expect_end();
}

fn reads_late(server: &Server) {
    let (client, replies) = too_many(server, "late");
    let other = is_served_meanwhile(server);
    let client = client.expect_whole(replies);
    is_answered(client, "now").finish_sending().expect_end();
    other.finish_sending().expect_end();
}

/// All of it is there when the server looks. Whoever lets others have a turn in between has to come back by itself: no
/// event will say so. As the lines are long, the kernel has room for nearly all replies.
fn much_to_say(server: &Server) {
    let random = &mut server.random();
    let lines: String = (0..80).map(|_| letters(random, 999) + "\n").collect();
    let client = server.connect();
    let client = server.frozen(|| client.send(&lines));
    let client = client.expect_whole(replies(lines.lines()));
    client.finish_sending().expect_end();
}

fn has_finished(server: &Server) {
    let (client, replies) = too_many(server, "late");
    let client = client.send("the last").finish_sending();
    let other = is_served_meanwhile(server);
    let client = client.expect_whole(replies + "received: the last\n");
    client.expect_end();
    other.finish_sending().expect_end();
}

fn never_reads(server: &Server) {
    let word = word(&mut server.random());
    let stuck = server.connect_as("stuck");
    let stuck = stuck.send_until_blocked_before(TOO_MUCH);
    let client = is_answered(server.connect_as("client"), &word);
    client.finish_sending().expect_end();
    stuck.hang_up();
}

fn sleeps(server: &Server) {
    let silent = server.connect_as("silent");
    let half = server.connect_as("half").send("half");
    let (stuck, _) = too_many(server, "stuck");
    let (done, _) = too_many(server, "done");
    let other = is_served_meanwhile(server);
    server.expect_asleep();
    let done = done.finish_sending();
    server.expect_asleep();
    for client in [silent, half, stuck, done, other] {
        client.hang_up();
    }
}

fn two_hundred(server: &Server) {
    let random = &mut server.random();
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect_as("one of 200")).collect();
    server.expect_threads(1);
    while !clients.is_empty() {
        let client = clients.swap_remove(random.usize(..clients.len()));
        is_answered(client, &word(random))
            .finish_sending()
            .expect_end();
    }
}

fn resets(server: &Server) {
    let word = word(&mut server.random());
    let before = server.descriptors();
    for _ in 0..5 {
        server.connect_as("half").send(&word).pause().reset();
        server.expect_running();
        is_answered(server.connect_as("one"), &word).reset();
        too_many(server, "stuck").0.reset();
        server.connect_as("gone").reset();
    }
    server.expect_descriptors(before);
    let next = is_answered(server.connect_as("next"), &word);
    next.finish_sending().expect_end();
}

fn inherits_nothing(server: &Server) {
    let word = word(&mut server.random());
    let before = server.descriptors();
    let half = server.connect_as("half").send(&word).pause();
    let (stuck, _) = too_many(server, "stuck");
    is_served_meanwhile(server).hang_up();
    half.reset();
    server.expect_running();
    stuck.reset();
    server.expect_descriptors(before);
    let heirs = ["first", "second"].map(|name| server.connect_as(name));
    for client in heirs {
        is_answered(client, &word).finish_sending().expect_end();
    }
}
