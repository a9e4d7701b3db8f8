//! What is told of a task that is watched, and in which order.
//!
//! Whether a task is watched is decided at its spawn and stands in its state word, where it costs next to nothing to look.
//! Only then are its wakers counted: one that is suspended while no waker of it exists can never run again.
//!
//! An atomic transition and the event that tells of it are two steps, and other threads have events of the same task in
//! between. So each side waits where a reader would see the effect before its cause:
//! - the end of a poll is told under the lock of [`Told`], taken before the task is suspended: a wake that finds it
//!   suspended is told after that;
//! - a runner that sees NOTIFIED or CANCELLED set by another thread waits until that thread has told of it, which is the
//!   next thing that it does.

use super::cell::{Finish, Header, Polled, Run, drop_reference, is_current};
use super::extras::Extras;
use super::join::Panic;
use super::state::{State, Suspend, Wake};
use super::waker::Runnable;
use crate::shim::{Condvar, Mutex, MutexGuard, Ordering};
use crate::stack::{self, AwaitChain};
use reactor::leaf;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::PoisonError;

/// Something that happened to a task. For [`Schedule::happened`](super::Schedule::happened).
#[derive(Clone, Copy, Debug)]
pub enum TaskEvent<'a> {
    /// It was made, and is queued by whoever made it.
    Spawned,
    /// A wake came, and none had come since its last poll began. If it is running it will be ready again when that
    /// poll ends; else [`schedule`](super::Schedule::schedule) comes right after.
    Woken,
    /// It was cancelled, which also wakes it.
    Cancelled,
    /// It is about to be polled; or its future dropped, if it was cancelled.
    PollBegins {
        /// Set it to be shown the await chains of this poll, which takes some microseconds: see `Waits`.
        chains: &'a Cell<Chains>,
    },
    /// The await chains of a poll that is pending, if they were asked for: one for each leaf that it waits for.
    Waits(&'a [AwaitChain]),
    /// The poll is over.
    PollEnds(PollEnd),
    /// Its future has panicked; `Finished` comes right after.
    Panicked(&'a Panic),
    /// Its future is gone, and its handle about to learn of it.
    Finished(Finish),
    /// Its last waker was dropped, in this very call, and did not wake it. If it is suspended,
    /// [`Stranded`](TaskEvent::Stranded) comes right after; if it is running, the poll had made that waker, and may
    /// still make another one.
    LastWakerDropped,
    /// It waits, and no waker of it exists any more: nothing but a cancel can ever run it again.
    Stranded {
        /// It had left a waker, which was dropped. Otherwise the poll that now ends has not even made one.
        lost: bool,
    },
    /// It is over, and nobody will take its output.
    OutputDropped(Finish),
    /// It is over, and the last of its wakers and handles is gone: so is its memory.
    Freed,
}

/// Which await chains of a poll are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chains {
    /// None.
    #[default]
    None,
    /// Those of leaf futures that [announce](reactor::leaf) what they wait for.
    Announced,
    /// Also that of a leaf future that only clones its waker.
    All,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollEnd {
    /// The task waits for a wake.
    Pending,
    /// The task waits, but was woken during the poll: it goes to the end of the queue.
    PendingWoken,
    /// The task is over; [`Observer::task_finished`](crate::Observer::task_finished) has said how.
    Finished,
}

/// What has been told of a task that is watched.
#[derive(Default)]
pub(super) struct Told {
    events: Mutex<Events>,
    /// One of them has been told.
    changed: Condvar,
}

#[derive(Default)]
struct Events {
    /// The wake that came since the last poll began, if one did.
    woken: bool,
    cancelled: bool,
    /// The end of the task: later wakes and cancels are not told.
    finished: bool,
    /// The runner waits for one of these. To notify a condition is a system call, whether or not one does.
    awaited: bool,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thread that cancelled the task has told of it; and, if the task `is_running`, so has the one that
    /// has woken it since it began. For the runner.
    fn catch_up<'a>(
        &'a self,
        mut events: MutexGuard<'a, Events>,
        state: &State,
        is_running: bool,
    ) -> MutexGuard<'a, Events> {
        while (is_running && state.is_woken() && !events.woken) || (state.is_cancelled() && !events.cancelled) {
            events.awaited = true;
            events = self.changed.wait(events).unwrap_or_else(PoisonError::into_inner);
        }
        events
    }
}

