//! Which run the code on this thread belongs to: one call of `block_on`, or a custom runtime.
//!
//! Events name the task, source or timer that caused them. Tasks are numbered from 1 in each run, so a number means
//! something only on a thread of the same run. On a thread of another run, an event of a task has no cause that could
//! be named, even if both runs share a reactor.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells the runs of a process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(u64);

thread_local! {
    static CURRENT: Cell<Option<RunId>> = const { Cell::new(None) };
}

impl RunId {
    pub(crate) fn new() -> RunId {
        static NUMBERED: AtomicU64 = AtomicU64::new(0);
        RunId(NUMBERED.fetch_add(1, Ordering::Relaxed))
    }
}

/// Enters a run on this thread, until the guard is dropped.
#[must_use = "the thread leaves the run when this guard is dropped"]
pub(crate) fn enter_run(run: RunId) -> Entered {
    Entered(CURRENT.replace(Some(run)))
}

/// The run that the thread belonged to before.
pub(crate) struct Entered(Option<RunId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Where an event happens, relative to the run of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// On a thread of the same run: the current task's number may be reported.
    Own,
    /// On a thread of another run, whose tasks, sources and timers are unrelated.
    Other,
    /// Outside of every run. The thread may be turning the reactor of the task's executor.
    Outside,
}

impl Here {
    /// For a task of that run.
    pub(crate) fn of(run: RunId) -> Here {
        match CURRENT.get() {
            None => Here::Outside,
            Some(current) if current == run => Here::Own,
            Some(_) => Here::Other,
        }
    }
}
