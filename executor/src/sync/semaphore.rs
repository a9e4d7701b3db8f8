//! [`Semaphore`]: limits how many tasks do something at once.

use super::permits::{self, Permits};
use super::wait_list::Wait;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::mem::forget;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Permits that are handed out in the order in which tasks request them, and return when they are dropped.
///
/// A newcomer never overtakes: a task that waits for many permits delays the tasks behind it that need few. So no task
/// starves.
///
/// ```
/// use executor::{join_all, sync::Semaphore, time::{Duration, sleep}};
/// use std::cell::Cell;
///
/// executor::block_on(async {
///     let (at_once, most) = (Cell::new(0), Cell::new(0));
///     let three = Semaphore::new(3);
///     let work = || async {
///         let _permit = three.acquire().await;
///         at_once.set(at_once.get() + 1);
///         most.set(most.get().max(at_once.get()));
///         sleep(Duration::from_millis(1)).await;
///         at_once.set(at_once.get() - 1);
///     };
///     join_all((0..10).map(|_| work())).await;
///     assert_eq!(most.get(), 3);
/// });
/// ```
pub struct Semaphore(Permits);

impl Semaphore {
    /// Creates a semaphore with `permits` permits. 0 is allowed; [`add_permits`](Semaphore::add_permits) adds more.
    #[track_caller]
    pub fn new(permits: usize) -> Semaphore {
        Semaphore(Permits::new("semaphore", permits))
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in line. A permit that was just handed over goes to the next waiter.
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for `permits` permits, and gets them all at once.
    ///
    /// A request for more permits than the semaphore has in all waits forever, unless more are
    /// [added](Semaphore::add_permits).
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// ```
    /// use executor::sync::Semaphore;
    ///
    /// executor::block_on(async {
    ///     let bytes = Semaphore::new(1 << 20);
    ///     let buffer = bytes.acquire_many(4096).await;
    ///     assert_eq!(bytes.available_permits(), (1 << 20) - 4096);
    ///     drop(buffer);
    ///     assert_eq!(bytes.available_permits(), 1 << 20);
    /// });
    /// ```
    pub fn acquire_many(&self, permits: usize) -> Acquire<'_> {
        Acquire { wait: self.0.acquire(permits), semaphore: self, permits }
    }

    /// Like [`acquire`](Semaphore::acquire), but the permit owns a reference to the semaphore, so it can be moved into
    /// a task.
    ///
    /// ```
    /// use executor::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// executor::block_on(async {
    ///     let semaphore = Arc::new(Semaphore::new(2));
    ///     let permit = semaphore.acquire_owned().await;
    ///     executor::spawn(async move {
    ///         // … and at the end of the work:
    ///         drop(permit);
    ///     }).await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 2);
    /// });
    /// ```
    pub async fn acquire_owned(self: &Arc<Self>) -> OwnedPermit {
        self.0.acquire(1).await;
        OwnedPermit { semaphore: self.clone(), permits: 1 }
    }

    /// Takes a permit, if one is available and no task waits for one.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes `permits` permits, if they are available and no task waits for any.
    pub fn try_acquire_many(&self, permits: usize) -> Option<Permit<'_>> {
        self.0.try_acquire(permits).then(|| Permit { semaphore: self, permits })
    }

    /// Adds permits.
    ///
    /// # Panics
    /// When the number of available permits would exceed `usize::MAX`.
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        self.0.release(permits);
    }

    /// The number of available permits. Other threads may change it at any moment.
    pub fn available_permits(&self) -> usize {
        self.0.available()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pin_project! {
    /// Waits for permits. Created by [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
    #[must_use = "a permit is not requested until this is awaited"]
    pub struct Acquire<'a> {
        #[pin]
        wait: Wait<'a, permits::Acquire>,
        semaphore: &'a Semaphore,
        permits: usize,
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        let this = self.project();
        this.wait.poll(cx).map(|()| Permit { semaphore: this.semaphore, permits: *this.permits })
    }
}

/// Permits of a [`Semaphore`]. They return when this is dropped.
#[must_use = "a permit that is not kept returns at once"]
#[derive(Debug)]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl Permit<'_> {
    /// The number of permits.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Removes the permits from the semaphore for good: they never return.
    pub fn forget(self) {
        forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.0.release(self.permits);
    }
}

/// Like [`Permit`], but owns a reference to its semaphore.
#[must_use = "a permit that is not kept returns at once"]
#[derive(Debug)]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.0.release(self.permits);
    }
}
