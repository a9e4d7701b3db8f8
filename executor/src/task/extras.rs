//! What only few tasks have: a name, metadata, callbacks, a scope, who cancelled it, and the bookkeeping of observed
//! tasks.
//!
//! It lies in a box of its own, so that other tasks pay one null pointer for it. The header owns the box; schedulers
//! fill it before they spawn.

use super::id::TaskRef;
use super::outcome::{Cancellation, Finish};
use super::scope::Scope;
use crate::shim::{AtomicBool, AtomicUsize, Condvar, Mutex as ShimMutex};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;

pub(super) type Callback = Box<dyn FnOnce(TaskRef<'_>, Finish) + Send>;

/// A task group, as seen by the task whose future holds it.
pub(crate) trait Group: Send + Sync {
    /// Ends the group: cancels its tasks, and passes those that belong to this thread's runtime to `f`.
    fn end(&self, f: &mut dyn FnMut(TaskRef<'_>));
}

#[derive(Default)]
pub(crate) struct Extras {
    pub(super) name: Option<Box<str>>,
    pub(super) metadata: Option<Box<dyn Any + Send + Sync>>,
    /// The thread that the task's future must not leave.
    pub(super) home: Option<ThreadId>,
    /// The size of the future, if the cell holds only a pointer to it.
    pub(super) size: Option<usize>,
    /// Written by the first cancel.
    pub(crate) cancellation: OnceLock<Cancellation>,
    pub(crate) scope: OnceLock<Arc<Scope>>,
    callbacks: Mutex<Vec<Callback>>,
    /// The groups that the task's future holds, by their numbers, in the order in which they were made.
    groups: Mutex<BTreeMap<u64, Weak<dyn Group>>>,
    pub(super) observed: Observed,
}

/// The bookkeeping of an observed task. `observed.rs` maintains it.
#[derive(Default)]
pub(super) struct Observed {
    /// The number of wakers. A poll counts as one while it goes on.
    pub(super) wakers: AtomicUsize,
    /// Whether a waker was cloned since the last poll began.
    pub(super) left_waker: AtomicBool,
    /// Whether a redundant wake came since the last [`Canceller::wake_up`](super::Canceller). No event shows such a
    /// wake.
    pub(super) woken_again: AtomicBool,
    pub(super) reported: ShimMutex<Reported>,
    /// Notified when a field of `reported` that the runner waits for is set.
    pub(super) changed: Condvar,
}

/// Which events were reported.
#[derive(Default)]
pub(super) struct Reported {
    /// The wake that came since the last poll began.
    pub(super) woken: bool,
    pub(super) cancelled: bool,
    /// The end of the task. Later wakes and cancels are not reported.
    pub(super) finished: bool,
    /// Whether the runner waits for a report. Notifying a condition variable is a system call even if no thread waits.
    pub(super) awaited: bool,
}

// Everything that changes after the spawn is behind a lock, atomic, or set once.
impl UnwindSafe for Extras {}
impl RefUnwindSafe for Extras {}

impl Extras {
    pub(crate) fn named(name: String) -> Extras {
        Extras { name: Some(name.into()), ..Extras::default() }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn set_metadata(&mut self, metadata: impl Any + Send + Sync) {
        self.metadata = Some(Box::new(metadata));
    }

    /// Sets the size of a future that lies in a box of its own.
    pub(crate) fn set_size(&mut self, size: usize) {
        self.size = Some(size);
    }

    pub(super) fn add_callback(&self, callback: Callback) {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    }

    pub(super) fn take_callbacks(&self) -> Vec<Callback> {
        std::mem::take(&mut *self.callbacks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a group to those that the task's future holds. Returns the number to remove it by.
    pub(crate) fn add_group(&self, group: Weak<dyn Group>) -> u64 {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let number = groups.last_key_value().map_or(0, |(last, _)| last + 1);
        groups.insert(number, group);
        number
    }

    pub(crate) fn remove_group(&self, number: u64) {
        let group = self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        drop(group); // after the lock is released
    }

    /// The groups that the task's future holds.
    pub(crate) fn groups(&self) -> Vec<Arc<dyn Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).values().filter_map(Weak::upgrade).collect()
    }
}
