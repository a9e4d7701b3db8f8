//! The state word of a task and its transitions, nothing else.
//!
//! One atomic word says where a task is in its life, what was asked of it, who may touch which of
//! its fields, and how many references there are.
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
//! Who owns what:
//! - **The right to run.** Exactly one [`Runnable`](super::Runnable) exists while a task is queued or running,
//!   and none otherwise. The transition that makes it says so in its return value.
//! - **The future** belongs to whoever holds that right; nobody else ever touches it.
//! - **The output** belongs to the runner until COMPLETE; from then on to the join handle if JOIN
//!   was set at that moment, else still to the runner.
//! - **The join waker** belongs to the join handle while JOIN_WAKER is clear. While it is set, nobody
//!   writes it and both may read it. COMPLETE freezes the bit; the waker is dropped with the memory.
//! - **The memory** belongs to the references: one for the life of the future, one for the join
//!   handle, one for each waker. The queues hold none: a task that is queued has not completed, so
//!   the future's reference is still there.

use crate::shim::{AtomicUsize, Ordering};

/// A wake came that no poll has answered yet. Set by `wake`, `cancel` and at spawn; cleared by
/// `begin`. Without RUNNING, it means that a `Runnable` exists. After COMPLETE it says nothing.
const NOTIFIED: usize = 1 << 0;
/// The future is being polled or dropped. Set by `begin`; cleared by `suspend` and `complete`.
/// Never beside COMPLETE.
const RUNNING: usize = 1 << 1;
/// The future is gone, the output is in its place. Set by `complete`; never cleared.
const COMPLETE: usize = 1 << 2;
/// Somebody asked for an end. Set by `cancel`; never cleared. The next run drops the future.
const CANCELLED: usize = 1 << 3;
/// The join handle exists. Set at spawn; cleared by `leave` if COMPLETE is not set.
const JOIN: usize = 1 << 4;
/// The join waker is there and nobody changes it. Set by `offer_join_waker`, cleared by
/// `reclaim_join_waker` and `leave`, all by the join handle and all only while COMPLETE is not set.
const JOIN_WAKER: usize = 1 << 5;
/// Somebody watches: wakes are to be reported. Set at spawn or never; never cleared.
const OBSERVED: usize = 1 << 6;
/// One reference. They are counted in the bits from here up.
const REFERENCE: usize = 1 << 7;

pub(crate) struct State(AtomicUsize);

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
    /// A wake came meanwhile: it is still the caller's, who must pass it on.
    Ready,
}

/// What `complete` leaves to its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Complete {
    /// Nothing: the output is the join handle's, and the future's reference was dropped.
    Joined,
    /// As above, but the join waker is still to be called and the future's reference to be dropped.
    CallJoinWaker,
    /// Nobody will take the output: it is still the caller's, as is the future's reference.
    Detached,
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
    pub(crate) fn new(observed: bool) -> State {
        let observed = if observed { OBSERVED } else { 0 };
        State(AtomicUsize::new(NOTIFIED | JOIN | observed | (2 * REFERENCE)))
    }

    /// Asks for a poll. The second value says whether the wake is to be reported.
    ///
    /// It is a read-modify-write even if NOTIFIED is set already: what the caller wrote before the
    /// wake has to be visible to the poll that the earlier wake leads to (release here, acquire in
    /// `begin`).
    #[inline]
    pub(crate) fn wake(&self) -> (Wake, bool) {
        let before = self.0.fetch_or(NOTIFIED, Ordering::AcqRel);
        (woken(before), before & OBSERVED != 0)
    }

    /// Asks for an end: a wake after which the next run drops the future. `None` if it is complete
    /// or was cancelled before; else as [`wake`](State::wake).
    pub(crate) fn cancel(&self) -> Option<(Wake, bool)> {
        let before = self.0.fetch_or(CANCELLED | NOTIFIED, Ordering::AcqRel);
        (before & (CANCELLED | COMPLETE) == 0).then(|| (woken(before), before & OBSERVED != 0))
    }

    /// The holder of the right to run begins.
    #[inline]
    pub(crate) fn begin(&self) -> Begin {
        // NOTIFIED is set and RUNNING is not, or this caller would not hold that right.
        let before = self.0.fetch_xor(NOTIFIED | RUNNING, Ordering::AcqRel);
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
            0 => Suspend::Suspended,
            _ => Suspend::Ready,
        }
    }

    /// The future is gone and the output is written.
    #[inline]
    pub(crate) fn complete(&self) -> Complete {
        let update = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            let complete = word ^ (RUNNING | COMPLETE);
            // Mostly somebody will join and does not wait yet: then all is done in this one step.
            Some(if word & (JOIN | JOIN_WAKER) == JOIN { complete - REFERENCE } else { complete })
        });
        let before = update.unwrap_or_else(|word| word);
        debug_assert!(before & (RUNNING | COMPLETE) == RUNNING, "complete: {before:#b}");
        match before & (JOIN | JOIN_WAKER) {
            0 => Complete::Detached,
            JOIN => Complete::Joined,
            _ => Complete::CallJoinWaker,
        }
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

    /// Another reference, made out of one that exists.
    #[inline]
    pub(crate) fn add_reference(&self) {
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > usize::MAX / 2 {
            std::process::abort(); // so many wakers were leaked that the count would wrap around
        }
    }

    /// One reference less. `true` if it was the last: then the memory is the caller's to free.
    #[inline]
    pub(crate) fn drop_reference(&self) -> bool {
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        before / REFERENCE == 1
    }

    /// What a person may want to know. May be out of date at once.
    pub(crate) fn describe(&self) -> &'static str {
        let word = self.0.load(Ordering::Relaxed);
        match () {
            () if word & COMPLETE != 0 => "finished",
            () if word & CANCELLED != 0 => "being cancelled",
            () if word & RUNNING != 0 => "running",
            () if word & NOTIFIED != 0 => "queued",
            () => "suspended",
        }
    }

    fn update_unless_complete(&self, change: impl Fn(usize) -> usize) -> bool {
        let update = |word: usize| (word & COMPLETE == 0).then(|| change(word));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }
}

#[inline]
fn woken(before: usize) -> Wake {
    match before & (NOTIFIED | RUNNING | COMPLETE) {
        0 => Wake::Schedule,
        RUNNING => Wake::WhileRunning,
        _ => Wake::Nothing,
    }
}
