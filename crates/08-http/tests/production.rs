//! The example `production` is a document server, too.

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::io::{self, Write};

use harness::{Program, Server};

/// Starts the example, which cargo has built beside the tests; not if it was asked for this test alone.
fn start(root: &str) -> Option<Server> {
    let test = current_exe().expect("this program");
    let built = test.ancestors().nth(2).expect("where cargo builds");
    let program = built.join(format!("examples/http-production{EXE_SUFFIX}"));
    if !program.is_file() {
        // Not captured, unlike eprintln!: what is left out must be seen.
        let _ = writeln!(
            io::stderr(),
            "left out: the example is not built; run `cargo test`"
        );
        return None;
    }
    let words = [
        program.to_str().expect("a path that is text"),
        "{addr}",
        root,
    ];
    let command = shlex::try_join(words).expect("words");
    let program = Program::from_command_line(&command).expect("a command");
    Some(program.start(([127, 0, 0, 1], 0).into(), &[""; 0]))
}

#[test]
fn the_example_serves_a_document_and_nothing_outside() {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::write(root.path().join("notes.txt"), "hello\n").expect("a document");
    let Some(server) = start(root.path().to_str().expect("a path that is text")) else {
        return;
    };
    let ask = |path: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        String::from_utf8(server.connect().send(request).read_to_end()).expect("text")
    };
    let answer = ask("/notes.txt");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    let answer = ask("/../notes.txt");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}
