//! Step 12: serve thousands of clients with a runtime.
//!
//! New here: `async` and `.await`. It reads like `threads`, and runs like `event-loop`.
//! Try it: `just step async --idle 10`, then in more terminals `nc 127.0.0.1 9000`.
//! Left out on purpose: a protocol in which a message has an end; from `http` on every step has one.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::ready;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::signal::ctrl_c;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// How long to wait after an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Answer each piece of thousands of clients with tasks
#[derive(Parser)]
struct Args {
    /// Listen on this address; port 0 asks for a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:9000")]
    bind: SocketAddr,

    /// Let the kernel queue about this many clients
    #[arg(long, value_name = "CLIENTS", default_value_t = 128)]
    backlog: u16,

    /// Read at most this many bytes at a time
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20), default_value_t = 1024)]
    buffer: u32,

    /// Begin each reply with this text
    #[arg(long, value_name = "TEXT", default_value = "received: ")]
    prefix: String,

    /// Do not print what arrives
    #[arg(long)]
    quiet: bool,

    /// Serve at most this many clients at once; others wait
    #[arg(long, value_name = "CLIENTS", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 10_000)]
    max_clients: u16,

    /// Close a connection if no reply was sent for this long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86400), default_value_t = 60)]
    idle: u32,

    /// On Ctrl-C, give the clients this long to finish
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=3600), default_value_t = 5)]
    grace: u32,
}

// One thread for all tasks, as in `event-loop`. Without the flavor there would be one for each processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Err(error) = run(Args::parse()).await {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(args: Args) -> Result<()> {
    let listener = match listen(&args) {
        Ok(listener) => listener,
        Err(error) => bail!("cannot listen on {}: {}", args.bind, explain(&error)),
    };
    let args = Arc::new(args);
    let places = Arc::new(Semaphore::new(args.max_clients.into()));
    // Both make progress beside each other, and when the first comes to its end, the second is dropped where it stands.
    select! {
        biased; // in this order: whoever reads that we listen may press Ctrl-C at once
        result = stop() => result.context("cannot hear of Ctrl-C")?,
        result = let_in(&listener, &places, &args) => result?,
    }
    drop(listener); // who waits in the queue is reset, who comes now is refused
    println!("stopping: the last clients have {} s", args.grace);
    select! {
        // Whoever has all the places knows that nobody else is there.
        _ = places.acquire_many(args.max_clients.into()) => {}
        () = sleep(Duration::from_secs(args.grace.into())) => {}
        _ = stop() => process::exit(130), // the second time: 128, and the number of SIGINT
    }
    let left = usize::from(args.max_clients) - places.available_permits();
    println!("stopped; clients cut off: {left}");
    Ok(())
}

async fn let_in(listener: &TcpListener, places: &Arc<Semaphore>, args: &Arc<Args>) -> Result<()> {
    println!("listening on {}", listener.local_addr()?);
    println!("backlog {}", args.backlog);
    loop {
        if places.available_permits() == 0 {
            let most = args.max_clients;
            println!("full: {most} of {most} places are taken; the next client waits");
        }
        let place = Arc::clone(places).acquire_owned().await?;
        let (stream, peer) = match listener.accept().await {
            Ok(client) => client,
            Err(error) => {
                eprintln!("error: accept: {error}");
                sleep(PAUSE).await; // this task only
                continue;
            }
        };
        println!("client {peer} connected");
        let args = Arc::clone(args);
        tokio::spawn(async move {
            let _place = place; // given back at the end, and also if this task panics
            let has_moved = AtomicBool::new(false);
            let result = select! {
                biased;
                result = serve(stream, peer, &args, &has_moved) => result,
                () = stillness(&has_moved, args.idle) => Err(ErrorKind::TimedOut.into()),
            };
            if let Err(error) = result {
                eprintln!("error: client {peer}: {error}");
            }
            println!("client {peer} disconnected");
        });
    }
}

/// Ctrl-C, or what a service manager says instead (SIGTERM).
async fn stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        select! {
            result = ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await
}

/// What `TcpListener::bind` does in one call: here each call of the kernel can be seen.
fn listen(args: &Args) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(args.bind), Type::STREAM, None)?;
    // Connections that a server left open when it ended keep its port for a minute (TIME_WAIT). With
    // this option a new server may have the port at once. On Windows the option means something else:
    // a second program could take a port that is in use. A restart needs no help there.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&args.bind.into())?;
    socket.listen(args.backlog.into())?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    args: &Args,
    has_moved: &AtomicBool,
) -> io::Result<()> {
    loop {
        let reply = next_reply(&mut stream, args).await?;
        let piece = &reply[args.prefix.len()..];
        if piece.is_empty() {
            return Ok(()); // the client has finished sending
        }
        if !args.quiet {
            let (count, text) = (piece.len(), String::from_utf8_lossy(piece));
            println!("received {count} bytes from {peer}: {text:?}");
        }
        stream.write_all(&reply).await?;
        has_moved.store(true, Ordering::Relaxed);
    }
}

/// Waits for the next piece, and puts the prefix before it.
///
/// `read` alone would do. But while it waits, its buffer waits as well, and of ten thousand clients hardly any has something
/// to say. So memory is taken when there is something to read.
async fn next_reply(stream: &mut TcpStream, args: &Args) -> io::Result<Vec<u8>> {
    poll_fn(|context| {
        ready!(stream.poll_read_ready(context))?;
        let mut reply = Vec::with_capacity(args.prefix.len() + args.buffer as usize);
        reply.extend_from_slice(args.prefix.as_bytes());
        // To be readable is a hint. If there is nothing after all, the memory is given back when this returns.
        let count = pin!(stream.read_buf(&mut reply)).poll(context);
        count.map_ok(|_| reply)
    })
    .await
}

/// Comes to its end when nothing has moved for so many seconds: at the second look, so it may take twice as long. A time-out
/// for each message would be more exact, and the runtime would have to set and stop a clock for each.
async fn stillness(has_moved: &AtomicBool, seconds: u32) {
    loop {
        sleep(Duration::from_secs(seconds.into())).await;
        if !has_moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

/// Says what the system's refusal means, and what to do next.
fn explain(error: &io::Error) -> String {
    let text = error.to_string();
    let (problem, hint) = match error.kind() {
        ErrorKind::AddrInUse => (
            "address already in use",
            "stop whoever has it, or try --bind 127.0.0.1:0",
        ),
        ErrorKind::PermissionDenied => (
            "permission denied",
            "ports below 1024 need root; try --bind 127.0.0.1:8080",
        ),
        ErrorKind::AddrNotAvailable => (
            "no such address on this machine",
            "try --bind 127.0.0.1:9000",
        ),
        _ => (text.as_str(), "try --bind 127.0.0.1:9000"),
    };
    format!("{problem}\nhint: {hint}")
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let help = "not an IP address and a port\nhint: try 127.0.0.1:9000 or [::1]:9000";
    text.parse().or(Err(help))
}
