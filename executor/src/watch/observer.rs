//! The executor's events, and the trait [`Observer`], to which a runtime shows them.
//!
//! Implement `Observer`, which extends the reactor's [`Observer`](reactor::Observer), and pass it to
//! [`Builder::observer`](crate::Builder::observer). The runtime then calls its methods at every event. Without an
//! observer an event costs one predictable branch.

use super::run::Here;
use crate::stack::AwaitChain;
use crate::sync::{Handover, handover};
pub use crate::task::PollEnd;
use crate::task::{Chains, Finish, TaskEvent, TaskId, TaskRef, with_current};
pub use reactor::Observer as ReactorObserver;
pub use reactor::backend::Readiness;
use reactor::cause::Cause;
use reactor::observer::both;
pub use reactor::observer::{Direction, ReadinessWord, SourceId, TimerId, WheelSlot};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What woke or cancelled a task, or dropped its last waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WokenBy {
    /// A task, in its poll; possibly the same task.
    Task(TaskId),
    /// A file descriptor that became ready.
    Source(SourceId),
    /// A timer whose deadline was reached.
    Timer(TimerId),
    /// Another thread, or this one outside of a poll.
    Outside,
}

impl fmt::Display for WokenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WokenBy::Task(id) => write!(f, "task {id}"),
            WokenBy::Source(id) => write!(f, "{id:?}"),
            WokenBy::Timer(id) => write!(f, "{id:?}"),
            WokenBy::Outside => f.write_str("code outside of any task"),
        }
    }
}

impl From<Cause> for WokenBy {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Source(source) => WokenBy::Source(source),
            Cause::Timer(timer) => WokenBy::Timer(timer),
        }
    }
}

