//! [`JoinHandle`]: the right to a task's output, and to cancel it.

use super::cell::{Finish, Header, TaskId, TaskRef, call_back, cancel, drop_reference, wake, with_present};
use super::chain::drop_output;
use super::extras::{Cancellation, CancelledBy};
use super::state::{Leave, TaskState};
use super::waker::Runnable;
use crate::shim::{Ordering, budget};
use reactor::panics::discard;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

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
    /// It was cancelled: by its handle, or because its runtime ended. [`JoinHandle::explained`] says who did
    /// it, where and why.
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

    /// What it panicked with, if it did.
    pub(super) fn panic(&self) -> Option<&Panic> {
        match self {
            JoinError::Cancelled => None,
            JoinError::Panicked(panic) => Some(panic),
        }
    }
}

/// A panic whose payload is an [`io::Error`](std::io::Error) becomes that error.
impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        let message = error.to_string();
        let JoinError::Panicked(panic) = error else { return std::io::Error::other(message) };
        panic.into_inner().downcast().map_or_else(|_| std::io::Error::other(message), |error| *error)
    }
}

/// Cancels a task. Made by [`JoinHandle::canceller`].
///
/// It keeps the task's memory, but neither the task nor its output.
pub struct Canceller {
    header: NonNull<Header>,
}

// SAFETY: all it does may be done on any thread: it never reaches the future or the output.
unsafe impl Send for Canceller {}
// SAFETY: as above.
unsafe impl Sync for Canceller {}

impl Canceller {
    /// As [`JoinHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_at(Location::caller(), None);
    }

    /// As [`JoinHandle::cancel_because`].
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_at(Location::caller(), Some(reason.into()));
    }

    /// Asks for the end of the task, and says who does.
    pub(crate) fn cancel_at(&self, at: &'static Location<'static>, reason: Option<String>) {
        let Header { state, .. } = self.task().header();
        if !state.is_complete() && !state.is_cancelled() {
            let by = with_present(|present| match present {
                Some(task) => CancelledBy::Task { id: task.id(), name: task.name().map(Box::from) },
                None => CancelledBy::Thread(std::thread::current().name().unwrap_or("without a name").into()),
            });
            let cancellation = Cancellation { by, at, reason: reason.map(String::into_boxed_str) };
            let _first_wins = self.task().header().make_extras().cancellation.set(cancellation);
        }
        // SAFETY: this holds a reference.
        unsafe { cancel(self.header) };
    }

    /// Ends the task whatever shields it has.
    pub(crate) fn end_at(&self, at: &'static Location<'static>, reason: &str) {
        self.cancel_at(at, Some(reason.to_owned()));
        self.task().header().pierce_shields();
        // SAFETY: this holds a reference. One that was cancelled before waits for its shields.
        unsafe { wake(self.header) };
    }

    /// # Safety
    /// The task is there, and stays until this has returned.
    pub(super) unsafe fn of(header: NonNull<Header>) -> Canceller {
        // SAFETY: as promised; then by the reference that is added.
        unsafe { header.as_ref() }.state.add_reference();
        Canceller { header }
    }

    /// As [`of`](Canceller::of), of a task that nothing else may refer to; `None` if it is orphaned, and about to end.
    ///
    /// # Safety
    /// The task is there, and stays until this has returned.
    pub(super) unsafe fn of_listed(header: NonNull<Header>) -> Option<Canceller> {
        // SAFETY: as promised; then by the reference that is added.
        unsafe { header.as_ref() }.state.add_reference_unless_orphaned().then_some(Canceller { header })
    }

    /// Wakes the task without a recorded cause, if it is suspended: then returns the right to run it.
    pub(crate) fn wake_up(&self) -> Option<Runnable> {
        let extras = self.task().header().extras();
        extras.into_iter().for_each(|extras| extras.woken_again.store(false, Ordering::Relaxed));
        // SAFETY: the transition gave the right to run.
        self.task().header().state.wake_suspended().then(|| unsafe { Runnable::from_header(self.header) })
    }

    /// The task.
    pub fn task(&self) -> TaskRef<'_> {
        // SAFETY: this holds a reference.
        unsafe { TaskRef::new(self.header) }
    }

    /// Tells it apart from all other tasks that are there.
    pub(crate) fn address(&self) -> usize {
        self.header.addr().get()
    }
}

impl Clone for Canceller {
    fn clone(&self) -> Self {
        // SAFETY: this holds a reference.
        unsafe { Canceller::of(self.header) }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        // SAFETY: the reference goes with it.
        unsafe { drop_reference(self.header) };
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canceller({:?})", self.task())
    }
}

/// A handle whose task ends with it. Made by [`JoinHandle::cancel_on_drop`].
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

/// A handle whose error tells the whole story. Made by [`JoinHandle::explained`].
#[derive(Debug)]
pub struct Explained<T>(JoinHandle<T>);

impl<T> Future for Explained<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = std::task::ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(output.map_err(|error| {
            let cancellation = self.0.task().cancellation().cloned();
            TaskError { task: self.0.task().info(), error, cancellation }
        }))
    }
}

/// A task, after it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its number.
    pub id: TaskId,
    /// Its name, if it had one.
    pub name: Option<Box<str>>,
    /// Where it was spawned.
    pub place: &'static Location<'static>,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " (spawned at {})", self.place)
    }
}

impl TaskRef<'_> {
    /// What can be told of it when it is gone.
    pub fn info(self) -> TaskInfo {
        TaskInfo { id: self.id(), name: self.name().map(Box::from), place: self.place() }
    }

    /// A canceller of the task, which keeps its cell.
    pub(crate) fn canceller(self) -> Canceller {
        // SAFETY: a `TaskRef` borrows a cell that is there.
        unsafe { Canceller::of(self.cell()) }
    }
}

