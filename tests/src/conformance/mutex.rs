//! The suite for a mutex: a semaphore with one permit, whose permit guards a value.

use super::permits::{self, Kind, Permits};
use executor::sync;
use std::future::Future;
use std::ops::DerefMut;

/// A lock to be checked by [`mutex()`]. It guards a number, so implement it for your `Mutex<u64>`.
///
/// [The module's page](crate::conformance) has a whole implementation.
pub trait Mutex: 'static {
    /// The guard, which unlocks when it is dropped.
    type Guard<'a>: DerefMut<Target = u64>
    where
        Self: 'a;

    /// Whether a wait may be dropped, polled without a wake, and polled with another waker, as `select` and `timeout` do.
    const CANCEL_SAFE: bool = true;

    /// Whether tasks get the lock in the order in which they came.
    const FAIR: bool = true;

    /// Waits for the lock.
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>>;
}

impl Mutex for sync::Mutex<u64> {
    type Guard<'a> = sync::MutexGuard<'a, u64>;

    async fn lock(&self) -> sync::MutexGuard<'_, u64> {
        sync::Mutex::lock(self).await
    }
}

struct Locks<M>(M);

impl<M: Mutex> Permits for Locks<M> {
    type Permit<'a> = M::Guard<'a>;

    const KIND: Kind =
        Kind { noun: "mutex", acquire: "locks", release: "unlocks", cancel_safe: M::CANCEL_SAFE, fair: M::FAIR };

    async fn acquire(&self) -> M::Guard<'_> {
        self.0.lock().await
    }

    fn value<'g>(guard: &'g mut M::Guard<'_>) -> Option<&'g mut u64> {
        Some(&mut **guard)
    }
}

/// Checks a mutex; `make` makes an unlocked one around a zero.
///
/// # What it must guarantee
/// - At most one guard exists at a time, and what one wrote the next one reads.
/// - A lock that is free and has no waiter is acquired by the first poll.
/// - An unlock wakes a waiter: by the waker of its last poll, and if that waiter is dropped before it takes the lock, the
///   next one. A guard that is dropped by a panic unlocks as well.
/// - A wait does not wake itself: nothing spins.
/// - A wait that completed or was dropped leaves no waker behind.
/// - Tasks get the lock in the order in which they came, unless [`FAIR`](Mutex::FAIR) is false.
///
/// # Panics
/// If an invariant is broken. The message has the invariant, the seed and the recording.
///
/// ```
/// tests::conformance::mutex(|| executor::sync::Mutex::new(0));
/// ```
///
/// A lock that tasks get out of order fails:
///
/// ```should_panic
/// use executor::{sync, time::{Duration, sleep}};
/// use tests::conformance;
///
/// struct Impatient(sync::Mutex<u64>);
///
/// impl conformance::Mutex for Impatient {
///     type Guard<'a> = sync::MutexGuard<'a, u64>;
///
///     async fn lock(&self) -> sync::MutexGuard<'_, u64> {
///         loop {
///             match self.0.try_lock() {
///                 Some(guard) => return guard,
///                 None => sleep(Duration::from_millis(1)).await,
///             }
///         }
///     }
/// }
///
/// conformance::mutex(|| Impatient(sync::Mutex::new(0)));
/// ```
pub fn mutex<M: Mutex + Send + Sync>(make: impl Fn() -> M + Send + Sync + 'static) {
    permits::check(move |_| Locks(make()), &[1]);
}

/// As [`mutex()`], without threads: for a lock that stays on its thread.
///
/// # Panics
/// As [`mutex()`].
pub fn local_mutex<M: Mutex>(make: impl Fn() -> M + Send + 'static) {
    permits::check_local(move |_| Locks(make()), &[1]);
}
