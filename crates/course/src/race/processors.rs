//! Who has which processor: the load one to itself, and the servers the others. So neither is pushed aside by the other.

use std::time::Duration;

/// How the processors of this machine are shared, where it has two and Linux.
pub struct Processors {
    #[cfg(target_os = "linux")]
    shared: Option<linux::Shared>,
}

#[cfg(target_os = "linux")]
impl Processors {
    pub fn share() -> Self {
        Self {
            shared: linux::Shared::new(),
        }
    }

    /// How many a server has to itself, if it does not share with the load.
    pub fn of_servers(&self) -> Option<u32> {
        self.shared.as_ref().map(linux::Shared::of_servers)
    }

    /// Does this where servers run: what is started meanwhile stays there.
    pub fn among_servers<T>(&self, start: impl FnOnce() -> T) -> T {
        match &self.shared {
            Some(shared) => shared.among_servers(start),
            None => start(),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Processors {
    pub fn share() -> Self {
        Self {}
    }

    pub fn of_servers(&self) -> Option<u32> {
        None
    }

    pub fn among_servers<T>(&self, start: impl FnOnce() -> T) -> T {
        start()
    }
}

/// How long this thread has had a processor so far, if the system tells.
#[cfg(unix)]
pub fn time_of_this_thread() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().ok()
}

#[cfg(not(unix))]
pub fn time_of_this_thread() -> Option<Duration> {
    None
}

/// How long this thread has waited for a processor so far, while others had it, if the system tells.
pub fn waited_for_a_processor() -> Option<Duration> {
    // Time with a processor, time in the queue for one, and how often (the kernel's documentation, sched-stats.rst).
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let waited = times.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(waited))
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub struct Shared {
        load: CpuSet,
        servers: CpuSet,
    }

    impl Shared {
        pub fn new() -> Option<Self> {
            let mut servers = sched_getaffinity(None).ok()?;
            if servers.count() < 2 {
                return None;
            }
            let last = (0..CpuSet::MAX_CPU)
                .rev()
                .find(|number| servers.is_set(*number))?;
            servers.unset(last);
            let mut load = CpuSet::new();
            load.set(last);
            Some(Self { load, servers })
        }

        pub fn of_servers(&self) -> u32 {
            self.servers.count()
        }

        /// A program inherits where it may run from whoever starts it, and so does a thread (sched_setaffinity(2)).
        pub fn among_servers<T>(&self, start: impl FnOnce() -> T) -> T {
            // They are ours to choose from, or they would not have been told. If one is taken away meanwhile, the
            // figures are less quiet, and that is all.
            let _ = sched_setaffinity(None, &self.servers);
            let result = start();
            let _ = sched_setaffinity(None, &self.load);
            result
        }
    }
}
