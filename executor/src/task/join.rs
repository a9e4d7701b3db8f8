//! [`JoinHandle`]: the right to a task's output, and to cancel it.

use super::cell::{Header, TaskId, TaskRef, cancel, discard, drop_reference};
use super::state::Leave;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

/// Why a task has no output.
///
/// ```
/// use executor::{JoinError, block_on, spawn};
///
/// block_on(async {
///     match spawn(async { panic!("no luck") }).await {
///         Ok(()) => unreachable!(),
///         Err(JoinError::Cancelled) => println!("somebody cancelled it"),
///         Err(JoinError::Panicked(panic)) => assert_eq!(panic.message(), Some("no luck")),
///     }
/// });
/// ```
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It was cancelled: by its handle, or because its runtime ended.
    #[error("the task was cancelled")]
    Cancelled,
    /// It panicked, with this payload.
    #[error("the task panicked: {0}")]
    Panicked(Panic),
}

impl JoinError {
    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }
}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(error.to_string())
    }
}

/// What a task panicked with. Prints its message.
pub struct Panic(pub(super) Box<dyn Any + Send>);

impl Panic {
    /// The message, if the panic had one.
    pub fn message(&self) -> Option<&str> {
        let literal = self.0.downcast_ref::<&'static str>().copied();
        literal.or_else(|| self.0.downcast_ref::<String>().map(String::as_str))
    }

    /// The payload, as for [`std::panic::resume_unwind`].
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.0
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().unwrap_or("a value that is not a message"))
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panic({:?})", self.to_string())
    }
}

// SAFETY: through a `&Panic` nothing can be done with the payload but to look for a message
// in it, and a `&'static str` or a `String` may be read from any thread.
unsafe impl Sync for Panic {}

/// A spawned task, seen from outside: await it for its output.
///
/// Dropping the handle detaches the task: it goes on, and its output is dropped when it is done.
///
/// # Errors
/// Awaiting it gives [`JoinError`] if the task was cancelled or panicked.
///
/// # Panics
/// When it is awaited again after it gave its output.
///
/// # Cancel safety
/// Awaiting `&mut handle` may be given up at any point; nothing is lost.
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
    header: NonNull<Header>,
    output: PhantomData<T>,
}

// SAFETY: the handle gives out the output, or drops it: that needs T to be Send. The future is
// none of its business, and all else in the cell may be shared by threads.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` nothing reaches the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `header` is that of a task with the output `T`, and the caller gives up the handle's reference.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> JoinHandle<T> {
        JoinHandle { header, output: PhantomData }
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the handle holds a reference.
        unsafe { self.header.as_ref() }
    }

    /// Asks for the end of the task: its future is dropped where it stands, at the await it waits
    /// at, and never polled again. A task that is just finishing may still finish; one that has,
    /// stays so. Await the handle to know, and to know that the future is gone.
    ///
    /// A blocking call that has begun goes on to its end; one still waiting for a thread never starts.
    pub fn cancel(&self) {
        // SAFETY: the handle holds a reference.
        unsafe { cancel(self.header) };
    }

    /// Whether the task is over: the future is dropped, and awaiting this gives the output at once.
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

    /// The name that it was spawned with, if any.
    pub fn name(&self) -> Option<&str> {
        self.task().name()
    }

    pub(crate) fn task(&self) -> TaskRef<'_> {
        TaskRef(self.header())
    }

    /// The output, if the task is complete.
    pub(crate) fn take_output(&mut self) -> Option<Result<T, JoinError>> {
        if !self.is_finished() {
            return None;
        }
        let output = self.output();
        assert!(output.is_some(), "{self:?} was awaited again after it had given its output");
        output
    }

    /// The output of a task that is complete, unless it was taken.
    fn output(&self) -> Option<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        // SAFETY: COMPLETE makes the output the handle's, of which there is one, used by one thread
        // at a time; the pointer is to an `Option<Result<T, JoinError>>`, as T is the future's output.
        unsafe { (self.header().vtable.take_output)(self.header, (&raw mut output).cast()) };
        output
    }

    /// Leaves the waker with the task. `false` if the task completed instead.
    fn register(&mut self, waker: &Waker) -> bool {
        let Header { state, join_waker, .. } = self.header();
        if state.has_join_waker() {
            // SAFETY: a waker that was offered is only read, by us and the runner, until reclaimed.
            let same = join_waker
                .with(|current| unsafe { (*current).as_ref().is_some_and(|current| current.will_wake(waker)) });
            if same {
                return true;
            }
            if !state.reclaim_join_waker() {
                return false;
            }
        }
        // SAFETY: JOIN_WAKER is clear and only the handle sets it, so the field is ours.
        let replaced = join_waker.with_mut(|current| unsafe { (*current).replace(Box::new(waker.clone())) });
        drop(replaced);
        let offered = state.offer_join_waker();
        if !offered {
            // SAFETY: it was not offered, and the task has completed without it: still ours.
            let waker = join_waker.with_mut(|current| unsafe { (*current).take() });
            drop(waker);
        }
        offered
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_finished() && self.register(cx.waker()) {
            return Poll::Pending;
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
            Leave::Complete => discard(self.output()),
        }
        // SAFETY: the handle's reference goes with it.
        unsafe { drop_reference(self.header) };
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}
