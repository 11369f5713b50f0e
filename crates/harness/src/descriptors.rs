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
        let wanted = maximum.map_or(most, |maximum| most.min(maximum));
        let limit = Rlimit {
            current: Some(wanted),
            maximum,
        };
        let is_raised = wanted > now && setrlimit(Resource::Nofile, limit).is_ok();
        Some(if is_raised { wanted } else { now })
    }
    #[cfg(not(unix))]
    {
        let _ = most;
        None
    }
}
