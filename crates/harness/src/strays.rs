//! Ends what a program has left outside of its process group: a daemon (setsid(2)).
//!
//! Each program is started with a mark in its environment, which its children inherit. Linux tells the
//! environment of a process (proc_pid_environ(5)); elsewhere a daemon stays.

use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that holds the mark.
pub(crate) const VARIABLE: &str = "HARNESS_SERVER";

/// A mark that no other program on this machine has.
pub(crate) fn mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}", std::process::id())
}

/// Ends every process that has this mark.
#[cfg(target_os = "linux")]
pub(crate) fn end(mark: &str) {
    let marked = format!("{VARIABLE}={mark}");
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Other users' processes cannot be looked into, and are not ours.
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == marked.as_bytes())
        {
            let mut kill = std::process::Command::new("/bin/sh");
            kill.args(["-c", "kill -s KILL \"$1\"", "sh"])
                .arg(process.file_name());
            let _ = kill.stderr(std::process::Stdio::null()).status(); // it may be gone by now
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end(_mark: &str) {}
