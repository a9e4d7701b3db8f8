//! [`tasks`]: the task dump of the current runtime.

use crate::schedule::{with_core, with_custom};
use crate::watch::dump::Tasks;

/// Returns the task dump: all tasks of the current runtime with their await chains. Outside of a runtime it is empty.
///
/// To find the await chains, `tasks` polls each suspended task once, which counts as a poll; the module
/// [`dump`](crate::dump) explains how that works. A task whose wake was lost makes progress in this poll. Its entry
/// ([`TaskDump::lost_wake`](crate::dump::TaskDump::lost_wake)) and [`Observer::lost_wake`](crate::Observer::lost_wake)
/// report that, and on a runtime with [`detect_deadlock`](crate::Builder::detect_deadlock) the run fails. Queued tasks
/// are not polled, since they are about to run anyway.
///
/// # Panics
/// `tasks` itself never panics. But if the caller holds a borrow of a `RefCell` that a suspended task also borrows in
/// its poll, that poll panics and ends the task. So release such borrows before you call this.
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
///     // task 2 "visitor" (suspended, 2 polls, new, spawned at src/main.rs:10:22)
///     //     main::enter at src/main.rs:5
///     //     waits for: acquire on the semaphore made at src/main.rs:10:37
///     assert!(visitor.waits[0].leaf.starts_with("acquire on the semaphore made at "));
///     if let Some(line) = visitor.waits[0].chain.first() { // empty in a program without debug information
///         assert!(line.function.ends_with("enter"));
///     }
/// });
/// ```
pub fn tasks() -> Tasks {
    with_core(|core| match core {
        Some(core) => core.dump(),
        None => with_custom(|custom| custom.map(|custom| custom.dump()).unwrap_or_default()),
    })
}
