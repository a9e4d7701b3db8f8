//! An executor of your own, part 1: the most urgent task runs first.
//!
//! ```sh
//! cargo run -p executor --example priority
//! cargo run -p executor --example priority run.jsonl   # records the run …
//! cargo run -- step --replay run.jsonl                 # … to step through it
//! ```
//!
//! A scheduler is a type that implements `Schedule`: the library calls `schedule` whenever a task must be queued, on
//! the thread that woke it. A loop takes the tasks out again and runs each one once. That is all. Timers, sockets and
//! blocking calls come from a reactor, and `CustomRuntime` makes `executor::spawn` and its relatives work on this
//! scheduler.

use executor::task::{Finish, Runnable, Schedule, TaskRef};
use executor::time::{Duration, sleep};
use executor::trace::Recorder;
use executor::{CustomRuntime, JoinHandle, named, spawn_blocking, yield_now};
use reactor::{Handle, Reactor, backend};
use std::collections::BinaryHeap;
use std::future::Future;
use std::sync::{Arc, Mutex};

/// The urgency of a task, which is its metadata. Tasks without metadata are the least urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Priority(u8);

/// A task in the queue. A more urgent one compares as greater; of two equally urgent ones, the earlier does.
struct Queued {
    priority: Priority,
    number: u64,
    task: Runnable,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.cmp(&other.priority).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}

/// The scheduler: the part that other threads may use too.
struct Executor {
    /// The queued tasks, and the number of tasks that were ever queued.
    queue: Mutex<(BinaryHeap<Queued>, u64)>,
    /// Wakes the thread if it is waiting for events.
    reactor: Handle,
}

impl Schedule for Executor {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        let priority = task.task().metadata().copied().unwrap_or(Priority(0));
        let (heap, number) = &mut *self.queue.lock().unwrap();
        *number += 1;
        heap.push(Queued { priority, number: *number, task });
        self.reactor.notify(); // cheap if the thread is not waiting
    }

    fn finished(self: &Arc<Self>, task: TaskRef<'_>, _: Finish) {
        println!("{} has finished", task.name().unwrap_or("a task without a name"));
    }
}

impl Executor {
    fn next(&self) -> Option<Runnable> {
        self.queue.lock().unwrap().0.pop().map(|queued| queued.task)
    }

    /// Runs tasks until `root` has completed, and waits for events whenever no task is queued.
    fn run<T>(self: &Arc<Self>, reactor: &mut Reactor, root: &JoinHandle<T>) {
        while !root.is_finished() {
            match self.next() {
                Some(task) => {
                    // The task woke itself during the poll, so it is queued again.
                    if let Some(again) = task.run() {
                        self.schedule(again);
                    }
                }
                None => _ = reactor.turn(None).expect("cannot wait for events"),
            }
        }
    }
}

/// Runs a future, and the tasks that it spawns, on this thread.
pub(crate) fn block_on<F: Future<Output: Send> + Send + 'static>(future: F, recorder: Arc<Recorder>) -> F::Output {
    let mut reactor =
        Reactor::with(backend::operating_system().expect("cannot create the backend"), Some(recorder.clone()));
    let executor = Arc::new(Executor { queue: Mutex::default(), reactor: reactor.handle() });
    let runtime = CustomRuntime::builder(executor.clone()).reactor(reactor.handle()).observer(recorder).build();
    runtime.enter(|| {
        let root = runtime.spawn(future);
        executor.run(&mut reactor, &root);
        // Cancels the tasks that are left, and drops them here.
        runtime.cancel_all();
        while let Some(task) = executor.next() {
            drop(task.run());
        }
        futures_lite::future::block_on(root).expect("the future panicked")
    })
}

async fn job(name: &'static str) {
    for step in 1..=2 {
        println!("{name}: step {step}");
        yield_now().await;
    }
}

fn main() {
    let recorder = Arc::new(Recorder::new());
    let root = async {
        let low = named("low").metadata(Priority(1)).spawn(job("low"));
        let high = named("high").metadata(Priority(9)).spawn(job("high"));
        let timer = named("timer").metadata(Priority(5)).spawn(sleep(Duration::from_millis(5)));
        let sum = spawn_blocking(|| 1 + 2).await.unwrap();
        for task in [low, high, timer] {
            task.await.unwrap();
        }
        println!("all are done, and 1 + 2 = {sum}");
    };
    block_on(root, recorder.clone());
    if let Some(path) = std::env::args().nth(1) {
        recorder.save(path).expect("cannot write the recording");
    }
}
