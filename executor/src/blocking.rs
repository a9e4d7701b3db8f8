//! Threads for calls that block: a pool that grows on demand and shrinks when idle.
//!
//! A blocking call is a task like any other, whose future makes the call in its only poll and whose
//! [`Schedule`] gives it to a thread of this pool. So its handle, its cancelling and its panics are
//! those of every task.

use crate::dump::Call;
use crate::observer::{self, Here, Observer};
use crate::single::{elsewhere, with_core};
use crate::task::{Meta, Reserved, Runnable, Schedule, TaskEvent, TaskId, TaskInfo, TaskRef, reserve, with_current};
use reactor::{Handle, Hold, budget};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

pub(crate) struct Pool {
    limits: Limits,
    reactor: Handle,
    observer: Option<Arc<dyn Observer>>,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Threads at most; further calls wait for one.
    pub(crate) threads: usize,
    /// How long a thread stays without work.
    pub(crate) keep_alive: Duration,
}

impl Limits {
    /// Unless chosen.
    pub(crate) const DEFAULT: Limits = Limits { threads: 128, keep_alive: Duration::from_secs(10) };
}

#[derive(Default)]
struct State {
    /// Calls that no thread has begun. A virtual clock stands still for each.
    queue: VecDeque<(Runnable, Hold)>,
    threads: usize,
    idle: usize,
    /// The calls that threads have begun.
    begun: Vec<TaskInfo>,
    /// Threads ever started, for their names.
    started: usize,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(limits: Limits, reactor: Handle, observer: Option<Arc<dyn Observer>>) -> Pool {
        Pool { limits, reactor, observer, state: Mutex::default(), work: Condvar::new() }
    }

    /// Makes a cell for a blocking call, which is not queued yet.
    pub(crate) fn reserve<F, T>(self: &Arc<Self>, meta: Meta) -> Reserved<BlockingCall<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the call and what it returns are Send and 'static.
        unsafe { reserve(None, self, meta) }
    }

    /// What is written to that cell.
    #[inline(always)]
    pub(crate) fn call<F>(&self, call: F) -> BlockingCall<F> {
        BlockingCall { call: Some(call), observer: self.observer.clone() }
    }

    /// The same as a future that makes the call on the thread that polls it, which then is as one of the pool: there
    /// is no runtime on it.
    pub(crate) fn make_here<T>(&self, call: impl FnOnce() -> T) -> impl Future<Output = T> {
        let mut call = BlockingCall { call: Some(call), observer: self.observer.clone() };
        poll_fn(move |cx| elsewhere(|| Pin::new(&mut call).poll(cx)))
    }

    /// Ends the threads when they are done with the calls they have begun. Calls not begun are
    /// cancelled.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        let has_threads = state.threads > 0;
        drop(state);
        if has_threads {
            self.work.notify_all(); // a system call, whether or not anybody hears it
        }
        drop(queue); // cancels them; their destructors may spawn, so outside of the lock
    }

    /// The calls that are not over.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let state = self.lock();
        let begun = state.begun.iter().map(|task| Call { task: task.clone(), has_begun: true });
        let waiting = state.queue.iter().map(|(task, _)| Call { task: task.task().info(), has_begun: false });
        begun.chain(waiting).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let pool = self.clone();
        let name = format!("executor-blocking-{}", state.started + 1);
        thread::Builder::new().name(name).spawn(move || pool.work())?;
        state.started += 1;
        state.threads += 1;
        Ok(())
    }

    /// What a thread of the pool does.
    fn work(&self) {
        SERVED.set(Some(Served { reactor: self.reactor.clone(), observer: self.observer.clone() }));
        let mut state = self.lock();
        loop {
            if let Some((task, hold)) = state.queue.pop_front() {
                let call = task.task().info();
                let id = call.id;
                state.begun.push(call);
                drop(state);
                let _over = task.run(); // a blocking call has one poll
                drop(hold);
                state = self.lock();
                state.begun.retain(|call| call.id != id);
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, self.limits.keep_alive).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
            if waited.1.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Schedule for Pool {
    fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let Some(observer) = &self.observer else { return };
        // A call has a begin and an end of its own, and its only poll holds no thread of the runtime up.
        if let TaskEvent::PollBegins { .. } | TaskEvent::Waits(_) | TaskEvent::PollEnds(_) = what {
            return;
        }
        observer::show(&**observer, task, what, || {
            let is_served = is_thread_of(&self.reactor, self.observer.as_ref());
            with_core(|core| Here::of(core.map(|core| Arc::ptr_eq(&core.pool, self)), is_served))
        });
    }

    fn schedule(self: &Arc<Self>, task: Runnable) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return drop(task); // cancels it
        }
        let needs_thread = state.queue.len() >= state.idle && state.threads < self.limits.threads;
        if let Err(error) = if needs_thread { self.start_thread(&mut state) } else { Ok(()) } {
            // With threads, the call waits for one of them. Without, nothing would ever make it.
            if state.threads == 0 {
                drop(state);
                return refuse(task, &error);
            }
        }
        state.queue.push_back((task, self.reactor.hold()));
        drop(state);
        self.work.notify_one();
    }
}

