//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Server, Suite, splits};

fn main() -> ExitCode {
    Suite::new("lines", env!("CARGO_BIN_EXE_lines"))
        .replayed_by("just replay lines {check} --seed {seed}")
        .page("docs/src/steps/receive.md", "A piece is not a message")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(1)
                .teaches("Clients, and these checks, can only come when they know where to."),
        )
        .check(
            Check::new("one line gets one reply, and so does the next", one_after_the_other)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .points(3)
                .teaches("A reply is \"received: \", the bytes of the line as they were, spaces too, and a newline. Then the conversation goes on: read, answer, and read again, until the client has finished."),
        )
        .check(
            Check::new("a line that arrives in pieces is answered once", in_pieces)
                .points(3)
                .teaches("A read returns what has arrived by then. Where a message ends is for the protocol to say: here, at \"\\n\"."),
        )
        .check(
            Check::new("several lines in one piece get a reply each", in_one_piece)
                .points(3)
                .teaches("TCP joins what is sent as it likes. One read may bring two lines, or ten."),
        )
        .check(
            Check::new("half a line waits for its other half", half_a_line)
                .points(2)
                .teaches("What is left over after a newline is the start of the next line. Keep it."),
        )
        .check(
            Check::new("a character split over two pieces survives", a_split_character)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .points(2)
                .teaches("Half a character is no character. Work with bytes, and decode a whole line or nothing at all."),
        )
        .check(
            Check::new("a carriage return before the newline is not part of the line", carriage_return)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .points(1)
                .teaches("Telnet, HTTP and FTP end a line with \"\\r\\n\" (RFC 5321, section 2.3.8, says it for mail). One carriage return belongs to that end, if a newline follows; any other is a byte of the line."),
        )
        .check(
            Check::new("a last line without a newline is answered too", last_line)
                .page("docs/src/steps/receive.md", "The end is a read of 0 bytes")
                .points(2)
                .teaches("The end of sending ends the last line as well. Without a newline after it, a carriage return is a byte of the line."),
        )
        .check(
            Check::new("a line of 1024 bytes is answered, a longer one is an error", too_long)
                .page("docs/src/steps/respond.md", "A message needs a border")
                .points(2)
                .teaches("A server that waits for a newline that never comes keeps all that is sent: any client can fill its memory. The limit is on the line, to the byte: what ends it, \"\\n\" or \"\\r\\n\", does not count."),
        )
        .check(
            Check::new("a client that resets does not stop the server", reset)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(1)
                .teaches("One client's trouble ends that client only: log it, and serve the next."),
        )
        .run()
}

/// A word that nobody can know beforehand.
fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    std::iter::repeat_with(|| random.lowercase())
        .take(length)
        .collect()
}

fn one_after_the_other(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (word(random), format!(" \t{}\t ", word(random)));
    let client = server
        .connect()
        .send(format!("{one}\n"))
        .expect(format!("received: {one}\n"));
    let client = client
        .send(format!("{other}\n"))
        .expect(format!("received: {other}\n"));
    client.finish_sending().expect_end();
}

fn in_pieces(server: &Server) {
    let line = word(&mut server.random()) + "\n";
    let mut client = server.connect();
    for (head, tail) in splits(line.as_bytes()) {
        client = client
            .send(head)
            .pause()
            .send(tail)
            .expect(format!("received: {line}"));
    }
    client.finish_sending().expect_end();
}

fn in_one_piece(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (word(random), word(random));
    let client =
        server
            .connect()
            .send_together(&[&format!("{one}\n"), "\n", &format!("{other}\n")]);
    let client = client.expect(format!("received: {one}\nreceived: \nreceived: {other}\n"));
    client.finish_sending().expect_end();
}

fn half_a_line(server: &Server) {
    let random = &mut server.random();
    let (one, head, tail) = (word(random), word(random), word(random));
    let client = server
        .connect()
        .send(format!("{one}\n{head}"))
        .expect(format!("received: {one}\n"));
    let client = client
        .send(format!("{tail}\n"))
        .expect(format!("received: {head}{tail}\n"));
    client.finish_sending().expect_end();
}

fn a_split_character(server: &Server) {
    let word = word(&mut server.random());
    let client = server
        .connect()
        .send([word.as_bytes(), b"\xc3"].concat())
        .pause()
        .send(b"\xa9\n");
    let client = client.expect(format!("received: {word}\u{e9}\n"));
    // Latin-1: not every client speaks UTF-8.
    let latin = [b"\xe9", word.as_bytes(), b"\n"].concat();
    let client = client
        .send(&latin)
        .expect([b"received: ", &latin[..]].concat());
    client.finish_sending().expect_end();
}

fn carriage_return(server: &Server) {
    let word = word(&mut server.random());
    let client = server
        .connect()
        .send(format!("{word}\r\n"))
        .expect(format!("received: {word}\n"));
    let client = client
        .send(format!("{word}\r"))
        .pause()
        .send("\n")
        .pause()
        .expect(format!("received: {word}\n"));
    // Elsewhere it is a byte like any other.
    let client = client
        .send(format!("a\r{word}\r\r\n"))
        .expect(format!("received: a\r{word}\r\n"));
    client.finish_sending().expect_end();
}

fn last_line(server: &Server) {
    let random = &mut server.random();
    // No newline follows the carriage return.
    let (one, last) = (word(random), word(random) + "\r");
    let client = server
        .connect()
        .send(format!("{one}\n{last}"))
        .expect(format!("received: {one}\n"));
    client
        .finish_sending()
        .expect(format!("received: {last}\n"))
        .expect_end();
}

fn too_long(server: &Server) {
    let mut random = server.random();
    let line: String = std::iter::repeat_with(|| random.lowercase())
        .take(1024)
        .collect();
    let client = server
        .connect_as("fits")
        .send(format!("{line}\r"))
        .pause()
        .send("\n")
        .expect(format!("received: {line}\n"));
    client.finish_sending().expect_end();
    let client = server.connect_as("too long").send(format!("{line}x"));
    client.expect("error: line too long\n").expect_end();
}

fn reset(server: &Server) {
    let word = word(&mut server.random());
    let client = server
        .connect_as("rude")
        .send(format!("{word}\n"))
        .expect(format!("received: {word}\n"));
    let next = server.frozen(|| {
        client.send("and then").reset();
        server.connect_as("next")
    });
    next.send(format!("{word}\n"))
        .expect(format!("received: {word}\n"))
        .finish_sending()
        .expect_end();
}
