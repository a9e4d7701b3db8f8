//! The state word of a task and its transitions, nothing else.
//!
//! One atomic word says where a task is in its life, what was asked of it, who may touch which of
//! its fields, how many references there are and how often it was polled.
//!
//! ```text
//!                         wake, cancel                         begin
//!            ┌──────────────────────────────────┐   ┌─────────────────────────┐
//!            │                                  ▼   │                         ▼
//!      ┌───────────┐                        ┌──────────┐                 ┌─────────┐──┐ wake, cancel:
//!      │ suspended │                        │  queued  │                 │ running │  │ NOTIFIED is set,
//!      │     –     │                        │ NOTIFIED │                 │ RUNNING │◄─┘ nobody is queued
//!      └───────────┘                        └──────────┘                 └─────────┘
//!            ▲                                ▲      ▲                     │  │  │
//!            │                          spawn ┘      └─────────────────────┘  │  │
//!            │                                         suspend, NOTIFIED set  │  │
//!            └────────────────────────────────────────────────────────────────┘  │ complete
//!                                  suspend, NOTIFIED not set                     ▼
//!                                                                           ┌──────────┐
//!                                                                           │ COMPLETE │
//!                                                                           └──────────┘
//! ```
//!
//! A suspended task to which nothing refers any more but its own future is **orphaned**: no waker, no handle, no list of
//! its scheduler, so nothing can wake, cancel or join it. The transition that makes it so says so in its return value, to one caller: `suspend` if
//! the other references were gone before, `drop_reference` if the last of them goes later. That caller has the task alone,
//! and cancels it or leaves it alone (`cell.rs`, `end_orphan`).
//!
//! Who owns what:
//! - **The right to run.** Exactly one [`Runnable`](super::Runnable) exists while a task is queued or running,
//!   and none otherwise. The transition that makes it says so in its return value.
//! - **The future** belongs to whoever holds that right; nobody else ever touches it.
//! - **The output** belongs to the runner until COMPLETE; from then on to the join handle if JOIN
//!   was set at that moment, else still to the runner.
//! - **The join waker** belongs to the join handle while JOIN_WAKER is clear. While it is set, nobody
//!   writes it and both may read it. COMPLETE freezes the bit; the waker is dropped with the memory.
//! - **The memory** belongs to the references: one for the life of the future, one for the join
//!   handle, one for each waker (two, if the task is watched: see `watch.rs`). The queues hold none: a task
//!   that is queued has not completed, so the future's reference is still there.

use super::cell::Finish;
use crate::shim::{AtomicU64, Ordering};
use std::fmt;

/// A wake came that no poll has answered yet. Set by `wake`, `cancel` and at spawn; cleared by
/// `begin`. Without RUNNING, it means that a `Runnable` exists. After COMPLETE it says nothing.
const NOTIFIED: u64 = 1 << 0;
/// The future is being polled or dropped. Set by `begin`; cleared by `suspend` and `complete`.
/// Never beside COMPLETE.
const RUNNING: u64 = 1 << 1;
/// The future is gone, the output is in its place. Set by `complete`; never cleared.
const COMPLETE: u64 = 1 << 2;
/// Somebody asked for an end. Set by `cancel` if COMPLETE is not set; cleared by `complete` if the task
/// ended otherwise. The next run drops the future, unless it is shielded.
const CANCELLED: u64 = 1 << 3;
/// It ended with a panic. Set by `complete`, beside COMPLETE; never cleared.
const PANICKED: u64 = 1 << 4;
/// The join handle exists. Set at spawn; cleared by `leave` if COMPLETE is not set.
const JOIN: u64 = 1 << 5;
/// The join waker is there and nobody changes it. Set by `offer_join_waker`, cleared by
/// `reclaim_join_waker` and `leave`, all by the join handle and all only while COMPLETE is not set.
const JOIN_WAKER: u64 = 1 << 6;
/// There are callbacks to be called at the end. Set by `add_callback` while COMPLETE is not set; never cleared.
const CALLBACKS: u64 = 1 << 7;
/// Somebody watches: wakes and more are to be told, and wakers counted. It stands here since a wake, a clone and a drop
/// of a waker see it in what their one atomic instruction returns. Set at spawn or never; never cleared.
const WATCHED: u64 = 1 << 8;
/// Its scheduler finds it without a reference, in a slab, and ends it at the latest when it ends itself: so it is never
/// orphaned. It stands here since the one that drops the last other reference has no right to look at the task any more.
/// Set at spawn or never; never cleared.
const LISTED: u64 = 1 << 9;
/// One reference. They are counted in 27 bits.
const REFERENCE: u64 = 1 << 10;
const REFERENCES: u64 = (1 << 27) - 1;
/// One poll. They are counted in the bits from here up, and the count wraps around.
const POLL: u64 = REFERENCE * (REFERENCES + 1);

pub(crate) struct State(AtomicU64);

/// Where a task is in its life, for those who look at it from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TaskState {
    /// It waits: for a wake, or to be run.
    Pending,
    /// It is being polled.
    Running,
    /// It is over: its future was ready, or panicked.
    Done,
    /// It is over because somebody cancelled it.
    Cancelled,
}

