//! What a server says when it cannot start. Every step that takes connections is held to these words.

#[path = "start.rs"]
mod start;

use std::net::TcpListener;

pub use start::{program, refuses};

#[test]
fn a_busy_port_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("its address").to_string();
    let words = format!(
        "error: cannot listen on {address}: address already in use\n\
         hint: stop whoever has it, or try --bind 127.0.0.1:0\n"
    );
    refuses(program(), &["--bind", &address], 1, &words);
}

#[test]
fn a_negative_backlog_is_wrong_usage() {
    let words = "error: invalid value '-1' for '--backlog <CLIENTS>': -1 is not in 0..=65535\n\n\
                 For more information, try '--help'.\n";
    refuses(program(), &["--backlog=-1"], 2, words);
}
