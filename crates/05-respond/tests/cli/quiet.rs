//! What a server prints that was told to be quiet. Every step that has `--quiet` is held to it.

use assert_cmd::cargo::cargo_bin;

#[test]
fn a_quiet_server_says_who_comes_and_not_what_arrives() {
    let path = cargo_bin!(env!("CARGO_PKG_NAME")).display().to_string();
    let server = harness::Program::new(&path).start(([127, 0, 0, 1], 0).into(), &["--quiet"]);
    let client = server.connect().send("hello").expect("received: hello");
    let address = client.address();
    client.finish_sending().expect_end();
    server.expect_line(&format!("client {address} connected"));
    server.expect_line(&format!("client {address} disconnected"));
    let said = server.conversation().render();
    assert!(!said.contains("received 5 bytes"), "{said}");
}