/// Tells the scheduler of an event, if the task is watched.
///
/// # Safety
/// The cell is there until this has returned: the caller holds a reference, or is about to free it.
#[inline]
pub(super) unsafe fn watch<'a>(header: NonNull<Header>, what: impl FnOnce() -> TaskEvent<'a>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe {
        if header.as_ref().state.is_watched() {
            tell(header, what());
        }
    }
}

/// As [`watch`], of a task that is watched.
///
/// # Safety
/// As for [`watch`].
#[cold]
unsafe fn tell(header: NonNull<Header>, what: TaskEvent<'_>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe { (header.as_ref().vtable.happened)(header, what) };
}

/// Tells of a wake that set NOTIFIED.
///
/// # Safety
/// As for [`watch`].
#[cold]
pub(super) unsafe fn tell_wake(header: NonNull<Header>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe { tell_first(header, TaskEvent::Woken, |events| events.woken = true) };
}

/// Tells of a cancel, with what it has led to.
///
/// # Safety
/// As for [`watch`].
#[cold]
pub(super) unsafe fn tell_cancel(header: NonNull<Header>, wake: Wake) {
    let note = |events: &mut Events| {
        events.cancelled = true;
        events.woken |= wake != Wake::Nothing;
    };
    // SAFETY: the cell is there, as the caller promises.
    unsafe { tell_first(header, TaskEvent::Cancelled, note) };
}

/// Tells of an event that the runner may wait for.
///
/// # Safety
/// As for [`watch`].
unsafe fn tell_first(header: NonNull<Header>, what: TaskEvent<'_>, note: impl FnOnce(&mut Events)) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe {
        let Some(Extras { told, .. }) = header.as_ref().extras() else { return };
        let mut events = told.lock();
        note(&mut events);
        if std::mem::take(&mut events.awaited) {
            told.changed.notify_one(); // it goes on when the lock is released, with the event told
        }
        if !events.finished {
            tell(header, what);
        }
    }
}

/// Tells of the end of a task, whose future is gone.
///
/// # Safety
/// The caller is its runner.
#[cold]
pub(super) unsafe fn tell_end(header: NonNull<Header>, panic: Option<&Panic>, how: Finish) {
    // SAFETY: the future's reference is there until the runner gives it up.
    unsafe {
        let task = header.as_ref();
        let Some(Extras { told, .. }) = task.extras() else { return };
        let mut events = told.catch_up(told.lock(), &task.state, true);
        if let Some(panic) = panic {
            tell(header, TaskEvent::Panicked(panic));
        }
        tell(header, TaskEvent::Finished(how));
        events.finished = true;
    }
}

/// Runs a task that is watched, once.
///
/// The poll counts as a waker, as it may still wake the task, and has a reference: so its end, too, may be what leaves no
/// waker.
///
/// # Safety
/// The caller has the right to run it, and gives it up.
#[cold]
pub(super) unsafe fn run_watched(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does; and from then on the one that is added.
    let task = unsafe { header.as_ref() };
    let extras = task.extras().expect("a task that is watched has extras");
    task.state.add_reference();
    let mut events = extras.told.catch_up(extras.told.lock(), &task.state, false); // the poll before this was told by now
    events.woken = false;
    extras.wakers.fetch_add(1, Ordering::Relaxed);
    extras.left_waker.store(false, Ordering::Relaxed);
    drop(events);
    let chains = Cell::new(Chains::None);
    // SAFETY: the reference that was added keeps the cell until it is dropped, as the last thing; and the caller's right
    // to run is used once, and passed on if `suspend` says that it is still there.
    unsafe {
        tell(header, TaskEvent::PollBegins { chains: &chains });
        let (polled, found) = poll_listening(header, chains.get());
        let run = end_poll(header, extras, polled, found);
        drop_reference(header);
        run
    }
}

