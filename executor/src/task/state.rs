//! The state word of a task and its transitions, nothing else.
//!
//! One atomic word holds the task's state, whether it was woken or cancelled, whether the runner or the join handle may
//! access its fields, the number of references to it and the number of its polls. `waker.rs`, `observed.rs`, `cell.rs`,
//! `canceller.rs` and `join.rs` make the transitions; all other files only read. Each edge of the picture is the
//! function of that name:
//!
//! ```text
//!                   State::new
//!                       │
//!                       ▼
//!                 ┌──────────┐        begin         ┌─────────┐
//!     ┌─────────► │  queued  │ ───────────────────► │ running │ ──┐ wake, cancel:
//!     │           │ NOTIFIED │ ◄─────────────────── │ RUNNING │ ◄─┘ set NOTIFIED, queue nothing
//!     │           └──────────┘   suspend, if        └─────────┘
//!     │                          NOTIFIED is set      │     │
//!     │ wake, wake_suspended,                         │     │ complete
//!     │ cancel                                        │     ▼
//!     │                                               │   ┌───────────┐
//! ┌───────────┐        suspend, if NOTIFIED is clear  │   │ completed │
//! │ suspended │ ◄─────────────────────────────────────┘   │ COMPLETE  │
//! │     –     │                                           └───────────┘
//! └───────────┘
//! ```
//!
//! A suspended task is **orphaned** if the only reference to it is the one of its own future and LISTED is clear: then
//! nothing can wake, cancel or join it. The return value of a transition reports that to exactly one caller: `suspend`
//! if the other references went first, `drop_reference` if the last of them goes later. That caller has the task to
//! itself and ends it (`waker.rs`, `end_orphan`).
//!
//! Who owns what:
//! - **The right to run.** It exists once while a task is queued or running, and not otherwise. While the task is
//!   queued, a [`Runnable`](super::Runnable) stands for it. The transition that creates it says so in its return value.
//! - **The future** belongs to the holder of that right. Nothing else touches it.
//! - **The output** belongs to the runner until COMPLETE is set; from then on to the join handle if JOIN was set at
//!   that moment, and otherwise still to the runner.
//! - **The join waker** belongs to the join handle while JOIN_WAKER is clear. While JOIN_WAKER is set, it does not
//!   change, and both sides may read it. After COMPLETE the bit never changes, and the waker is dropped with the
//!   memory.
//! - **The memory** belongs to the references: one for the life of the future, one for the join handle, one for each
//!   `Canceller`, and one for each waker (two if the task is observed: see `observed.rs`). Queues hold none: a
//!   queued task has not completed, so the future's reference still exists.

use super::outcome::{Finish, TaskState};
use crate::shim::{AtomicU64, Ordering};

/// The task was spawned, or a wake has come, and no poll has begun since. Set by `new`, `wake`, `wake_suspended` and
/// `cancel`; cleared by `begin`. Without RUNNING it means that a `Runnable` exists. Meaningless after COMPLETE.
pub(super) const NOTIFIED: u64 = 1 << 0;
/// The future is being polled or dropped. Set by `begin`; cleared by `suspend` and `complete`. Never set beside
/// COMPLETE.
pub(super) const RUNNING: u64 = 1 << 1;
/// The future is gone. The output, the panic or nothing is in its place. Set by `complete`; never cleared.
pub(super) const COMPLETE: u64 = 1 << 2;
/// The task was cancelled. Set by `cancel` unless COMPLETE is set; cleared by `complete` if the task ended otherwise.
/// The next run drops the future, unless it is shielded.
pub(super) const CANCELLED: u64 = 1 << 3;
/// The task panicked. Set by `complete`, together with COMPLETE; never cleared.
pub(super) const PANICKED: u64 = 1 << 4;
/// The join handle exists. Set by `new`; cleared by `leave` unless COMPLETE is set.
pub(super) const JOIN: u64 = 1 << 5;
/// The join waker is in its field and does not change. Set by `offer_join_waker`; cleared by `reclaim_join_waker` and
/// `leave`. Only the join handle calls these, and they change nothing once COMPLETE is set.
pub(super) const JOIN_WAKER: u64 = 1 << 6;
/// The task has callbacks to be called at its end. Set by `add_callback` unless COMPLETE is set; never cleared.
pub(super) const CALLBACKS: u64 = 1 << 7;
/// The task is observed: its events are reported and its wakers counted. The bit is in this word because a wake, and
/// the clone and drop of a waker, then read it in the result of their one atomic instruction. Set by `new` or never;
/// never cleared.
pub(super) const OBSERVED: u64 = 1 << 8;
/// The scheduler finds the task in a slab, without a reference, and ends it at the latest when the scheduler itself
/// ends. So the task is never orphaned. The bit is in this word because a caller that drops the last other reference
/// may not read the task any more. Set by `new` or never; never cleared.
pub(super) const LISTED: u64 = 1 << 9;
/// One reference. They are counted in 27 bits.
pub(super) const REFERENCE: u64 = 1 << 10;
const REFERENCES: u64 = (1 << 27) - 1;
/// One poll. They are counted in the bits from here up, and the count wraps around.
pub(super) const POLL: u64 = REFERENCE * (REFERENCES + 1);
/// What `begin` adds. Its caller holds the right to run, so NOTIFIED is set and RUNNING is clear: one addition clears
/// the one and sets the other.
pub(super) const BEGIN: u64 = POLL + RUNNING - NOTIFIED;

