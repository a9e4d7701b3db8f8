//! Where the task that is being woken on this thread was given what it waited for: the answer to "why did it
//! wake?" when that was at something in here.
//!
//! The wait list says it around the wakers that it calls; `observer.rs` asks.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a waiter got what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// What it is: "semaphore", "channel", …
    pub kind: &'static str,
    /// Where that was made.
    pub made_at: &'static Location<'static>,
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} made at {}", self.kind, self.made_at)
    }
}

thread_local! {
    static PRESENT: Cell<Option<Handover>> = const { Cell::new(None) };
}

/// Whether a runtime of this process is watched, or was.
static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// A runtime is watched: from now on it is noted what is handed over.
pub(crate) fn want() {
    IS_WANTED.store(true, Ordering::Relaxed);
}

/// Whether somebody wants to know.
#[inline]
pub(super) fn is_wanted() -> bool {
    IS_WANTED.load(Ordering::Relaxed)
}

pub(crate) fn present() -> Option<Handover> {
    PRESENT.get()
}

/// While it lives, whatever is woken on this thread was given something there.
pub(super) struct Giving(Option<Handover>);

impl Giving {
    pub(super) fn begin(what: Handover) -> Giving {
        Giving(PRESENT.replace(Some(what)))
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        PRESENT.set(self.0);
    }
}
