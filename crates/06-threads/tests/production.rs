//! The example `threads-production` serves as the step does.

use std::process::ExitCode;

use harness::{Check, Client, Server, Suite};

fn main() -> ExitCode {
    let Some(program) = harness::example("threads-production") else {
        return ExitCode::SUCCESS;
    };
    Suite::new("threads", &program)
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .check(Check::new(
            "100 clients at once, and the next one waits",
            a_full_house,
        ))
        .check(Check::new(
            "an interruption lets the clients finish",
            lets_them_finish,
        ))
        .checks(harness::rude_clients(|piece| {
            [b"received: ", piece].concat()
        }))
        .run()
}

#[track_caller]
fn is_answered(client: Client) -> Client {
    client.send("hello").expect("received: hello")
}

fn a_full_house(server: &Server) {
    let connect = |_| server.connect_as("one of 100");
    let mut clients: Vec<Client> = (0..100).map(connect).map(is_answered).collect();
    let next = server.connect_as("next").send("hello").expect_silence();
    clients.remove(0).finish_sending().expect_end();
    next.expect("received: hello").finish_sending().expect_end();
    clients.into_iter().for_each(Client::hang_up);
}

fn lets_them_finish(server: &Server) {
    let client = is_answered(server.connect());
    server.interrupt();
    server.expect_line("stopping: the last clients have 5 s");
    server.expect_refusal();
    is_answered(client).finish_sending().expect_end();
    server.expect_exit(0);
}
