//! A program and everything that it starts, ended together.
//!
//! On Unix each program leads a process group of its own (setpgid(2)), on Windows a job object that
//! ends with its last handle. A test program that is interrupted or killed can end nothing more, and
//! the groups of its servers keep a Ctrl-C from reaching them. So the first server brings a guard
//! with it: a shell in a group of its own that reads from a pipe which groups live, and kills what is
//! left when the pipe ends, however the test program ended.
//!
//! What leaves its group (a daemon, setsid(2)) is found on Linux: it becomes a child of the test
//! program (see [`adopt_strays`]), and the guard knows it by a mark in its environment.

use std::process::{Child, ExitStatus};
#[cfg(windows)]
use std::{io, process::Command};

/// A running program that leads a group.
pub(crate) struct Group {
    child: Child,
    #[cfg(windows)]
    _job: win32job::Job,
}

impl Group {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the program ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

#[cfg(windows)]
impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(windows)]
impl Group {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        use std::os::windows::io::AsRawHandle;
        let mut limits = win32job::ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = win32job::Job::create_with_limit_info(&limits).map_err(io::Error::other)?;
        let child = command.spawn()?;
        job.assign_process(child.as_raw_handle() as isize)
            .map_err(io::Error::other)?;
        Ok(Self { child, _job: job })
    }

    /// Ends the program; what it started ends with the job, when this is dropped.
    pub fn end(&mut self) {
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

#[cfg(windows)]
pub(crate) fn adopt_strays() {}

#[cfg(unix)]
pub(crate) use unix::adopt_strays;

#[cfg(unix)]
mod unix {
    use std::io::{self, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{ChildStdin, Command, Stdio};
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
    use std::time::SystemTime;

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::Group;

    const SCRIPT: &str = r#"
trap '' INT TERM HUP
mark=$1 live=
while read -r sign group; do
    case $sign in
    +) live="$live $group" ;;
    -) rest=; for one in $live; do [ "$one" = "$group" ] || rest="$rest $one"; done; live=$rest ;;
    esac
done
for group in $live; do kill -s KILL -- "-$group"; done
for process in /proc/[0-9]*; do
    grep -qs -- "$mark" "$process/environ" && kill -s KILL "${process#/proc/}"
done
"#;

    /// A variable that every server and its children inherit; it names this test program.
    const MARK: &str = "HARNESS_RUN";

    /// The leaders of all groups. Locked while one is started, so that a new child is
    /// never taken for a stray.
    struct Known {
        leaders: Vec<u32>,
        guard_id: Option<u32>,
        guard: Option<ChildStdin>,
    }

    static KNOWN: Mutex<Known> = Mutex::new(Known {
        leaders: Vec::new(),
        guard_id: None,
        guard: None,
    });

    fn known() -> MutexGuard<'static, Known> {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Known {
        /// A guard that cannot be told cannot be helped from here; only an interruption needs it.
        fn tell_guard(&mut self, sign: &str, leader: u32) {
            if let Some(guard) = &mut self.guard {
                let _ = writeln!(guard, "{sign} {leader}");
            }
        }

        fn start_guard(&mut self) -> io::Result<()> {
            let mut command = Command::new("/bin/sh");
            let mark = format!("{MARK}={}", mark());
            command
                .args(["-c", SCRIPT, "guard", &mark])
                .process_group(0);
            let (input, nothing) = (Stdio::piped(), Stdio::null);
            let mut guard = command
                .stdin(input)
                .stdout(nothing())
                .stderr(nothing())
                .spawn()?;
            self.guard_id = Some(guard.id());
            self.guard = guard.stdin.take();
            Ok(())
        }
    }

    impl Group {
        /// Starts `command` in a group of its own.
        pub fn start(command: &mut Command) -> io::Result<Self> {
            let mut known = known();
            if known.guard.is_none() {
                known.start_guard()?;
            }
            let child = command.env(MARK, mark()).process_group(0).spawn()?;
            known.leaders.push(child.id());
            known.tell_guard("+", child.id());
            Ok(Self { child })
        }

        /// Sends a signal to the group.
        pub fn signal(&self, signal: Signal) -> io::Result<()> {
            Ok(kill_process_group(pid(self.id()), signal)?)
        }

        /// Ends the program, its group and strays. An error means that there is nothing left to end.
        pub fn end(&mut self) {
            let _ = kill_process_group(pid(self.id()), Signal::KILL);
            // It may have left its group (setpgid(2)). Nobody outlives this signal, so the wait is short.
            if self.child.kill().is_ok() {
                let _ = self.child.wait();
            }
            strays::end(&known());
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            self.end();
            let mut known = known();
            let id = self.id();
            known.leaders.retain(|leader| *leader != id);
            known.tell_guard("-", id);
        }
    }

    /// Process numbers are used again, so the mark has the time as well.
    fn mark() -> &'static str {
        static MARK: OnceLock<String> = OnceLock::new();
        MARK.get_or_init(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.unwrap_or_default().as_nanos();
            format!("{}-{now}.", std::process::id())
        })
    }

    fn pid(id: u32) -> Pid {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw);
        id.unwrap_or(Pid::INIT) // no process has the number zero
    }

    /// From now on, whatever loses its parent below this process becomes its child (prctl(2),
    /// PR_SET_CHILD_SUBREAPER), and is ended when the next server has ended. Linux only; elsewhere a
    /// daemon that has left its group stays.
    ///
    /// Only for a program that starts nothing else: every other child would be taken for a stray.
    pub(crate) fn adopt_strays() {
        strays::adopt();
    }

    #[cfg(not(target_os = "linux"))]
    mod strays {
        pub fn adopt() {}
        pub fn end(_known: &super::Known) {}
    }

    #[cfg(target_os = "linux")]
    mod strays {
        use std::fs;
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::thread;
        use std::time::{Duration, Instant};

        use rustix::process::{
            Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
        };

        use super::pid;
        use crate::kernel;

        static ADOPTS: AtomicBool = AtomicBool::new(false);
        /// A killed process is gone within this time, unless the kernel is in trouble.
        const GONE_WITHIN: Duration = Duration::from_millis(500);

        pub fn adopt() {
            if set_child_subreaper(Some(getpid())).is_ok() {
                ADOPTS.store(true, Ordering::Relaxed);
            }
        }

        /// Ends the children of this process that are neither leaders nor in a leader's group, nor the
        /// guard. Whoever has joined the guard's group is no guard.
        pub fn end(known: &super::Known) {
            let leaders = &known.leaders;
            let deadline = Instant::now() + GONE_WITHIN;
            while ADOPTS.load(Ordering::Relaxed) && Instant::now() < deadline {
                let strays: Vec<u32> = children()
                    .filter(|child| !leaders.contains(child) && known.guard_id != Some(*child))
                    .filter(|child| {
                        !kernel::group_of(*child).is_some_and(|group| leaders.contains(&group))
                    })
                    .collect();
                if strays.is_empty() {
                    return;
                }
                for stray in strays {
                    // Its own children come to us when it has ended, so look again.
                    let _ = kill_process(pid(stray), Signal::KILL);
                    let _ = waitpid(Some(pid(stray)), WaitOptions::NOHANG);
                }
                thread::yield_now();
            }
        }

        /// The children of every thread (proc_pid_task(5)).
        fn children() -> impl Iterator<Item = u32> {
            let threads = fs::read_dir("/proc/self/task")
                .into_iter()
                .flatten()
                .flatten();
            let lists = threads
                .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
            let children: Vec<u32> = lists
                .flat_map(|list| {
                    list.split_whitespace()
                        .filter_map(|child| child.parse().ok())
                        .collect::<Vec<_>>()
                })
                .collect();
            children.into_iter()
        }
    }
}
