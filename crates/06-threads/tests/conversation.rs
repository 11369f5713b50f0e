//! What a server with a thread for each client says to many of them, and how it ends.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

fn main() -> ExitCode {
    Suite::new("threads", env!("CARGO_BIN_EXE_threads"))
        .page("docs/src/steps/threads.md", "What is said")
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .checks(many_clients())
        .checks(ends())
        .check(Check::new("32 clients at once, the last one first", many))
        .check(Check::new("32 clients come while it is held up", a_burst))
        .check(
            Check::new("clients that stop reading harm nobody else", stuck_clients)
                .arguments(["--max-clients", "4"]),
        )
        .check(Check::new(
            "1,000 noisy clients leave nothing behind",
            noise,
        ))
        .checks(harness::rude_clients(|piece| {
            [b"received: ", piece].concat()
        }))
        .checks(harness::addresses(|piece| [b"received: ", piece].concat()))
        .check(harness::sends_everything_back().arguments(["--prefix", ""]))
        .run()
}

fn many_clients() -> [Check; 3] {
    [
        Check::new("a second client is served beside the first", side_by_side).notice(
            "Each client has a thread of its own: the silent first one keeps nobody waiting any more.",
        ),
        Check::new("a full house lets the next one wait", a_full_house)
            .arguments(["--max-clients", "2"])
            .notice("The third client is connected, for the kernel has let it in. It waits in the queue until a place is free."),
        Check::new("one client's end, however it comes, is nobody else's", one_ends)
            .arguments(["--max-clients", "2"]),
    ]
}

fn ends() -> [Check; 4] {
    [
        Check::new("an interruption lets the clients finish", lets_them_finish)
            .arguments(["--grace", "60"])
            .notice("Nobody is let in any more. The client that was there gets its answer, and the last one to leave ends the server."),
        Check::new("a client that never finishes is cut off in the end", cuts_off)
            .arguments(["--grace", "0"]),
        Check::new("a second interruption ends it at once", a_second_interruption)
            .arguments(["--grace", "60"]),
        Check::new("a full house can be interrupted too", a_full_house_is_interrupted)
            .arguments(["--max-clients", "1"]),
    ]
}

#[track_caller]
fn is_answered(client: Client) -> Client {
    client.send("hello").expect("received: hello")
}

fn side_by_side(server: &Server) {
    let first = server.connect_as("first");
    let second = is_answered(server.connect_as("second"));
    second.finish_sending().expect_end();
    is_answered(first).finish_sending().expect_end();
}

fn a_full_house(server: &Server) {
    let first = is_answered(server.connect_as("first"));
    let second = is_answered(server.connect_as("second"));
    server.expect_line("full: 2 of 2 places are taken; the next client waits");
    let third = server.connect_as("third").send("hello").expect_silence();
    first.finish_sending().expect_end();
    let third = third.expect("received: hello");
    third.finish_sending().expect_end();
    second.finish_sending().expect_end();
}

fn lets_them_finish(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.expect_refusal();
    is_answered(client).finish_sending().expect_end();
    server.expect_exit(0);
}

fn cuts_off(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    client.expect_end();
    server.expect_exit(0);
}

fn a_second_interruption(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    server.expect_line("stopping: the last clients have 60 s");
    server.interrupt();
    client.expect_end();
    server.expect_exit(130);
}

fn a_full_house_is_interrupted(server: &Server) {
    let client = is_answered(server.connect());
    server.expect_line("full: 1 of 1 places are taken; the next client waits");
    server.interrupt();
    server.expect_line("stopping: the last clients have 5 s");
    is_answered(client).finish_sending().expect_end();
    server.expect_exit(0);
}

/// An experiment of the book changes the server, so that its thread panics on `boom`.
fn one_ends(server: &Server) {
    let first = is_answered(server.connect_as("first"));
    let second = server.connect_as("second").send("boom").finish_sending();
    second.read_to_end();
    is_answered(server.connect_as("third"))
        .finish_sending()
        .expect_end();
    is_answered(first).finish_sending().expect_end();
}

/// Nobody is taken out of the queue meanwhile, so all of them must have room in it.
fn a_burst(server: &Server) {
    let clients = server.frozen(|| -> Vec<Client> {
        let numbers = 1..=32;
        numbers
            .map(|number| server.connect_as(&format!("{number}")))
            .collect()
    });
    for client in clients {
        is_answered(client).finish_sending().expect_end();
    }
}

fn many(server: &Server) {
    let clients: Vec<Client> = (0..32).map(|_| server.connect_as("one of 32")).collect();
    for client in clients.into_iter().rev() {
        is_answered(client).finish_sending().expect_end();
    }
}

fn stuck_clients(server: &Server) {
    let stuck: Vec<Client> = (0..3)
        .map(|_| server.connect_as("stuck").send_until_blocked())
        .collect();
    is_answered(server.connect()).finish_sending().expect_end();
    stuck.into_iter().for_each(Client::hang_up);
}

fn noise(server: &Server) {
    let before = server.descriptors();
    harness::send_noise(server, 1000);
    is_answered(server.connect()).finish_sending().expect_end();
    server.expect_descriptors(before);
}
