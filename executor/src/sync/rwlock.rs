//! [`RwLock`]: many readers or one writer.

use super::permits::Permits;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A reader takes one permit, a writer all of them.
const ALL: usize = usize::MAX >> 1;

/// A value that many tasks may read at once, or one may change. Tasks get it in the order in which they request it.
///
/// A waiting writer delays the readers behind it, so a steady stream of readers does not starve it.
///
/// ```
/// use executor::sync::RwLock;
///
/// executor::block_on(async {
///     let settings = RwLock::new(vec!["slow"]);
///     {
///         let (one, other) = (settings.read().await, settings.read().await);
///         assert_eq!(one[0], other[0]);
///         assert!(settings.try_write().is_none());
///     }
///     settings.write().await.push("fast");
///     assert_eq!(settings.read().await.len(), 2);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    permits: Permits,
    value: UnsafeCell<T>,
}

// SAFETY: it moves its value between threads, and gives it to one of them for writing or to many for reading.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// Creates an unlocked lock.
    #[track_caller]
    pub fn new(value: T) -> RwLock<T> {
        RwLock { permits: Permits::new("read-write lock", ALL), value: UnsafeCell::new(value) }
    }

    /// Consumes the lock and returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until every writer that requested the value earlier is done, and locks the value for reading.
    ///
    /// A task that holds a read guard and requests another one waits forever if a writer began to wait in between.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in line. A lock that was just handed over goes back.
    pub async fn read(&self) -> ReadGuard<'_, T> {
        self.permits.acquire(1).await;
        ReadGuard::new(self)
    }

    /// Waits until every reader and writer that requested the value earlier is done, and locks the value for writing.
    ///
    /// # Cancel safety
    /// As [`read`](RwLock::read).
    pub async fn write(&self) -> WriteGuard<'_, T> {
        self.permits.acquire(ALL).await;
        WriteGuard { lock: self }
    }

    /// Locks the value for reading, if no writer has it and no task waits for it.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| ReadGuard::new(self))
    }

    /// Locks the value for writing, if no task has it.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_acquire(ALL).then(|| WriteGuard { lock: self })
    }

    /// Returns the value without locking: the mutable borrow excludes every other user.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(guard) => f.debug_struct("RwLock").field("value", &&*guard).finish(),
            None => f.debug_struct("RwLock").field("value", &format_args!("<locked>")).finish(),
        }
    }
}

/// Read access to the value of a [`RwLock`]. Dropping it unlocks the value.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct ReadGuard<'a, T: ?Sized> {
    /// The lock's value. A reference to the lock itself would make `ReadGuard` invariant in `T`, as the lock can be
    /// written to; a pointer to the value keeps it covariant.
    value: NonNull<T>,
    permits: &'a Permits,
}

// SAFETY: it gives access to a `&T` on any thread, and may release its permit on any.
unsafe impl<T: ?Sized + Send + Sync> Send for ReadGuard<'_, T> {}
// SAFETY: a `&ReadGuard` gives access to a `&T`, and to nothing else.
unsafe impl<T: ?Sized + Send + Sync> Sync for ReadGuard<'_, T> {}

impl<'a, T: ?Sized> ReadGuard<'a, T> {
    /// The caller has taken a permit, which the guard now owns.
    fn new(lock: &'a RwLock<T>) -> ReadGuard<'a, T> {
        // SAFETY: the pointer to a cell's contents is not null.
        let value = unsafe { NonNull::new_unchecked(lock.value.get()) };
        ReadGuard { value, permits: &lock.permits }
    }
}

/// Write access to the value of a [`RwLock`]. Dropping it unlocks the value.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

// SAFETY: a `&WriteGuard` gives access to a `&T`, and to nothing else.
unsafe impl<T: ?Sized + Sync> Sync for WriteGuard<'_, T> {}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Turns it into a read guard, without letting a writer in between. Other readers may lock the value from now on.
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let lock = self.lock;
        std::mem::forget(self);
        lock.permits.release(ALL - 1);
        ReadGuard::new(lock)
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: while this guard has a permit, no writer has all of them. It borrows the lock, which contains the
        // value.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has all permits.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        self.permits.release(1);
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.permits.release(ALL);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
