//! The suite for a semaphore.

use super::permits::{self, Kind, Permits};
use executor::sync;
use std::future::Future;

/// A semaphore to be checked by [`semaphore()`].
///
/// ```
/// use executor::sync;
/// use tests::conformance;
///
/// // A semaphore that does nothing but call the one of the executor: put your own in its place.
/// struct Own(sync::Semaphore);
///
/// impl conformance::Semaphore for Own {
///     type Permit<'a> = sync::Permit<'a>;
///
///     async fn acquire(&self) -> sync::Permit<'_> {
///         self.0.acquire().await
///     }
/// }
///
/// # if false {
/// // In a #[test]:
/// conformance::semaphore(|permits| Own(sync::Semaphore::new(permits)));
/// # }
/// # let _ = Own;
/// ```
pub trait Semaphore: 'static {
    /// The permit, which is released when it is dropped.
    type Permit<'a>
    where
        Self: 'a;

    /// Whether a wait may be dropped, polled without a wake, and polled with another waker, as `select` and `timeout` do.
    const CANCEL_SAFE: bool = true;

    /// Whether tasks get permits in the order in which they came.
    const FAIR: bool = true;

    /// Waits for a permit.
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>>;
}

impl Semaphore for sync::Semaphore {
    type Permit<'a> = sync::Permit<'a>;

    fn acquire(&self) -> impl Future<Output = sync::Permit<'_>> {
        sync::Semaphore::acquire(self)
    }
}

struct Acquires<S>(S);

impl<S: Semaphore> Permits for Acquires<S> {
    type Permit<'a> = S::Permit<'a>;

    const KIND: Kind = Kind {
        noun: "semaphore",
        acquire: "acquires",
        release: "releases",
        cancel_safe: S::CANCEL_SAFE,
        fair: S::FAIR,
    };

    async fn acquire(&self) -> S::Permit<'_> {
        self.0.acquire().await
    }
}

/// Checks a semaphore; `make` makes one with the given number of permits.
///
/// # What it must guarantee
/// - At most as many permits exist at a time as it was made with, and none is lost.
/// - A permit that is free and has no waiter is acquired by the first poll.
/// - A release wakes a waiter: by the waker of its last poll, and if that waiter is dropped before it takes the permit, the
///   next one. As long as a permit is free and tasks wait, one of them is woken.
/// - A wait does not wake itself: nothing spins.
/// - A wait that completed or was dropped leaves no waker behind.
/// - Tasks get permits in the order in which they came, unless [`FAIR`](Semaphore::FAIR) is false.
///
/// # Panics
/// If an invariant is broken. The message has the invariant, the seed and the recording.
///
/// ```
/// tests::conformance::semaphore(executor::sync::Semaphore::new);
/// ```
pub fn semaphore<S: Semaphore + Send + Sync>(make: impl Fn(usize) -> S + Send + Sync + 'static) {
    permits::check(move |permits| Acquires(make(permits)), &[1, 2, 3]);
}

/// As [`semaphore()`], without threads: for one that stays on its thread.
///
/// # Panics
/// As [`semaphore()`].
pub fn local_semaphore<S: Semaphore>(make: impl Fn(usize) -> S + Send + 'static) {
    permits::check_local(move |permits| Acquires(make(permits)), &[1, 2, 3]);
}
