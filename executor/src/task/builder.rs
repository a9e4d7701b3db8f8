//! Making tasks for a scheduler of your own: [`spawn_with`], and [`builder`] for tasks with a name, a number, metadata
//! or a thread that they must not leave.
//!
//! For code that implements [`Schedule`]. Code that runs on a [`Runtime`](crate::Runtime) calls
//! [`spawn`](crate::spawn()).

use super::create::allocate;
use super::extras::Extras;
use super::header::Meta;
use super::id::TaskId;
use super::join::JoinHandle;
use super::schedule::Schedule;
use super::waker::Runnable;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, Thread};

/// Makes a task from a future. Returns the right to run it the first time, and the handle for its output.
///
/// Nothing happens until the [`Runnable`] is run or scheduled; dropping it cancels the task. The task's number is
/// [`Schedule::next_id`]. [`builder`] makes tasks with a name and more.
///
/// ```
/// use executor::task::{Runnable, Schedule, spawn_with};
/// use std::sync::{Arc, Mutex};
///
/// struct Slot(Mutex<Option<Runnable>>);
/// impl Schedule for Slot {
///     fn schedule(self: &Arc<Self>, task: Runnable) {
///         *self.0.lock().unwrap() = Some(task);
///     }
/// }
///
/// let (task, seven) = spawn_with(async { 7 }, Arc::new(Slot(Mutex::new(None))));
/// assert_eq!(task.task().id(), seven.id());
/// assert!(task.run().is_none() && seven.is_finished());
/// ```
#[track_caller]
pub fn spawn_with<F: Future<Output: Send> + Send + 'static, S: Schedule>(
    future: F,
    scheduler: Arc<S>,
) -> (Runnable, JoinHandle<F::Output>) {
    builder().spawn(future, scheduler)
}

/// Starts to describe a task for a scheduler of your own: see [`Builder`].
pub fn builder() -> Builder {
    Builder::default()
}

/// Describes a task for a scheduler of your own, and makes it. Made by [`builder`].
///
/// ```
/// use executor::task::{Runnable, Schedule, TaskId, builder};
/// use std::sync::{Arc, Mutex};
///
/// struct Urgent(u8);
///
/// /// Runs the most urgent task first.
/// #[derive(Default)]
/// struct Tasks(Mutex<Vec<Runnable>>);
/// impl Schedule for Tasks {
///     fn schedule(self: &Arc<Self>, task: Runnable) {
///         let mut tasks = self.0.lock().unwrap();
///         tasks.push(task);
///         tasks.sort_by_key(|task| task.task().metadata().map_or(0, |urgent: &Urgent| urgent.0));
///     }
/// }
///
/// let tasks = Arc::new(Tasks::default());
/// for (id, urgency) in [(1, 3), (2, 9), (3, 5)] {
///     let task = builder().name("job").id(TaskId(id)).metadata(Urgent(urgency));
///     let (task, _detached) = task.spawn(async {}, tasks.clone());
///     tasks.schedule(task);
/// }
/// let most_urgent = tasks.0.lock().unwrap().pop().unwrap();
/// assert_eq!((most_urgent.task().id(), most_urgent.task().name()), (TaskId(2), Some("job")));
/// ```
#[derive(Default)]
#[must_use = "a Builder does nothing until `spawn`"]
pub struct Builder {
    id: Option<TaskId>,
    extras: Option<Box<Extras>>,
}

