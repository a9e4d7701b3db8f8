//! Futures and tasks that belong together, through the public API: sets of futures, task groups, deadlines, shields,
//! cancellations, callbacks and task-locals.
//!
//! A set polls only the children that were woken, and drops each child and each output once. Nothing outlives a group,
//! however it ends. A shield delays what its docs name, and nothing else. A cancelled task reports the first
//! cancellation.
//!
//! Alone: `cargo test -p tests --test combine`.

mod callbacks;
mod cancellation;
mod deadlines;
mod group_ends;
mod groups;
mod locals;
mod sets;
mod shields;

use executor::time::{Duration, now, sleep};
use executor::{GroupError, Runtime, shield};
use futures_lite::future::{pending, poll_fn};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;
use tests::{Log, OnDrop};

/// Runs a future on a virtual clock. Without `detect_deadlock`, because its task dump polls the tasks, and a task whose
/// wake was lost would continue then. A test that hangs aborts the process after printing its name.
fn virtually<T>(future: impl Future<Output = T>) -> T {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it hangs: {name}");
            std::process::abort();
        }
    });
    let output = Runtime::builder().virtual_clock().build().unwrap().block_on(future);
    drop(done);
    output
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Returns the milliseconds of virtual time that a future takes, and its output.
async fn taken<T>(future: impl Future<Output = T>) -> (u64, T) {
    let start = now();
    let output = future.await;
    ((now() - start).as_millis() as u64, output)
}

/// Counts the futures that hold a clone of it.
#[derive(Clone)]
struct Alive(Arc<()>);

impl Alive {
    fn new() -> Alive {
        Alive(Arc::new(()))
    }

    /// The number of futures that hold it.
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Never completes, and holds the clone.
    async fn park<T>(self) -> T {
        pending::<()>().await;
        drop(self);
        unreachable!()
    }

    /// Returns a value whose drop logs how many futures still hold it.
    fn report(&self, log: &Log<usize>) -> OnDrop<impl FnOnce() + Send + use<>> {
        let (alive, log) = (Arc::downgrade(&self.0), log.clone());
        // The test itself holds one, too.
        OnDrop::new(move || log.push(alive.strong_count() - 1))
    }
}

/// A gate for child futures, which complete once it is open. Counts their polls.
#[derive(Clone, Default)]
struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    open: Cell<bool>,
    polls: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn open(&self) {
        self.0.open.set(true);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.0.waker.borrow().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    fn polls(&self) -> usize {
        self.0.polls.get()
    }

    fn passed<T>(&self, output: T) -> impl Future<Output = T> + use<T> {
        let (gate, mut output) = (self.0.clone(), Some(output));
        poll_fn(move |cx| {
            gate.polls.set(gate.polls.get() + 1);
            *gate.waker.borrow_mut() = Some(cx.waker().clone());
            match gate.open.get() {
                true => Poll::Ready(output.take().expect("a child is not polled after it was ready")),
                false => Poll::Pending,
            }
        })
    }
}

fn gates(count: usize) -> Vec<Gate> {
    (0..count).map(|_| Gate::default()).collect()
}

fn polls(gates: &[Gate]) -> usize {
    gates.iter().map(Gate::polls).sum()
}

/// Wakes itself in each poll, and never completes.
async fn busy<T>(polls: Rc<Cell<usize>>) -> T {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type Outcome<T> = Result<T, GroupError<&'static str>>;

/// Polls a future to its end. Returns the payload if it panics.
async fn catch_poll<F: Future>(future: F) -> Result<F::Output, Box<dyn std::any::Any + Send>> {
    let mut future = Box::pin(future);
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    caught.await
}

/// Shields a sleep of this many milliseconds, then never completes. Logs its steps.
async fn shielded(time: u64, steps: Log<&'static str>) {
    let _dropped = OnDrop::new(|| steps.push("dropped"));
    shield(async {
        steps.push("up");
        sleep(ms(time)).await;
        steps.push("down");
    })
    .await;
    steps.push("goes on");
    pending::<()>().await;
    steps.push("never");
}