impl TaskState {
    /// Whether there is nothing left to be run.
    pub fn is_over(self) -> bool {
        matches!(self, TaskState::Done | TaskState::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskState::Pending => "pending",
            TaskState::Running => "running",
            TaskState::Done => "done",
            TaskState::Cancelled => "cancelled",
        })
    }
}

/// What a wake or a request to cancel leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Wake {
    /// The task was suspended: the caller now has the right to run it and must pass it on.
    Schedule,
    /// The task is running: its runner will see the wake when the poll ends.
    WhileRunning,
    /// It is queued already, or complete: there is nothing to do.
    Nothing,
}

/// What the holder of the right to run is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Begin {
    Poll,
    /// Cancelled: drop the future.
    Drop,
}

/// What becomes of the right to run when a poll returned pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Suspend {
    /// It is gone, and with it the runner's right to look at the task: another thread may run it.
    Suspended,
    /// It is gone, and the task is orphaned.
    Orphaned,
    /// A wake came meanwhile: it is still the caller's, who must pass it on.
    Ready,
}

/// What is left when a reference was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Dropped {
    /// Others have references, or the right to run.
    Shared,
    /// The future's own reference, of a suspended task: it is orphaned.
    Orphaned,
    /// None: the memory is the caller's to free.
    Last,
}

/// What `complete` leaves to its caller. Unless it is `Joined`, the future's reference is still to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Complete {
    /// Nothing: the output is the join handle's, and the future's reference was dropped.
    Joined,
    /// Somebody is to be told.
    Left {
        /// The join waker is to be called.
        join_waker: bool,
        /// So are the callbacks.
        callbacks: bool,
        /// Nobody will take the output: it is still the caller's.
        detached: bool,
    },
}

/// What the join handle leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Leave {
    /// The task goes on without it. If `join_waker`, the waker is the handle's to drop.
    Detached { join_waker: bool },
    /// The task is complete and the output is the handle's to drop.
    Complete,
}

impl State {
    /// Queued, with a reference for the future and one for the join handle.
    pub(crate) fn new(is_watched: bool, is_listed: bool) -> State {
        let watched = if is_watched { WATCHED } else { 0 };
        let listed = if is_listed { LISTED } else { 0 };
        State(AtomicU64::new(NOTIFIED | JOIN | watched | listed | (2 * REFERENCE)))
    }

    /// Asks for a poll. The second value says whether somebody watches.
    ///
    /// It is a read-modify-write even if NOTIFIED is set already: what the caller wrote before the
    /// wake has to be visible to the poll that the earlier wake leads to (release here, acquire in
    /// `begin`).
    #[inline]
    pub(crate) fn wake(&self) -> (Wake, bool) {
        let before = self.0.fetch_or(NOTIFIED, Ordering::AcqRel);
        (woken(before), before & WATCHED != 0)
    }

    /// Asks for a poll if the task is suspended. `true` if it was: the caller then has the right to run it.
    pub(crate) fn wake_suspended(&self) -> bool {
        let update = |word: u64| (word & (NOTIFIED | RUNNING | COMPLETE) == 0).then_some(word | NOTIFIED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update).is_ok()
    }

    /// Asks for an end: a wake after which the next run drops the future. `None` if it is complete
    /// or was cancelled before, which changes nothing.
    pub(crate) fn cancel(&self) -> Option<Wake> {
        let update = |word: u64| (word & (COMPLETE | CANCELLED) == 0).then_some(word | CANCELLED | NOTIFIED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update).ok().map(woken)
    }

    /// The holder of the right to run begins, which counts as a poll.
    #[inline]
    pub(crate) fn begin(&self) -> Begin {
        // NOTIFIED is set and RUNNING is not, or this caller would not hold that right: to exchange the two
        // is an addition.
        let before = self.0.fetch_add(POLL + RUNNING - NOTIFIED, Ordering::AcqRel);
        debug_assert!(before & (NOTIFIED | RUNNING | COMPLETE) == NOTIFIED, "begin: {before:#b}");
        match before & CANCELLED {
            0 => Begin::Poll,
            _ => Begin::Drop,
        }
    }

    /// The poll returned pending.
    #[inline]
    pub(crate) fn suspend(&self) -> Suspend {
        let before = self.0.fetch_and(!RUNNING, Ordering::AcqRel);
        debug_assert!(before & (RUNNING | COMPLETE) == RUNNING, "suspend: {before:#b}");
        match before & NOTIFIED {
            0 if references(before) == 1 && before & LISTED == 0 => Suspend::Orphaned,
            0 => Suspend::Suspended,
            _ => Suspend::Ready,
        }
    }

