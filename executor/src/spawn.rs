//! Functions that start tasks: [`spawn`], [`spawn_local`], [`spawn_blocking`] and [`named`]; and [`yield_now`].

use crate::schedule::{Core, Custom, core, with_custom};
use crate::task::{Extras, JoinHandle, Reserved, Schedule};
use reactor::leaf;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

/// Starts a task on the current runtime. The task is queued; it first runs after the current task has yielded.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// executor::block_on(async {
///     let tasks: Vec<_> = (0..3).map(|n| executor::spawn(async move { n * n })).collect();
///     let mut squares = Vec::new();
///     for task in tasks {
///         squares.push(task.await.unwrap());
///     }
///     assert_eq!(squares, [0, 1, 4]);
/// });
/// ```
#[track_caller]
pub fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    let location = Location::caller();
    // SAFETY: the future is written before `start`. It is 'static. It stays on this thread or, on a custom runtime, may
    // move to other threads, since it and its output are Send.
    unsafe {
        match Spawning::reserve(Named::default(), location) {
            Ok(task) => {
                ptr::write(task.future(), future);
                task.start()
            }
            Err(named) => named.start_elsewhere(future, false, "spawn", location),
        }
    }
}

/// Like [`spawn`], for a future that must stay on this thread.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use std::rc::Rc;
///
/// executor::block_on(async {
///     let shared = Rc::new(5);
///     let task = executor::spawn_local({ let shared = shared.clone(); async move { *shared + 1 } });
///     assert_eq!(task.await.unwrap(), 6);
/// });
/// ```
#[track_caller]
pub fn spawn_local<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let location = Location::caller();
    // SAFETY: the future is written before `start`. It is 'static, and stays on this thread: for a custom runtime,
    // `start_elsewhere` marks it as local.
    unsafe {
        match Spawning::reserve(Named::default(), location) {
            Ok(task) => {
                ptr::write(task.future(), future);
                task.start()
            }
            Err(named) => named.start_elsewhere(future, true, "spawn_local", location),
        }
    }
}

/// Runs a blocking call, such as file I/O or a long computation, on a thread of the runtime's pool.
///
/// If no thread of the pool is idle, the pool starts one, up to [a limit](crate::Builder::blocking_threads); beyond it,
/// calls wait for a thread. A call that has begun cannot be stopped: cancelling its task does not wait for the call,
/// nor does the end of the runtime.
///
/// A [deterministic](crate::Builder::deterministic) runtime has no other threads: it runs the call on its own thread,
/// in a poll of its own. So a call that blocks until a task or another call does something never returns there.
///
/// # Errors
/// If the pool has no thread and the system cannot start one, the call is not made. The handle returns
/// [`JoinError::Panicked`](crate::JoinError::Panicked) with the [`io::Error`](std::io::Error) as its payload.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// executor::block_on(async {
///     let text = executor::spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
///     assert!(text.await.unwrap().unwrap().contains("[package]"));
/// });
/// ```
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Named::default().spawn_blocking(call)
}

/// Names a task before it is spawned. The name appears in task dumps, recordings, messages and the debugger.
///
/// ```
/// executor::block_on(async {
///     let task = executor::named("answer").spawn(async { 42 });
///     assert_eq!(task.name(), Some("answer"));
///     println!("{task:?}"); // task 2 "answer" (queued, spawned at src/main.rs:3:41)
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
pub fn named(name: impl Into<String>) -> Named {
    Named { extras: Some(Box::new(Extras::named(name.into()))) }
}

/// The settings of a task that is about to be spawned, returned by [`named`].
#[derive(Default)]
#[must_use = "a name does nothing until a task is spawned with it"]
pub struct Named {
    /// `None` for a task without a name or metadata, so that nothing is allocated for it.
    extras: Option<Box<Extras>>,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.extras.as_ref().and_then(|extras| extras.name())).finish()
    }
}

impl Named {
    /// Attaches a value to the task that its scheduler can read, such as a priority: see
    /// [`TaskRef::metadata`](crate::task::TaskRef::metadata).
    ///
    /// ```
    /// executor::block_on(async {
    ///     let task = executor::named("urgent").metadata(9_u8).spawn(async {});
    ///     task.on_done(|task, _| assert_eq!(task.metadata(), Some(&9_u8)));
    ///     task.await.unwrap();
    /// });
    /// ```
    pub fn metadata(mut self, metadata: impl Any + Send + Sync) -> Named {
        self.extras.get_or_insert_default().set_metadata(metadata);
        self
    }

