//! `block_on` for tests: where it could only wait for ever, it panics with a list of what each task waits for. Also
//! runs the tests that use it a second time, over another backend.

use crate::alone;
use executor::Runtime;
use std::env;
use std::future::Future;

/// Set in a process that runs the tests over poll(2).
const OVER_POLL: &str = "TESTS_OVER_POLL";

/// As `executor::block_on`, but a deadlock is a panic. Not for tests in which other threads wake tasks.
///
/// # Panics
/// If nothing can go on any more, or if no descriptor is left for a reactor.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut builder = Runtime::builder().detect_deadlock(true);
    if env::var_os(OVER_POLL).is_some() {
        builder = builder.backend(reactor::backend::poll().expect("there are descriptors left for a reactor"));
    }
    builder.build().expect("there are descriptors left for a reactor").block_on(future)
}

/// Runs the tests of a module once more, over poll(2) where they use [`block_on`], except those whose names contain one
/// of `skipped`. A reactor must rely neither on edges nor on the system calls of one backend.
///
/// # Panics
/// If one of them fails.
pub fn pass_over_poll(module: &str, skipped: &[&str]) {
    if env::var_os(OVER_POLL).is_some() {
        return; // this is the second run
    }
    let mut again = alone::module(module);
    again.args(skipped.iter().flat_map(|name| ["--skip", name])).env(OVER_POLL, "1");
    let output = again.output().expect("a test can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("running 0 tests"), "over poll(2):\n{text}");
}
