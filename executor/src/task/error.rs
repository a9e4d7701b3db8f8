//! What a task leaves in place of an output: [`JoinError`], [`Panic`] and [`TaskError`]. For any file.

use super::id::TaskInfo;
use super::outcome::Cancellation;
use reactor::panics::discard;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};

/// Why a task has no output.
///
/// ```
/// use executor::{JoinError, block_on, spawn};
///
/// block_on(async {
///     match spawn(async { panic!("no luck") }).await {
///         Ok(()) => unreachable!(),
///         Err(JoinError::Cancelled) => println!("the task was cancelled"),
///         Err(JoinError::Panicked(panic)) => assert_eq!(panic.message(), Some("no luck")),
///     }
/// });
/// ```
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The task was cancelled, or its runtime ended. [`JoinHandle::explained`](super::JoinHandle::explained) says who
    /// cancelled it, where and why.
    #[error("the task was cancelled")]
    Cancelled,
    /// The task panicked, with this payload.
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

    /// What the task panicked with, if it did.
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

/// Why a task has no output, with the task it is about. See [`JoinHandle::explained`](super::JoinHandle::explained).
#[derive(Debug)]
pub struct TaskError {
    /// The task.
    pub task: TaskInfo,
    /// How it ended.
    pub error: JoinError,
    /// Who cancelled it. `None` if it panicked, or was dropped with its runtime.
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

/// What is printed for a panic that has no message.
pub(crate) const NO_MESSAGE: &str = "a payload that is not text";

/// What a task panicked with. Prints its message.
///
/// Dropping it never panics, even if the payload's destructor does.
///
/// ```
/// executor::block_on(async {
///     let Err(executor::JoinError::Panicked(panic)) = executor::spawn(async { panic!("no luck") }).await else { return };
///     assert_eq!(panic.to_string(), "no luck");
///     assert!(panic.into_inner().is::<&'static str>());
/// });
/// ```
pub struct Panic(
    /// `Some` until the payload is dropped or taken.
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

    /// Whether the payload is an [`io::Error`](std::io::Error), as it is for a blocking call for which no thread could
    /// be started.
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

// Only the payload's destructor can see state that the panic left half changed.
impl UnwindSafe for Panic {}
impl RefUnwindSafe for Panic {}

// SAFETY: `&Panic` only allows reading the payload if it is a `&'static str`, a `String` or an `io::Error`, and those
// are Sync.
unsafe impl Sync for Panic {}

/// Calls foreign code at the end of a task and discards its panic: the task has completed, its runner is not affected,
/// and the steps that follow must still happen.
pub(super) fn ignore_panic(call: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(discard);
}
