//! A scheduler with several threads over the queues of `steal.rs`, and its `block_on`.
//!
//! The main thread polls the reactor. The workers run the tasks. A task may run on one worker now and on another one
//! later, but never on two at once, because it has only one `Runnable`.

use crate::steal::Queues;
use executor::CustomRuntime;
use executor::observer::Observer;
use executor::task::{Runnable, Schedule};
use reactor::{Reactor, backend};
use std::cell::Cell;
use std::future::Future;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A work-stealing scheduler.
pub struct Scheduler {
    queues: Queues<Runnable>,
}

thread_local! {
    /// The scheduler of which this thread is a worker, by its address, and the number of the worker.
    static WORKER: Cell<(*const Scheduler, usize)> = const { Cell::new((ptr::null(), 0)) };
}

impl Schedule for Scheduler {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.queues.push(self.worker(), task);
    }
}

impl Scheduler {
    /// A scheduler for this many workers.
    pub fn new(workers: usize) -> Arc<Scheduler> {
        Arc::new(Scheduler { queues: Queues::new(workers) })
    }

    /// The number of this thread, if it is a worker of this scheduler.
    fn worker(&self) -> Option<usize> {
        let (scheduler, worker) = WORKER.get();
        ptr::eq(scheduler, self).then_some(worker)
    }

    /// The loop of a worker: runs tasks until the end has come and none is left. A task that was woken during its poll is
    /// queued again.
    pub fn work(self: &Arc<Self>, worker: usize) {
        WORKER.set((Arc::as_ptr(self), worker));
        loop {
            match self.queues.next(worker) {
                Some(task) => {
                    if let Some(again) = task.run() {
                        self.schedule(again);
                    }
                }
                None if self.queues.park() => {}
                None => break,
            }
        }
        WORKER.set((ptr::null(), 0));
    }
}

/// Runs a future, and the tasks that it spawns, on `workers` threads.
///
/// # Panics
/// If the future panics, or if the system has no descriptor or thread left.
pub fn block_on<F>(workers: usize, observer: Option<Arc<dyn Observer>>, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let backend = backend::operating_system().expect("cannot create the backend");
    let mut reactor = Reactor::with(backend, None);
    let (scheduler, handle) = (Scheduler::new(workers), reactor.handle());
    let mut builder = CustomRuntime::builder(scheduler.clone()).reactor(handle.clone());
    if let Some(observer) = observer {
        builder = builder.observer(observer);
    }
    let runtime = builder.build();
    let is_over = Arc::new(AtomicBool::new(false));
    let root = runtime.spawn(future);
    root.on_done({
        let is_over = is_over.clone();
        move |_, _| {
            is_over.store(true, Ordering::SeqCst);
            handle.notify(); // ends the wait below
        }
    });
    thread::scope(|scope| {
        for worker in 0..workers {
            let (scheduler, runtime) = (scheduler.clone(), runtime.clone());
            let thread = thread::Builder::new().name(format!("worker-{worker}"));
            thread
                .spawn_scoped(scope, move || runtime.enter(|| scheduler.work(worker)))
                .expect("cannot start a thread");
        }
        while !is_over.load(Ordering::SeqCst) {
            reactor.turn(None).expect("cannot wait for events");
        }
        // Cancels the tasks that are left. The workers drop them before they end.
        runtime.cancel_all();
        scheduler.queues.end();
    });
    futures_lite::future::block_on(root).expect("the future panicked")
}