/// Polls a task, and finds its await chains if they are wanted and the poll is pending.
///
/// # Safety
/// As for [`run_watched`].
unsafe fn poll_listening(header: NonNull<Header>, chains: Chains) -> (Polled, Option<Vec<AwaitChain>>) {
    // SAFETY: as the caller promises.
    let poll = || unsafe { (header.as_ref().vtable.poll)(header) };
    // A task dump that is under way listens itself.
    if chains == Chains::None || leaf::is_asked() {
        return (poll(), None);
    }
    let mut polled = Polled::Finished;
    let found = stack::await_chains(false, chains == Chains::All, || polled = poll());
    (polled, (polled == Polled::Pending).then_some(found.chains))
}

/// A poll is over: suspends the task if it is pending, and tells of it.
///
/// # Safety
/// The caller is its runner, and has another reference besides.
unsafe fn end_poll(header: NonNull<Header>, extras: &Extras, polled: Polled, found: Option<Vec<AwaitChain>>) -> Run {
    // SAFETY: the caller's reference keeps the cell alive; `suspend` says whether the right to run is still there.
    unsafe {
        let state = &header.as_ref().state;
        let mut events = extras.told.lock();
        let run = match polled {
            Polled::Finished => Run::Finished,
            Polled::Pending => match state.suspend() {
                // The caller's reference is dropped later: it is that which may leave an orphan.
                Suspend::Suspended | Suspend::Orphaned => Run::Suspended,
                Suspend::Ready => {
                    events = extras.told.catch_up(events, state, true);
                    Run::Ready(Runnable::from_header(header))
                }
            },
        };
        uncount_waker(header, extras, false);
        if let Some(found) = found {
            tell(header, TaskEvent::Waits(&found));
        }
        let end = match run {
            Run::Suspended => PollEnd::Pending,
            Run::Ready(_) => PollEnd::PendingWoken,
            Run::Finished => PollEnd::Finished,
        };
        tell(header, TaskEvent::PollEnds(end));
        drop(events);
        run
    }
}

/// One more waker of a task that is watched, which has two references: so its drop finds out about that with the one
/// instruction that drops the first, and still has the task.
///
/// # Safety
/// The caller holds a reference.
#[cold]
pub(super) unsafe fn waker_cloned(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    task.state.add_reference();
    if let Some(extras) = task.extras() {
        extras.wakers.fetch_add(1, Ordering::Relaxed);
        extras.left_waker.store(true, Ordering::Relaxed);
    }
    // Only a poll's own waker tells where that poll is.
    if is_current(header) {
        stack::waker_cloned();
    }
}

/// A waker of a task that is watched has dropped its first reference.
///
/// # Safety
/// The caller has its second one, and gives it up.
#[cold]
pub(super) unsafe fn waker_dropped(header: NonNull<Header>) {
    // SAFETY: as the caller promises: its reference keeps the cell alive until it is dropped.
    unsafe {
        header.as_ref().extras().into_iter().for_each(|extras| uncount_waker(header, extras, true));
        drop_reference(header);
    }
}

/// Takes a waker, or a poll, off the count. The caller that takes off the last one finds out whether the task is
/// suspended. A poll is taken off after the task was suspended, so that exactly one sees both.
///
/// # Safety
/// The caller has a reference.
unsafe fn uncount_waker(header: NonNull<Header>, extras: &Extras, is_waker: bool) {
    // SAFETY: the caller's reference keeps the cell alive.
    unsafe {
        let state = &header.as_ref().state;
        let left = extras.wakers.fetch_sub(1, Ordering::AcqRel) - 1;
        let is_suspended = left == 0 && state.is_suspended();
        let left_waker = extras.left_waker.load(Ordering::Relaxed);
        // A waker that goes in a poll is of interest only if that poll has made it: the poll that a wake has led to drops
        // those of the polls before.
        let in_poll = left == 1 && left_waker && state.is_running_unwoken();
        if is_waker && (is_suspended || in_poll) {
            tell(header, TaskEvent::LastWakerDropped);
        }
        if is_suspended {
            tell(header, TaskEvent::Stranded { lost: is_waker || left_waker });
        }
    }
}
