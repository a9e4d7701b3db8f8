//! Values that belong to a task rather than to a thread: [`task_local!`](crate::task_local).

#[doc(hidden)] // for `task_local!`
pub use super::lent::Lent;
use super::lent::{lend, with_lent};
use crate::task::current_address;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::LocalKey;

/// Declares values of which each task has its own, for as long as a [`scope`](TaskLocal::scope) lasts.
///
/// ```
/// use executor::{block_on, spawn, task_local, yield_now};
///
/// task_local! {
///     /// The user that sent the request.
///     static USER: String;
/// }
///
/// async fn log() -> String {
///     yield_now().await; // other tasks run here, with other users
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
                static VALUE: $crate::combine::local::Lent<$crate::combine::local::Scoped<$type>> =
                    const { $crate::combine::local::Lent::new() };
            }
            $crate::TaskLocal::new(&VALUE)
        };
    )*};
}

/// A value of which each task has its own. Declared by [`task_local!`](crate::task_local).
///
/// A task that is spawned inside a scope does not inherit the value. Give it a scope of its own:
/// `spawn(USER.scope(USER.get(), …))`.
pub struct TaskLocal<T: 'static> {
    /// The value of the innermost scope that is being polled on this thread.
    current: &'static LocalKey<Lent<Scoped<T>>>,
}

/// A value of a scope, and the task that polls the scope.
#[doc(hidden)] // for `task_local!`
pub struct Scoped<T> {
    /// The address of the task's cell; `None` if no task runs on the polling thread.
    task: Option<usize>,
    value: T,
}

impl<T: 'static> TaskLocal<T> {
    #[doc(hidden)] // for `task_local!`
    pub const fn new(current: &'static LocalKey<Lent<Scoped<T>>>) -> TaskLocal<T> {
        TaskLocal { current }
    }

    /// Runs a future with this value. A scope inside a scope hides the outer value.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalScope<T, F> {
        TaskLocalScope { local: self, value: Scoped { task: None, value }, future: Some(future) }
    }

    /// Calls `f` with the value.
    ///
    /// `f` may do anything, such as listing the tasks, or polling and dropping futures with scopes of their own.
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

    /// Calls `f` with the value, and returns its result; `None` outside of a scope.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        with_lent(self.current, |scoped| {
            // A task that is dropped with its group is dropped inside another task's poll, and must not see that task's
            // value.
            let scoped = scoped.filter(|scoped| scoped.task == current_address())?;
            Some(f(&scoped.value))
        })
    }

    /// Returns a clone of the value.
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
    /// A future with a value of its own. Created by [`TaskLocal::scope`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct TaskLocalScope<T: 'static, F> {
        local: &'static TaskLocal<T>,
        value: Scoped<T>,
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalScope<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The future's destructor may read the value.
            in_scope(this.local, this.value, || this.future.set(None));
        }
    }
}

impl<T: 'static, F: Future> Future for TaskLocalScope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a task-local's scope was polled after it was ready");
        in_scope(this.local, this.value, || future.poll(cx))
    }
}

/// Calls `f` while `value` is the value of the current task.
fn in_scope<T: 'static, R>(local: &'static TaskLocal<T>, value: &mut Scoped<T>, f: impl FnOnce() -> R) -> R {
    value.task = current_address();
    lend(local.current, Some(value), f)
}
