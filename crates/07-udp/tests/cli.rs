//! The command line of `udp`: its help, and what it says when it cannot start.

#[path = "../../02-bind-listen/tests/cli/start.rs"]
mod start;

use std::net::UdpSocket;

use socket2::SockRef;
use start::{program, refuses};

/// Whoever has the port would share it; whoever listens for datagrams does not. (TCP has other ports, of the same
/// numbers.)
#[test]
fn a_busy_port_is_named() {
    let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let shares = SockRef::from(&other).set_reuse_address(true);
    shares.expect("it may share it");
    let address = other.local_addr().expect("its address").to_string();
    let words = format!(
        "error: cannot listen on {address}: address already in use\n\
         hint: stop whoever has it, or try --bind 127.0.0.1:0\n"
    );
    refuses(program(), &["--bind", &address], 1, &words);
}

#[test]
fn a_buffer_that_no_datagram_fills_is_wrong_usage() {
    for size in ["0", "65536"] {
        let words = format!(
            "error: invalid value '{size}' for '--buffer <BYTES>': {size} is not in 1..=65535\n\n\
             For more information, try '--help'.\n"
        );
        refuses(program(), &["--buffer", size], 2, &words);
    }
}
