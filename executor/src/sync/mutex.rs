//! [`Mutex`]: one at a time, also across an `.await`.

use super::permits::Permits;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that one task at a time can have, for as long as it likes, in the order in which they asked.
///
/// Where nothing is awaited while it is locked, a [`std::sync::Mutex`] is faster and as good. A panic does
/// not poison this one: what the next one finds is what the one that panicked has left.
///
/// ```
/// use executor::{join_all, sync::Mutex, yield_now};
///
/// executor::block_on(async {
///     let counter = Mutex::new(0);
///     let add = || async {
///         let mut counter = counter.lock().await;
///         let before = *counter;
///         yield_now().await; // nobody else comes between
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

// SAFETY: it hands its value from thread to thread, to one at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked one.
    #[track_caller]
    pub fn new(value: T) -> Mutex<T> {
        Mutex { permits: Permits::new("mutex", 1), value: UnsafeCell::new(value) }
    }

    /// The value, without the mutex.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody has it locked who came before.
    ///
    /// Locking it twice in one task is a wait without an end.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in the line; a lock that had just been handed over goes to the next.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.permits.acquire(1).await;
        MutexGuard { mutex: self }
    }

    /// As [`lock`](Mutex::lock), for a guard that is not bound to a place.
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

    /// The lock, if nobody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| MutexGuard { mutex: self })
    }

    /// The value, which nobody else can have as long as this is borrowed.
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

/// The value of a [`Mutex`], until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

// SAFETY: through a `&MutexGuard` there is a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// What it is the guard of.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

/// As [`MutexGuard`], and keeps its mutex.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

// SAFETY: as for `MutexGuard`.
unsafe impl<T: ?Sized + Sync> Sync for OwnedMutexGuard<T> {}

/// What both guards do.
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
