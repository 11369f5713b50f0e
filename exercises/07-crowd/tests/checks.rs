//! What is graded, in the order in which a learner should meet it.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

fn main() -> ExitCode {
    Suite::new("crowd", env!("CARGO_BIN_EXE_crowd"))
        .replayed_by("just replay crowd {check} --seed {seed}")
        .page("docs/src/steps/threads.md", "Places")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(1)
                .teaches("Clients, and these checks, can only come when they know where to."),
        )
        .check(
            Check::new("every line gets a reply", every_line)
                .page("docs/src/steps/accept.md", "The loop that does not end")
                .points(1)
                .teaches("One client after the other is the ground that all of this stands on: when it has finished sending, its connection is closed."),
        )
        .check(
            Check::new("a second client is served while the first is silent", side_by_side)
                .page("docs/src/steps/threads.md", "A thread for each client")
                .points(4)
                .teaches("A thread that waits for one client must be nobody else's: neither another client nor `accept` may wait for it. What one has sent of its line is its own, too."),
        )
        .check(
            Check::new("a client that never reads harms nobody else", never_reads)
                .page("docs/src/steps/threads.md", "What is left out")
                .points(2)
                .teaches("Whoever does not read keeps a writer waiting. Let that be its own thread, and let that thread hold no lock."),
        )
        .check(
            Check::new("it says how many it serves", says_how_many)
                .points(2)
                .teaches("The number of clients is the first thing that you want to know of a server in trouble. Several threads change it: count under a lock, and say what was counted before you let go of it."),
        )
        .check(
            Check::new("a fifth client waits until one of four has left", a_full_house)
                .points(4)
                .teaches("Without a bound, how many threads you have is up to your clients. Who comes to a full house is not turned away: the kernel has let it in, and keeps its bytes until there is room."),
        )
        .check(
            Check::new("a full house sleeps", sleeps)
                .points(1)
                .teaches("Who waits for room asks no questions: it sleeps until it is told (Condvar::wait). A loop that looks again and again takes a processor from those who are served."),
        )
        .check(
            Check::new("clients that reset give their places back", resets)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(2)
                .teaches("An error is one of the ways in which a client's thread ends. Whatever leaves it by `?` must still give the place back."),
        )
        .check(
            Check::new("a panic gives its place back, and is nobody else's", panics)
                .points(2)
                .teaches("A panic ends its thread, and what stands behind the call is not run. What the thread owns is dropped all the same: let the place be a value that it owns."),
        )
        .check(
            Check::new("100 clients leave nothing behind", leaves_nothing)
                .page("docs/src/steps/threads.md", "A thread for each client")
                .points(1)
                .teaches("A server runs for months. What is kept for each client, a copy of its stream or a list that only grows, will one day be too much."),
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

#[track_caller]
fn is_answered(client: Client, word: &str) -> Client {
    client
        .send(format!("{word}\n"))
        .expect(format!("received: {word}\n"))
}

/// As many clients as are served at once, and all of them are.
#[track_caller]
fn full_house(server: &Server, word: &str) -> Vec<Client> {
    let names = ["first", "second", "third", "fourth"];
    let clients = names.map(|name| is_answered(server.connect_as(name), word));
    clients.into()
}

fn every_line(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (word(random), word(random));
    let client = is_answered(server.connect(), &one);
    is_answered(client, &other).finish_sending().expect_end();
    let next = is_answered(server.connect_as("next"), &other);
    next.finish_sending().expect_end();
}

fn side_by_side(server: &Server) {
    let random = &mut server.random();
    let (one, other) = (word(random), word(random));
    let first = server.connect_as("first").send(&one).pause();
    let second = is_answered(server.connect_as("second"), &other);
    second.finish_sending().expect_end();
    let first = first.send("\n").expect(format!("received: {one}\n"));
    first.finish_sending().expect_end();
}

fn never_reads(server: &Server) {
    let word = word(&mut server.random());
    let stuck = server.connect_as("stuck").send_until_blocked();
    let client = is_answered(server.connect_as("client"), &word);
    client.finish_sending().expect_end();
    stuck.hang_up();
}

fn says_how_many(server: &Server) {
    server.expect_line("serving 0 of 4");
    let first = server.connect_as("first");
    server.expect_line("serving 1 of 4");
    let second = server.connect_as("second");
    server.expect_line("serving 2 of 4");
    first.hang_up();
    server.expect_line("serving 1 of 4");
    second.finish_sending().expect_end();
    server.expect_line("serving 0 of 4");
}

fn a_full_house(server: &Server) {
    let word = word(&mut server.random());
    let mut clients = full_house(server, &word);
    let fifth = server.connect_as("fifth").expect_silence();
    let fifth = fifth.send(format!("{word}\n")).expect_silence();
    clients.remove(0).finish_sending().expect_end();
    clients.push(fifth.expect(format!("received: {word}\n")));
    for client in clients {
        is_answered(client, &word).finish_sending().expect_end();
    }
}

fn sleeps(server: &Server) {
    let clients = full_house(server, &word(&mut server.random()));
    let fifth = server.connect_as("fifth");
    server.expect_asleep();
    fifth.hang_up();
    clients.into_iter().for_each(Client::hang_up);
}

fn resets(server: &Server) {
    let word = word(&mut server.random());
    let clients = full_house(server, &word);
    let fifth = server.connect_as("fifth").expect_silence();
    clients.into_iter().for_each(Client::reset);
    let fifth = is_answered(fifth, &word);
    // One is gone before the server knows that it was there.
    let next = server.frozen(|| {
        server.connect_as("gone").reset();
        server.connect_as("next")
    });
    is_answered(next, &word).finish_sending().expect_end();
    is_answered(fifth, &word).finish_sending().expect_end();
}

fn panics(server: &Server) {
    let word = word(&mut server.random());
    let mut clients = full_house(server, &word);
    let fifth = server.connect_as("fifth").expect_silence();
    let rude = clients.remove(0).send(b"\xff\n");
    rude.finish_sending().read_to_end();
    clients.push(is_answered(fifth, &word));
    for client in clients {
        is_answered(client, &word).finish_sending().expect_end();
    }
}

fn leaves_nothing(server: &Server) {
    let word = word(&mut server.random());
    let before = server.descriptors();
    for _ in 0..100 {
        let client = is_answered(server.connect_as("one of 100"), &word);
        client.finish_sending().expect_end();
    }
    server.expect_descriptors(before);
}
