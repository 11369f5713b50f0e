//! An echo over WebSocket, with the crates that people use for it: tokio-tungstenite and tokio.
//!
//! Try it: `cargo run --package websocket --example websocket-production 127.0.0.1:9000`

use std::env;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

#[tokio::main]
async fn main() -> Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:9000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let complain = |error: &std::io::Error| eprintln!("error: accept: {error}");
        let client = listener.accept().await.inspect_err(complain);
        let Ok((stream, peer)) = client else { continue };
        tokio::spawn(async move {
            if let Err(error) = echo(stream).await {
                eprintln!("error: client {peer}: {error}");
            }
        });
    }
}

/// Sends each message back. The crate answers pings and closes by itself.
async fn echo(stream: TcpStream) -> tokio_tungstenite::tungstenite::Result<()> {
    let (sink, messages) = accept_async(stream).await?.split();
    let said =
        messages.try_filter(|message| future::ready(message.is_text() || message.is_binary()));
    said.forward(sink).await
}
