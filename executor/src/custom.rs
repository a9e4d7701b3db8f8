//! [`CustomRuntime`]: the rest of the library on a scheduler of your own.
//!
//! A [`Schedule`] says where a ready task goes, and its loop runs it. All else that [`spawn`](crate::spawn()) and its
//! like need of a runtime is here: the numbers of tasks, the list of them, the pool for blocking calls, the observer.
//! On a thread that has [entered](CustomRuntime::enter) one, it is the current runtime.
//!
//! Used by `spawn.rs`, `dump.rs` and `runtime.rs` where no [`Runtime`](crate::Runtime) is current.

use crate::blocking::{self, Limits, Pool};
use crate::cancel::within;
use crate::lost_wake::Asked;
use crate::observer::{self, Here, Observer};
use crate::single::{elsewhere, with_core};
use crate::task::{
    Canceller, CurrentTask, Extras, Finish, JoinHandle, Meta, Registry, Run, Runnable, Schedule, TaskEvent, TaskId,
    TaskRef, at_home, reserve,
};
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
use std::time::Instant;

/// A scheduler of your own with all that the rest of the library needs: [`spawn`](crate::spawn()),
/// [`spawn_blocking`](crate::spawn_blocking), [`task_group`](crate::task_group), [`tasks`](crate::tasks), sockets and
/// timers find it on the threads that have [entered](CustomRuntime::enter) it.
///
/// Its tasks are numbered from 1. Cheap to clone: all clones are one runtime. Keep it beside your scheduler and not in
/// it, or each keeps the other alive.
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

/// What can be chosen about a [`CustomRuntime`]. Made by [`CustomRuntime::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct CustomBuilder {
    scheduler: Box<dyn Inner>,
    reactor: Option<Handle>,
    observer: Option<Arc<dyn Observer>>,
}

impl CustomBuilder {
    /// The reactor that sockets, timers and blocking calls use on its threads. Some thread has to
    /// [turn](reactor::Reactor::turn) it.
    pub fn reactor(mut self, reactor: Handle) -> CustomBuilder {
        self.reactor = Some(reactor);
        self
    }

    /// Shows the events of its tasks to an observer, as a [`Recorder`](crate::trace::Recorder). The same has to be
    /// given to the reactor for those of sockets and timers: see [`Reactor::with`](reactor::Reactor::with).
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> CustomBuilder {
        self.observer = Some(observer);
        self
    }

    /// Makes the runtime. Its tasks run where your scheduler's loop runs them.
    pub fn build(self) -> CustomRuntime {
        let CustomBuilder { scheduler, reactor, observer } = self;
        let pool = reactor.clone().map(|reactor| Arc::new(Pool::new(Limits::DEFAULT, reactor, observer.clone())));
        let _reactor = reactor.as_ref().map(Handle::enter); // the observer asks for its clock
        observer.iter().for_each(|observer| observer.run_begins());
        let (numbered, tasks) = Default::default();
        let shared = Arc::new(Custom { scheduler, reactor, observer, pool, numbered, tasks });
        CustomRuntime { _ends: Arc::new(Ends(shared.clone())), shared }
    }
}

impl fmt::Debug for CustomBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomBuilder").field("reactor", &self.reactor.is_some()).finish_non_exhaustive()
    }
}

impl CustomRuntime {
    /// A runtime on this scheduler.
    pub fn builder<S: Schedule>(scheduler: Arc<S>) -> CustomBuilder {
        CustomBuilder { scheduler: Box::new(scheduler), reactor: None, observer: None }
    }

    /// Makes this the current runtime while `f` runs, which is a loop that runs tasks: call it on each thread that
    /// does.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _reactor = self.shared.reactor.as_ref().map(Handle::enter);
        // Clears the current task, so that events in the loop are not attributed to a task that calls this.
        let _no_task = CurrentTask::clear();
        let enter = || {
            let _before = Before(CURRENT.replace(&raw const *self.shared));
            within(None, f)
        };
        elsewhere(|| match &self.shared.reactor {
            Some(reactor) => blocking::as_thread_of(reactor, self.shared.observer.as_ref(), enter),
            None => enter(),
        })
    }

    /// Starts a task: as [`spawn`](crate::spawn()), from any thread.
    #[track_caller]
    pub fn spawn<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        // SAFETY: it is Send.
        unsafe { self.shared.spawn(future, None, false, Location::caller()) }
    }

    /// How many of its tasks are not over.
    pub fn unfinished(&self) -> usize {
        self.shared.tasks.len()
    }

    /// Cancels every task, shielded or not. The loop then drops their futures, where they would have run: when it ends,
    /// call this and let it run until [none is left](CustomRuntime::unfinished).
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

// As for a `Runtime`: a panic in a task is kept there, and one in the loop leaves the list of tasks whole.
impl UnwindSafe for CustomRuntime {}
impl RefUnwindSafe for CustomRuntime {}

/// The end of a runtime: the last clone of it is gone.
struct Ends(Arc<Custom>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.pool.iter().for_each(|pool| pool.close());
        self.0.observer.iter().for_each(|observer| observer.run_ends());
    }
}

