//! [`JoinHandle`]: the right to a task's output, and to cancel it.
//!
//! `create.rs` makes one for each task; users hold it. There is exactly one per task, and it has a reference of its
//! own.

use super::canceller::Canceller;
use super::chain;
use super::error::{JoinError, TaskError};
use super::event::TaskEvent;
use super::header::Header;
use super::id::{TaskId, TaskRef};
use super::observed::report;
use super::outcome::{Finish, TaskState};
use super::state::Leave;
use crate::shim::budget;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

/// The handle of a spawned task. Await it for the task's output.
///
/// Dropping the handle detaches the task: the task goes on, and its output is dropped when it completes.
///
/// # Errors
/// Awaiting it returns [`JoinError`] if the task was cancelled or panicked.
///
/// # Panics
/// Panics if it is awaited again after it returned the output.
///
/// # Cancel safety
/// Awaiting `&mut handle` may be cancelled at any point; nothing is lost.
///
/// Takes part in the [budget](reactor::budget) of a poll.
///
/// ```
/// executor::block_on(async {
///     let sum = executor::spawn(async { 1 + 2 });
///     assert_eq!(sum.await.unwrap(), 3);
///
///     let stuck = executor::spawn(std::future::pending::<()>());
///     stuck.cancel();
///     assert!(stuck.await.unwrap_err().is_cancelled());
/// });
/// ```
pub struct JoinHandle<T> {
    task: Canceller,
    output: PhantomData<T>,
}