pub(crate) struct State(AtomicU64);

/// The state word of a task at one moment. `word.rs` shows it to observers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StateWord(pub(super) u64);

/// What a wake or a cancel leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Wake {
    /// The task was suspended. The caller now has the right to run it and must pass it on.
    Schedule,
    /// The task is running. Its runner sees the wake when the poll ends.
    WhileRunning,
    /// The task is queued already, or running and already woken, or completed. Nothing is left to do.
    Nothing,
}

/// What the holder of the right to run must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Begin {
    Poll,
    /// The task was cancelled: drop the future.
    Drop,
}

/// What becomes of the right to run after a poll returned `Poll::Pending`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Suspend {
    /// It is gone. The runner may not look at the task any more: another thread may be running it.
    Suspended,
    /// It is gone, and the task is orphaned.
    Orphaned,
    /// A wake came during the poll: the caller still has the right to run and must pass it on.
    Woken,
}

/// What remains after a reference was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Dropped {
    /// The task is not orphaned, and its memory is still used.
    Shared,
    /// The future's own reference, of a suspended task: the task is orphaned.
    Orphaned,
    /// No reference. The caller must free the memory.
    Last,
}

/// What `complete` leaves to its caller. Unless it is `Joined`, the caller must still drop the future's reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Complete {
    /// Nothing: the output belongs to the join handle, and the future's reference was dropped.
    Joined,
    /// The steps that are still to be taken.
    Left {
        /// Call the join waker.
        join_waker: bool,
        /// Call the callbacks.
        callbacks: bool,
        /// Drop the output: no handle will take it, so it still belongs to the caller.
        detached: bool,
    },
}

/// What the join handle leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Leave {
    /// The task goes on without the handle. If `join_waker`, the handle must drop the waker.
    Detached { join_waker: bool },
    /// The task has completed. The handle must drop the output.
    Complete,
}

impl State {
    /// A queued task, with one reference for the future and one for the join handle.
    pub(crate) fn new(is_observed: bool, is_listed: bool) -> State {
        let observed = if is_observed { OBSERVED } else { 0 };
        let listed = if is_listed { LISTED } else { 0 };
        State(AtomicU64::new(NOTIFIED | JOIN | observed | listed | (2 * REFERENCE)))
    }

    /// Requests a poll. Also returns the word before the transition.
    ///
    /// This is a read-modify-write even if NOTIFIED is already set: what the caller wrote before the wake must be
    /// visible to the poll that the earlier wake leads to (release here, acquire in `begin`).
    #[inline]
    pub(crate) fn wake(&self) -> (Wake, StateWord) {
        let before = self.0.fetch_or(NOTIFIED, Ordering::AcqRel);
        (woken(before), StateWord(before))
    }

    /// Requests a poll if the task is suspended. Returns the word before the transition if it was: the caller then has
    /// the right to run it.
    pub(crate) fn wake_suspended(&self) -> Option<StateWord> {
        let update = |word: u64| (word & (NOTIFIED | RUNNING | COMPLETE) == 0).then_some(word | NOTIFIED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update).ok().map(StateWord)
    }