impl Builder {
    /// Sets the name of the task. Lists, recordings and errors show it.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.extras.get_or_insert_default().name = Some(name.into().into());
        self
    }

    /// Sets the number of the task. It should differ from those of all other tasks that are observed together. The
    /// default is [`Schedule::next_id`].
    pub fn id(mut self, id: TaskId) -> Builder {
        self.id = Some(id);
        self
    }

    /// Attaches a value for the scheduler, such as a priority: see [`TaskRef::metadata`](super::TaskRef::metadata). A
    /// second call replaces the value.
    pub fn metadata(mut self, metadata: impl Any + Send + Sync) -> Builder {
        self.extras.get_or_insert_default().set_metadata(metadata);
        self
    }

    /// Makes the task, as [`spawn_with`] does.
    #[track_caller]
    pub fn spawn<F: Future<Output: Send> + Send + 'static, S: Schedule>(
        self,
        future: F,
        scheduler: Arc<S>,
    ) -> (Runnable, JoinHandle<F::Output>) {
        let meta = self.meta(&*scheduler);
        // SAFETY: the future is 'static and may be used and dropped on any thread.
        unsafe { allocate(future, None, &scheduler, meta) }
    }

    /// Makes a task from a future that must not leave this thread. [`TaskRef::home`](super::TaskRef::home) returns that
    /// thread, so that the scheduler can bring each of the task's [`Runnable`]s there.
    ///
    /// If a [`Runnable`] is run or dropped on another thread, the task ends with a panic that says so; the future must
    /// not be dropped there, and is leaked.
    ///
    /// ```
    /// use executor::task::{Runnable, Schedule, builder};
    /// use std::{rc::Rc, sync::Arc, thread};
    ///
    /// struct Here;
    /// impl Schedule for Here {
    ///     fn schedule(self: &Arc<Self>, task: Runnable) {
    ///         assert_eq!(task.task().home(), Some(thread::current().id()));
    ///     }
    /// }
    ///
    /// let shared = Rc::new(5);
    /// let (task, six) = builder().spawn_local(async move { *shared + 1 }, Arc::new(Here));
    /// assert!(task.run().is_none() && six.is_finished());
    /// ```
    #[track_caller]
    pub fn spawn_local<F: Future + 'static, S: Schedule>(
        mut self,
        future: F,
        scheduler: Arc<S>,
    ) -> (Runnable, JoinHandle<F::Output>) {
        let extras = self.extras.get_or_insert_default();
        extras.set_size(size_of::<F>());
        let future = at_home(future, extras, Location::caller());
        let meta = self.meta(&*scheduler);
        // SAFETY: the future is 'static; and on other threads than this one, the wrapper neither uses nor drops it.
        unsafe { allocate(future, None, &scheduler, meta) }
    }

    #[track_caller]
    fn meta(self, scheduler: &impl Schedule) -> Meta {
        let id = self.id.unwrap_or_else(|| scheduler.next_id());
        Meta { id, spawned_at: Location::caller(), extras: self.extras }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.extras.as_ref().and_then(|extras| extras.name());
        f.debug_struct("Builder").field("name", &name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Wraps a future so that it is used and dropped on this thread only, whatever thread its task is run or dropped on.
pub(crate) fn at_home<F: Future>(
    future: F,
    extras: &mut Extras,
    spawned_at: &'static Location<'static>,
) -> impl Future<Output = F::Output> + use<F> {
    let home = thread::current();
    extras.home = Some(home.id());
    AtHome { home, spawned_at, is_reported: false, future: ManuallyDrop::new(future) }
}

/// See [`at_home`].
struct AtHome<F> {
    home: Thread,
    spawned_at: &'static Location<'static>,
    /// Whether it was polled on another thread, and panicked there.
    is_reported: bool,
    /// Used on the home thread only.
    future: ManuallyDrop<F>,
}

impl<F> AtHome<F> {
    fn is_here(&self) -> bool {
        thread::current().id() == self.home.id()
    }

    #[cold]
    fn report(&self, what: &str) -> ! {
        let name = |thread: &Thread| format!("\"{}\"", thread.name().unwrap_or("without a name"));
        panic!(
            "a task spawned at {} with spawn_local may not leave the thread {}, but its Runnable was {what} on the thread \
             {}: in Schedule::schedule, look at task.task().home() and put the task into the queue of that thread",
            self.spawned_at,
            name(&self.home),
            name(&thread::current()),
        );
    }
}

impl<F: Future> Future for AtHome<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is never moved out; it is dropped in place, or never.
        let this = unsafe { self.get_unchecked_mut() };
        if !this.is_here() {
            this.is_reported = true;
            this.report("run");
        }
        // SAFETY: as above.
        unsafe { Pin::new_unchecked(&mut *this.future) }.poll(cx)
    }
}

impl<F> Drop for AtHome<F> {
    fn drop(&mut self) {
        match self.is_here() {
            // SAFETY: it is not used again.
            true => unsafe { ManuallyDrop::drop(&mut self.future) },
            false if self.is_reported => {}
            false => self.report("dropped"),
        }
    }
}
