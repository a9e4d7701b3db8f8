//! [`CustomRuntime`]: the rest of the library on a scheduler of your own.
//!
//! A [`Schedule`] decides where a queued task goes, and its loop runs the tasks. This file has what
//! [`spawn`](crate::spawn()) and the rest of the library need in addition: the numbers and the list of the tasks, the
//! pool for blocking calls, the observer. The runtime is current on the threads that have
//! [entered](CustomRuntime::enter) it.
//!
//! Used by `spawn.rs`, `tasks.rs` and `runtime.rs` where no [`Runtime`](crate::Runtime) is current.

use super::pool::{Limits, Pool};
use super::single::elsewhere;
use crate::combine::cancel::within;
use crate::stack::Names;
use crate::task::{
    Canceller, CurrentTask, Extras, Finish, JoinHandle, Meta, Registry, Run, Runnable, Schedule, TaskEvent, TaskId,
    TaskRef, at_home, reserve,
};
use crate::watch::dump::{TaskDump, Tasks};
use crate::watch::observer::Observer;
use crate::watch::{Asked, Observers, Suspect, confirmed, enter_run};
use reactor::{Handle, budget};
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The rest of the library on a scheduler of your own: [`spawn`](crate::spawn()),
/// [`spawn_blocking`](crate::spawn_blocking), [`task_group`](crate::task_group), [`tasks`](crate::tasks), sockets and
/// timers use it on the threads that have [entered](CustomRuntime::enter) it.
///
/// Its tasks are numbered from 1. Clones are cheap and are the same runtime. Keep it beside your scheduler and not
/// inside it: otherwise each keeps the other alive.
///
/// ```
/// use executor::CustomRuntime;
/// use executor::task::{Runnable, Schedule};
/// use std::sync::{Arc, Mutex};
///
/// /// Last in, first out.
/// #[derive(Default)]
/// struct Stack(Mutex<Vec<Runnable>>);
///
/// impl Schedule for Stack {
///     fn schedule(self: &Arc<Self>, task: Runnable) {
///         self.0.lock().unwrap().push(task);
///     }
/// }
///
/// let stack = Arc::new(Stack::default());
/// let runtime = CustomRuntime::builder(stack.clone()).build();
/// let sum = runtime.spawn(async { executor::spawn(async { 1 + 2 }).await.unwrap() });
/// runtime.enter(|| {
///     while let Some(task) = { let last = stack.0.lock().unwrap().pop(); last } {
///         if let Some(again) = task.run() {
///             stack.schedule(again);
///         }
///     }
/// });
/// assert!(sum.is_finished());
/// ```
#[derive(Clone)]
pub struct CustomRuntime {
    shared: Arc<Custom>,
    _ends: Arc<Ends>,
}

/// Configures and builds a [`CustomRuntime`]. Made by [`CustomRuntime::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct CustomBuilder {
    scheduler: Box<dyn Inner>,
    reactor: Option<Handle>,
    observer: Option<Arc<dyn Observer>>,
}

impl CustomBuilder {
    /// Sets the reactor that sockets, timers and blocking calls use on its threads. Some thread has to
    /// [turn](reactor::Reactor::turn) it.
    pub fn reactor(mut self, reactor: Handle) -> CustomBuilder {
        self.reactor = Some(reactor);
        self
    }

    /// Shows the events of its tasks to an observer, for instance a [`Recorder`](crate::trace::Recorder). Give the same
    /// observer to the reactor for the events of sockets and timers: see [`Reactor::with`](reactor::Reactor::with).
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> CustomBuilder {
        self.observer = Some(observer);
        self
    }

    /// Makes the runtime. The loop of your scheduler runs its tasks.
    pub fn build(self) -> CustomRuntime {
        let CustomBuilder { scheduler, reactor, observer } = self;
        let observers = Observers::new(observer, None);
        let pool = reactor.clone().map(|reactor| Arc::new(Pool::new(Limits::DEFAULT, reactor, &observers)));
        let _reactor = reactor.as_ref().map(Handle::enter); // an observer reads its clock
        observers.show(|observer| observer.run_begins());
        let (numbered, tasks) = Default::default();
        let shared = Arc::new(Custom { scheduler, reactor, observers, pool, numbered, tasks });
        CustomRuntime { _ends: Arc::new(Ends(shared.clone())), shared }
    }
}

impl fmt::Debug for CustomBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomBuilder").field("reactor", &self.reactor.is_some()).finish_non_exhaustive()
    }
}