    /// Cancels the task: a wake after which the next run drops the future. Also returns the word before the transition;
    /// or `None`, and changes nothing, if the task has completed or was cancelled before.
    pub(crate) fn cancel(&self) -> Option<(Wake, StateWord)> {
        let update = |word: u64| (word & (COMPLETE | CANCELLED) == 0).then_some(word | CANCELLED | NOTIFIED);
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update).ok()?;
        Some((woken(before), StateWord(before)))
    }

    /// The holder of the right to run begins a run, which counts as a poll.
    #[inline]
    pub(crate) fn begin(&self) -> Begin {
        let before = self.0.fetch_add(BEGIN, Ordering::AcqRel);
        debug_assert!(before & (NOTIFIED | RUNNING | COMPLETE) == NOTIFIED, "begin: {before:#b}");
        match before & CANCELLED {
            0 => Begin::Poll,
            _ => Begin::Drop,
        }
    }

    /// The poll returned `Poll::Pending`. Also returns the word before the transition.
    #[inline]
    pub(crate) fn suspend(&self) -> (Suspend, StateWord) {
        let before = self.0.fetch_and(!RUNNING, Ordering::AcqRel);
        debug_assert!(before & (RUNNING | COMPLETE) == RUNNING, "suspend: {before:#b}");
        let suspend = match before & NOTIFIED {
            0 if references(before) == 1 && before & LISTED == 0 => Suspend::Orphaned,
            0 => Suspend::Suspended,
            _ => Suspend::Woken,
        };
        (suspend, StateWord(before))
    }

    /// The future is gone, and the output is written.
    #[inline]
    pub(crate) fn complete(&self, how: Finish) -> Complete {
        let completed = completed(how);
        let update = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| Some(completed(word)));
        let before = update.unwrap_or_else(|word| word);
        debug_assert!(before & (RUNNING | COMPLETE) == RUNNING, "complete: {before:#b}");
        match before & (JOIN | JOIN_WAKER | CALLBACKS) {
            JOIN => Complete::Joined,
            left => Complete::Left {
                join_waker: left & JOIN_WAKER != 0,
                callbacks: left & CALLBACKS != 0,
                detached: left & JOIN == 0,
            },
        }
    }

    /// The caller has stored a callback. Returns `false` if the task had completed before: then the caller must call
    /// it.
    pub(crate) fn add_callback(&self) -> bool {
        self.update_unless_complete(|word| word | CALLBACKS)
    }

    /// Whether the output is there. Makes what the runner wrote visible to the caller.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Whether the runner may read the join waker. Only the join handle calls this, and only it changes the bit.
    pub(crate) fn has_join_waker(&self) -> bool {
        self.0.load(Ordering::Acquire) & JOIN_WAKER != 0
    }

    /// The join handle has written the join waker and lets the runner read it. Returns `false` if the task has
    /// completed: then the waker still belongs to the handle.
    pub(crate) fn offer_join_waker(&self) -> bool {
        self.update_unless_complete(|word| word | JOIN_WAKER)
    }

    /// The join handle is about to change the join waker. Returns `false` if the task has completed: then the runner
    /// may be calling it.
    pub(crate) fn reclaim_join_waker(&self) -> bool {
        self.update_unless_complete(|word| word & !JOIN_WAKER)
    }

    /// The join handle is dropped. It must still drop its reference.
    pub(crate) fn leave(&self) -> Leave {
        let left = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & COMPLETE == 0).then_some(word & !(JOIN | JOIN_WAKER))
        });
        match left {
            Ok(before) => Leave::Detached { join_waker: before & JOIN_WAKER != 0 },
            Err(_) => Leave::Complete,
        }
    }

    /// Whether the task is suspended.
    pub(crate) fn is_suspended(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (NOTIFIED | RUNNING | COMPLETE) == 0
    }

    /// Whether the task is running, and was not woken since that poll began.
    pub(crate) fn is_running_unwoken(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (NOTIFIED | RUNNING | COMPLETE) == RUNNING
    }

    /// Whether the task is observed.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & OBSERVED != 0
    }

    /// Adds a reference; the caller has one already. Returns whether the task is observed.
    #[inline]
    pub(crate) fn add_reference(&self) -> bool {
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if references(before) > REFERENCES / 2 {
            std::process::abort(); // so many wakers were leaked that the count would wrap around
        }
        before & OBSERVED != 0
    }

    /// Adds a reference on behalf of a list of tasks that holds none. Returns `false` if the task is orphaned: then it
    /// belongs to the caller whose transition made it so.
    pub(crate) fn add_reference_unless_orphaned(&self) -> bool {
        let update = |word: u64| {
            let is_suspended = word & (NOTIFIED | RUNNING | COMPLETE) == 0;
            (references(word) > 1 || !is_suspended).then_some(word + REFERENCE)
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }

    /// Drops a reference. The second value says whether the task is observed.
    #[inline]
    pub(crate) fn drop_reference(&self) -> (Dropped, bool) {
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        let is_observed = before & OBSERVED != 0;
        // The common case comes first: a waker is dropped while the future and the handle exist.
        if references(before) > 2 {
            return (Dropped::Shared, is_observed);
        }
        let dropped = match references(before) {
            1 => Dropped::Last,
            // If the task is suspended and has no handle, the remaining reference is the future's.
            _ if before & (NOTIFIED | RUNNING | COMPLETE | JOIN | LISTED) == 0 => Dropped::Orphaned,
            _ => Dropped::Shared,
        };
        (dropped, is_observed)
    }

    /// Drops the future's reference of a completed task, which is never orphaned. Returns whether it was the last.
    #[inline]
    pub(crate) fn drop_completed(&self) -> bool {
        references(self.0.fetch_sub(REFERENCE, Ordering::AcqRel)) == 1
    }

    /// Whether the only references may be those of one waker; an observed task has two for each. Out of date at once,
    /// unless the waker is the caller's.
    #[inline]
    pub(crate) fn may_be_last_waker(&self) -> bool {
        references(self.0.load(Ordering::Relaxed)) <= 2
    }

    /// The state as users see it. May be out of date at once.
    pub(crate) fn describe(&self) -> TaskState {
        self.word().state()
    }

    /// The whole word, for observers. May be out of date at once.
    pub(crate) fn word(&self) -> StateWord {
        StateWord(self.0.load(Ordering::Relaxed))
    }

    /// How the task completed, if it has.
    pub(crate) fn finish(&self) -> Option<Finish> {
        let word = self.0.load(Ordering::Acquire);
        (word & COMPLETE != 0).then(|| finish(word))
    }

    /// Whether a wake has come and no poll has begun since.
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed) & NOTIFIED != 0
    }

    /// Whether the task was cancelled, and has not ended otherwise.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// How often the task was polled, modulo 2²⁷.
    pub(crate) fn polls(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / POLL
    }

    fn update_unless_complete(&self, change: impl Fn(u64) -> u64) -> bool {
        let update = |word: u64| (word & COMPLETE == 0).then(|| change(word));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }
}

