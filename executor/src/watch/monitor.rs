//! What a scheduler calls so that its run can be observed.
//!
//! A scheduler keeps a [`Monitor`] beside its queue, on the thread that runs the tasks, and calls it
//!
//! - when a task is [spawned](Monitor::spawned) and when its future is [gone](Monitor::finished);
//! - before a pass, for the [order](Monitor::shuffle) of a simulated run; to [run](Monitor::run) a task, unless the
//!   run [is plain](Monitor::is_plain); and [after each poll](Monitor::polled);
//! - [before it parks](super::check_in_time), [when it parks alone](super::park_alone) and
//!   [afterwards](Monitor::restart);
//! - [at the end of the run](super::check_the_rest).
//!
//! What polls tasks, in `asking.rs` and `deadlock.rs`, reaches the scheduler through [`Monitored`].

use super::ages::Ages;
use super::dump::Call;
use super::lost_wake::{Asked, Checks, Strictness};
use super::observers::Observers;
use super::simulated::Simulated;
use super::slow::{PolledTask, SlowPolls};
use crate::task::{Canceller, Chains, Finish, Run, Runnable, TaskId, TaskInfo, TaskRef};
use reactor::backend::Network;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// A deterministic run first looks for lost wakes at this time of its clock.
pub(super) const FIRST_CHECK: Duration = Duration::from_secs(1);

/// What the monitor needs from a scheduler. For the thread that runs the tasks.
pub(crate) trait Monitored {
    fn monitor(&self) -> &Monitor;
    fn observers(&self) -> &Observers;
    /// Every task that has not completed, in no particular order.
    fn tasks(&self) -> Vec<Canceller>;
    /// The blocking calls that have not returned.
    fn calls(&self) -> Vec<Call>;
    /// How many tasks are in the run queue.
    fn queued(&self) -> usize;
    /// Runs a task once, and queues it again if it was woken meanwhile. Returns whether it has completed.
    fn run_once(&self, task: Runnable) -> bool;
    /// The time of the run's clock.
    fn now(&self) -> Instant;
}

/// What a deadlock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadlock {
    /// The tasks are printed, after a second and once.
    Print,
    /// They were printed.
    Printed,
    /// `block_on` panics with them.
    Panic,
}

/// The settings of a [`Monitor`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct MonitorSettings {
    /// How long a poll may hold the thread until that is reported.
    pub(crate) slow_poll: Duration,
    pub(crate) deadlock: Deadlock,
    /// Which lost wakes fail the run; if `None`, they are only reported.
    pub(crate) strictness: Option<Strictness>,
}

/// The state of a scheduler that serves observation only.
pub(crate) struct Monitor {
    pub(super) deadlock: Cell<Deadlock>,
    ages: RefCell<Ages>,
    pub(super) slow: SlowPolls,
    /// Where the network is simulated.
    pub(super) simulated: Option<Box<Simulated>>,
    /// There is no simulated network, no observer and no check.
    is_plain: bool,
    /// During a poll without a wake: what it has shown so far.
    pub(super) asking: Cell<Option<Asked>>,
    pub(super) start: Instant,
    /// When the suspended tasks are checked for lost wakes, on a simulated clock.
    pub(super) next_check: Cell<Instant>,
}

impl Monitor {
    pub(crate) fn new(
        settings: MonitorSettings,
        observers: &Observers,
        network: Option<&Network>,
        start: Instant,
    ) -> Monitor {
        let simulated = network.map(Simulated::new).map(Box::new);
        let is_plain = simulated.is_none() && observers.is_empty();
        let (deadlock, next_check) = (Cell::new(settings.deadlock), Cell::new(start + FIRST_CHECK));
        let (ages, asking, slow) = (RefCell::default(), Cell::new(None), SlowPolls::new(settings.slow_poll));
        Monitor { deadlock, ages, slow, simulated, is_plain, asking, start, next_check }
    }

    /// The run begins.
    pub(crate) fn begin(&self, observers: &Observers) {
        observers.show(|observer| observer.run_begins());
    }

