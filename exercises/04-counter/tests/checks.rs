//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

/// What other checks stand on.
const ONE_PIECE: &str = "bytes and lines of one piece are counted";
const PIECES: &str = "pieces of any size are counted together";

fn main() -> ExitCode {
    Suite::new("counter", env!("CARGO_BIN_EXE_counter"))
        .replayed_by("just replay counter {check} --seed {seed}")
        .page("docs/src/steps/receive.md", "The end is a read of 0 bytes")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(1)
                .teaches("Clients, and these checks, can only come when they know where to."),
        )
        .check(
            Check::new(ONE_PIECE, one_piece)
                .points(3)
                .teaches("A read of 0 bytes says that the client has finished sending. The other direction is still open: that is when to answer. A program that reads a reply looks for its newline."),
        )
        .check(
            Check::new("nothing sent is 0 bytes and 0 lines", nothing)
                .needs(ONE_PIECE)
                .points(2)
                .teaches("A client that sends nothing has finished too, and waits for its answer like any other."),
        )
        .check(
            Check::new(PIECES, pieces)
                .needs(ONE_PIECE)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .points(4)
                .teaches("A read returns what has arrived by then, be it one byte. It says how much of the buffer is new. Only a read of 0 bytes is the end, and only a newline ends a line."),
        )
        .check(
            Check::new("an empty line is a line, a last one without a newline is not", lines)
                .needs(ONE_PIECE)
                .points(2)
                .teaches("Lines are counted by their newlines, as wc -l does: each one counts, also where nothing stands before it, and nothing else does."),
        )
        .check(
            Check::new("bytes that are no text are counted as they are", no_text)
                .needs(ONE_PIECE)
                .page("docs/src/steps/receive.md", "Bytes, not characters")
                .points(2)
                .teaches("A connection carries bytes. Some characters take several, some bytes are no character at all, and a zero ends nothing."),
        )
        .check(
            Check::new("8 MiB are counted to the last byte", bulk)
                .needs(PIECES)
                .page("docs/src/steps/receive.md", "A piece is not a message")
                .points(2)
                .teaches("What a client sends has no bound, but a buffer and a number have one. Use the buffer again for each piece, and a number that is large enough."),
        )
        .check(
            Check::new("the next client is counted from zero", next_client)
                .needs(ONE_PIECE)
                .points(2)
                .teaches("What is known of one client is no other's: it begins and ends with the connection."),
        )
        .check(
            Check::new("a client that resets in the middle does not stop the server", reset)
                .needs(ONE_PIECE)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(2)
                .teaches("One client's trouble ends that client only: log it, and serve the next."),
        )
        .run()
}

/// A line that nobody can know beforehand.
fn line(random: &mut fastrand::Rng) -> String {
    let length = random.usize(4..10);
    let word: String = std::iter::repeat_with(|| random.lowercase())
        .take(length)
        .collect();
    word + "\n"
}

/// The end of sending, the reply, and nothing after it.
#[track_caller]
fn counted(client: Client, bytes: usize, lines: usize) {
    client
        .finish_sending()
        .expect(format!("{bytes} bytes, {lines} lines\n"))
        .expect_end();
}

fn one_piece(server: &Server) {
    let random = &mut server.random();
    let text = line(random) + &line(random);
    counted(server.connect().send(&text), text.len(), 2);
}

fn nothing(server: &Server) {
    counted(server.connect(), 0, 0);
}

fn pieces(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (line(random), line(random));
    let rest = line(random) + &line(random);
    // A whole line, single bytes, and what comes.
    let mut sizes = vec![1; other.len()];
    sizes.insert(0, one.len());
    sizes.extend(std::iter::repeat_with(|| random.usize(2..8)).take(rest.len()));
    let text = one + &other + &rest;
    let (mut client, mut left) = (server.connect(), text.as_bytes());
    for size in sizes {
        let (piece, behind) = left.split_at(size.min(left.len()));
        client = send_alone(server, client, piece);
        left = behind;
    }
    counted(client, text.len(), 4);
}

/// Sends a piece, and waits until the server has done with it whatever it does.
#[track_caller]
fn send_alone(server: &Server, client: Client, piece: &[u8]) -> Client {
    if piece.is_empty() {
        return client;
    }
    let client = client.send(piece).pause();
    // A server that answers too early has then answered, and closed: its failure reads the same each time.
    if cfg!(target_os = "linux") {
        server.expect_asleep();
    }
    client
}

fn lines(server: &Server) {
    let random = &mut server.random();
    let text = line(random) + "\n\n" + line(random).trim_end();
    counted(server.connect().send(&text), text.len(), 3);
}

fn no_text(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (line(random), line(random));
    // A letter of two bytes, one of Latin-1, half a letter, and a zero.
    let bytes = [
        b"caf\xc3\xa9 \xe9 \xc3 \0 ",
        one.as_bytes(),
        other.as_bytes(),
    ]
    .concat();
    counted(server.connect().send(&bytes), bytes.len(), 2);
}

fn bulk(server: &Server) {
    let random = &mut server.random();
    let word: String = (1..16).map(|_| random.lowercase()).collect();
    let (block, last) = ((word + "\n").repeat(1 << 11), line(random));
    let rest = block.repeat(255);
    // The first block waits when the server comes to it; the others come while it reads.
    let client = server.frozen(|| server.connect().send(&block));
    let bytes = block.len() + rest.len() + last.len();
    counted(client.send(rest).send(last), bytes, (1 << 19) + 1);
}

fn next_client(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (line(random), line(random));
    let (first, next) = server.frozen(|| {
        let first = server.connect_as("first").send(&one);
        (first, server.connect_as("next").send(&other))
    });
    counted(first, one.len(), 1);
    counted(next, other.len(), 1);
}

fn reset(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (line(random), line(random));
    let rude = server.connect_as("rude").send(&one).pause();
    let next = server.frozen(|| {
        rude.reset();
        server.connect_as("next").send(&other)
    });
    counted(next, other.len(), 1);
}