impl StateWord {
    /// The state that the word describes.
    pub fn state(self) -> TaskState {
        let StateWord(word) = self;
        match () {
            () if word & COMPLETE != 0 => TaskState::Completed(finish(word)),
            () if word & RUNNING != 0 => TaskState::Running,
            () if word & NOTIFIED != 0 => TaskState::Queued,
            () => TaskState::Suspended,
        }
    }

    /// Whether the task is observed.
    #[inline]
    pub(crate) fn is_observed(self) -> bool {
        self.0 & OBSERVED != 0
    }
}

#[inline]
pub(super) fn references(word: u64) -> u64 {
    (word / REFERENCE) & REFERENCES
}

#[inline]
fn woken(before: u64) -> Wake {
    match before & (NOTIFIED | RUNNING | COMPLETE) {
        0 => Wake::Schedule,
        RUNNING => Wake::WhileRunning,
        _ => Wake::Nothing,
    }
}

/// What `complete` makes of a word.
#[inline]
pub(super) fn completed(how: Finish) -> impl Fn(u64) -> u64 {
    let (clear, set) = match how {
        Finish::Ready => (CANCELLED | RUNNING, COMPLETE),
        Finish::Cancelled => (RUNNING, COMPLETE | CANCELLED),
        Finish::Panicked => (CANCELLED | RUNNING, COMPLETE | PANICKED),
    };
    move |word| {
        let complete = word & !clear | set;
        // The common case: the handle exists and does not wait yet. Then this one step does everything.
        if word & (JOIN | JOIN_WAKER | CALLBACKS) == JOIN { complete - REFERENCE } else { complete }
    }
}

/// How a task with this word has completed.
fn finish(word: u64) -> Finish {
    match () {
        () if word & CANCELLED != 0 => Finish::Cancelled,
        () if word & PANICKED != 0 => Finish::Panicked,
        () => Finish::Ready,
    }
}
