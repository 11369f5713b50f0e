//! What is graded, in the order in which a learner should meet it.

use std::net::{Ipv6Addr, TcpListener};
use std::process::ExitCode;

use harness::{Check, Client, Server, Suite, skip};

/// What other checks stand on.
const GREETED: &str = "a client is greeted by its own address, then the connection ends";
const NEXT: &str = "the next client gets a greeting of its own";

fn main() -> ExitCode {
    Suite::new("greeter", env!("CARGO_BIN_EXE_greeter"))
        .replayed_by("just replay greeter {check} --seed {seed}")
        .page("docs/src/steps/accept.md", "The loop that does not end")
        .check(
            Check::new("the server says where it listens", |server| server.expect_listens_as_told())
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(1)
                .teaches("Clients, and these checks, can only come when they know where to."),
        )
        .check(
            Check::new(GREETED, |server| greeted(server.connect()))
            .points(4)
            .teaches("accept returns a stream and the address at its other end: the one that the client connects from. A client that says nothing is greeted too, and the connection ends when the stream is dropped."),
        )
        .check(
            Check::new(NEXT, next_client)
                .needs(GREETED)
                .points(3)
                .teaches("accept lets in one client. Call it again for the next: each has a stream and an address of its own."),
        )
        .check(
            ipv6()
                .needs(GREETED)
                .points(2)
                .teaches("An address is of one of two families. A SocketAddr holds either, and a socket is made for one of them."),
        )
        .check(
            Check::new("a client that leaves before its turn does not stop the server", leaves)
                .needs(NEXT)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(2)
                .teaches("The kernel lets clients in and queues them. One may be gone when accept hands it out; the next still waits."),
        )
        .check(
            Check::new("clients that reset before their turn do not stop the server", resets)
                .needs(NEXT)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(2)
                .teaches("Whatever is done with a connection can fail, once the client has reset it. One client's trouble ends that client only: log it, and serve the next."),
        )
        .check(
            Check::new("a burst of 30 clients is greeted one and all", burst)
                .needs(NEXT)
                .page("docs/src/steps/bind-listen.md", "An address and a queue")
                .points(3)
                .teaches("Clients come when they like, also all at once. They wait in the listener's queue until accept has come to each."),
        )
        .check(
            Check::new("when 100 clients have come and gone, nothing of them is left open", many)
                .needs(NEXT)
                .page("docs/src/steps/create-socket.md", "The number")
                .points(2)
                .teaches("A stream that is kept keeps its descriptor. A process may have some 1,000 of them, and then accept fails for good."),
        )
        .check(
            Check::new("the server sleeps until somebody comes", sleeps)
                .needs(GREETED)
                .points(1)
                .teaches("A blocking accept waits in the kernel, and costs nothing. Asking again and again costs a whole processor."),
        )
        .run()
}

/// The greeting by the client's own address, and nothing after it.
#[track_caller]
fn greeted(client: Client) {
    let greeting = format!("hello {}\n", client.address());
    client.expect(greeting).expect_end();
}

/// So many clients, that all connect before the server has a look at the first.
#[track_caller]
fn at_once(server: &Server, clients: usize) -> Vec<Client> {
    let connect = |number| server.connect_as(&format!("client {number}"));
    server.frozen(|| (1..=clients).map(connect).collect())
}

fn next_client(server: &Server) {
    for client in at_once(server, 2) {
        greeted(client);
    }
}

fn ipv6() -> Check {
    let title = "an IPv6 client is greeted by its IPv6 address";
    let localhost = (Ipv6Addr::LOCALHOST, 0);
    if TcpListener::bind(localhost).is_err() {
        return Check::of_program(title, |_| skip("this system has no IPv6"));
    }
    Check::new(title, |server| greeted(server.connect())).bind(localhost)
}

fn leaves(server: &Server) {
    let next = server.frozen(|| {
        server.connect_as("gone").hang_up();
        server.connect_as("next")
    });
    greeted(next);
}

fn resets(server: &Server) {
    let next = server.frozen(|| {
        for _ in 0..3 {
            server.connect_as("rude").reset();
        }
        server.connect_as("next")
    });
    greeted(next);
}

fn burst(server: &Server) {
    for client in at_once(server, 30) {
        greeted(client);
    }
}

fn many(server: &Server) {
    let before = server.descriptors();
    for _ in 0..4 {
        for client in at_once(server, 25) {
            greeted(client);
        }
    }
    server.expect_descriptors(before);
}

fn sleeps(server: &Server) {
    server.expect_asleep();
    greeted(server.connect());
}
