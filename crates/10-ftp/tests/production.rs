//! The example `ftp-production` is a file server, too.

#![allow(dead_code, reason = "of the place, the conversations use more")]

#[path = "conversation/place.rs"]
mod place;

use harness::{Program, Server};

use place::Ftp;

/// Starts the example, if cargo has built it.
fn start(root: &str) -> Option<Server> {
    let program = harness::example("ftp-production")?;
    let command = shlex::try_join([program.as_str(), "{addr}", root]).expect("words");
    let program = Program::from_command_line(&command).expect("a command");
    Some(program.start(([127, 0, 0, 1], 0).into(), &[""; 0]))
}

#[test]
fn the_example_lists_a_directory_and_nothing_outside() {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::write(root.path().join("hello.txt"), "hello\n").expect("a file");
    let Some(server) = start(root.path().to_str().expect("a path that is text")) else {
        return;
    };
    let (control, _) = server.connect_as("control").expect_line_that_begins("220 ");
    let (control, _) = control.send("USER ftp\r\n").expect_line_that_begins("331 ");
    let (control, _) = control.send("PASS ftp\r\n").expect_line_that_begins("230 ");
    let (control, data) = control.passive(&server);
    let (control, _) = control.send("NLST\r\n").expect_line_that_begins("150 ");
    data.expect("hello.txt\r\n").expect_end();
    let (control, _) = control.expect_line_that_begins("226 ");
    let (control, _) = control
        .send("SIZE ../hello.txt\r\n")
        .expect_line_that_begins("550 ");
    control.hang_up();
}
