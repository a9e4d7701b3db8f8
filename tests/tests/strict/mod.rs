//! `block_on` for tests: where it could only wait for ever it panics, and says who waits for what. And all tests that
//! use it, once more over another backend.

use executor::Runtime;
use std::env;
use std::future::Future;
use std::process::Command;

/// Set in a process that runs the tests over poll(2).
const OVER_POLL: &str = "TESTS_OVER_POLL";

/// As `executor::block_on`, but a deadlock is a panic. Not for tests in which other threads wake tasks.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut builder = Runtime::builder().detect_deadlock(true);
    if env::var_os(OVER_POLL).is_some() {
        builder = builder.backend(reactor::backend::poll().expect("there are descriptors left for a reactor"));
    }
    builder.build().expect("there are descriptors left for a reactor").block_on(future)
}

/// Runs the tests of this binary once more, over poll(2) where they use `block_on`, except those whose names contain one
/// of `skipped`. A reactor must not lean on edges, nor on the system calls of one backend.
#[allow(dead_code)] // timers are measured, which a second process would disturb
pub fn pass_over_poll(skipped: &[&str]) {
    if env::var_os(OVER_POLL).is_some() {
        return; // this is that run
    }
    let mut again = Command::new(env::current_exe().expect("a test knows its own path"));
    again.args(skipped.iter().flat_map(|name| ["--skip", name])).env(OVER_POLL, "1");
    let output = again.output().expect("a test can be run");
    assert!(output.status.success(), "over poll(2):\n{}", String::from_utf8_lossy(&output.stdout));
}
