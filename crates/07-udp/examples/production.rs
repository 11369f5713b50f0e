//! The same service with the crate that people use for it: tokio.
//!
//! Try it: `cargo run --package udp --example udp-production -- --bind 127.0.0.1:9000`

use std::env;
use std::io;

use tokio::net::UdpSocket;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(2).unwrap_or("127.0.0.1:9000".to_owned());
    let socket = UdpSocket::bind(address).await?;
    println!("listening on {}", socket.local_addr()?);
    // Every datagram fits, so that none is cut.
    let mut buffer = vec![0; 1 << 16];
    loop {
        // Whoever waits here is a task, not a thread: thousands of them can wait at once.
        let (count, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                eprintln!("error: recv_from: {error}");
                continue;
            }
        };
        let reply = [b"received: ", &buffer[..count]].concat();
        if let Err(error) = socket.send_to(&reply, peer).await {
            eprintln!("error: peer {peer}: {error}");
        }
    }
}
