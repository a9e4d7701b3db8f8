//! [`TaskEvent`]: what an observer sees of a task. Plain data, for any file.

use super::error::Panic;
use super::outcome::{Finish, PollEnd};
use crate::stack::AwaitChain;
use std::cell::Cell;

/// Something that happened to a task. For [`Schedule::happened`](super::Schedule::happened).
#[derive(Clone, Copy, Debug)]
pub enum TaskEvent<'a> {
    /// The task was made; the caller that spawned it queues it.
    Spawned,
    /// The task was woken. Redundant wakes are not reported. If the task is running, it is queued again when its poll
    /// ends; otherwise [`schedule`](super::Schedule::schedule) is called right after.
    Woken,
    /// The task was cancelled, which also wakes it.
    Cancelled,
    /// The task is about to be polled; or its future is about to be dropped, if it was cancelled.
    PollBegins {
        /// Set this to receive the await chains of this poll as [`Waits`](TaskEvent::Waits), which costs some
        /// microseconds.
        chains: &'a Cell<Chains>,
    },
    /// The await chains of a poll that returned `Poll::Pending`, one for each leaf future that is pending. Reported if
    /// `chains` was set in [`PollBegins`](TaskEvent::PollBegins), unless a task dump polls the task: then the dump
    /// collects them.
    Waits(&'a [AwaitChain]),
    /// The poll is over.
    PollEnds(PollEnd),
    /// The task's future panicked. `Finished` is reported right after.
    Panicked(&'a Panic),
    /// The task's future is gone. Its handle is about to resolve.
    Finished(Finish),
    /// The task's last waker was dropped, in this very call, without waking it. If the task is suspended,
    /// [`Stranded`](TaskEvent::Stranded) is reported right after. If it is running, that waker was made in this poll,
    /// which may still make another one.
    LastWakerDropped,
    /// The task is suspended and has no waker: only a cancel can make it run again.
    Stranded {
        /// `true` if the task had left a waker, which was dropped; `false` if the poll that now ends made none.
        lost: bool,
    },
    /// The task completed, and its output is dropped because no handle can take it.
    OutputDropped(Finish),
    /// The task completed, and its last waker and handle are gone: its memory is about to be freed.
    Freed,
}

/// Which await chains of a poll an observer requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chains {
    /// None.
    #[default]
    None,
    /// Those of leaf futures that [announce](reactor::leaf) what they wait for.
    Announced,
    /// Also those of leaf futures that only clone their waker.
    All,
}
