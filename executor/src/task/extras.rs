//! What few tasks have, in a box of its own so that the others don't pay for it: a name, metadata, callbacks, a scope,
//! who cancelled it, and what is counted of those that are watched.

use super::cell::{Finish, TaskId, TaskRef};
use super::scope::Scope;
use super::watch::Told;
use crate::shim::{AtomicBool, AtomicUsize};
use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;

pub(crate) type Callback = Box<dyn FnOnce(TaskRef<'_>, Finish) + Send>;

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
    /// How many there are, of a task that is watched; a poll that goes on has one, too.
    pub(super) wakers: AtomicUsize,
    /// Whether one has been made since its last poll began.
    pub(super) left_waker: AtomicBool,
    /// What has been told of it, if it is watched.
    pub(super) told: Told,
}

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
