//! [`RwLock`]: many readers or one writer.

use super::permits::Permits;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A reader takes one permit, a writer all of them.
const ALL: usize = usize::MAX >> 1;

/// A value that many tasks may read at once and one may change, in the order in which they asked.
///
/// A writer that waits holds up the readers behind it, so readers that keep coming don't starve it.
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

// SAFETY: it hands its value from thread to thread, to one at a time or to be looked at by many.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked one.
    #[track_caller]
    pub fn new(value: T) -> RwLock<T> {
        RwLock { permits: Permits::new("read-write lock", ALL), value: UnsafeCell::new(value) }
    }

    /// The value, without the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer has it who came before, or waits before this one.
    ///
    /// A task that reads and then waits to read again waits for ever if a writer came in between.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in the line; a lock that had just been handed over goes back.
    pub async fn read(&self) -> ReadGuard<'_, T> {
        self.permits.acquire(1).await;
        ReadGuard::new(self)
    }

    /// Waits until nobody has it who came before.
    ///
    /// # Cancel safety
    /// As [`read`](RwLock::read).
    pub async fn write(&self) -> WriteGuard<'_, T> {
        self.permits.acquire(ALL).await;
        WriteGuard { lock: self }
    }

    /// To read, if no writer has it or waits for it.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| ReadGuard::new(self))
    }

    /// To write, if nobody has it.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_acquire(ALL).then(|| WriteGuard { lock: self })
    }

    /// The value, which nobody else can have as long as this is borrowed.
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

/// The value of a [`RwLock`], to read it, until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct ReadGuard<'a, T: ?Sized> {
    /// That of the lock. Not the lock itself, which may be written to: so a guard of a longer-lived type is one of a
    /// shorter-lived one.
    value: NonNull<T>,
    permits: &'a Permits,
}

// SAFETY: it gives a `&T`, on whatever thread it is, and gives its permit back on any.
unsafe impl<T: ?Sized + Send + Sync> Send for ReadGuard<'_, T> {}
// SAFETY: through a `&ReadGuard` there is a `&T`, and nothing else.
unsafe impl<T: ?Sized + Send + Sync> Sync for ReadGuard<'_, T> {}

impl<'a, T: ?Sized> ReadGuard<'a, T> {
    /// The caller has a permit for it.
    fn new(lock: &'a RwLock<T>) -> ReadGuard<'a, T> {
        // SAFETY: a pointer to what is in a cell is not null.
        let value = unsafe { NonNull::new_unchecked(lock.value.get()) };
        ReadGuard { value, permits: &lock.permits }
    }
}

/// The value of a [`RwLock`], to change it, until this is dropped.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

// SAFETY: through a `&WriteGuard` there is a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for WriteGuard<'_, T> {}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// From now on only reads; other readers may join, writers not.
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
        // SAFETY: as long as this has a permit, no writer has all; and it borrows the lock, in which the value is.
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