/// A scheduler of whatever type.
trait Inner: Send + Sync {
    fn schedule(&self, task: Runnable);
    fn finished(&self, task: TaskRef<'_>, how: Finish);
    fn is_observed(&self) -> bool;
    fn happened(&self, task: TaskRef<'_>, what: TaskEvent<'_>);
}

impl<S: Schedule> Inner for Arc<S> {
    fn schedule(&self, task: Runnable) {
        S::schedule(self, task);
    }

    fn finished(&self, task: TaskRef<'_>, how: Finish) {
        S::finished(self, task, how);
    }

    fn is_observed(&self) -> bool {
        S::is_observed(self)
    }

    fn happened(&self, task: TaskRef<'_>, what: TaskEvent<'_>) {
        S::happened(self, task, what);
    }
}

/// What the tasks of a custom runtime know of it. Any thread.
pub(crate) struct Custom {
    scheduler: Box<dyn Inner>,
    reactor: Option<Handle>,
    observer: Option<Arc<dyn Observer>>,
    /// For blocking calls, which are woken for through the reactor.
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

    fn is_observed(&self) -> bool {
        self.observer.is_some() || self.scheduler.is_observed()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer::show(&**observer, task, what, || self.here());
        }
        if self.scheduler.is_observed() {
            self.scheduler.happened(task, what);
        }
    }
}

thread_local! {
    /// The custom runtime that was entered last on this thread.
    static CURRENT: Cell<*const Custom> = const { Cell::new(ptr::null()) };
}

/// Puts back the runtime that was current before, whether the loop returns or unwinds.
struct Before(*const Custom);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Shows `f` the custom runtime that is current on this thread. A `Runtime` that runs here comes before it.
pub(crate) fn with_custom<R>(f: impl FnOnce(Option<&Arc<Custom>>) -> R) -> R {
    let current = CURRENT.get();
    if current.is_null() {
        return f(None);
    }
    // SAFETY: `enter`, which has set it, keeps the `Arc` that it points into, and is still on the stack below.
    let current = unsafe {
        Arc::increment_strong_count(current);
        Arc::from_raw(current)
    };
    f(Some(&current))
}

impl Custom {
    /// Whose thread this is: a `Runtime` that runs here comes before a custom one.
    fn here(&self) -> Here {
        let current = CURRENT.get();
        let runs = match with_core(|core| core.is_some()) {
            true => Some(false),
            false => (!current.is_null()).then(|| ptr::eq(current, self)),
        };
        let is_thread_of = |reactor| blocking::is_thread_of(reactor, self.observer.as_ref());
        Here::of(runs, self.reactor.as_ref().is_some_and(is_thread_of))
    }

    /// Numbers a task.
    pub(crate) fn introduce(&self, extras: Option<Box<Extras>>, place: &'static Location<'static>) -> Meta {
        Meta { id: TaskId(self.numbered.fetch_add(1, Ordering::Relaxed) + 1), spawned_at: place, extras }
    }

    /// Makes a task and schedules it. Its future is in a box, so that `spawn` is compiled for a custom runtime once for
    /// each type of output and not for each future.
    ///
    /// # Safety
    /// The future and its output are Send; or it `is_local`, and stays on this thread.
    pub(crate) unsafe fn spawn<F: Future + 'static>(
        self: &Arc<Self>,
        future: F,
        extras: Option<Box<Extras>>,
        is_local: bool,
        place: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let mut extras = extras.unwrap_or_default();
        extras.set_size(size_of::<F>());
        let future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
        let (task, handle) = match is_local {
            true => {
                let future = at_home(future, &mut extras, place);
                // SAFETY: the future is kept at home.
                unsafe { self.make(future, self.introduce(Some(extras), place)) }
            }
            // SAFETY: the caller vouches for the future.
            false => unsafe { self.make(future, self.introduce(Some(extras), place)) },
        };
        self.tasks.add(&task);
        self.scheduler.schedule(task);
        handle
    }

    /// # Safety
    /// The future may be run and dropped on any thread, or sees to it itself where that is.
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
        self.observer.iter().for_each(|observer| observer.blocking_queued(task.id()));
    }

    /// Every task that is not over, with the time of its spawn.
    pub(crate) fn tasks(&self) -> Vec<(Canceller, Instant)> {
        self.tasks.tasks()
    }

    /// Polls a task, if it is suspended and may run on this thread, to learn its await chain. One that is over after
    /// that has made progress; one that was woken meanwhile may owe that to another thread.
    pub(crate) fn ask(&self, task: &Canceller) -> Asked {
        if task.task().home().is_some_and(|home| home != thread::current().id()) {
            return Asked::Suspended;
        }
        let Some(right) = task.wake_up() else { return Asked::Suspended };
        self.observer.iter().for_each(|observer| observer.task_asked(task.task()));
        let _its_own = budget::enter();
        match within(None, || right.run_once()) {
            Run::Ready(again) => self.scheduler.schedule(again),
            Run::Finished if task.task().header().state.finish() != Some(Finish::Panicked) => return Asked::Progress,
            Run::Finished | Run::Suspended => {}
        }
        Asked::Suspended
    }

    /// Shows the observer that the wake of a task was lost.
    pub(crate) fn lost_wake(&self, task: TaskRef<'_>) {
        self.observer.iter().for_each(|observer| observer.lost_wake(task));
    }
}
