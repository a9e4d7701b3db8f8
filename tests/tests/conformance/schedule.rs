//! The conformance suite for executors, on ours and on the two of the examples.

use executor::Runtime;
use executor::trace::Recorder;
use std::future::Future;
use std::sync::Arc;
use tests::conformance::{Executor, schedule};

#[allow(dead_code)] // its `main`
#[path = "../../../executor/examples/priority.rs"]
mod priority;
#[allow(dead_code)] // its `main`
#[path = "../../../executor/examples/two_threads.rs"]
mod two_threads;

struct Ours;
impl Executor for Ours {
    fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output {
        Runtime::builder().build().unwrap().block_on(future)
    }
}

struct Priority;
impl Executor for Priority {
    fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output {
        priority::block_on(future, Arc::new(Recorder::new()))
    }
}

struct TwoThreads;
impl Executor for TwoThreads {
    fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output {
        two_threads::block_on(future, Arc::new(Recorder::new()))
    }
}

#[test]
fn our_executor_conforms() {
    schedule(|| Ours);
}

#[test]
fn the_priority_executor_conforms() {
    schedule(|| Priority);
}

#[test]
fn the_executor_on_two_threads_conforms() {
    schedule(|| TwoThreads);
}
