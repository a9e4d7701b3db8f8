//! The primitive that hands over to the tasks that are being woken on this thread, so that the event of a wake can name
//! it.
//!
//! The wait list sets it while it calls wakers; `watch/observer.rs` reads it.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

/// The primitive that handed over to a waiter what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The kind of primitive: "semaphore", "channel", …
    pub kind: &'static str,
    /// Where it was created.
    pub made_at: &'static Location<'static>,
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} made at {}", self.kind, self.made_at)
    }
}

thread_local! {
    static CURRENT: Cell<Option<Handover>> = const { Cell::new(None) };
}

/// Whether a runtime of this process has, or had, an observer.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Records every handover from now on. Called when a runtime gets an observer.
pub(crate) fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Whether handovers are recorded.
#[inline]
pub(super) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// The primitive that is waking tasks on this thread.
pub(crate) fn current() -> Option<Handover> {
    CURRENT.get()
}

/// Calls `wake`, which hands something over to a waiter and wakes it. Observers of the woken task are shown
/// [`handed_over`](crate::Observer::handed_over). Use it in a primitive of your own. Unless a runtime of the process is
/// or was observed, it costs one load.
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
    let _handing_over = is_enabled().then(|| HandingOver::begin(what));
    wake()
}

/// While this exists, [`current`] returns the primitive that was passed to [`begin`](HandingOver::begin).
pub(super) struct HandingOver(Option<Handover>);

impl HandingOver {
    pub(super) fn begin(what: Handover) -> HandingOver {
        HandingOver(CURRENT.replace(Some(what)))
    }
}

impl Drop for HandingOver {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
