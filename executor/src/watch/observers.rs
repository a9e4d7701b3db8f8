//! The observer of a run and its checks for lost wakes, as wakers on all threads see them.
//!
//! Used by the schedulers, whose shared part holds one, and by `monitor.rs`.

use super::lost_wake::{Checks, Strictness};
use super::observer::{self, Observer, current_cause};
use super::run::{Here, RunId};
use crate::task::{TaskEvent, TaskRef};
use std::sync::Arc;

/// What the events of a run's tasks are passed on to. Any thread.
pub(crate) struct Observers {
    run: RunId,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Where a lost wake fails the run.
    pub(crate) checks: Option<Checks>,
}

impl Observers {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>, strictness: Option<Strictness>) -> Observers {
        Observers { run: RunId::new(), observer, checks: strictness.map(Checks::new) }
    }

    /// Those of the run that begins, if its events are shown to an observer of their own.
    pub(crate) fn for_run(&self) -> Option<Observers> {
        let observer = self.observer.as_ref().and_then(|observer| observer.clone().for_run())?;
        Some(Observers::new(Some(observer), self.checks.as_ref().map(Checks::strictness)))
    }

    /// Those of the run's blocking calls, which never wait for a wake.
    pub(crate) fn of_calls(&self) -> Observers {
        Observers { run: self.run, observer: self.observer.clone(), checks: None }
    }

    /// The run whose events these are.
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// Whether nothing observes the run.
    pub(crate) fn is_empty(&self) -> bool {
        self.observer.is_none() && self.checks.is_none()
    }

    /// Shows the observer an event, if there is an observer.
    #[inline]
    pub(crate) fn show(&self, show: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            show(&**observer);
        }
    }

    /// Passes an event of a task on.
    pub(crate) fn happened(&self, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let is_here = || Here::of(self.run);
        if let Some(checks) = &self.checks {
            checks.happened(task, &what, || current_cause(is_here()));
        }
        self.show(|observer| observer::show(observer, task, what, is_here));
    }
}
