//! `block_on` for tests: where it could only wait for ever it panics, and says who waits for what.

use executor::Runtime;
use std::future::Future;

/// As `executor::block_on`, but a deadlock is a panic. Not for tests in which other threads wake tasks.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = Runtime::builder().detect_deadlock(true).build();
    runtime.expect("there are descriptors left for a reactor").block_on(future)
}
