//! Making tasks: [`spawn`], [`spawn_local`], [`spawn_blocking`] and [`named`]; and [`yield_now`].

use crate::custom::{Custom, with_custom};
use crate::single::{Core, with_core};
use crate::task::{Extras, JoinHandle, Schedule};
use reactor::leaf;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
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
    Named::default().spawn(future)
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
    Named::default().spawn_local(future)
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
/// # Panics
/// Outside of a runtime; when the system gives no thread at all.
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
///     println!("{task:?}"); // task 2 `answer` (pending, spawned at src/main.rs:3:41)
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
        // SAFETY: it is Send.
        unsafe { self.start(future, false, Location::caller()) }
    }

    /// As [`spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_local<F: Future + 'static>(self, future: F) -> JoinHandle<F::Output> {
        // SAFETY: it is local.
        unsafe { self.start(future, true, Location::caller()) }
    }

    /// Starts a task on the current runtime.
    ///
    /// # Safety
    /// The future and its output are Send, or it `is_local`.
    #[inline]
    pub(crate) unsafe fn start<F: Future + 'static>(
        self,
        future: F,
        is_local: bool,
        place: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        with_core(|core| match core {
            // SAFETY: it is 'static, and made on the thread on which it will run and be dropped.
            Some(core) => unsafe { core.spawn(future, self.extras, place) },
            // SAFETY: as the caller promises.
            None => unsafe { self.start_elsewhere(future, is_local, place) },
        })
    }

    /// As [`start`](Named::start), on a custom runtime.
    ///
    /// # Safety
    /// As for [`start`](Named::start).
    #[cold]
    unsafe fn start_elsewhere<F: Future + 'static>(
        self,
        future: F,
        is_local: bool,
        place: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        with_custom(|custom| {
            let custom = custom.unwrap_or_else(|| outside("spawn", place));
            // SAFETY: as the caller promises.
            unsafe { custom.spawn(future, self.extras, is_local, place) }
        })
    }

    /// As [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    /// Outside of a runtime; when the system gives no thread at all.
    #[track_caller]
    pub fn spawn_blocking<T: Send + 'static>(self, call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let place = Location::caller();
        with_core(|core| {
            let Some(core): Option<&Core> = core else { return self.call_elsewhere(call, place) };
            if core.blocks_itself() {
                // SAFETY: it is 'static, and made on the thread on which it will run and be dropped.
                return unsafe { core.spawn(core.pool.make_here(call), self.extras, place) };
            }
            let (task, handle) = core.pool.make(call, core.introduce(self.extras, place));
            core.observe_call(handle.task());
            core.pool.schedule(task);
            handle
        })
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
                    "executor::spawn_blocking was called at {place} on a custom runtime without a reactor, to which the                      pool's threads report: write CustomRuntime::builder(scheduler).reactor(reactor.handle()).build()"
                )
            };
            let (task, handle) = pool.make(call, custom.introduce(self.extras, place));
            custom.observe_call(handle.task());
            pool.schedule(task);
            handle
        })
    }
}

#[cold]
fn outside(what: &str, place: &Location<'_>) -> ! {
    panic!(
        "executor::{what} was called at {place} on a thread without a runtime, so there is nothing to run the task: \
         call it from inside of executor::block_on(async {{ … }}); or, on an executor of your own, run its loop in          CustomRuntime::builder(scheduler).build().enter(|| …)"
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
