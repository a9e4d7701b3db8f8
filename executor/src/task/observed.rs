//! Observed tasks: which events are reported of them, and in which order.
//!
//! Whether a task is observed is decided at its spawn and is a bit of its state word, which is cheap to read. Only
//! observed tasks count their wakers: one that is suspended while it has no waker can never run again.
//!
//! An atomic transition and the event that reports it are two steps, and other threads report events of the same task
//! in between. So each side waits where a reader would otherwise see an effect before its cause:
//! - The end of a poll is reported under the lock of [`Reported`], which the runner takes before it suspends the task.
//!   A wake that finds the task suspended is reported after that.
//! - A runner that sees NOTIFIED or CANCELLED set by another thread waits until that thread has reported it, which is
//!   the next thing that thread does.
//!
//! An event that stands for a transition of the state word is reported within [`Transition::report`], so that observers
//! can ask for the words before and after. `begin` and `complete` are reported before they are made, because the events
//! come before the poll and before the handle resolves: they show the word as it was just before the transition.
//!
//! Knows the header and the state word. `waker.rs` calls it for wakers, wakes and polls, `cell.rs` for the end of a
//! task.

use super::current::is_current;
use super::error::Panic;
use super::event::{Chains, TaskEvent};
use super::extras::{Extras, Observed, Reported};
use super::header::{Header, Polled};
use super::outcome::{Finish, PollEnd};
use super::state::{State, StateWord, Suspend, Wake};
use super::word::Transition;
use crate::shim::{MutexGuard, Ordering};
use crate::stack::{self, AwaitChain};
use reactor::leaf;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::PoisonError;

impl Observed {
    fn lock(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thread that cancelled the task has reported it; and, if the task `is_running`, until the thread
    /// that woke it during this poll has. For the runner.
    fn catch_up<'a>(
        &'a self,
        mut reported: MutexGuard<'a, Reported>,
        state: &State,
        is_running: bool,
    ) -> MutexGuard<'a, Reported> {
        while (is_running && state.is_woken() && !reported.woken) || (state.is_cancelled() && !reported.cancelled) {
            reported.awaited = true;
            reported = self.changed.wait(reported).unwrap_or_else(PoisonError::into_inner);
        }
        reported
    }
}

/// Reports an event to the scheduler, if the task is observed.
///
/// # Safety
/// The cell exists until this returns: the caller holds a reference, or is about to free it.
#[inline]
pub(super) unsafe fn report<'a>(header: NonNull<Header>, what: impl FnOnce() -> TaskEvent<'a>) {
    // SAFETY: the cell exists, as the caller promises.
    unsafe {
        if header.as_ref().state.is_observed() {
            // This event stands for no transition, even if it is reported while one is current.
            Transition::during(None, || report_observed(header, what()));
        }
    }
}

/// As [`report`], for a task that is observed.
///
/// # Safety
/// As for [`report`].
#[cold]
unsafe fn report_observed(header: NonNull<Header>, what: TaskEvent<'_>) {
    // SAFETY: the cell exists, as the caller promises.
    unsafe { (header.as_ref().vtable.happened)(header, what) };
}

/// Reports an event with the transition that it stands for, if the task is observed. `transition` makes it from the
/// current word.
///
/// # Safety
/// As for [`report`].
#[inline]
pub(super) unsafe fn report_transition(
    header: NonNull<Header>,
    what: TaskEvent<'_>,
    transition: impl FnOnce(StateWord) -> Transition,
) {
    // SAFETY: the cell exists, as the caller promises.
    unsafe {
        if header.as_ref().state.is_observed() {
            transition(header.as_ref().state.word()).report(|| report_observed(header, what));
        }
    }
}

