//! An executor of your own, part 2: two threads take tasks from one queue.
//!
//! ```sh
//! cargo run -p executor --example two_threads
//! cargo run -p executor --example two_threads run.jsonl   # records the run …
//! cargo run -- step --replay run.jsonl                    # … to step through it
//! ```
//!
//! A task may run on one thread now and on the other later, but never on both at once, because it has only one
//! `Runnable`. The main thread polls the reactor, whose wakes put tasks into the same queue.

use executor::task::{Runnable, Schedule};
use executor::time::{Duration, sleep};
use executor::trace::Recorder;
use executor::{CustomRuntime, named, net, spawn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use reactor::{Reactor, backend};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The scheduler: a queue, and a condition variable for threads that find it empty.
#[derive(Default)]
struct Executor {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Runnable>,
    is_over: bool,
}

impl Schedule for Executor {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.queue.lock().unwrap().tasks.push_back(task);
        self.filled.notify_one();
    }
}

impl Executor {
    /// The loop of each of the two threads.
    fn work(self: &Arc<Self>) {
        while let Some(task) = self.next() {
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }

    /// The next task. `None` when the run is over and no task is left.
    fn next(&self) -> Option<Runnable> {
        let mut queue = self.queue.lock().unwrap();
        loop {
            match queue.tasks.pop_front() {
                Some(task) => return Some(task),
                None if queue.is_over => return None,
                None => queue = self.filled.wait(queue).unwrap(),
            }
        }
    }

    fn end(&self) {
        self.queue.lock().unwrap().is_over = true;
        self.filled.notify_all();
    }
}

/// Runs a future, and the tasks that it spawns, on two threads.
pub(crate) fn block_on<F: Future<Output: Send> + Send + 'static>(future: F, recorder: Arc<Recorder>) -> F::Output {
    let mut reactor =
        Reactor::with(backend::operating_system().expect("cannot create the backend"), Some(recorder.clone()));
    let (executor, handle) = (Arc::new(Executor::default()), reactor.handle());
    let runtime = CustomRuntime::builder(executor.clone()).reactor(handle.clone()).observer(recorder).build();
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
        for name in ["worker-1", "worker-2"] {
            let (executor, runtime) = (executor.clone(), runtime.clone());
            let worker = thread::Builder::new().name(name.into());
            worker.spawn_scoped(scope, move || runtime.enter(|| executor.work())).expect("cannot start a thread");
        }
        while !is_over.load(Ordering::SeqCst) {
            reactor.turn(None).expect("cannot wait for events");
        }
        // Cancels the tasks that are left. The threads drop them before they end.
        runtime.cancel_all();
        executor.end();
    });
    futures_lite::future::block_on(root).expect("the future panicked")
}

async fn greet(listener: net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"hello from the other task").await.unwrap();
}

async fn root() -> String {
    let sleeps: Vec<_> = (0..100).map(|_| spawn(sleep(Duration::from_millis(20)))).collect();
    let listener = net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = named("server").spawn(greet(listener));
    let mut text = String::new();
    net::TcpStream::connect(address).await.unwrap().read_to_string(&mut text).await.unwrap();
    server.await.unwrap();
    for sleep in sleeps {
        sleep.await.unwrap();
    }
    text
}

fn main() {
    let recorder = Arc::new(Recorder::new());
    println!("{}", block_on(root(), recorder.clone()));
    println!("and a hundred sleeps are over");
    if let Some(path) = std::env::args().nth(1) {
        recorder.save(path).expect("cannot write the recording");
    }
}
