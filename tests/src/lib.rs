//! What the integration tests share.
//!
//! Beside the conformance suites only std: the tests bring the runtime, this brings a deadline for what might hang, a
//! log of what was dropped where, wakers that count, and a look at this process from outside.

pub mod conformance;
pub mod demo;
pub mod faults;

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use std::{fs, io};

/// Runs `body` on a thread of its own and gives it so many seconds. A test that hangs fails by
/// name instead of holding up all others; a panic of `body` comes out as it is.
#[track_caller]
pub fn within<R: Send + 'static>(seconds: u64, body: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let runner = thread::Builder::new().name(name).spawn(move || {
        let result = body();
        let _ = done.send(());
        result
    });
    let runner = runner.expect("the system gives a thread");
    if let Err(mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(Duration::from_secs(seconds)) {
        panic!("it hangs: not done after {seconds} s");
    }
    runner.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Waits for something that other threads bring about and that nothing announces.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never came: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A list that threads and destructors write to, in the order in which things happened.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    /// An empty one.
    pub fn new() -> Log<T> {
        Log(Arc::default())
    }

    /// Adds an entry.
    pub fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries so far; the log is empty after it.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log(self.0.clone())
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log::new()
    }
}

/// Calls a closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    /// Keep it where the drop is to be noticed.
    pub fn new(f: F) -> OnDrop<F> {
        OnDrop(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Something that writes to a log on which thread it was dropped.
pub fn dropped_on(log: &Log<ThreadId>) -> OnDrop<impl FnOnce() + Send + use<>> {
    let log = log.clone();
    OnDrop::new(move || log.push(thread::current().id()))
}

/// Counts the wakes, and through the `Arc` the wakers there are.
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Counting {
    /// Nobody was woken yet.
    pub fn new() -> Arc<Counting> {
        Arc::default()
    }

    /// A waker that counts here.
    pub fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    /// How often one was woken.
    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How many wakers exist, besides `ours` references to the counter itself.
    pub fn wakers(self: &Arc<Self>, ours: usize) -> usize {
        Arc::strong_count(self) - ours
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Wakes by calling a closure.
pub fn waker_fn(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Call<F>(F);
    impl<F: Fn() + Send + Sync + 'static> Wake for Call<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Arc::new(Call(f)).into()
}

/// Polls a future once, with that waker.
pub fn poll_with<F: Future + Unpin>(waker: &Waker, future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// The names of this process's threads. Linux cuts them off after 15 characters.
pub fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is there");
    // A thread that ends meanwhile has no name to read.
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The processor time that all threads of this process have taken.
pub fn processor_time() -> io::Result<Duration> {
    processor_time_of(std::process::id())
}

/// The processor time that all threads of a process have taken that are still there.
pub fn processor_time_of(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += stat.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}
