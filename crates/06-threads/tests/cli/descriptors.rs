//! What a server of many clients does when it may have no more descriptors. Each is held to it.

use assert_cmd::cargo::cargo_bin;
use harness::Client;

/// More than there are descriptors, and fewer than the queue has room for.
const CLIENTS: usize = 100;

#[test]
fn a_server_without_descriptors_waits_until_it_has_some() {
    let command = format!(
        "sh -c 'ulimit -n 64; exec \"$0\" --bind \"$1\"' '{}' {{addr}}",
        cargo_bin!(env!("CARGO_PKG_NAME")).display()
    );
    let program = harness::Program::from_command_line(&command).expect("a command");
    let server = program.start(([127, 0, 0, 1], 0).into(), &[""; 0]);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect().send("x")).collect();
    server.expect_complaint("error: accept: ");
    server.expect_asleep();
    // Whoever got in is served, and whoever leaves makes room for the next.
    for client in clients {
        client.expect("received: x").finish_sending().expect_end();
    }
    let next = server.connect().send("hello").expect("received: hello");
    next.finish_sending().expect_end();
}
