//! The clients that measure: wrk or oha for many small answers, curl for one large one.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use harness::Server;

use super::caught;

/// So many connections ask at once, each again and again.
pub const CONNECTIONS: u32 = 64;

/// What a client has had, and how long that took.
pub struct Had {
    /// Requests or bytes.
    pub count: f64,
    pub seconds: f64,
}

/// The first of the programs that is there.
pub fn generator() -> Result<&'static str> {
    let is_there = |program: &&str| harness::find_program(program).is_some();
    let found = ["wrk", "oha"].into_iter().find(is_there);
    found.context(
        "neither wrk nor oha is on this machine\nhint: apt install wrk, or cargo install oha",
    )
}

/// Asks for a document for so many seconds.
pub fn documents(server: &Server, path: &str, seconds: u32) -> Result<Had> {
    let url = format!("http://{}/{path}", server.address());
    let (connections, duration) = (CONNECTIONS.to_string(), format!("{seconds}s"));
    let program = generator()?;
    let arguments = match program {
        "wrk" => vec!["-t", "1", "-c", &connections, "-d", &duration, &url],
        _ => vec!["--no-tui", "-c", &connections, "-z", &duration, &url],
    };
    let said = run(server, program, &arguments)?;
    ensure!(
        !said.contains("Non-2xx"),
        "not all answers are documents\n{said}"
    );
    // Both say this.
    let rate = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    let rate: f64 = rate.with_context(|| said.clone())?.trim().parse()?;
    Ok(Had {
        count: rate * f64::from(seconds),
        seconds: f64::from(seconds),
    })
}

/// Fetches a file, and throws it away.
pub fn download(server: &Server, scheme: &str, path: &str, size: u64) -> Result<Had> {
    let url = format!("{scheme}://{}/{path}", server.address());
    curl(
        server,
        &[
            "-o",
            "/dev/null",
            "-w",
            "%{size_download} %{time_total}",
            &url,
        ],
        size,
    )
}

/// Stores a file.
pub fn upload(server: &Server, file: &Path, path: &str, size: u64) -> Result<Had> {
    let url = format!("ftp://{}/{path}", server.address());
    let file = file.display().to_string();
    curl(
        server,
        &["-T", &file, "-w", "%{size_upload} %{time_total}", &url],
        size,
    )
}

fn curl(server: &Server, arguments: &[&str], size: u64) -> Result<Had> {
    let said = run(
        server,
        "curl",
        &[&["--silent", "--show-error", "--fail"], arguments].concat(),
    )?;
    let (count, seconds) = said.split_once(' ').with_context(|| said.clone())?;
    let count: u64 = count.parse()?;
    if count != size {
        bail!("curl had {count} bytes of {size}");
    }
    Ok(Had {
        count: count as f64,
        seconds: seconds.parse()?,
    })
}

fn run(server: &Server, program: &str, arguments: &[&str]) -> Result<String> {
    caught(|| {
        server
            .run_client(program, arguments)
            .expect_status(0)
            .stdout()
            .to_owned()
    })
}
