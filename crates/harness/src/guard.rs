//! Ends the servers of a test program that can no longer do it itself.
//!
//! A [`Server`](crate::Server) that is dropped takes its processes with it. A test program that is
//! interrupted or killed drops nothing, and the servers' own process groups keep a Ctrl-C from
//! reaching them. So the first server started brings a guard with it: a shell in a group of its own
//! that reads from a pipe which groups live, and kills what is left when the pipe ends, however the
//! test program ended. On Windows the job objects do this.

#[cfg(unix)]
use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

#[cfg(unix)]
const SCRIPT: &str = r#"
trap '' INT TERM HUP
live=
while read -r sign group; do
    case $sign in
    +) live="$live $group" ;;
    -) rest=; for one in $live; do [ "$one" = "$group" ] || rest="$rest $one"; done; live=$rest ;;
    esac
done
for group in $live; do kill -s KILL -- "-$group"; done
"#;

/// Keeps a process group under guard as long as it lives.
pub(crate) struct Guarded(u32);

impl Guarded {
    /// Puts the group led by process `leader` under guard.
    pub fn group(leader: u32) -> Self {
        tell("+", leader);
        Self(leader)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        tell("-", self.0);
    }
}

#[cfg(unix)]
fn tell(sign: &str, group: u32) {
    static GUARD: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let guard = GUARD.get_or_init(|| start().map(Mutex::new));
    if let Some(guard) = guard {
        // A guard that is gone cannot be helped from here; everything but an interruption is covered without it.
        let _ = writeln!(
            guard.lock().unwrap_or_else(PoisonError::into_inner),
            "{sign} {group}"
        );
    }
}

#[cfg(unix)]
fn start() -> Option<ChildStdin> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "guard"]).process_group(0);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().ok()?.stdin.take()
}

#[cfg(not(unix))]
fn tell(_: &str, _: u32) {}