    /// Whether a poll needs nothing but [`Runnable::run_plain`].
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether the network is simulated: then blocking calls are made on this thread, and passes have a seeded order.
    #[inline]
    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// A task was made.
    #[inline]
    pub(crate) fn spawned(&self, task: impl FnOnce() -> Canceller) {
        if let Some(simulated) = &self.simulated {
            simulated.spawned(task());
        }
    }

    /// How many tasks belong to simulated hosts.
    #[cfg(test)]
    pub(crate) fn on_hosts(&self) -> usize {
        self.simulated.as_ref().map_or(0, |simulated| simulated.on_hosts())
    }

    /// The future of a task is gone.
    #[inline]
    pub(crate) fn finished(&self, task: TaskRef<'_>, how: Finish, observers: &Observers) {
        match how {
            // Printing the panic takes long and is not part of the poll's own work.
            Finish::Panicked => self.slow.restart(),
            Finish::Ready | Finish::Cancelled => self.slow.finished(task),
        }
        if !self.is_plain {
            self.finished_observed(task, observers);
        }
    }

    #[cold]
    fn finished_observed(&self, task: TaskRef<'_>, observers: &Observers) {
        if let Some(simulated) = &self.simulated {
            simulated.finished(task.id());
        }
        if let Some(checks) = observers.checks.as_ref().filter(|_| self.asking.get().is_none()) {
            checks.forget(task.id());
        }
    }

    /// Puts the tasks of a pass into the order that the seed gives.
    pub(crate) fn shuffle(&self, ready: &mut [Runnable]) {
        if let Some(simulated) = &self.simulated {
            simulated.shuffle(ready);
        }
    }

    /// Cancels the tasks of the hosts that have crashed since the last call: a waker that the reactor has called may
    /// have crashed one.
    pub(crate) fn end_crashed(&self) {
        if let Some(simulated) = &self.simulated {
            simulated.end_crashed();
        }
    }

    /// Runs a task once, on its simulated host if it has one.
    #[cold]
    pub(crate) fn run(&self, task: Runnable) -> Run {
        match &self.simulated {
            None => task.run_once(),
            Some(simulated) => simulated.run(task.task().id(), || task.run_once()),
        }
    }

    /// Called after a poll that was not nested in another one. `find` looks up a task that has not completed.
    #[inline]
    pub(crate) fn polled(&self, poll: PolledTask, observers: &Observers, find: impl Fn(TaskId) -> Option<TaskInfo>) {
        self.slow.polled(poll, observers.observer.as_deref(), find);
    }

    /// Leaves out the time until now, which belongs to no poll.
    pub(crate) fn restart(&self) {
        self.slow.restart();
    }

    /// Whether the coarse clock has moved since this was called last.
    pub(crate) fn has_ticked(&self) -> bool {
        self.slow.take_tick()
    }

    /// Notes that the tasks up to the number `last` have been spawned.
    pub(crate) fn note_ages(&self, last: u64, now: impl FnOnce() -> Instant) {
        self.ages.borrow_mut().note(last, now);
    }

    /// How old a task is, within some milliseconds.
    pub(super) fn age(&self, task: TaskId, now: Instant) -> Duration {
        self.ages.borrow().age(task.0, now)
    }

    /// Called when a poll begins: chooses which await chains it reports. A poll without a wake reports none here: its
    /// chains go to the task dump.
    pub(crate) fn choose_chains(&self, chains: &Cell<Chains>, observers: &Observers) {
        if observers.checks.as_ref().is_some_and(Checks::wants_chains) {
            chains.set(Chains::All);
        }
        if self.asking.get().is_some() {
            chains.set(Chains::None);
        }
    }

    /// A task of any run was woken on this thread.
    pub(crate) fn note_self_wake(&self, task: TaskRef<'_>) {
        if self.asking.get().is_some() && task.is_current() {
            self.asking.set(Some(Asked::WokeItself));
        }
    }
}

/// Fails the run if the checks have found a lost wake that must fail it.
pub(crate) fn fail_on_lost_wake(observers: &Observers) {
    if let Some(failure) = observers.checks.as_ref().and_then(Checks::take_failure) {
        panic!("{failure}");
    }
}
