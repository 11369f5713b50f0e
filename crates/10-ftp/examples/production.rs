//! The files of a directory over FTP, with the crates that people use for it: libunftp, unftp-sbe-fs and tokio.
//!
//! Try it: `cargo run --package ftp --example ftp-production 127.0.0.1:9000 docs`

use std::env;

use anyhow::Result;
use libunftp::ServerBuilder;
use tokio::net::TcpListener;
use unftp_sbe_fs::Filesystem;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());
    let root = arguments.next().unwrap_or(".".to_owned());

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let complain = |error: &std::io::Error| eprintln!("error: accept: {error}");
        let client = listener.accept().await.inspect_err(complain);
        let Ok((stream, peer)) = client else { continue };
        let root = root.clone();
        let files = move || Filesystem::new(&root).expect("a directory that can be read");
        let server = ServerBuilder::new(Box::new(files)).build()?;
        tokio::spawn(async move {
            if let Err(error) = server.service(stream).await {
                eprintln!("error: client {peer}: {error}");
            }
        });
    }
}
