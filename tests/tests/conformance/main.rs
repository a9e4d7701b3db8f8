//! The conformance suites: the executor's primitives pass them, and typical wrong ones fail, each by the invariant that
//! it breaks. The files of this folder have primitives as a student writes them, with a switch for each mistake.

mod channel;
mod mutex;
mod others;
mod schedule;
mod semaphore;
mod timer;

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Runs a suite that must fail by this invariant, within a minute, and report a seed and recordings that exist.
#[track_caller]
fn breaks(invariant: &str, suite: impl FnOnce()) {
    let start = Instant::now();
    let panic = catch_unwind(AssertUnwindSafe(suite)).expect_err("the suite did not find the mistake");
    is_reported(invariant, panic, start);
}

/// The same for a mistake that shows only in some interleavings of threads: runs the suite up to twenty times.
#[track_caller]
fn breaks_on_threads(invariant: &str, suite: impl Fn()) {
    let run = |_| {
        let start = Instant::now();
        catch_unwind(AssertUnwindSafe(&suite)).err().map(|panic| (panic, start))
    };
    let (panic, start) = (0..20).find_map(run).expect("the suite did not find the mistake, twenty times");
    is_reported(invariant, panic, start);
}

#[track_caller]
fn is_reported(invariant: &str, panic: Box<dyn Any + Send>, start: Instant) {
    let said = panic.downcast::<String>().expect("a message");
    assert!(said.contains(&format!("breaks \"{invariant}")), "expected `{invariant}`, and it says:\n{said}");
    assert!(said.contains("seed "), "no seed:\n{said}");
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
    let recordings: Vec<_> = said.lines().filter_map(|line| line.split_once("demo step --replay ")).collect();
    assert!(!recordings.is_empty(), "no recording:\n{said}");
    for (_, file) in recordings {
        let events = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(events.lines().count() > 1, "{file} is empty");
        fs::remove_file(file).unwrap();
    }
}
