//! The executor's events, for whoever wants to watch.
//!
//! Implement [`Observer`], which is the reactor's [`Observer`](reactor::Observer) and more, and
//! hand it to [`Builder::observer`](crate::Builder::observer): every event of that runtime is shown
//! to it. With no observer an event costs one predictable branch.

use crate::stack::Standing;
use crate::sync::{Handover, handover};
pub use crate::task::PollEnd;
use crate::task::{Chains, Finish, TaskEvent, TaskId, TaskRef, with_current};
pub use reactor::Observer as ReactorObserver;
pub use reactor::backend::Readiness;
use reactor::cause::Cause;
use reactor::observer::both;
pub use reactor::observer::{Direction, SourceId, TimerId};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Who woke a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WokenBy {
    /// A task, in its poll; perhaps itself.
    Task(TaskId),
    /// A file descriptor that became ready.
    Source(SourceId),
    /// A timer whose deadline came.
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

/// Watches a runtime: its tasks, and through the reactor's trait its sources and timers. Every
/// method is empty by default: implement those that you need.
///
/// A method runs on the thread on which the event happens and holds that thread up for as long as
/// it takes. It must not panic, nor spawn, wake or cancel.
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
    /// A runtime is built with this observer. Returns the observer of that runtime's events, if it is not this one: so
    /// that one which several runtimes share can tell them apart.
    fn for_runtime(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        None
    }
    /// `block_on` is called. Returns the observer of what the tasks and blocking calls of this run do, if it is not
    /// this one: each run numbers its tasks from 1, and a blocking call may outlive its run. The events of sources and
    /// timers, which belong to the runtime, go on to come here.
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
    /// [`Runtime::block_on`](crate::Runtime::block_on) begins; its first task is about to be spawned.
    fn run_begins(&self) {}
    /// `block_on` is about to return: all tasks are gone.
    fn run_ends(&self) {}
    /// A suspended task is about to be polled though it was not woken, to learn its await chain:
    /// [`poll_begins`](Observer::poll_begins) comes right after.
    fn task_asked(&self, task: TaskRef<'_>) {}
    /// The task made progress in that poll: its condition held, but it had not been woken.
    /// [`poll_ends`](Observer::poll_ends) came before, perhaps with polls of other tasks in between.
    fn lost_wake(&self, task: TaskRef<'_>) {}
    /// A task was made, by a task or from outside, and queued.
    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {}
    /// A task that was not woken yet was.
    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// The task is about to be woken because it was given what it waited for at something of
    /// [`sync`](mod@crate::sync): a permit, a message, a turn.
    fn handed_over(&self, to: TaskRef<'_>, what: Handover) {}
    /// A task was cancelled, which also wakes it.
    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task is about to be polled; or its future dropped, if it was cancelled.
    fn poll_begins(&self, task: TaskRef<'_>) {}
    /// Whether [`task_waits`](Observer::task_waits) is wanted, which takes some microseconds a poll.
    fn wants_standing(&self) -> bool {
        false
    }
    /// Where a poll that is about to end pending stands, at each leaf that it waits for.
    fn task_waits(&self, task: TaskId, standing: &[Standing]) {}
    /// The poll is over.
    fn poll_ends(&self, task: TaskId, end: PollEnd) {}
    /// The last waker of a task was dropped without waking it, by the calls that are under way on this thread. If the
    /// task is suspended, [`task_stranded`](Observer::task_stranded) comes right after; if it is running, its poll had
    /// made that waker, and may still make another one.
    fn last_waker_dropped(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task is suspended and no waker of it exists: nothing will ever run it again but a cancel, or the poll with
    /// which [`tasks`](crate::tasks) learns its await chain. `lost` says that
    /// there was one, which was dropped; else the poll that now ends has not even made one.
    fn task_stranded(&self, task: TaskRef<'_>, lost: bool) {}
    /// A task's future has panicked, with this message if it is text.
    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {}
    /// A task's future is gone, and whoever joins it about to be woken.
    fn task_finished(&self, task: TaskRef<'_>, how: Finish) {}
    /// A task is over, and nobody will ever take its output: its handle is gone.
    fn output_dropped(&self, task: TaskRef<'_>, how: Finish) {}
    /// A task is over, and the last of its wakers and handles is gone.
    fn task_freed(&self, task: TaskRef<'_>) {}
    /// A poll held the thread for so long, more or less: see [`Builder::slow_poll`](crate::Builder::slow_poll).
    fn slow_poll(&self, task: TaskId, took: Duration) {}
    /// The task that was just spawned is a blocking call: it waits for a thread of the pool, not to be run.
    fn blocking_queued(&self, task: TaskId) {}
    /// A blocking call was given to a thread of the pool, on which this is called.
    fn blocking_begins(&self, task: TaskId) {}
    /// That call has returned.
    fn blocking_ends(&self, task: TaskId) {}

    /// Calls the method above that matches an event of a task, with its cause. With this, an observer of the
    /// runtime also works for a [`Schedule`](crate::task::Schedule) of your own:
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
    ///     fn is_observed(&self) -> bool {
    ///         true
    ///     }
    ///     fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
    ///         self.recorder.show(task, what);
    ///     }
    /// }
    ///
    /// let stack = Arc::new(Stack::default());
    /// let (task, sum) = spawn_with(async { 1 + 2 }, stack.clone());
    /// stack.recorder.run_begins(); // the loop says when it begins and ends
    /// assert!(task.run().is_none());
    /// stack.recorder.run_ends();
    /// let records = stack.recorder.trace().records;
    /// assert!(records.iter().any(|record| record.event == Event::PollBegins { task: sum.id().0 }));
    /// ```
    fn show(&self, task: TaskRef<'_>, what: TaskEvent<'_>) {
        // Numbers of another executor's tasks would be mistaken for this one's.
        show(self, task, what, || {
            let is_beside = with_current(|current| current.is_some_and(|current| current.is_beside(task)));
            if is_beside { Here::Own } else { Here::Outside }
        });
    }
}

/// Shows an event of a task to the observer. `is_here` says whose thread it happens on.
pub(crate) fn show<O>(observer: &O, task: TaskRef<'_>, what: TaskEvent<'_>, is_here: impl FnOnce() -> Here)
where
    O: Observer + ?Sized,
{
    match what {
        TaskEvent::Spawned => {
            handover::want();
            observer.task_spawned(task, present_id(is_here()));
        }
        TaskEvent::Woken => {
            handover::present().inspect(|what| observer.handed_over(task, *what));
            observer.task_woken(task, present_cause(is_here()));
        }
        TaskEvent::Cancelled => observer.task_cancelled(task, present_cause(is_here())),
        TaskEvent::PollBegins { chains } => {
            if observer.wants_standing() {
                chains.set(Chains::Announced);
            }
            observer.poll_begins(task);
        }
        TaskEvent::Waits(standing) if observer.wants_standing() => observer.task_waits(task.id(), standing),
        TaskEvent::Waits(_) => {}
        TaskEvent::PollEnds(end) => observer.poll_ends(task.id(), end),
        TaskEvent::Panicked(panic) => observer.task_panicked(task, panic.message()),
        TaskEvent::LastWakerDropped => observer.last_waker_dropped(task, present_cause(is_here())),
        TaskEvent::Finished(how) => observer.task_finished(task, how),
        TaskEvent::Stranded { lost } => observer.task_stranded(task, lost),
        TaskEvent::OutputDropped(how) => observer.output_dropped(task, how),
        TaskEvent::Freed => observer.task_freed(task),
    }
}

/// Two observers are one, which shows all to the first and then to the second.
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
        task_waits(task: TaskId, standing: &[Standing]);
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

    fn wants_standing(&self) -> bool {
        self.0.wants_standing() || self.1.wants_standing()
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

/// Whose thread an event of a task happens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// One of the task's own run: numbers of tasks mean something here.
    Own,
    /// One of another run: neither its tasks nor its sources and timers are the task's.
    Other,
    /// No runtime's: perhaps one that turns a reactor on behalf of the task's executor.
    Outside,
}

impl Here {
    /// `runs` says whether the runtime that runs on this thread is the task's, if one does; `is_served` whether the
    /// thread makes blocking calls of the task's run.
    pub(crate) fn of(runs: Option<bool>, is_served: bool) -> Here {
        match runs {
            Some(true) => Here::Own,
            _ if is_served => Here::Own,
            Some(false) => Here::Other,
            None => Here::Outside,
        }
    }
}

/// What is waking or cancelling on this thread right now.
pub(crate) fn present_cause(here: Here) -> WokenBy {
    match reactor::cause::current().filter(|_| here != Here::Other) {
        Some(cause) => cause.into(),
        None => present_id(here).map_or(WokenBy::Outside, WokenBy::Task),
    }
}

/// The task that runs on this thread, if it is of the same run.
fn present_id(here: Here) -> Option<TaskId> {
    with_current(|task| task.map(TaskRef::id)).filter(|_| here == Here::Own)
}
