//! The clients that are being served: how many there may be, and how all of them come to an end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A counting semaphore that can be closed. All threads share it.
pub struct Clients {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    count: usize,
    closed: bool,
}

/// One of the clients, until it is dropped: also when its thread panics, for that drops what it owns.
pub struct Place(Arc<Clients>);

impl Clients {
    pub fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Waits until there is room for one more. Returns nothing once nobody is let in any more.
    pub fn wait_for_room(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        if state.count == self.most {
            println!(
                "full: {0} of {0} places are taken; the next client waits",
                self.most
            );
        }
        let is_full = |state: &mut State| state.count == self.most && !state.closed;
        state = self
            .changed
            .wait_while(state, is_full)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.count += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Lets nobody in any more. Returns whether somebody was still let in before.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        self.changed.notify_all();
        !std::mem::replace(&mut state.closed, true)
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until the last one has left, for so long at most. Returns how many are still there.
    pub fn wait_until_gone(&self, grace: Duration) -> usize {
        let are_there = |state: &mut State| state.count > 0;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), grace, are_there);
        waited.unwrap_or_else(PoisonError::into_inner).0.count
    }

    /// A thread that panicked while it held the lock has poisoned it. The count is still right, so it does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().count -= 1;
        self.0.changed.notify_all();
    }
}