impl CustomRuntime {
    /// Returns a builder of a runtime on this scheduler.
    pub fn builder<S: Schedule>(scheduler: Arc<S>) -> CustomBuilder {
        CustomBuilder { scheduler: Box::new(scheduler), reactor: None, observer: None }
    }

    /// Makes this the current runtime while `f` runs. `f` is the loop that runs tasks: call this on each thread that
    /// has one.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _reactor = self.shared.reactor.as_ref().map(Handle::enter);
        // Clears the current task, so that events in the loop are not attributed to a task that calls this.
        let _no_task = CurrentTask::clear();
        elsewhere(|| {
            let _run = enter_run(self.shared.observers.run());
            let _before = Before(CURRENT.replace(&raw const *self.shared));
            within(None, f)
        })
    }

    /// Starts a task, as [`spawn`](crate::spawn()) does, from any thread.
    #[track_caller]
    pub fn spawn<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        // SAFETY: it is Send.
        unsafe { self.shared.spawn(future, None, false, Location::caller()) }
    }

    /// Returns how many of its tasks have not completed.
    pub fn unfinished(&self) -> usize {
        self.shared.tasks.len()
    }

    /// Cancels every task, shielded or not. Your loop then drops the futures, on the threads that would have polled
    /// them: to shut down, call this and run the loop until [no task is left](CustomRuntime::unfinished).
    #[track_caller]
    pub fn cancel_all(&self) {
        let at = Location::caller();
        self.shared.tasks.tasks().iter().for_each(|(task, _)| task.end_at(at, "its runtime ends"));
    }
}

impl fmt::Debug for CustomRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomRuntime").field("unfinished", &self.unfinished()).finish_non_exhaustive()
    }
}

// A panic in a task stays in its cell, and a panic in the loop leaves the list of tasks consistent.
impl UnwindSafe for CustomRuntime {}
impl RefUnwindSafe for CustomRuntime {}

/// Dropped with the last clone of the runtime.
struct Ends(Arc<Custom>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.pool.iter().for_each(|pool| pool.close());
        self.0.observers.show(|observer| observer.run_ends());
    }
}

/// A scheduler whose type is erased.
trait Inner: Send + Sync {
    fn schedule(&self, task: Runnable);
    fn finished(&self, task: TaskRef<'_>, how: Finish);
    fn is_watched(&self) -> bool;
    fn happened(&self, task: TaskRef<'_>, what: TaskEvent<'_>);
}

impl<S: Schedule> Inner for Arc<S> {
    fn schedule(&self, task: Runnable) {
        S::schedule(self, task);
    }

    fn finished(&self, task: TaskRef<'_>, how: Finish) {
        S::finished(self, task, how);
    }

    fn is_watched(&self) -> bool {
        S::is_watched(self)
    }

    fn happened(&self, task: TaskRef<'_>, what: TaskEvent<'_>) {
        S::happened(self, task, what);
    }
}

/// The scheduler of the tasks of a custom runtime: the user's, with what the library adds. Any thread.
pub(crate) struct Custom {
    scheduler: Box<dyn Inner>,
    reactor: Option<Handle>,
    observers: Observers,
    /// For blocking calls; `None` without a reactor, because its threads wake tasks through one.
    pub(crate) pool: Option<Arc<Pool>>,
    /// The number of the task spawned last.
    numbered: AtomicU64,
    tasks: Registry,
}

impl Schedule for Custom {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.scheduler.schedule(task);
    }

    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        self.tasks.remove(task);
        self.scheduler.finished(task, how);
    }

    fn is_watched(&self) -> bool {
        !self.observers.is_empty() || self.scheduler.is_watched()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        // The scheduler comes first, so that it can note the queue of a wake: see `Transition::note_queue`.
        if self.scheduler.is_watched() {
            self.scheduler.happened(task, what);
        }
        self.observers.happened(task, what);
    }
}

thread_local! {
    /// The custom runtime that was entered last on this thread.
    static CURRENT: Cell<*const Custom> = const { Cell::new(ptr::null()) };
}

/// Restores the runtime that was current before, whether the loop returns or unwinds.
struct Before(*const Custom);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Calls `f` with the current custom runtime of this thread. A [`Runtime`](crate::Runtime) on the thread takes
/// precedence: check for that first.
pub(crate) fn with_custom<R>(f: impl FnOnce(Option<&Arc<Custom>>) -> R) -> R {
    let current = CURRENT.get();
    if current.is_null() {
        return f(None);
    }
    // SAFETY: `enter` set the pointer, keeps the `Arc` that it points into, and is still on the stack below.
    let current = unsafe {
        Arc::increment_strong_count(current);
        Arc::from_raw(current)
    };
    f(Some(&current))
}