// SAFETY: the handle returns the output, or drops it: that needs T to be Send. It never touches the future, and all
// else in the cell may be shared by threads.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` nothing reaches the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
// The output is taken in one step or not at all, so an unwind cannot leave it half taken.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `header` is that of a task with the output `T`, and the caller gives up the handle's reference.
    pub(super) unsafe fn from_header(header: NonNull<Header>) -> JoinHandle<T> {
        // SAFETY: as the caller promises.
        JoinHandle { task: unsafe { Canceller::from_reference(header) }, output: PhantomData }
    }

    pub(crate) fn header(&self) -> &Header {
        self.task().header()
    }

    /// Cancels the task: its future is never polled again, and is dropped at the await point where it is suspended. A
    /// task that is completing at this moment may still return or panic instead; cancelling a completed task changes
    /// nothing. Await the handle to find out how the task completed; its future is gone by then.
    ///
    /// A [shield](crate::shield()) delays the cancel until what it shields has completed. A blocking call that has
    /// begun runs to its end; one that still waits for a thread never starts.
    #[track_caller]
    pub fn cancel(&self) {
        self.task.cancel();
    }

    /// Cancels the task as [`cancel`](JoinHandle::cancel) does, and records a reason: see
    /// [`explained`](JoinHandle::explained).
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.task.cancel_because(reason);
    }

    /// A value that can cancel the task but not take its output.
    ///
    /// ```
    /// executor::block_on(async {
    ///     let task = executor::spawn(std::future::pending::<()>());
    ///     let canceller = task.canceller();
    ///     executor::spawn(async move { canceller.cancel() });
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn canceller(&self) -> Canceller {
        self.task.clone()
    }

    /// Turns this into a handle that cancels the task when it is dropped.
    ///
    /// ```
    /// use executor::time::{Duration, timeout};
    /// # use std::{future::pending, rc::Rc};
    ///
    /// executor::block_on(async {
    /// #   let (alive, inside) = (Rc::new(()), Rc::new(()));
    /// #   let inside = alive.clone();
    ///     let task = executor::spawn_local(async move { pending::<()>().await; drop(inside) });
    ///     let waited = timeout(Duration::from_millis(1), task.cancel_on_drop()).await;
    ///     assert!(waited.is_err());
    ///     executor::yield_now().await; // the task is gone
    /// #   assert_eq!(Rc::strong_count(&alive), 1);
    /// });
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(self)
    }

    /// Turns this into a handle whose error says more: which task it is about, and who cancelled that task, where and
    /// why; or what it panicked with.
    ///
    /// ```
    /// executor::block_on(async {
    ///     let task = executor::named("page").spawn(std::future::pending::<()>());
    ///     task.cancel_because("it is not needed");
    ///     let error = task.explained().await.unwrap_err();
    ///     assert_eq!(error.task.name.as_deref(), Some("page"));
    ///     assert_eq!(error.cancellation.unwrap().reason.as_deref(), Some("it is not needed"));
    /// });
    /// ```
    pub fn explained(self) -> Explained<T> {
        Explained(self)
    }

    /// Calls `callback` when the task completes, with the task and how it completed; at once if it has completed
    /// already.
    ///
    /// The callback runs on the thread that ran the task, and delays it: keep it short. If the callback panics, the
    /// panic is printed and has no other effect.
    ///
    /// ```
    /// use executor::task::Finish;
    /// use std::sync::{Arc, Mutex};
    ///
    /// executor::block_on(async {
    ///     let log = Arc::new(Mutex::new(String::new()));
    ///     let task = executor::named("sum").spawn(async { 1 + 2 });
    ///     task.on_done({
    ///         let log = log.clone();
    ///         move |task, how| *log.lock().unwrap() = format!("{:?}: {how:?}", task.name())
    ///     });
    ///     assert_eq!(task.await.unwrap(), 3);
    ///     assert_eq!(*log.lock().unwrap(), "Some(\"sum\"): Ready");
    /// });
    /// ```
    pub fn on_done(&self, callback: impl FnOnce(TaskRef<'_>, Finish) + Send + 'static) {
        self.header().make_extras().add_callback(Box::new(callback));
        if !self.header().state.add_callback() {
            self.task().run_callbacks();
        }
    }

    /// The task's state. Out of date at once, unless the task has completed.
    ///
    /// ```
    /// use executor::task::TaskState;
    ///
    /// executor::block_on(async {
    ///     let task = executor::spawn(async {});
    ///     assert_eq!(task.state(), TaskState::Queued);
    ///     executor::yield_now().await;
    ///     assert_eq!(task.state().to_string(), "completed");
    /// });
    /// ```
    pub fn state(&self) -> TaskState {
        self.header().state.describe()
    }

    /// Whether the task has completed: its future was dropped, and awaiting the handle returns the output at once.
    ///
    /// ```
    /// executor::block_on(async {
    ///     let task = executor::spawn(async { 7 });
    ///     assert!(!task.is_finished());
    ///     executor::yield_now().await;
    ///     assert!(task.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.header().state.is_complete()
    }

    /// The task's number in its runtime.
    ///
    /// ```
    /// executor::block_on(async {
    ///     let (a, b) = (executor::spawn(async {}), executor::spawn(async {}));
    ///     assert!(a.id() < b.id());
    /// });
    /// ```
    pub fn id(&self) -> TaskId {
        self.task().id()
    }

    /// The name that the task was spawned with, if any.
    pub fn name(&self) -> Option<&str> {
        self.task().name()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.task().spawned_at()
    }

    pub(crate) fn task(&self) -> TaskRef<'_> {
        self.task.task()
    }

    /// Takes the output, if the task has completed.
    pub(crate) fn take_output(&mut self) -> Option<Result<T, JoinError>> {
        if !self.is_finished() {
            return None;
        }
        let output = self.output();
        assert!(output.is_some(), "{self:?} was awaited again after it had returned its output");
        output
    }

    /// Takes the output of a completed task, unless it was taken before.
    fn output(&self) -> Option<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        // SAFETY: COMPLETE makes the output the handle's. There is one handle, used by one thread at a time; the
        // pointer is to an `Option<Result<T, JoinError>>`, as T is the future's output.
        unsafe { (self.header().vtable.take_output)(self.task().cell(), (&raw mut output).cast()) };
        output
    }

    /// Stores the waker in the task. Returns `false` if the task completed instead.
    fn register(&mut self, waker: &Waker) -> bool {
        let Header { state, join_waker, .. } = self.header();
        if state.has_join_waker() {
            // SAFETY: a waker that was offered is only read, by the handle and the runner, until it is reclaimed.
            let same = join_waker
                .with(|current| unsafe { (*current).as_ref().is_some_and(|current| current.will_wake(waker)) });
            if same {
                return true;
            }
            if !state.reclaim_join_waker() {
                return false;
            }
        }
        // SAFETY: JOIN_WAKER is clear and only the handle sets it, so the field is the handle's.
        let replaced = join_waker.with_mut(|current| unsafe { (*current).replace(Box::new(waker.clone())) });
        drop(replaced);
        let offered = state.offer_join_waker();
        if !offered {
            // SAFETY: it was not offered, and the task has completed without it: it is still the handle's.
            let waker = join_waker.with_mut(|current| unsafe { (*current).take() });
            drop(waker);
        }
        offered
    }

    /// Returns `Ready` if the output of a completed task may be taken although the budget is spent: if an earlier poll
    /// of the handle returned `Pending`. Then the waker field holds a waker, or a mark in place of one.
    #[cold]
    fn poll_deferred(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Header { join_waker, .. } = self.header();
        // SAFETY: since the task completed, only the handle writes the field; the runner reads it only if the handle
        // had offered a waker, which then is still there.
        let was_pending = join_waker.with(|waker| unsafe { (*waker).is_some() });
        if !was_pending && budget::poll_proceed(cx).is_pending() {
            let mark = Box::new(Waker::noop().clone());
            // SAFETY: as above, and no waker was offered, so the runner does not read the field.
            join_waker.with_mut(|waker| unsafe { *waker = Some(mark) });
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_finished() && self.register(cx.waker()) {
            reactor::leaf::pending(|| format!("the end of {}", self.task().info()));
            return Poll::Pending;
        }
        if !budget::try_take() {
            ready!(self.poll_deferred(cx));
        }
        self.take_output().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let Header { state, join_waker, .. } = self.header();
        match state.leave() {
            Leave::Detached { join_waker: true } => {
                // SAFETY: `leave` took the waker back from the runner.
                let waker = join_waker.with_mut(|waker| unsafe { (*waker).take() });
                drop(waker);
            }
            Leave::Detached { join_waker: false } => {}
            Leave::Complete => {
                // SAFETY: COMPLETE gave the output to the handle, which is being dropped.
                unsafe {
                    if self.header().has_output() {
                        drop_output(self.task.clone());
                    }
                }
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

/// Drops the output of a completed task. The output may be the handle of another one.
///
/// # Safety
/// The caller is the task's handle, and gives up the output.
#[cold]
unsafe fn drop_output(task: Canceller) {
    chain::run(move || {
        let header = task.task().cell();
        let Some(how) = task.task().header().state.finish() else { return };
        // SAFETY: `task` holds a reference; and the output was the handle's, which gave it up.
        unsafe {
            report(header, || TaskEvent::OutputDropped(how));
            (header.as_ref().vtable.discard_output)(header);
        }
    });
}

/// A handle that cancels its task when it is dropped. Made by [`JoinHandle::cancel_on_drop`].
#[derive(Debug)]
pub struct CancelOnDrop<T>(JoinHandle<T>);

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.cancel_because("its handle was dropped");
        }
    }
}

/// A handle whose error says which task it is about and who cancelled it. Made by [`JoinHandle::explained`].
#[derive(Debug)]
pub struct Explained<T>(JoinHandle<T>);

impl<T> Future for Explained<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(output.map_err(|error| {
            let cancellation = self.0.task().cancellation().cloned();
            TaskError { task: self.0.task().info(), error, cancellation }
        }))
    }
}
