//! [`Mutex`]: one task at a time, also across an `.await`.

use super::permits::Permits;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that one task at a time can use, also across an `.await`. Tasks get it in the order in which they request
/// it.
///
/// If nothing is awaited while it is locked, a [`std::sync::Mutex`] does the same and is faster. A panic does not
/// poison this mutex: the next task finds the value as the panicking task left it.
///
/// ```
/// use executor::{join_all, sync::Mutex, yield_now};
///
/// executor::block_on(async {
///     let counter = Mutex::new(0);
///     let add = || async {
///         let mut counter = counter.lock().await;
///         let before = *counter;
///         yield_now().await; // no other task changes it meanwhile
///         *counter = before + 1;
///     };
///     join_all((0..10).map(|_| add())).await;
///     assert_eq!(counter.into_inner(), 10);
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    permits: Permits,
    value: UnsafeCell<T>,
}

// SAFETY: it moves its value between threads, and gives it to one of them at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Creates an unlocked mutex.
    #[track_caller]
    pub fn new(value: T) -> Mutex<T> {
        Mutex { permits: Permits::new("mutex", 1), value: UnsafeCell::new(value) }
    }

    /// Consumes the mutex and returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for its turn, and locks the mutex.
    ///
    /// A task that locks it a second time waits forever.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in line. A lock that was just handed over goes to the next waiter.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.permits.acquire(1).await;
        MutexGuard { mutex: self }
    }

    /// Like [`lock`](Mutex::lock), but the guard owns a reference to the mutex, so it can be moved into a task.
    ///
    /// ```
    /// use executor::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// executor::block_on(async {
    ///     let log = Arc::new(Mutex::new(Vec::new()));
    ///     let mut locked = log.lock_owned().await;
    ///     executor::spawn(async move { locked.push("moved into a task") }).await.unwrap();
    ///     assert_eq!(log.lock().await.len(), 1);
    /// });
    /// ```
    pub async fn lock_owned(self: &Arc<Self>) -> OwnedMutexGuard<T> {
        self.permits.acquire(1).await;
        OwnedMutexGuard { mutex: self.clone() }
    }

    /// Locks the mutex if it is unlocked.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| MutexGuard { mutex: self })
    }

    /// Returns the value without locking: the mutable borrow excludes every other user.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_struct("Mutex").field("value", &&*guard).finish(),
            None => f.debug_struct("Mutex").field("value", &format_args!("<locked>")).finish(),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

/// Access to the value of a [`Mutex`]. Dropping it unlocks the mutex.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

// SAFETY: a `&MutexGuard` gives access to a `&T`, and to nothing else.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex that it guards.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

/// Like [`MutexGuard`], but owns a reference to its mutex.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

// SAFETY: as for `MutexGuard`.
unsafe impl<T: ?Sized + Sync> Sync for OwnedMutexGuard<T> {}

/// Implements what both guards have in common.
macro_rules! guard {
    ($(impl[$($generics:tt)*] $guard:ty),*) => {$(
        impl<$($generics)* T: ?Sized> Deref for $guard {
            type Target = T;

            fn deref(&self) -> &T {
                // SAFETY: there is one permit, and this guard has it.
                unsafe { &*self.mutex.value.get() }
            }
        }

        impl<$($generics)* T: ?Sized> DerefMut for $guard {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: as above.
                unsafe { &mut *self.mutex.value.get() }
            }
        }

        impl<$($generics)* T: ?Sized> Drop for $guard {
            fn drop(&mut self) {
                self.mutex.permits.release(1);
            }
        }

        impl<$($generics)* T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}
guard!(impl['a,] MutexGuard<'a, T>, impl[] OwnedMutexGuard<T>);