/// Why a task has no output: which task, and the whole story. See [`JoinHandle::explained`].
#[derive(Debug)]
pub struct TaskError {
    /// The task.
    pub task: TaskInfo,
    /// How it ended.
    pub error: JoinError,
    /// Who cancelled it. Nobody did if it panicked, or if it was dropped with its runtime.
    pub cancellation: Option<Cancellation>,
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.cancellation) {
            (JoinError::Panicked(panic), _) => write!(f, "{} panicked: {panic}", self.task),
            (JoinError::Cancelled, Some(cancellation)) => write!(f, "{} was {cancellation}", self.task),
            (JoinError::Cancelled, None) => write!(f, "{} was cancelled, as its runtime ended", self.task),
        }
    }
}

impl std::error::Error for TaskError {}

/// What is printed of a panic that has no message.
pub(crate) const NO_MESSAGE: &str = "a value that is not a message";

/// What a task panicked with. Prints its message.
///
/// Dropping it never panics, even if the payload's destructor does.
pub struct Panic(
    /// There until it is dropped or given away.
    Option<Box<dyn Any + Send>>,
);

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Panic {
        Panic(Some(payload))
    }

    /// The message, if the panic had one.
    pub fn message(&self) -> Option<&str> {
        let payload = self.0.as_ref()?;
        let literal = payload.downcast_ref::<&'static str>().copied();
        literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }

    /// Whether the payload is an [`io::Error`](std::io::Error), as it is for a blocking call that no thread could be
    /// started for.
    pub fn is_io_error(&self) -> bool {
        self.0.as_ref().is_some_and(|payload| payload.is::<std::io::Error>())
    }

    /// The payload, as for [`std::panic::resume_unwind`].
    pub fn into_inner(mut self) -> Box<dyn Any + Send> {
        self.0.take().expect("a Panic has its payload until it is dropped")
    }
}

impl Drop for Panic {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(discard);
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_ref().and_then(|payload| payload.downcast_ref::<std::io::Error>()) {
            Some(error) => error.fmt(f),
            None => f.write_str(self.message().unwrap_or(NO_MESSAGE)),
        }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panic({:?})", self.to_string())
    }
}

// What was being changed when it panicked, its destructor may find half changed, and nobody else.
impl UnwindSafe for Panic {}
impl RefUnwindSafe for Panic {}

// SAFETY: through a `&Panic` nothing can be done with the payload but to read it if it is a `&'static str`, a `String`
// or an `io::Error`, and those are Sync.
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

// SAFETY: the handle gives out the output, or drops it: that needs T to be Send. The future is
// none of its business, and all else in the cell may be shared by threads.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` nothing reaches the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
// The output is taken at once or not at all. As for `std::thread::JoinHandle`.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `header` is that of a task with the output `T`, and the caller gives up the handle's reference.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> JoinHandle<T> {
        JoinHandle { task: Canceller { header }, output: PhantomData }
    }

    pub(crate) fn header(&self) -> &Header {
        self.task().header()
    }

    /// Asks for the end of the task: its future is dropped where it stands, at the await it waits
    /// at, and never polled again. A task that is just finishing may still finish; one that has,
    /// stays so. Await the handle to know, and to know that the future is gone.
    ///
    /// A part that is [shielded](crate::shield()) goes on to its end first. So does a blocking call that has
    /// begun; one still waiting for a thread never starts.
    #[track_caller]
    pub fn cancel(&self) {
        self.task.cancel();
    }

    /// As [`cancel`](JoinHandle::cancel), and says what for: see [`explained`](JoinHandle::explained).
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.task.cancel_because(reason);
    }

    /// Something that can cancel the task, for whoever is not to have its output.
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

    /// The same handle, but dropping it cancels the task.
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

    /// The same handle with an error that tells the whole story: which task, and who cancelled it, where and
    /// why; or what it panicked with.
    pub fn explained(self) -> Explained<T> {
        Explained(self)
    }

    /// Has a function called when the task is over, with how it ended; at once if it is already.
    ///
    /// It is called on the thread that ran the task, which it holds up: keep it short. A panic in it is
    /// printed and reaches nobody.
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
            call_back(self.task());
        }
    }

    /// Where the task is in its life. Out of date at once, unless it is over.
    ///
    /// ```
    /// use executor::task::TaskState;
    ///
    /// executor::block_on(async {
    ///     let task = executor::spawn(async {});
    ///     assert_eq!(task.state(), TaskState::Pending);
    ///     executor::yield_now().await;
    ///     assert_eq!(task.state().to_string(), "done");
    /// });
    /// ```
    pub fn state(&self) -> TaskState {
        self.header().state.describe()
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

    /// Where it was spawned.
    pub fn place(&self) -> &'static Location<'static> {
        self.task().place()
    }

    pub(crate) fn task(&self) -> TaskRef<'_> {
        self.task.task()
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
        unsafe { (self.header().vtable.take_output)(self.task.header, (&raw mut output).cast()) };
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

impl<T> JoinHandle<T> {
    /// Whether the output of a completed task may be taken although the budget is spent: if the handle was pending
    /// before. Then there is a waker in its field, or something in place of one.
    #[cold]
    fn poll_deferred(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Header { join_waker, .. } = self.header();
        // SAFETY: since the task completed, nobody but the handle writes the field; the runner reads it only if the
        // handle had offered a waker, which then is still there.
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
                // SAFETY: COMPLETE makes the output the handle's, which goes.
                unsafe {
                    if self.header().has_output() {
                        drop_output(self.task());
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
