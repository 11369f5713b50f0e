//! The example `production` is a document server, too.

use harness::{Program, Server};

/// Starts the example, if cargo has built it.
fn start(root: &str) -> Option<Server> {
    let program = harness::example("http-production")?;
    let command = shlex::try_join([program.as_str(), "{addr}", root]).expect("words");
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
