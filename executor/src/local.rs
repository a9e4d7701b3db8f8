//! Values that belong to a task rather than to a thread: [`task_local!`](crate::task_local).

use crate::task::Of;
use pin_project_lite::pin_project;
use std::cell::RefCell;
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
                static VALUE: ::std::cell::RefCell<::std::option::Option<$crate::task::Of<$type>>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
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
    /// The value of the innermost scope that is being polled on this thread, and the task that polls it.
    present: &'static LocalKey<RefCell<Option<Of<T>>>>,
}

impl<T: 'static> TaskLocal<T> {
    #[doc(hidden)] // for the macro
    pub const fn new(present: &'static LocalKey<RefCell<Option<Of<T>>>>) -> TaskLocal<T> {
        TaskLocal { present }
    }

    /// Runs a future that has this value. A scope in a scope hides the outer one's.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalScope<T, F> {
        TaskLocalScope { local: self, value: Some(value), future: Some(future) }
    }

    /// Shows `f` the value.
    ///
    /// # Panics
    /// Outside of a scope.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.try_with(f).unwrap_or_else(|| {
            panic!("a task-local was read outside of a scope: run the future as NAME.scope(value, future)")
        })
    }

    /// Shows `f` the value; `None` outside of a scope.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        // A task may be run inside of another one's poll, to be dropped with its group: that one's value is
        // none of its business.
        self.present.with_borrow(|value| value.as_ref().and_then(Of::this_task).map(f))
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// Outside of a scope.
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
        value: Option<T>,
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalScope<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Destructors in there may want to know as well.
            present(this.local, this.value, || this.future.set(None));
        }
    }
}

impl<T: 'static, F: Future> Future for TaskLocalScope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a scope was polled after it was ready");
        present(this.local, this.value, || future.poll(cx))
    }
}

/// Calls `f` while `value` is the present one; it comes back also when `f` panics.
fn present<T: 'static, R>(local: &'static TaskLocal<T>, value: &mut Option<T>, f: impl FnOnce() -> R) -> R {
    struct Restore<'a, T: 'static> {
        local: &'static TaskLocal<T>,
        before: Option<Of<T>>,
        value: &'a mut Option<T>,
    }

    impl<T: 'static> Drop for Restore<'_, T> {
        fn drop(&mut self) {
            let present = self.local.present.replace(self.before.take());
            *self.value = present.map(Of::into_inner);
        }
    }

    let present = value.take().map(Of::present_task);
    let before = local.present.replace(present);
    let _restore = Restore { local, before, value };
    f()
}
