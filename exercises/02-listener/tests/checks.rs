//! What is graded, in the order in which a learner should meet it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use harness::{Check, Failure, Program, Server, Suite, skip};

const NO_ARGUMENTS: [&str; 0] = [];
/// A client waits this long to be let in.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    Suite::new("listener", env!("CARGO_BIN_EXE_listener"))
        .replayed_by("just replay listener {check} --seed {seed}")
        .page("docs/src/steps/bind-listen.md", "An address and a queue")
        .check(
            Check::new("the server says where it listens", Server::expect_listens_as_told)
                .points(2)
                .teaches("Clients, and these checks, can only come when they know where to. Port 0 lets the system choose a free port, and only the socket knows which: local_addr() asks it."),
        )
        .check(
            Check::new("each client is let in and sees the end", each_sees_the_end)
                .page("docs/src/steps/accept.md", "The loop that does not end")
                .points(3)
                .teaches("The kernel lets a client in as soon as there is room in the queue; accept takes one out of it, and a dropped stream is closed."),
        )
        .check(
            Check::of_program("it listens on IPv6 when it is told so", on_ipv6)
                .points(2)
                .teaches("The socket must be of the family of the address that it is bound to."),
        )
        .check(
            Check::new("twenty clients that come at once are all let in", a_burst)
                .points(2)
                .teaches("The backlog is how many clients may wait until they are let in. One that finds the queue full gets no answer, and tries again a second later."),
        )
        .check(
            Check::new("a client that is gone does not stop the server", one_that_is_gone)
                .page("docs/src/steps/accept.md", "One client's trouble")
                .points(2)
                .teaches("Between a client's arrival and accept it may be gone again. What fails for such a client is no reason to end."),
        )
        .check(
            Check::of_program("a port in use is named with a hint", a_port_in_use)
                .page("docs/src/steps/bind-listen.md", "When it cannot listen")
                .points(3)
                .teaches("Only one server can have a port: a second one that starts nevertheless would take half of its clients. Whoever starts it wants to know which port, and what to do: exit status 1, \"error: cannot listen on ADDRESS: ...\" and a line \"hint: ...\" on stderr."),
        )
        .check(
            Check::of_program("an address of another machine is named with a hint", an_address_of_another_machine)
                .page("docs/src/steps/bind-listen.md", "When it cannot listen")
                .points(1)
                .teaches("A server listens on an address of its own machine. 192.0.2.1 is nobody's: it is kept for examples (RFC 5737)."),
        )
        .check(
            Check::of_program("an address that is none is wrong usage", an_address_that_is_none)
                .points(1)
                .teaches("Do not guess what was meant: a server in the wrong place is worse than none. Exit status 2 and \"error: ...\" on stderr say that the command line is wrong."),
        )
        .check(
            Check::of_program("a restart has the same port at once", a_restart)
                .page("docs/src/steps/bind-listen.md", "A restart on the same port")
                .points(3)
                .teaches("Whoever closes a connection first keeps its port for a minute (TIME_WAIT; RFC 9293, section 3.6.1). SO_REUSEADDR, set before bind, lets the next server have it nevertheless."),
        )
        .check(
            Check::new("the server sleeps while nobody comes", Server::expect_asleep)
                .page("docs/src/steps/accept.md", "The loop that does not end")
                .points(1)
                .teaches("A call that blocks costs nothing: the kernel wakes the program when there is a client. Asking again and again takes a whole core."),
        )
        .run()
}

/// Both wait in the queue before the server can look: it must take out the one and the other.
fn each_sees_the_end(server: &Server) {
    let (one, other) = server.frozen(|| (server.connect_as("one"), server.connect_as("other")));
    one.expect_end();
    other.expect_end();
}

/// The program is started here, for a system without IPv6 is no fault of it.
fn on_ipv6(program: &Program) {
    if TcpListener::bind("[::1]:0").is_err() {
        skip("this system has no IPv6");
    }
    let server = program.start(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), &NO_ARGUMENTS);
    server.connect().expect_end();
}

/// How many clients a queue holds is not quite certain: the server may take out one more before it stands still.
/// So nineteen come without a word in the conversation, and the last one speaks for all.
fn a_burst(server: &Server) {
    let connect = |_| TcpStream::connect_timeout(&server.address(), PATIENCE);
    let (others, last) = server.frozen(|| {
        let others: Result<Vec<_>, _> = (1..20).map(connect).collect();
        if others.is_err() {
            let got = "one that has no answer after 2 s: the queue is full";
            Failure::new("twenty clients that are all let in", got).raise();
        }
        (others, server.connect_as("twentieth"))
    });
    last.expect_end();
    drop(others);
}

fn one_that_is_gone(server: &Server) {
    let next = server.frozen(|| {
        server.connect_as("gone").reset();
        server.connect_as("next")
    });
    next.expect_end();
}

fn a_port_in_use(program: &Program) {
    let first = program.start(somewhere(), &NO_ARGUMENTS);
    expect_cannot_listen(program, &first.address().to_string());
}

fn an_address_of_another_machine(program: &Program) {
    expect_cannot_listen(program, "192.0.2.1:0");
}

fn an_address_that_is_none(program: &Program) {
    for address in ["nonsense", "127.0.0.1", "localhost:http"] {
        let finished = program.run_at(address, &NO_ARGUMENTS).expect_status(2);
        drop(finished.expect_stdout("").expect_complaint("error: "));
    }
}

/// The server closes first, so it is the server's port that the last connection keeps.
fn a_restart(program: &Program) {
    let server = program.start(somewhere(), &NO_ARGUMENTS);
    server.connect_as("last").expect_end();
    server.restart();
    server.connect_as("next").expect_end();
}

fn somewhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

#[track_caller]
fn expect_cannot_listen(program: &Program, address: &str) {
    let finished = program.run_at(address, &NO_ARGUMENTS).expect_status(1);
    let complaint = format!("error: cannot listen on {address}: ");
    let finished = finished.expect_stdout("").expect_complaint(&complaint);
    drop(finished.expect_complaint("hint: "));
}
