#![doc = include_str!("../README.md")]
// The pictures of the chapter have attributes such as `screen=15`, which rustdoc does not know.
#![allow(rustdoc::invalid_codeblock_attributes)]

use executor::task::{JoinHandle, Runnable, Schedule, spawn_with};
use std::collections::VecDeque;
use std::mem::forget;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A scheduler without a loop: a test runs its tasks one by one.
#[derive(Default)]
pub struct ByHand(Mutex<VecDeque<Runnable>>);

impl Schedule for ByHand {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }
}

impl ByHand {
    /// A scheduler without tasks.
    pub fn new() -> Arc<ByHand> {
        Arc::default()
    }

    /// Makes a task, which is queued.
    pub fn spawn<T: Send + 'static>(self: &Arc<Self>, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (task, handle) = spawn_with(future, self.clone());
        self.schedule(task);
        Task(Some(handle))
    }

    /// The number of queued tasks.
    pub fn queued(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Runs each task that is queued now, once. Returns how many there were.
    pub fn pass(self: &Arc<Self>) -> usize {
        let queued = self.queued();
        for _ in 0..queued {
            let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(again) = task.and_then(Runnable::run) {
                self.schedule(again);
            }
        }
        queued
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // The drop of a `Runnable` cancels its task. While a test panics, a second panic there would abort the process.
        if thread::panicking() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(forget);
        }
    }
}

/// The handle of a task that a test runs by hand.
pub struct Task<T>(Option<JoinHandle<T>>);

impl<T> Task<T> {
    /// The handle, to call its methods or to poll it.
    pub fn handle(&mut self) -> &mut JoinHandle<T> {
        self.0.as_mut().expect("only the drop takes the handle")
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        // The drop of the handle calls functions of this lab. While a test panics, a second panic there would abort the
        // process.
        if thread::panicking() {
            self.0.take().into_iter().for_each(forget);
        }
    }
}

/// From now on, a panic ends the process. With a wrong state word, a runtime that ends because of a panic may wait for
/// ever for tasks that cannot run.
pub fn exit_at_a_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        thread::sleep(Duration::from_millis(200)); // a recording is written every 50 ms
        std::process::exit(101);
    }));
}
