//! An executor: it polls tasks, each only after its waker was called.
//!
//! The queue holds the numbers of the tasks that are to be polled. A waker adds the number of its task; [`Executor::run`]
//! takes the numbers out and polls the tasks. Used by the tests and the example of this lab.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use waker_fn::waker_fn;

/// The tasks that are to be polled. Wakers share it, and any thread may call a waker.
#[derive(Default)]
pub struct Queue {
    numbers: Mutex<VecDeque<u64>>,
}

impl Queue {
    /// Adds a task at the end.
    pub fn push(&self, number: u64) {
        self.numbers.lock().unwrap().push_back(number);
    }

    /// Takes the first task, if there is one.
    pub fn pop(&self) -> Option<u64> {
        self.numbers.lock().unwrap().pop_front()
    }
}

/// Makes the waker of a task. A call of the waker adds the task's number to the queue, unless `is_queued` says that the
/// number is in the queue already.
pub fn waker(number: u64, is_queued: Arc<AtomicBool>, queue: Arc<Queue>) -> Waker {
    waker_fn(move || {
        if !is_queued.swap(true, Ordering::AcqRel) {
            queue.push(number);
        }
    })
}

/// A task that has not completed.
struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
    /// Whether the task's number is in the queue. Shared with the waker.
    is_queued: Arc<AtomicBool>,
}

/// Runs tasks on the thread that calls [`run`](Executor::run).
pub struct Executor {
    /// The tasks that have not completed, by number. The task that is being polled is not among them.
    tasks: RefCell<BTreeMap<u64, Task>>,
    queue: Arc<Queue>,
    /// The number of tasks spawned so far. A number is never used twice.
    spawned: Cell<u64>,
}

impl Executor {
    /// An executor without tasks.
    #[allow(clippy::new_without_default)] // one way to make it is enough here
    pub fn new() -> Executor {
        Executor { tasks: RefCell::default(), queue: Arc::default(), spawned: Cell::new(0) }
    }

    /// Makes a task of a future and adds it to the queue. Does not poll it.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let number = self.spawned.get();
        self.spawned.set(number + 1);
        let is_queued = Arc::new(AtomicBool::new(false));
        let waker = waker(number, is_queued.clone(), self.queue.clone());
        waker.wake_by_ref();
        self.tasks.borrow_mut().insert(number, Task { future: Box::pin(future), waker, is_queued });
    }

    /// Polls each task in the queue, until the queue is empty. Returns how many tasks are stuck: they have not
    /// completed, and are not in the queue.
    pub fn run(&self) -> usize {
        while let Some(number) = self.queue.pop() {
            // A task may spawn, so the list must not be borrowed while a task is polled or dropped.
            let Some(mut task) = self.tasks.borrow_mut().remove(&number) else { continue };
            // Before the poll: a wake that comes during the poll queues the task again. A swap, because it also reads the
            // flag: the poll must see what was written before a wake that found the flag set and queued nothing.
            task.is_queued.swap(false, Ordering::AcqRel);
            let polled = task.future.as_mut().poll(&mut Context::from_waker(&task.waker));
            if polled.is_pending() {
                self.tasks.borrow_mut().insert(number, task);
            }
        }
        self.tasks.borrow().len()
    }
}