/// Reports a wake, after the transition from the word `before`.
///
/// # Safety
/// As for [`report`].
#[cold]
pub(super) unsafe fn report_wake(header: NonNull<Header>, wake: Wake, before: StateWord) {
    // SAFETY: the cell exists, as the caller promises.
    unsafe {
        if wake != Wake::Nothing {
            let transition = Transition::wake(before);
            report_first(header, TaskEvent::Woken, transition, |reported| reported.woken = true);
        } else if let Some(extras) = header.as_ref().extras() {
            extras.observed.woken_again.store(true, Ordering::Release);
        }
    }
}

/// Reports a cancel, after the transition from the word `before`.
///
/// # Safety
/// As for [`report`].
#[cold]
pub(super) unsafe fn report_cancel(header: NonNull<Header>, wake: Wake, before: StateWord) {
    let note = |reported: &mut Reported| {
        reported.cancelled = true;
        reported.woken |= wake != Wake::Nothing;
    };
    // SAFETY: the cell exists, as the caller promises.
    unsafe { report_first(header, TaskEvent::Cancelled, Transition::cancel(before), note) };
}

/// Reports an event that the runner may be waiting for.
///
/// # Safety
/// As for [`report`].
unsafe fn report_first(
    header: NonNull<Header>,
    what: TaskEvent<'_>,
    transition: Transition,
    note: impl FnOnce(&mut Reported),
) {
    // SAFETY: the cell exists, as the caller promises.
    unsafe {
        let Some(Extras { observed, .. }) = header.as_ref().extras() else { return };
        let mut reported = observed.lock();
        note(&mut reported);
        if std::mem::take(&mut reported.awaited) {
            observed.changed.notify_one(); // the runner goes on when the lock is released, after the report
        }
        if !reported.finished {
            transition.report(|| report_observed(header, what));
        }
    }
}

/// Reports the end of a task whose future is gone.
///
/// # Safety
/// The caller is its runner.
#[cold]
pub(super) unsafe fn report_finish(header: NonNull<Header>, panic: Option<&Panic>, how: Finish) {
    // SAFETY: the future's reference exists until the runner gives it up.
    unsafe {
        let task = header.as_ref();
        let Some(Extras { observed, .. }) = task.extras() else { return };
        let mut reported = observed.catch_up(observed.lock(), &task.state, true);
        if let Some(panic) = panic {
            report_observed(header, TaskEvent::Panicked(panic));
        }
        let transition = Transition::complete(task.state.word(), how);
        transition.report(|| report_observed(header, TaskEvent::Finished(how)));
        reported.finished = true;
    }
}

/// Polls an observed task once, and suspends it if the poll is pending. Returns `None` if the task has completed.
///
/// The poll counts as a waker, because it may still wake the task. So the end of a poll can also leave the task without
/// a waker.
///
/// # Safety
/// The caller has the right to run the task, and loses it unless `suspend` says otherwise. It also has a reference
/// besides the future's own, and keeps it until this returns.
pub(super) unsafe fn poll(header: NonNull<Header>) -> Option<Suspend> {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    let Extras { observed, .. } = task.extras().expect("an observed task has extras");
    let mut reported = observed.catch_up(observed.lock(), &task.state, false); // the poll before was reported earlier
    reported.woken = false;
    observed.wakers.fetch_add(1, Ordering::Relaxed);
    observed.left_waker.store(false, Ordering::Relaxed);
    drop(reported);
    let chains = Cell::new(Chains::None);
    // SAFETY: as above; and the caller's right to run is used once.
    unsafe {
        let transition = Transition::begin(task.state.word());
        transition.report(|| report_observed(header, TaskEvent::PollBegins { chains: &chains }));
        let (polled, found) = poll_with_chains(header, chains.get());
        end_poll(header, observed, polled, found)
    }
}

/// Polls a task, and collects its await chains if they are wanted and the poll is pending.
///
/// # Safety
/// As for [`poll`].
unsafe fn poll_with_chains(header: NonNull<Header>, chains: Chains) -> (Polled, Option<Vec<AwaitChain>>) {
    // SAFETY: as the caller promises.
    let poll = || unsafe { (header.as_ref().vtable.poll)(header) };
    // A task dump in progress collects them itself.
    if chains == Chains::None || leaf::is_asked() {
        return (poll(), None);
    }
    let mut polled = Polled::Finished;
    let found = stack::await_chains(false, chains == Chains::All, || polled = poll());
    (polled, (polled == Polled::Pending).then_some(found.chains))
}

