//! The documents of a directory over HTTP, with the crates that people use for it: axum, tower-http and tokio.
//!
//! Try it: `cargo run --package http@0.1.0 --example http-production 127.0.0.1:9000 docs`

use std::env;
use std::io;

use axum::Router;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());
    let root = arguments.next().unwrap_or(".".to_owned());

    let documents = Router::new().fallback_service(ServeDir::new(root));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, documents).await
}
