//! Making tasks: [`spawn`], [`spawn_local`], [`spawn_blocking`] and [`named`]; and [`yield_now`].

use crate::custom::{Custom, with_custom};
use crate::single::{Core, core};
use crate::task::{Extras, JoinHandle, Reserved, Schedule};
use reactor::leaf;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

/// Starts a task on the runtime of this thread. It first runs after the present task has yielded.
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
    let place = Location::caller();
    // SAFETY: the future is written first. It is 'static, and made on the thread on which it will run and be dropped; or
    // it is Send.
    unsafe {
        match Spawning::reserve(Named::default(), place) {
            Ok(task) => {
                ptr::write(task.future(), future);
                task.start()
            }
            Err(named) => named.start_elsewhere(future, false, "spawn", place),
        }
    }
}

/// As [`spawn`], for a future that has to stay on this thread.
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
    let place = Location::caller();
    // SAFETY: the future is written first. It is 'static, and made on the thread on which it will run and be dropped; or
    // it is local.
    unsafe {
        match Spawning::reserve(Named::default(), place) {
            Ok(task) => {
                ptr::write(task.future(), future);
                task.start()
            }
            Err(named) => named.start_elsewhere(future, true, "spawn_local", place),
        }
    }
}

/// Makes a call that blocks, as file I/O, a name look-up or a long computation, on a thread of the
/// runtime's pool.
///
/// The pool starts a thread when none is idle, up to a limit; then calls wait their turn. A call
/// that has begun can't be stopped: cancelling it, or the end of the runtime, does not wait for it.
///
/// A [deterministic](crate::Builder::deterministic) runtime has no other threads: it makes the call on its own, in a
/// turn of its own. There, a call that waits for a task or for another call waits for ever.
///
/// # Errors
/// When the pool has no thread and the system gives none, the call is not made, and the handle gives
/// [`JoinError::Panicked`](crate::JoinError::Panicked) with an [`io::Error`](std::io::Error) as the payload, which says so.
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

/// Gives the task that is spawned next a name, for whoever prints or watches it.
///
/// ```
/// executor::block_on(async {
///     let task = executor::named("answer").spawn(async { 42 });
///     assert_eq!(task.name(), Some("answer"));
///     println!("{task:?}"); // task 2 `answer` (queued, spawned at src/main.rs:3:41)
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
pub fn named(name: impl Into<String>) -> Named {
    Named { extras: Some(Box::new(Extras::named(name.into()))) }
}

/// A task to be. Made by [`named`].
#[derive(Default)]
#[must_use = "a name does nothing until a task is spawned with it"]
pub struct Named {
    /// Nothing is allocated for a task without any.
    extras: Option<Box<Extras>>,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.extras.as_ref().and_then(|extras| extras.name())).finish()
    }
}

impl Named {
    /// Gives the task a value for its scheduler to know, as a priority: see [`TaskRef::metadata`](crate::task::TaskRef::metadata).
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

