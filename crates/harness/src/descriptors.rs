//! How many files and connections a process may have open.

/// Lets this process, and what it starts from now on, have `most` descriptors open, or as many as the system allows it
/// to ask for, if that is less. Returns how many there may be now; `None` where there is no such limit.
///
/// The limit is RLIMIT_NOFILE, see [getrlimit(2)](https://man7.org/linux/man-pages/man2/getrlimit.2.html). A limit that
/// is higher already stays as it is.
pub fn allow_descriptors(most: u64) -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let now = current?;
        let mut wanted = maximum.map_or(most, |maximum| most.min(maximum));
        // macOS names no maximum, and refuses more than kern.maxfilesperproc.
        while wanted > now {
            let limit = Rlimit {
                current: Some(wanted),
                maximum,
            };
            if setrlimit(Resource::Nofile, limit).is_ok() {
                return Some(wanted);
            }
            wanted /= 2;
        }
        Some(now)
    }
    #[cfg(not(unix))]
    {
        let _ = most;
        None
    }
}
