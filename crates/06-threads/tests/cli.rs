//! The command line of `threads`: its help, and what it says when it cannot start.

#[path = "../../03-accept/tests/cli/buffer.rs"]
mod buffer;
#[path = "../../05-respond/tests/cli/quiet.rs"]
mod quiet;
#[path = "../../02-bind-listen/tests/cli/server.rs"]
mod server;

#[cfg(unix)]
#[test]
fn a_server_without_descriptors_waits_until_it_has_some() {
    let program = assert_cmd::cargo::cargo_bin!("threads");
    let command = format!(
        "sh -c 'ulimit -n 12; exec \"$0\" --bind \"$1\"' '{}' {{addr}}",
        program.display()
    );
    let program = harness::Program::from_command_line(&command).expect("a command");
    let server = program.start(([127, 0, 0, 1], 0).into(), &[""; 0]);
    let clients: Vec<harness::Client> = (0..12).map(|_| server.connect()).collect();
    server.expect_complaint("error: accept: ");
    server.expect_asleep();
    clients.into_iter().for_each(harness::Client::hang_up);
    let next = server.connect().send("hello").expect("received: hello");
    next.finish_sending().expect_end();
}