    /// As [`spawn`](crate::spawn).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F: Future<Output: Send> + Send + 'static>(self, future: F) -> JoinHandle<F::Output> {
        let place = Location::caller();
        // SAFETY: the future is written first. It is 'static, and made on the thread on which it will run and be dropped; or
        // it is Send.
        unsafe {
            match Spawning::reserve(self, place) {
                Ok(task) => {
                    ptr::write(task.future(), future);
                    task.start()
                }
                Err(named) => named.start_elsewhere(future, false, "spawn", place),
            }
        }
    }

    /// As [`spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_local<F: Future + 'static>(self, future: F) -> JoinHandle<F::Output> {
        let place = Location::caller();
        // SAFETY: the future is written first. It is 'static, and made on the thread on which it will run and be dropped; or
        // it is local.
        unsafe {
            match Spawning::reserve(self, place) {
                Ok(task) => {
                    ptr::write(task.future(), future);
                    task.start()
                }
                Err(named) => named.start_elsewhere(future, true, "spawn_local", place),
            }
        }
    }

    /// Starts a task on a custom runtime.
    ///
    /// # Safety
    /// The future and its output are Send, or it `is_local`.
    #[cold]
    pub(crate) unsafe fn start_elsewhere<F: Future + 'static>(
        self,
        future: F,
        is_local: bool,
        what: &str,
        place: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        with_custom(|custom| {
            let custom = custom.unwrap_or_else(|| outside(what, place));
            // SAFETY: as the caller promises.
            unsafe { custom.spawn(future, self.extras, is_local, place) }
        })
    }

    /// As [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<T: Send + 'static>(self, call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let place = Location::caller();
        let Some(core) = core() else { return self.call_elsewhere(call, place) };
        // SAFETY: the core runs in a call below this one.
        let core: &Core = unsafe { core.as_ref() };
        if core.blocks_itself() {
            // SAFETY: the future is written first. It is 'static, and made on the thread on which it will run and be
            // dropped.
            unsafe {
                let cell = core.reserve(self.extras, place);
                ptr::write(cell.future(), core.pool.make_here(call));
                return core.spawn(cell);
            }
        }
        let meta = core.introduce(self.extras, place);
        let cell = core.pool.reserve(meta);
        // SAFETY: the call is written first.
        let (task, handle) = unsafe {
            ptr::write(cell.future(), core.pool.call(call));
            cell.into_task()
        };
        core.observe_call(handle.task());
        core.pool.schedule(task);
        handle
    }

    /// As [`spawn_blocking`](Named::spawn_blocking), on a custom runtime.
    #[cold]
    fn call_elsewhere<T: Send + 'static>(
        self,
        call: impl FnOnce() -> T + Send + 'static,
        place: &'static Location<'static>,
    ) -> JoinHandle<T> {
        with_custom(|custom| {
            let custom: &Custom = custom.unwrap_or_else(|| outside("spawn_blocking", place));
            let Some(pool) = &custom.pool else {
                panic!(
                    "executor::spawn_blocking was called at {place} on a custom runtime without a reactor, to which the pool's threads report: write CustomRuntime::builder(scheduler).reactor(reactor.handle()).build()"
                )
            };
            let cell = pool.reserve(custom.introduce(self.extras, place));
            // SAFETY: the call is written first.
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

/// A task of this thread's runtime whose future is still to be written: see [`Reserved`].
#[must_use = "a cell that is not made a task leaks"]
pub(crate) struct Spawning<F> {
    core: NonNull<Core>,
    cell: Reserved<F>,
}

impl<F: Future> Spawning<F> {
    /// The name comes back if no [`Runtime`](crate::Runtime) runs on this thread.
    #[inline]
    pub(crate) fn reserve(named: Named, place: &'static Location<'static>) -> Result<Spawning<F>, Named> {
        let Some(core) = core() else { return Err(named) };
        // SAFETY: the core runs in a call below the caller. What else there is to promise, `start` asks for.
        let cell = unsafe { core.as_ref().reserve(named.extras, place) };
        Ok(Spawning { core, cell })
    }

    /// Where the future is to be written.
    #[inline]
    pub(crate) fn future(&self) -> *mut F {
        self.cell.future()
    }

    /// # Safety
    /// The future was written, by the caller of `reserve` and right after that. It may be used and dropped on this
    /// thread, and borrows nothing that ends before the runtime.
    #[inline]
    pub(crate) unsafe fn start(self) -> JoinHandle<F::Output> {
        // SAFETY: as the caller promises; the core runs in a call below it.
        unsafe { self.core.as_ref().spawn(self.cell) }
    }
}

#[cold]
#[track_caller]
fn outside(what: &str, place: &Location<'_>) -> ! {
    panic!(
        "executor::{what} was called at {place} on a thread without a runtime, so there is nothing to run the task: \
         call it from inside of executor::block_on(async {{ … }}); or, on an executor of your own, run its loop in CustomRuntime::builder(scheduler).build().enter(|| …)"
    );
}

/// Lets every other task that is ready run before this one goes on.
///
/// On a [deterministic](crate::Builder::deterministic) runtime the order of a turn is left to the seed: there, those
/// that became ready in the same turn as this one yields may also come right after it.
///
/// ```
/// executor::block_on(async {
///     let other = executor::spawn(async {});
///     executor::yield_now().await;
///     assert!(other.is_finished());
/// });
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await
}

/// Pending once, and woken by itself.
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
        leaf::pending(|| "its next turn (yield_now)".into());
        Poll::Pending
    }
}