/// Observes a runtime: its tasks and, through the reactor's trait, its sources and timers. Every method is empty by
/// default: implement those that you need.
///
/// A method runs on the thread on which the event happens, and that thread continues when it returns. It must not
/// panic, spawn, wake or cancel.
///
/// ```
/// use executor::{Observer, ReactorObserver, Runtime, observer::WokenBy, task::TaskRef};
/// use std::sync::Arc;
///
/// struct PrintsWakes;
///
/// impl ReactorObserver for PrintsWakes {}
/// impl Observer for PrintsWakes {
///     fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
///         println!("{task:?} was woken by {by:?}");
///     }
/// }
///
/// let runtime = Runtime::builder().observer(Arc::new(PrintsWakes)).build()?;
/// runtime.block_on(executor::time::sleep(executor::time::Duration::from_millis(1)));
/// # std::io::Result::Ok(())
/// ```
#[allow(unused_variables)]
pub trait Observer: reactor::Observer {
    /// A runtime is built with this observer. Returns another observer if that one is to observe the runtime instead.
    /// An observer that several runtimes share tells them apart in this way.
    fn for_runtime(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        None
    }
    /// `block_on` is called. Returns another observer if that one is to observe the tasks and blocking calls of this
    /// run instead. An observer tells runs apart in this way: each run numbers its tasks from 1, and a blocking call
    /// may outlive its run. Events of sources and timers belong to the runtime and are still shown to this observer.
    ///
    /// ```
    /// use executor::{Observer, ReactorObserver, Runtime, TaskId, observer::PollEnd};
    /// use std::sync::{Arc, Mutex};
    ///
    /// /// The polls of each run.
    /// #[derive(Default)]
    /// struct Runs(Mutex<Vec<Arc<Polls>>>);
    /// #[derive(Default)]
    /// struct Polls(Mutex<Vec<TaskId>>);
    ///
    /// impl ReactorObserver for Polls {}
    /// impl Observer for Polls {
    ///     fn poll_ends(&self, task: TaskId, _: PollEnd) {
    ///         self.0.lock().unwrap().push(task);
    ///     }
    /// }
    /// impl ReactorObserver for Runs {}
    /// impl Observer for Runs {
    ///     fn for_run(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
    ///         let polls = Arc::new(Polls::default());
    ///         self.0.lock().unwrap().push(polls.clone());
    ///         Some(polls)
    ///     }
    /// }
    ///
    /// let runs = Arc::new(Runs::default());
    /// let runtime = Runtime::builder().observer(runs.clone()).build()?;
    /// runtime.block_on(executor::yield_now());
    /// runtime.block_on(async {});
    /// let polls: Vec<usize> = runs.0.lock().unwrap().iter().map(|run| run.0.lock().unwrap().len()).collect();
    /// assert_eq!(polls, [2, 1]);
    /// # std::io::Result::Ok(())
    /// ```
    fn for_run(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        None
    }
    /// [`Runtime::block_on`](crate::Runtime::block_on) begins. Its first task is about to be spawned.
    fn run_begins(&self) {}
    /// `block_on` is about to return. All tasks have completed.
    fn run_ends(&self) {}
    /// A suspended task is about to be polled without a wake, to find its await chain or a lost wake:
    /// [`poll_begins`](Observer::poll_begins) comes right after.
    fn task_asked(&self, task: TaskRef<'_>) {}
    /// The task made progress in that poll: its condition held, but it had not been woken.
    /// [`poll_ends`](Observer::poll_ends) came before, perhaps with polls of other tasks in between.
    fn lost_wake(&self, task: TaskRef<'_>) {}
    /// A task was spawned and queued. `by` is the task that spawned it; `None` if code outside of any task did.
    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {}
    /// A task was woken. Redundant wakes are not reported.
    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A primitive of [`sync`](mod@crate::sync) handed over to the task what it waited for, such as a permit or a
    /// message, and is about to wake it.
    fn handed_over(&self, to: TaskRef<'_>, what: Handover) {}
    /// A task was cancelled, which also wakes it.
    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task is about to be polled or, if it was cancelled, its future is about to be dropped.
    fn poll_begins(&self, task: TaskRef<'_>) {}
    /// Whether [`task_waits`](Observer::task_waits) is to be called. Finding the await chains takes a few microseconds
    /// per poll.
    fn wants_await_chains(&self) -> bool {
        false
    }
    /// A poll returned `Poll::Pending`, with these await chains: one for each leaf that it waits for.
    /// [`poll_ends`](Observer::poll_ends) follows.
    fn task_waits(&self, task: TaskId, chains: &[AwaitChain]) {}
    /// The poll is over.
    fn poll_ends(&self, task: TaskId, end: PollEnd) {}
    /// The last waker of a task was dropped without waking it, by a call that is in progress on this thread. If the
    /// task is suspended, [`task_stranded`](Observer::task_stranded) follows at once. If it is running, its current
    /// poll made that waker, and may still make another one.
    fn last_waker_dropped(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task is suspended and has no waker: only a cancel, or a poll without a wake
    /// ([`task_asked`](Observer::task_asked)), can run it again. If `lost` is true, its last waker was dropped;
    /// otherwise the poll that now ends left none.
    fn task_stranded(&self, task: TaskRef<'_>, lost: bool) {}
    /// A task's future panicked. `message` is the panic's payload if that is text.
    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {}
    /// A task completed: its future was dropped, and the task that joins it is about to be woken.
    fn task_finished(&self, task: TaskRef<'_>, how: Finish) {}
    /// The output of a completed task is about to be dropped: its join handle was dropped without taking it.
    fn output_dropped(&self, task: TaskRef<'_>, how: Finish) {}
    /// The last waker or handle of a completed task was dropped, and its memory is about to be freed.
    fn task_freed(&self, task: TaskRef<'_>) {}
    /// A poll held the thread for about `took`, longer than the limit: see
    /// [`Builder::slow_poll`](crate::Builder::slow_poll).
    fn slow_poll(&self, task: TaskId, took: Duration) {}
    /// The task that was just spawned is a blocking call. It waits for a thread of the pool.
    fn blocking_queued(&self, task: TaskId) {}
    /// A blocking call begins, on the thread of the pool that calls this method.
    fn blocking_begins(&self, task: TaskId) {}
    /// A blocking call has returned.
    fn blocking_ends(&self, task: TaskId) {}

    /// Calls the method above that matches an event of a task, with the event's cause. A
    /// [`Schedule`](crate::task::Schedule) of your own passes its events to an observer with this method:
    ///
    /// ```
    /// use executor::task::{Runnable, Schedule, TaskEvent, TaskRef, spawn_with};
    /// use executor::{Observer, trace::{Event, Recorder}};
    /// use std::sync::{Arc, Mutex};
    ///
    /// #[derive(Default)]
    /// struct Stack {
    ///     tasks: Mutex<Vec<Runnable>>,
    ///     recorder: Recorder,
    /// }
    ///
    /// impl Schedule for Stack {
    ///     fn schedule(self: &Arc<Self>, task: Runnable) {
    ///         self.tasks.lock().unwrap().push(task);
    ///     }
    ///     fn is_watched(&self) -> bool {
    ///         true
    ///     }
    ///     fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
    ///         self.recorder.show(task, what);
    ///     }
    /// }
    ///
    /// let stack = Arc::new(Stack::default());
    /// let (task, sum) = spawn_with(async { 1 + 2 }, stack.clone());
    /// stack.recorder.run_begins(); // the loop reports when it begins and ends
    /// assert!(task.run().is_none());
    /// stack.recorder.run_ends();
    /// let records = stack.recorder.trace().records;
    /// assert!(records.iter().any(|record| record.event == Event::PollBegins { task: sum.id().0 }));
    /// ```
    fn show(&self, task: TaskRef<'_>, what: TaskEvent<'_>) {
        // The number of a task of another executor would be mistaken for a task of this one.
        show(self, task, what, || {
            let is_beside = with_current(|current| current.is_some_and(|current| current.is_beside(task)));
            if is_beside { Here::Own } else { Here::Outside }
        });
    }
}

/// Shows an event of a task to the observer. `is_here` returns which run the thread belongs to.
pub(crate) fn show<O>(observer: &O, task: TaskRef<'_>, what: TaskEvent<'_>, is_here: impl FnOnce() -> Here)
where
    O: Observer + ?Sized,
{
    match what {
        TaskEvent::Spawned => {
            handover::enable();
            observer.task_spawned(task, current_id(is_here()));
        }
        TaskEvent::Woken => {
            handover::current().inspect(|what| observer.handed_over(task, *what));
            observer.task_woken(task, current_cause(is_here()));
        }
        TaskEvent::Cancelled => observer.task_cancelled(task, current_cause(is_here())),
        TaskEvent::PollBegins { chains } => {
            if observer.wants_await_chains() {
                chains.set(Chains::Announced);
            }
            observer.poll_begins(task);
        }
        TaskEvent::Waits(chains) if observer.wants_await_chains() => observer.task_waits(task.id(), chains),
        TaskEvent::Waits(_) => {}
        TaskEvent::PollEnds(end) => observer.poll_ends(task.id(), end),
        TaskEvent::Panicked(panic) => observer.task_panicked(task, panic.message()),
        TaskEvent::LastWakerDropped => observer.last_waker_dropped(task, current_cause(is_here())),
        TaskEvent::Finished(how) => observer.task_finished(task, how),
        TaskEvent::Stranded { lost } => observer.task_stranded(task, lost),
        TaskEvent::OutputDropped(how) => observer.output_dropped(task, how),
        TaskEvent::Freed => observer.task_freed(task),
    }
}

/// A pair of observers is an observer: it shows every event to the first and then to the second.
impl<A: Observer + ?Sized + 'static, B: Observer + ?Sized + 'static> Observer for (Arc<A>, Arc<B>) {
    fn for_runtime(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        either(&self, self.0.clone().for_runtime(), self.1.clone().for_runtime())
    }

    fn for_run(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        either(&self, self.0.clone().for_run(), self.1.clone().for_run())
    }

    both! {
        run_begins();
        run_ends();
        task_asked(task: TaskRef<'_>);
        lost_wake(task: TaskRef<'_>);
        task_spawned(task: TaskRef<'_>, by: Option<TaskId>);
        task_woken(task: TaskRef<'_>, by: WokenBy);
        handed_over(to: TaskRef<'_>, what: Handover);
        task_cancelled(task: TaskRef<'_>, by: WokenBy);
        poll_begins(task: TaskRef<'_>);
        task_waits(task: TaskId, chains: &[AwaitChain]);
        poll_ends(task: TaskId, end: PollEnd);
        last_waker_dropped(task: TaskRef<'_>, by: WokenBy);
        task_stranded(task: TaskRef<'_>, lost: bool);
        task_panicked(task: TaskRef<'_>, message: Option<&str>);
        task_finished(task: TaskRef<'_>, how: Finish);
        output_dropped(task: TaskRef<'_>, how: Finish);
        task_freed(task: TaskRef<'_>);
        slow_poll(task: TaskId, took: Duration);
        blocking_queued(task: TaskId);
        blocking_begins(task: TaskId);
        blocking_ends(task: TaskId);
    }

    fn wants_await_chains(&self) -> bool {
        self.0.wants_await_chains() || self.1.wants_await_chains()
    }
}

/// Returns the pair with the given replacements, or `None` if there are none.
fn either<A: Observer + ?Sized + 'static, B: Observer + ?Sized + 'static>(
    pair: &(Arc<A>, Arc<B>),
    first: Option<Arc<dyn Observer>>,
    second: Option<Arc<dyn Observer>>,
) -> Option<Arc<dyn Observer>> {
    Some(match (first, second) {
        (None, None) => return None,
        (Some(first), None) => Arc::new((first, pair.1.clone())),
        (None, Some(second)) => Arc::new((pair.0.clone(), second)),
        (Some(first), Some(second)) => Arc::new((first, second)),
    })
}

/// Returns what is running on this thread, and so what causes the wake or cancel in progress.
pub(crate) fn current_cause(here: Here) -> WokenBy {
    match reactor::cause::current().filter(|_| here != Here::Other) {
        Some(cause) => cause.into(),
        None => current_id(here).map_or(WokenBy::Outside, WokenBy::Task),
    }
}

/// Returns the current task, if it belongs to the run of the event.
fn current_id(here: Here) -> Option<TaskId> {
    with_current(|task| task.map(TaskRef::id)).filter(|_| here == Here::Own)
}
