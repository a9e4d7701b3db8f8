//! [`tasks`]: the task dump of the current runtime.

use crate::schedule::{with_core, with_custom};
use crate::watch::dump::Tasks;

/// Every task of this thread's runtime: what it is, and where it stands now.
///
/// Tasks that wait are polled for it, see the top of `watch/dump.rs`; that counts as a poll. One whose wake was lost makes
/// progress in it, which its entry says ([`TaskDump::lost_wake`]), as does [`Observer::lost_wake`](crate::Observer);
/// on a runtime with [`detect_deadlock`](crate::Builder::detect_deadlock) the run fails with it. A queued task is not
/// polled: it is about to run anyway. Outside of a runtime the list is empty.
///
/// # Panics
/// A hand-written future of yours that panics when it is polled, because it borrows what the caller of this has
/// borrowed, ends its task. So don't call this with a `RefCell` borrowed that other tasks use.
///
/// ```
/// use executor::{named, sync::Semaphore, tasks, yield_now};
/// use std::sync::Arc;
///
/// async fn enter(door: Arc<Semaphore>) {
///     let _permit = door.acquire().await;
/// }
///
/// executor::block_on(async {
///     named("visitor").spawn(enter(Arc::new(Semaphore::new(0))));
///     yield_now().await;
///     let visitor = &tasks()[1];
///     println!("{visitor}");
///     // task 2 `visitor` (pending, 2 polls, new, spawned at src/main.rs:10:22)
///     //     main::enter at src/main.rs:5
///     //     waits for: acquire on the semaphore made at src/main.rs:10:37
///     assert!(visitor.waits[0].leaf.starts_with("acquire on the semaphore made at "));
///     if let Some(place) = visitor.waits[0].chain.first() { // none, in a program without debug information
///         assert!(place.function.ends_with("enter"));
///     }
/// });
/// ```
pub fn tasks() -> Tasks {
    with_core(|core| match core {
        Some(core) => core.dump(),
        None => with_custom(|custom| custom.map(|custom| custom.dump()).unwrap_or_default()),
    })
}