    /// The future is gone and the output is written.
    #[inline]
    pub(crate) fn complete(&self, how: Finish) -> Complete {
        let (clear, set) = match how {
            Finish::Ready => (CANCELLED | RUNNING, COMPLETE),
            Finish::Cancelled => (RUNNING, COMPLETE | CANCELLED),
            Finish::Panicked => (CANCELLED | RUNNING, COMPLETE | PANICKED),
        };
        let update = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            let complete = word & !clear | set;
            // Mostly somebody will join and does not wait yet: then all is done in this one step.
            Some(if word & (JOIN | JOIN_WAKER | CALLBACKS) == JOIN { complete - REFERENCE } else { complete })
        });
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

    /// Somebody wants to be called at the end, and has left word how. `false` if that was before.
    pub(crate) fn add_callback(&self) -> bool {
        self.update_unless_complete(|word| word | CALLBACKS)
    }

    /// The join handle looks for the output.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Whether the join waker was offered to the runner. For the join handle, who alone changes that.
    pub(crate) fn has_join_waker(&self) -> bool {
        self.0.load(Ordering::Acquire) & JOIN_WAKER != 0
    }

    /// The join handle has written the join waker and gives it to the runner. `false` if the task
    /// has completed: then the waker is still the handle's.
    pub(crate) fn offer_join_waker(&self) -> bool {
        self.update_unless_complete(|word| word | JOIN_WAKER)
    }

    /// The join handle wants to change the join waker. `false` if the task has completed:
    /// then the runner may be calling it.
    pub(crate) fn reclaim_join_waker(&self) -> bool {
        self.update_unless_complete(|word| word & !JOIN_WAKER)
    }

    /// The join handle goes. Its reference is still to be dropped.
    pub(crate) fn leave(&self) -> Leave {
        let left = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & COMPLETE == 0).then_some(word & !(JOIN | JOIN_WAKER))
        });
        match left {
            Ok(before) => Leave::Detached { join_waker: before & JOIN_WAKER != 0 },
            Err(_) => Leave::Complete,
        }
    }

    /// Whether it waits: no wake has come, no poll is under way, and it is not over.
    pub(crate) fn is_suspended(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (NOTIFIED | RUNNING | COMPLETE) == 0
    }

    /// Whether it is being polled, and was not woken since that poll began.
    pub(crate) fn is_running_unwoken(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (NOTIFIED | RUNNING | COMPLETE) == RUNNING
    }

    /// Whether somebody watches.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WATCHED != 0
    }

    /// Another reference, made out of one that exists. Whether somebody watches.
    #[inline]
    pub(crate) fn add_reference(&self) -> bool {
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if references(before) > REFERENCES / 2 {
            std::process::abort(); // so many wakers were leaked that the count would wrap around
        }
        before & WATCHED != 0
    }

    /// Another reference, for a list of tasks that holds none. `false` if the task is orphaned: then it belongs to the
    /// caller that was told so.
    pub(crate) fn add_reference_unless_orphaned(&self) -> bool {
        let update = |word: u64| {
            let is_suspended = word & (NOTIFIED | RUNNING | COMPLETE) == 0;
            (references(word) > 1 || !is_suspended).then_some(word + REFERENCE)
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }

    /// One reference less. What is left; and whether the task is watched.
    #[inline]
    pub(crate) fn drop_reference(&self) -> (Dropped, bool) {
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        let dropped = match references(before) {
            1 => Dropped::Last,
            // A completed task's last reference is no future's.
            2 if before & (NOTIFIED | RUNNING | COMPLETE | JOIN | LISTED) == 0 => Dropped::Orphaned,
            _ => Dropped::Shared,
        };
        (dropped, before & WATCHED != 0)
    }

    /// Whether there are no references but those of one waker; a watched task has two for each. Out of date at once,
    /// unless the waker is the caller's.
    #[inline]
    pub(crate) fn may_be_last_waker(&self) -> bool {
        references(self.0.load(Ordering::Relaxed)) <= 2
    }

    /// What a person may want to know. May be out of date at once.
    pub(crate) fn describe(&self) -> TaskState {
        let word = self.0.load(Ordering::Relaxed);
        match () {
            () if word & (COMPLETE | CANCELLED) == COMPLETE | CANCELLED => TaskState::Cancelled,
            () if word & COMPLETE != 0 => TaskState::Done,
            () if word & RUNNING != 0 => TaskState::Running,
            () => TaskState::Pending,
        }
    }

    /// How it ended, if it is complete.
    pub(crate) fn finish(&self) -> Option<Finish> {
        let word = self.0.load(Ordering::Acquire);
        (word & COMPLETE != 0).then_some(match () {
            () if word & CANCELLED != 0 => Finish::Cancelled,
            () if word & PANICKED != 0 => Finish::Panicked,
            () => Finish::Ready,
        })
    }

    /// Whether a wake came that no poll has answered yet.
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed) & NOTIFIED != 0
    }

    /// Whether somebody asked for its end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// How often it was polled, modulo 2²⁷.
    pub(crate) fn polls(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / POLL
    }

    fn update_unless_complete(&self, change: impl Fn(u64) -> u64) -> bool {
        let update = |word: u64| (word & COMPLETE == 0).then(|| change(word));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }
}

#[inline]
fn references(word: u64) -> u64 {
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
