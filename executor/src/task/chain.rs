//! Runs destructors of tasks without deep recursion.
//!
//! A task can keep another one: its output may be the handle of a task whose output is a handle again, its future may
//! hold the last waker of a suspended task, and its cell keeps the waker of the task that awaited it. Each destructor
//! would call the next one, and a long chain would overflow the stack. So from a certain depth on, the outermost call
//! runs them in a loop.
//!
//! Knows nothing of tasks. Used by the files that drop a reference, an output or a join waker: `waker.rs`, `cell.rs`,
//! `join.rs`.

use crate::shim::thread_local;
use std::cell::{Cell, RefCell};

/// Each level takes about a kilobyte of stack in a debug build, plus what the destructor itself takes.
const DEPTH: usize = 16;

thread_local! {
    /// How many calls of [`run`] are in progress on this thread.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

thread_local! {
    /// What the outermost call runs at its end.
    static DEFERRED: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `destructor`, now or at the end of the outermost call on this thread.
#[cold]
pub(super) fn run(destructor: impl FnOnce() + 'static) {
    let depth = CALLS.with(Cell::get);
    let mut destructor = Some(destructor);
    if depth == DEPTH {
        // On a thread that is ending, the list may be gone; then the destructor runs at once, however deep the
        // recursion is.
        let _ = DEFERRED.try_with(|deferred| {
            if let Some(destructor) = destructor.take() {
                deferred.borrow_mut().push(Box::new(destructor));
            }
        });
    }
    let Some(destructor) = destructor else { return };
    let _depth = Depth(CALLS.with(|calls| calls.replace(depth + 1)));
    destructor();
    if depth == 0 {
        // Each deferred destructor may defer more.
        let next = || DEFERRED.try_with(|deferred| deferred.borrow_mut().pop()).ok().flatten();
        while let Some(destructor) = next() {
            destructor();
        }
    }
}

/// Restores the depth, whether the call returns or unwinds.
struct Depth(usize);

impl Drop for Depth {
    fn drop(&mut self) {
        CALLS.with(|calls| calls.set(self.0));
    }
}
