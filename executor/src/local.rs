//! Values that belong to a task rather than to a thread: [`task_local!`](crate::task_local).

#[doc(hidden)] // for `task_local!`
pub use crate::lent::Lent;
use crate::lent::{lend, with_lent};
use crate::task::current_address;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::LocalKey;

/// Declares values that each task has for itself, for as long as a [`scope`](TaskLocal::scope) lasts.
///
/// ```
/// use executor::{block_on, spawn, task_local, yield_now};
///
/// task_local! {
///     /// Whose request is served.
///     static USER: String;
/// }
///
/// async fn log() -> String {
///     yield_now().await; // others run here, with users of their own
///     USER.with(|user| format!("by {user}"))
/// }
///
/// block_on(async {
///     let (ann, bob) = (spawn(USER.scope("ann".into(), log())), spawn(USER.scope("bob".into(), log())));
///     assert_eq!(ann.await.unwrap(), "by ann");
///     assert_eq!(bob.await.unwrap(), "by bob");
///     assert!(USER.try_with(|_| ()).is_none());
/// });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty;)*) => {$(
        $(#[$meta])*
        $visibility static $name: $crate::TaskLocal<$type> = {
            ::std::thread_local! {
                static VALUE: $crate::local::Lent<$crate::local::Of<$type>> = const { $crate::local::Lent::new() };
            }
            $crate::TaskLocal::new(&VALUE)
        };
    )*};
}

/// A value that each task has for itself. Declared by [`task_local!`](crate::task_local).
///
/// A task that is spawned inside of a scope does not inherit it: give it a scope of its own, as
/// `spawn(USER.scope(USER.get(), …))`.
pub struct TaskLocal<T: 'static> {
    /// The value of the innermost scope that is being polled on this thread.
    current: &'static LocalKey<Lent<Of<T>>>,
}

/// A value of a scope, and the task that polls the scope.
#[doc(hidden)] // for `task_local!`
pub struct Of<T> {
    /// The address of its cell; `None` if no task runs on the thread that polls.
    task: Option<usize>,
    value: T,
}

impl<T: 'static> TaskLocal<T> {
    #[doc(hidden)] // for `task_local!`
    pub const fn new(current: &'static LocalKey<Lent<Of<T>>>) -> TaskLocal<T> {
        TaskLocal { current }
    }

    /// Runs a future that has this value. A scope in a scope hides the outer one's.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalScope<T, F> {
        TaskLocalScope { local: self, value: Of { task: None, value }, future: Some(future) }
    }

    /// Shows `f` the value.
    ///
    /// `f` may do anything: list the tasks, and poll or drop futures with scopes of their own.
    ///
    /// # Panics
    /// Outside of a scope.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Some(result) => result,
            None => panic!("a task-local was read outside of a scope: run the future as NAME.scope(value, future)"),
        }
    }

    /// Shows `f` the value; `None` outside of a scope.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        with_lent(self.current, |of| {
            // A task that is dropped with its group runs inside of another one's poll, and must not see its value.
            let of = of.filter(|of| of.task == current_address())?;
            Some(f(&of.value))
        })
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// Outside of a scope.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskLocal")
    }
}

pin_project! {
    /// A future with a value of its own. Made by [`TaskLocal::scope`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct TaskLocalScope<T: 'static, F> {
        local: &'static TaskLocal<T>,
        value: Of<T>,
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalScope<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The destructors of the future may read the value.
            in_scope(this.local, this.value, || this.future.set(None));
        }
    }
}

impl<T: 'static, F: Future> Future for TaskLocalScope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a scope was polled after it was ready");
        in_scope(this.local, this.value, || future.poll(cx))
    }
}

/// Calls `f` while the task that runs on this thread has that value.
fn in_scope<T: 'static, R>(local: &'static TaskLocal<T>, value: &mut Of<T>, f: impl FnOnce() -> R) -> R {
    value.task = current_address();
    lend(local.current, Some(value), f)
}
