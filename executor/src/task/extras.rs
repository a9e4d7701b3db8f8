//! What few tasks have, in a box of its own so that the others don't pay for it: a name, metadata, callbacks, a scope,
//! who cancelled it, and what is counted of those that are watched.

use super::cell::{Finish, TaskId, TaskRef};
use super::scope::Scope;
use super::watch::Told;
use crate::shim::{AtomicBool, AtomicUsize};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;

pub(crate) type Callback = Box<dyn FnOnce(TaskRef<'_>, Finish) + Send>;

/// A task group, as the task knows it whose future holds the group.
pub(crate) trait Group: Send + Sync {
    /// Ends the group: cancels its tasks, and shows `f` those of them that belong to the runtime of this thread.
    fn end(&self, f: &mut dyn FnMut(TaskRef<'_>));
}

#[derive(Default)]
pub(crate) struct Extras {
    pub(super) name: Option<Box<str>>,
    pub(super) metadata: Option<Box<dyn Any + Send + Sync>>,
    /// The thread that its future may not leave.
    pub(super) home: Option<ThreadId>,
    /// How large its future is, where that is not what lies in the cell.
    pub(super) size: Option<usize>,
    /// Written by the first who cancels the task.
    pub(crate) cancellation: OnceLock<Cancellation>,
    pub(crate) scope: OnceLock<Arc<Scope>>,
    callbacks: Mutex<Vec<Callback>>,
    /// The groups that its future holds, by a number of their own: the order in which they were made.
    groups: Mutex<BTreeMap<u64, Weak<dyn Group>>>,
    /// How many there are, of a task that is watched; a poll that goes on has one, too.
    pub(super) wakers: AtomicUsize,
    /// Whether one has been made since its last poll began.
    pub(super) left_waker: AtomicBool,
    /// It was woken again while it was queued, since [`Canceller::wake_up`](super::Canceller): a wake that no event tells of.
    pub(super) woken_again: AtomicBool,
    /// What has been told of it, if it is watched.
    pub(super) told: Told,
}

// All that changes in here is behind locks, or set once.
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

    /// The size of a future that lies in a box of its own.
    pub(crate) fn set_size(&mut self, size: usize) {
        self.size = Some(size);
    }

    pub(super) fn add_callback(&self, callback: Callback) {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    }

    pub(super) fn take_callbacks(&self) -> Vec<Callback> {
        std::mem::take(&mut *self.callbacks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters a group among those of the task. Returns the number to remove it by.
    pub(crate) fn add_group(&self, group: Weak<dyn Group>) -> u64 {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let number = groups.last_key_value().map_or(0, |(last, _)| last + 1);
        groups.insert(number, group);
        number
    }

    pub(crate) fn remove_group(&self, number: u64) {
        let group = self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        drop(group); // with the lock released
    }

    /// The groups that the task's future holds.
    pub(crate) fn groups(&self) -> Vec<Arc<dyn Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).values().filter_map(Weak::upgrade).collect()
    }
}

/// Who cancelled a task, where, and why.
///
/// ```
/// use executor::{block_on, spawn};
///
/// block_on(async {
///     let page = spawn(std::future::pending::<()>());
///     page.cancel_because("nobody looks at it any more");
///     let error = page.explained().await.unwrap_err();
///     // task 2 (spawned at src/main.rs:4:16) was cancelled by task 1 at src/main.rs:5:10: nobody looks …
///     assert!(error.to_string().ends_with(": nobody looks at it any more"));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Who asked.
    pub by: CancelledBy,
    /// Where in the source.
    pub at: &'static Location<'static>,
    /// What for, if that was said.
    pub reason: Option<Box<str>>,
}

/// Who asked for the end of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelledBy {
    /// A task, in its poll.
    Task {
        /// Its number.
        id: TaskId,
        /// Its name, if it has one.
        name: Option<Box<str>>,
    },
    /// A thread that polled no task, with this name.
    Thread(Box<str>),
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled by {} at {}", self.by, self.at)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CancelledBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CancelledBy::Task { id, name: Some(name) } => write!(f, "task {id} `{name}`"),
            CancelledBy::Task { id, name: None } => write!(f, "task {id}"),
            CancelledBy::Thread(name) => write!(f, "thread `{name}`"),
        }
    }
}