/// The run whose calls a thread makes, or the custom runtime whose tasks it runs.
struct Served {
    reactor: Handle,
    observer: Option<Arc<dyn Observer>>,
}

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
    /// Why the call that is polled next on this thread is not made.
    static REFUSAL: Cell<Option<io::Error>> = const { Cell::new(None) };
}

/// Ends a call that no thread will ever make: its handle gets an error, which says why.
fn refuse(task: Runnable, why: &io::Error) {
    REFUSAL.set(Some(io::Error::other(format!("no thread could be started for a blocking call: {why}"))));
    let _over = task.run(); // its one poll
    REFUSAL.set(None); // it was cancelled, and not polled
}

/// Whether this thread makes the blocking calls of the run with this reactor and this observer. Runs of one runtime share
/// the reactor, and the thread of a call may outlive its run.
pub(crate) fn is_thread_of(reactor: &Handle, observer: Option<&Arc<dyn Observer>>) -> bool {
    let is_same = |served: &Served| {
        let same_observer = match (&served.observer, observer) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        served.reactor == *reactor && same_observer
    };
    // Also asked when a thread ends and this is gone already.
    SERVED.try_with(|served| served.borrow().as_ref().is_some_and(is_same)).unwrap_or(false)
}

/// Calls `f` as on a thread of the run with this reactor and this observer.
pub(crate) fn as_thread_of<R>(reactor: &Handle, observer: Option<&Arc<dyn Observer>>, f: impl FnOnce() -> R) -> R {
    struct Back(Option<Served>);
    impl Drop for Back {
        fn drop(&mut self) {
            SERVED.set(self.0.take());
        }
    }
    let _back = Back(SERVED.replace(Some(Served { reactor: reactor.clone(), observer: observer.cloned() })));
    f()
}

/// A future that is ready when the call has returned, which is in its first poll.
pub(crate) struct BlockingCall<F> {
    call: Option<F>,
    observer: Option<Arc<dyn Observer>>,
}

// The call is moved out to be made; nothing is ever pinned.
impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> T, T> Future for BlockingCall<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        if let Some(error) = REFUSAL.take() {
            // Not `panic!`, which would print a message: this is an error for the handle, and no fault in the program.
            resume_unwind(Box::new(error));
        }
        let call = self.call.take().expect("a blocking call was made twice");
        let _not_counted = budget::leave(); // it may block its thread on futures
        let Some(observer) = &self.observer else { return Poll::Ready(call()) };
        let task = with_current(|task| task.expect("a blocking call is made as a task").id());
        observer.blocking_begins(task);
        let _ends = Ends(&**observer, task);
        Poll::Ready(call())
    }
}

/// Tells the end of a call, also if it panics.
struct Ends<'a>(&'a dyn Observer, TaskId);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.blocking_ends(self.1);
    }
}