    /// Like [`spawn`](crate::spawn).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F: Future<Output: Send> + Send + 'static>(self, future: F) -> JoinHandle<F::Output> {
        let location = Location::caller();
        // SAFETY: the future is written before `start`. It is 'static. It stays on this thread or, on a custom runtime,
        // may move to other threads, since it and its output are Send.
        unsafe {
            match Spawning::reserve(self, location) {
                Ok(task) => {
                    ptr::write(task.future(), future);
                    task.start()
                }
                Err(named) => named.start_elsewhere(future, false, "spawn", location),
            }
        }
    }

    /// Like [`spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_local<F: Future + 'static>(self, future: F) -> JoinHandle<F::Output> {
        let location = Location::caller();
        // SAFETY: the future is written before `start`. It is 'static, and stays on this thread: for a custom runtime,
        // `start_elsewhere` marks it as local.
        unsafe {
            match Spawning::reserve(self, location) {
                Ok(task) => {
                    ptr::write(task.future(), future);
                    task.start()
                }
                Err(named) => named.start_elsewhere(future, true, "spawn_local", location),
            }
        }
    }

    /// Starts a task on the current custom runtime; panics if there is none.
    ///
    /// # Safety
    /// The future and its output are Send, or `is_local` is true.
    #[cold]
    pub(crate) unsafe fn start_elsewhere<F: Future + 'static>(
        self,
        future: F,
        is_local: bool,
        what: &str,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        with_custom(|custom| {
            let custom = custom.unwrap_or_else(|| outside(what, location));
            // SAFETY: as the caller promises.
            unsafe { custom.spawn(future, self.extras, is_local, location) }
        })
    }

    /// Like [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<T: Send + 'static>(self, call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let location = Location::caller();
        let Some(core) = core() else { return self.call_elsewhere(call, location) };
        // SAFETY: a frame below this one on the stack runs the core, so it lives until this returns.
        let core: &Core = unsafe { core.as_ref() };
        if core.blocks_itself() {
            // SAFETY: the future is written before `spawn`. It is 'static, and runs and is dropped on this thread.
            unsafe {
                let cell = core.reserve(self.extras, location);
                ptr::write(cell.future(), core.make_here(call));
                return core.spawn(cell);
            }
        }
        let meta = core.introduce(self.extras, location);
        let cell = core.pool.reserve(meta);
        // SAFETY: the call is written before `into_task`.
        let (task, handle) = unsafe {
            ptr::write(cell.future(), core.pool.call(call));
            cell.into_task()
        };
        core.observe_call(handle.task());
        core.pool.schedule(task);
        handle
    }

    /// Like [`spawn_blocking`](Named::spawn_blocking), on a custom runtime.
    #[cold]
    fn call_elsewhere<T: Send + 'static>(
        self,
        call: impl FnOnce() -> T + Send + 'static,
        location: &'static Location<'static>,
    ) -> JoinHandle<T> {
        with_custom(|custom| {
            let custom: &Custom = custom.unwrap_or_else(|| outside("spawn_blocking", location));
            let Some(pool) = &custom.pool else {
                panic!(
                    "executor::spawn_blocking was called at {location} on a custom runtime without a reactor, \
                     which the threads of the pool need to report results: write \
                     CustomRuntime::builder(scheduler).reactor(reactor.handle()).build()"
                )
            };
            let cell = pool.reserve(custom.introduce(self.extras, location));
            // SAFETY: the call is written before `into_task`.
            let (task, handle) = unsafe {
                ptr::write(cell.future(), pool.call(call));
                cell.into_task()
            };
            custom.observe_call(handle.task());
            pool.schedule(task);
            handle
        })
    }
}

/// A reserved cell on the runtime of this thread, into which the future is written before the task starts: see
/// [`Reserved`].
#[must_use = "a cell that does not become a task leaks"]
pub(crate) struct Spawning<F> {
    core: NonNull<Core>,
    cell: Reserved<F>,
}

impl<F: Future> Spawning<F> {
    /// Reserves a cell. Returns `named` as the error if no [`Runtime`](crate::Runtime) runs on this thread.
    #[inline]
    pub(crate) fn reserve(named: Named, location: &'static Location<'static>) -> Result<Spawning<F>, Named> {
        let Some(core) = core() else { return Err(named) };
        // SAFETY: a frame below the caller on the stack runs the core, so it lives until this returns. The other
        // conditions are those of `start`.
        let cell = unsafe { core.as_ref().reserve(named.extras, location) };
        Ok(Spawning { core, cell })
    }

    /// The address at which the caller must write the future.
    #[inline]
    pub(crate) fn future(&self) -> *mut F {
        self.cell.future()
    }

    /// Starts the task.
    ///
    /// # Safety
    /// The caller of `reserve` wrote the future right after that call. The future may be used and dropped on this
    /// thread, and borrows nothing that ends before the runtime.
    #[inline]
    pub(crate) unsafe fn start(self) -> JoinHandle<F::Output> {
        // SAFETY: as the caller promises. A frame below it on the stack runs the core.
        unsafe { self.core.as_ref().spawn(self.cell) }
    }
}

#[cold]
#[track_caller]
fn outside(what: &str, location: &Location<'_>) -> ! {
    panic!(
        "executor::{what} was called at {location} on a thread without a runtime, so nothing would run the task: call \
         it inside executor::block_on(async {{ … }}); or, with an executor of your own, run its loop inside \
         CustomRuntime::builder(scheduler).build().enter(|| …)"
    );
}

/// Lets every other task that is queued run before this task continues.
///
/// On a [deterministic](crate::Builder::deterministic) runtime the seed chooses the order of the tasks in each pass of
/// the loop: a task that is queued in the pass in which this task yields may run after it.
///
/// ```
/// executor::block_on(async {
///     let other = executor::spawn(async {});
///     executor::yield_now().await;
///     assert!(other.is_finished());
/// });
/// ```
#[inline]
pub fn yield_now() -> impl Future<Output = ()> {
    YieldNow { yielded: false }
}

/// Wakes its task and returns `Poll::Pending` once; then it is ready.
#[must_use = "futures do nothing until they are awaited"]
struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        leaf::pending(|| "its next poll (yield_now)".into());
        Poll::Pending
    }
}
