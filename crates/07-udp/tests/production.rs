//! The example `udp-production` answers as the step does.

use std::process::ExitCode;

use harness::{Check, Server, Suite};

fn main() -> ExitCode {
    let Some(program) = harness::example("udp-production") else {
        return ExitCode::SUCCESS;
    };
    Suite::new("udp", &program)
        .check(Check::new(
            "says where it listens",
            Server::expect_listens_as_told,
        ))
        .check(Check::new(
            "each datagram is answered, an empty one too",
            each_is_answered,
        ))
        .check(Check::new("nobody can stop it", nobody_can_stop_it))
        .run()
}

fn each_is_answered(server: &Server) {
    let peer = server.peer().send("hel").send("").send("lo\n");
    let peer = peer.expect("received: hel").expect("received: ");
    peer.expect("received: lo\n").expect_silence();
}

fn nobody_can_stop_it(server: &Server) {
    harness::send_and_leave(server, b"and good-bye");
    harness::send_noise_datagrams(server, 100);
    let peer = server.peer_as("long").send([b'x'; 65_500]);
    peer.expect_silence()
        .send("hello")
        .expect("received: hello");
}
