//! Tells when a source is saved.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

/// An event arrives within a millisecond, or not at all: network drives and some containers have none.
const ARRIVES_WITHIN: Duration = Duration::from_millis(500);
/// How often the files are looked at where no events arrive.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Saved files, as they are saved.
pub struct Files {
    saved: Receiver<PathBuf>,
    _watcher: Box<dyn Watcher>,
    /// Whether the files are looked at again and again, because no events arrive.
    pub polls: bool,
}

impl Files {
    /// Watches everything below `folder`; `scratch` is a folder beside it in which files may be made.
    pub fn watch(folder: &Path, scratch: &Path) -> Result<Self> {
        // A way to try what others must put up with.
        let polls =
            std::env::var_os("COURSE_POLL").is_some() || !events_arrive(scratch).unwrap_or(false);
        let (send, saved) = channel();
        let tell = move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                let _ = send.send(path); // nobody may watch any more
            }
        };
        let watcher = match polls {
            true => watcher::<PollWatcher>(tell, folder),
            false => watcher::<RecommendedWatcher>(tell, folder),
        };
        let watcher = watcher.with_context(|| format!("cannot watch {}", folder.display()))?;
        Ok(Self {
            saved,
            _watcher: watcher,
            polls,
        })
    }

    /// A file that was saved since this was asked last.
    pub fn next(&self) -> Option<PathBuf> {
        self.saved.try_recv().ok()
    }

    /// Waits for the next one.
    pub fn wait(&self) -> Option<PathBuf> {
        self.saved.recv().ok()
    }
}

fn watcher<W: Watcher + 'static>(
    tell: impl notify::EventHandler,
    folder: &Path,
) -> notify::Result<Box<dyn Watcher>> {
    // Times of files are compared by the second, and two saves may fall into one: compare what is in them.
    let config = Config::default()
        .with_poll_interval(LOOK_EVERY)
        .with_compare_contents(true);
    let mut watcher = W::new(tell, config)?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Box::new(watcher))
}

/// Whether a change of a file is told.
pub fn events_arrive(scratch: &Path) -> Result<bool> {
    std::fs::create_dir_all(scratch)
        .with_context(|| format!("cannot create {}", scratch.display()))?;
    let file = scratch.join(format!("events-{}", std::process::id()));
    let (send, events) = channel();
    let wanted = file.clone();
    let tell = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| event.paths.contains(&wanted)) {
            let _ = send.send(()); // one is enough
        }
    };
    let _watcher = watcher::<RecommendedWatcher>(tell, scratch)?;
    std::fs::write(&file, "saved").with_context(|| format!("cannot write {}", file.display()))?;
    let deadline = Instant::now() + ARRIVES_WITHIN;
    let told = events
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .is_ok();
    std::fs::remove_file(&file)?;
    Ok(told)
}