impl Custom {
    /// Gives a task its number.
    pub(crate) fn introduce(&self, extras: Option<Box<Extras>>, spawned_at: &'static Location<'static>) -> Meta {
        Meta { id: TaskId(self.numbered.fetch_add(1, Ordering::Relaxed) + 1), spawned_at, extras }
    }

    /// Makes a task and schedules it. The future is boxed, so that this is compiled once for each type of output and
    /// not for each type of future.
    ///
    /// # Safety
    /// The future and its output are Send; or it `is_local`, and stays on this thread.
    pub(crate) unsafe fn spawn<F: Future + 'static>(
        self: &Arc<Self>,
        future: F,
        extras: Option<Box<Extras>>,
        is_local: bool,
        spawned_at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let mut extras = extras.unwrap_or_default();
        extras.set_size(size_of::<F>());
        let future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
        let (task, handle) = match is_local {
            true => {
                let future = at_home(future, &mut extras, spawned_at);
                // SAFETY: the future is kept at home.
                unsafe { self.make(future, self.introduce(Some(extras), spawned_at)) }
            }
            // SAFETY: the task is not local, so the future and its output are Send, as the caller promises.
            false => unsafe { self.make(future, self.introduce(Some(extras), spawned_at)) },
        };
        self.tasks.add(&task);
        self.scheduler.schedule(task);
        handle
    }

    /// # Safety
    /// The future may be run and dropped on any thread, or checks its home thread itself.
    unsafe fn make<F: Future>(self: &Arc<Self>, future: F, meta: Meta) -> (Runnable, JoinHandle<F::Output>) {
        // SAFETY: as the caller promises; the future is written first.
        unsafe {
            let cell = reserve(None, self, meta);
            ptr::write(cell.future(), future);
            cell.into_task()
        }
    }

    /// Shows the observer that a blocking call waits for a thread of the pool.
    pub(crate) fn observe_call(&self, task: TaskRef<'_>) {
        self.observers.show(|observer| observer.blocking_queued(task.id()));
    }

    /// The task dump. Tasks that belong to another thread are not polled. Other threads wake and run tasks meanwhile,
    /// so only a task that completes in this poll proves a lost wake.
    pub(crate) fn dump(&self) -> Tasks {
        let mut names = Names::default();
        let listed = self.tasks.tasks();
        let mut tasks: Vec<_> = listed.iter().map(|(task, spawned)| (task, task.task(), spawned.elapsed())).collect();
        tasks.retain(|(_, task, _)| !task.state().is_over());
        let mut suspects = Vec::new();
        let mut dump = |canceller: &Canceller, task: TaskRef<'_>, age| {
            let wakers = task.wakers();
            TaskDump::asked(task, age, &mut names, &mut || match self.ask(canceller) {
                Asked::Suspended => {}
                asked => suspects.push(Suspect { task: canceller.clone(), asked, wakers }),
            })
        };
        let mut dumps: Vec<_> = tasks.into_iter().map(|(canceller, task, age)| dump(canceller, task, age)).collect();
        for suspect in confirmed(suspects, true) {
            self.observers.show(|observer| observer.lost_wake(suspect.task.task()));
            let dumped = dumps.iter_mut().find(|dump| dump.task.id == suspect.task.task().id());
            dumped.into_iter().for_each(|dump| dump.lost_wake = true);
        }
        let calls = self.pool.iter().flat_map(|pool| pool.calls());
        dumps.extend(calls.map(|call| call.dump(Duration::ZERO)));
        Tasks::new(dumps)
    }

    /// Polls a task that was not woken, if it is suspended and may run on this thread. A task that completes has made
    /// progress; a task that was only woken may have been woken by another thread.
    fn ask(&self, task: &Canceller) -> Asked {
        if task.task().home().is_some_and(|home| home != thread::current().id()) {
            return Asked::Suspended;
        }
        let Some((right, transition)) = task.wake_up() else { return Asked::Suspended };
        transition.report(|| self.observers.show(|observer| observer.task_asked(task.task())));
        let _its_own = budget::enter();
        match within(None, || right.run_once()) {
            Run::Woken(again) => self.scheduler.schedule(again),
            Run::Finished if task.task().header().state.finish() != Some(Finish::Panicked) => return Asked::Progress,
            Run::Finished | Run::Suspended => {}
        }
        Asked::Suspended
    }
}
