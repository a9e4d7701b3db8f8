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

/// Calls `wake`, which gives something to a waiter and wakes it: observers of the task that is woken are shown
/// [`handed_over`](crate::Observer::handed_over). For a primitive of your own; it costs next to nothing where no runtime
/// has an observer.
///
/// ```
/// use executor::sync::{Handover, hand_over};
/// use std::{panic::Location, task::Waker};
///
/// struct Gate {
///     made_at: &'static Location<'static>,
///     waiter: Option<Waker>,
/// }
///
/// impl Gate {
///     fn open(&mut self) {
///         if let Some(waker) = self.waiter.take() {
///             hand_over(Handover { kind: "gate", made_at: self.made_at }, || waker.wake());
///         }
///     }
/// }
/// # Gate { made_at: Location::caller(), waiter: Some(Waker::noop().clone()) }.open();
/// ```
pub fn hand_over<R>(what: Handover, wake: impl FnOnce() -> R) -> R {
    let _giving = is_wanted().then(|| Giving::begin(what));
    wake()
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
