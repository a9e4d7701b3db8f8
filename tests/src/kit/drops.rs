//! Records what was dropped, in which order and on which thread.

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

/// A list that threads and destructors write to, in the order in which things happened.
///
/// ```
/// let log = tests::kit::Log::new();
/// log.push("first");
/// log.clone().push("second"); // the same log
/// assert_eq!(log.take(), ["first", "second"]);
/// ```
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    /// An empty log.
    pub fn new() -> Log<T> {
        Log(Arc::default())
    }

    /// Adds an entry.
    pub fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes and returns all entries so far.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log::new()
    }
}

/// Calls a closure when it is dropped.
///
/// ```
/// use tests::kit::{Log, OnDrop};
///
/// let log = Log::new();
/// drop(OnDrop::new(|| log.push("dropped")));
/// assert_eq!(log.take(), ["dropped"]);
/// ```
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    /// A value that calls `f` when it is dropped.
    pub fn new(f: F) -> OnDrop<F> {
        OnDrop(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// A value that writes to a log on which thread it was dropped.
///
/// ```
/// let log = tests::kit::Log::new();
/// drop(tests::kit::dropped_on(&log));
/// assert_eq!(log.take(), [std::thread::current().id()]);
/// ```
pub fn dropped_on(log: &Log<ThreadId>) -> OnDrop<impl FnOnce() + Send + use<>> {
    let log = log.clone();
    OnDrop::new(move || log.push(thread::current().id()))
}
