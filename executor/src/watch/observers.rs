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
    /// The checks for lost wakes; `None` if a lost wake does not fail the run.
    pub(crate) checks: Option<Checks>,
}

impl Observers {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>, strictness: Option<Strictness>) -> Observers {
        Observers { run: RunId::new(), observer, checks: strictness.map(Checks::new) }
    }

    /// The observers of the run that begins, unless nothing observes it: an observer of its own if there is one, and
    /// checks that know nothing of earlier runs, whose tasks had the same numbers.
    pub(crate) fn for_run(&self) -> Option<Observers> {
        let own = self.observer.as_ref().and_then(|observer| observer.clone().for_run());
        let observer = own.or_else(|| self.observer.clone());
        (!self.is_empty()).then(|| Observers::new(observer, self.checks.as_ref().map(Checks::strictness)))
    }

    /// The observers of the run's blocking calls: without checks, because a call never waits for a wake.
    pub(crate) fn of_calls(&self) -> Observers {
        Observers { run: self.run, observer: self.observer.clone(), checks: None }
    }

    /// The run that these observe.
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