/// Ends a poll: suspends the task if the poll is pending, and reports the end.
///
/// # Safety
/// As for [`poll`].
unsafe fn end_poll(
    header: NonNull<Header>,
    observed: &Observed,
    polled: Polled,
    chains: Option<Vec<AwaitChain>>,
) -> Option<Suspend> {
    // SAFETY: the caller's reference keeps the cell alive. Because of it, `suspend` never finds an orphan here;
    // dropping that reference may.
    unsafe {
        let state = &header.as_ref().state;
        let mut reported = observed.lock();
        let (suspend, before) = (polled == Polled::Pending).then(|| state.suspend()).unzip();
        if suspend == Some(Suspend::Woken) {
            reported = observed.catch_up(reported, state, true);
        }
        uncount_waker(header, observed, false);
        if let Some(chains) = chains {
            report_observed(header, TaskEvent::Waits(&chains));
        }
        let end = match suspend {
            Some(Suspend::Suspended | Suspend::Orphaned) => PollEnd::Pending,
            Some(Suspend::Woken) => PollEnd::PendingWoken,
            None => PollEnd::Finished,
        };
        match before {
            Some(before) => Transition::suspend(before).report(|| report_observed(header, TaskEvent::PollEnds(end))),
            None => report_observed(header, TaskEvent::PollEnds(end)),
        }
        drop(reported);
        suspend
    }
}

/// Counts a new waker of an observed task and adds its second reference. A waker has two because the instruction that
/// drops the first one also returns whether the task is observed; the second one keeps the task readable after that.
///
/// # Safety
/// The caller holds a reference.
#[cold]
pub(super) unsafe fn waker_cloned(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    task.state.add_reference();
    if let Some(Extras { observed, .. }) = task.extras() {
        observed.wakers.fetch_add(1, Ordering::Relaxed);
        observed.left_waker.store(true, Ordering::Relaxed);
    }
    // Only a clone of the polled task's own waker leads to the leaf of this poll.
    if is_current(header) {
        stack::waker_cloned();
    }
}

/// Subtracts a waker of an observed task from the count. The waker has dropped its first reference.
///
/// # Safety
/// The caller has the waker's second reference, and keeps it until this returns.
#[cold]
pub(super) unsafe fn waker_dropped(header: NonNull<Header>) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(Extras { observed, .. }) = header.as_ref().extras() {
            uncount_waker(header, observed, true);
        }
    }
}

/// Subtracts a waker, or a poll, from the count. The caller that subtracts the last one also checks whether the task is
/// suspended. A poll is subtracted after the task was suspended, so exactly one caller sees a count of zero and a
/// suspended task.
///
/// # Safety
/// The caller has a reference.
unsafe fn uncount_waker(header: NonNull<Header>, observed: &Observed, is_waker: bool) {
    // SAFETY: the caller's reference keeps the cell alive.
    unsafe {
        let state = &header.as_ref().state;
        let left = observed.wakers.fetch_sub(1, Ordering::AcqRel) - 1;
        let is_suspended = left == 0 && state.is_suspended();
        let left_waker = observed.left_waker.load(Ordering::Relaxed);
        // During a poll, only the drop of a waker that this poll made matters: a poll that follows a wake drops the
        // wakers of the polls before it.
        let in_poll = left == 1 && left_waker && state.is_running_unwoken();
        if is_waker && (is_suspended || in_poll) {
            report_observed(header, TaskEvent::LastWakerDropped);
        }
        if is_suspended {
            report_observed(header, TaskEvent::Stranded { lost: is_waker || left_waker });
        }
    }
}
