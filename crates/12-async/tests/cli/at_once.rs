//! A server that says that it listens can be asked to stop.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// It is a matter of luck whether a signal comes between two lines of a program, so this is tried often.
const TIMES: usize = 20;

#[test]
fn whoever_is_told_to_end_as_soon_as_it_is_ready_ends_well() {
    for _ in 0..TIMES {
        let mut command = Command::new(env!("CARGO_BIN_EXE_async"));
        command
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped());
        let mut server = command.spawn().expect("a server");
        let stdout = server.stdout.take().expect("its output");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.next().expect("the ready line");
        kill_process(Pid::from_child(&server), Signal::TERM).expect("a process");
        assert_eq!(lines.last().as_deref(), Some("stopped; clients cut off: 0"));
        assert!(server.wait().expect("an end").success());
    }
}
