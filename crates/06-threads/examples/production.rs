//! The same service with the crate that people use for it: tokio. Each client has a task, and all tasks share a few
//! threads.
//!
//! Try it: `cargo run --package threads --example threads-production -- --bind 127.0.0.1:9000`

use std::env;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::{pin, select, signal, time};

/// So many clients are served at once; others wait in the kernel's queue.
const MOST: u32 = 100;
/// So long the last ones have to finish.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(2).unwrap_or("127.0.0.1:9000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let places = Arc::new(Semaphore::new(MOST as usize));
    let stop = signal::ctrl_c();
    pin!(stop);
    println!("listening on {}", listener.local_addr()?);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        // Whichever is there first; the other is dropped, and with it whatever it waited for.
        let (place, client) = select! {
            client = next => client,
            _ = &mut stop => break,
        };
        match client {
            Ok((stream, peer)) => drop(tokio::spawn(async move {
                let _place = place; // given back at the end, and also if this task panics
                if let Err(error) = serve(stream).await {
                    eprintln!("error: client {peer}: {error}");
                }
            })),
            Err(error) => eprintln!("error: accept: {error}"),
        }
    }
    drop(listener); // who comes now is refused
    println!("stopping: the last clients have {} s", GRACE.as_secs());
    // Whoever has all places knows that nobody is left. At the end of `main` those who are still there are cut off.
    let _ = time::timeout(GRACE, places.acquire_many(MOST)).await;
    Ok(())
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(()); // the client has finished sending
        }
        let reply = [b"received: ", &buffer[..count]].concat();
        stream.write_all(&reply).await?;
    }
}
