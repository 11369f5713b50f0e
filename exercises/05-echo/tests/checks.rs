//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Server, Suite, What};

/// Without this nothing else can be judged: the later checks wait for it.
const COMES_BACK: &str = "what is sent comes back, message after message";
/// And what is much must come back when it is little.
const THE_END: &str = "a client that has finished sending gets everything and then the end";
/// A server that loses what it cannot send at once does so when its luck is out. Here it always is.
const STOPS_READING: &str = "the server stops reading from a client that does not read";

fn main() -> ExitCode {
    Suite::new("echo", env!("CARGO_BIN_EXE_echo"))
        .replayed_by("just replay echo {check} --seed {seed}")
        .page("docs/src/steps/accept.md", "Read, write, end")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(1)
                .teaches("Clients, and these checks, can only come when they know where to."),
        )
        .check(
            Check::new(COMES_BACK, message_after_message)
                .points(3)
                .teaches("Send back what a read has brought: all of it, nothing else, and at once, not when a line, a buffer or the client is through. Then read again."),
        )
        .check(
            Check::new("one byte at a time comes back one byte at a time", byte_by_byte)
                .points(2)
                .needs(COMES_BACK)
                .teaches("A read returns as soon as there is one byte. A space or a line end is a byte like any other."),
        )
        .check(
            Check::new("bytes of every value come back as they are", every_value)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .points(2)
                .needs(COMES_BACK)
                .teaches("A connection carries bytes. Not all of them are text, and an echo need not know."),
        )
        .check(
            Check::new(THE_END, finished)
                .page("docs/src/steps/receive.md", "The end is a read of 0 bytes")
                .points(3)
                .needs(COMES_BACK)
                .teaches("An end of sending closes one direction. Send what is left in the other, then close the connection in the usual way: drop every handle of it."),
        )
        .check(
            Check::new("the server sleeps while there is nothing to do", idle)
                .points(1)
                .needs(COMES_BACK)
                .teaches("A blocking accept or read wakes the server when there is something. One that asks in a loop burns a whole core for nothing."),
        )
        .check(
            Check::new(STOPS_READING, stops_reading)
                .page("docs/src/steps/accept.md", "A slow reader holds the writer")
                .points(3)
                .needs(THE_END)
                .teaches("Whoever reads on while nobody takes the answers must keep them, and runs out of memory, or lose them. Do not read the next piece until the last is sent: TCP then holds the client back."),
        )
        .check(
            Check::new("ten million bytes come back, none lost and none out of order", ten_million)
                .page("docs/src/steps/respond.md", "A reply")
                .points(3)
                .needs(STOPS_READING)
                .teaches("A stream keeps every byte, in order. What is missing here was lost by the program: where did it go?"),
        )
        .check(
            Check::new("a client that resets does not stop the server", resets)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(1)
                .needs(COMES_BACK)
                .teaches("One client's trouble ends that client only: log it, and serve the next. Here a read fails."),
        )
        .check(
            Check::new("a client that leaves before its answer leaves nothing to the next", leaves)
                .page("docs/src/steps/respond.md", "A reply")
                .points(1)
                .needs(COMES_BACK)
                .teaches("Here a write fails. What could not be sent goes with its client: what belongs to one connection is kept in that connection's own variables."),
        )
        .run()
}

/// Letters that nobody can know beforehand.
fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    std::iter::repeat_with(|| random.lowercase())
        .take(length)
        .collect()
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    letters(random, length)
}

fn message_after_message(server: &Server) {
    let random = &mut server.random();
    // Not of a round length, and with a newline inside: whoever waits for either sends a part, and shows why.
    let first = format!("{}\n{}", letters(random, 20), letters(random, 20));
    let mut client = server.connect();
    for message in [first, word(random), word(random)] {
        client = client.send(&message).expect(&message);
    }
    client.hang_up();
}

fn byte_by_byte(server: &Server) {
    let random = &mut server.random();
    let text = format!("{} \r\n{}", letters(random, 3), letters(random, 3));
    let mut client = server.connect();
    for byte in text.as_bytes().chunks(1) {
        client = client.send(byte).expect(byte);
    }
    client.hang_up();
}

fn every_value(server: &Server) {
    let random = &mut server.random();
    let line = format!("\t {}\r\n", word(random));
    let client = server.connect().send(&line).expect(&line);
    let mut values: Vec<u8> = (0..=255).collect();
    values.rotate_left(random.usize(1..256));
    let client = client.send(&values).expect(&values);
    // Half a character is no character, but it is a byte.
    let client = client.send(b"\xc3").expect(b"\xc3");
    client.send(b"\xa9").expect(b"\xa9").hang_up();
}

fn finished(server: &Server) {
    // Few enough for the buffers on the way: the client sends it all, and only then begins to read.
    let everything = letters(&mut server.random(), 20_000);
    let client = server.connect().send(&everything).finish_sending();
    client.expect(&everything).expect_end();
}

fn idle(server: &Server) {
    let word = word(&mut server.random());
    server.expect_asleep();
    let client = server.connect().send(&word).expect(&word);
    server.expect_asleep();
    client.hang_up();
}

fn stops_reading(server: &Server) {
    let word = word(&mut server.random());
    let client = server.connect().send_until_blocked();
    // Late, but then it reads: what was taken from it has only waited.
    let taken = vec![b'x'; last_sent(server)];
    client.expect(taken).send(&word).expect(&word).hang_up();
}

/// How many bytes a client has sent last. Only the record of the conversation knows.
fn last_sent(server: &Server) -> usize {
    let events = server.conversation().events.into_iter().rev();
    let mut lengths = events.filter_map(|event| match event.what {
        What::Sent { bytes } => Some(bytes.length),
        _ => None,
    });
    lengths.next().unwrap_or_default()
}

fn ten_million(server: &Server) {
    // Numbered blocks of 1,000 bytes: one that is lost, doubled or out of order shows.
    let noise = letters(&mut server.random(), 992);
    let payload: String = (0..10_000)
        .flat_map(|block| [format!("{block:08}"), noise.clone()])
        .collect();
    let payload = payload.as_bytes();
    server
        .connect_as("bulk")
        .send_while_reading(payload, payload)
        .hang_up();
}

fn resets(server: &Server) {
    let word = word(&mut server.random());
    let rude = server.connect_as("rude").send(&word).expect(&word);
    let next = server.frozen(|| {
        rude.reset();
        server.connect_as("next")
    });
    next.send(&word).expect(&word).hang_up();
}

fn leaves(server: &Server) {
    let random = &mut server.random();
    let [one, unread, other, last] = [word(random), word(random), word(random), word(random)];
    let rude = server.connect_as("rude").send(&one).expect(&one);
    let next = server.frozen(|| {
        rude.send(&unread).reset();
        server.connect_as("next")
    });
    let next = next.send(&other).expect(&other);
    next.send(&last).expect(&last).hang_up();
}
