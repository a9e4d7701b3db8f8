//! Threads for calls that block: a pool that grows on demand and shrinks when idle.
//!
//! A blocking call is a task like any other, whose future makes the call in its only poll and whose
//! [`Schedule`] gives it to a thread of this pool. So its handle, its cancelling and its panics are
//! those of every task.

use crate::dump::Call;
use crate::observer::{self, Observer};
use crate::single::{elsewhere, with_core};
use crate::task::{JoinHandle, Meta, Runnable, Schedule, TaskEvent, TaskId, TaskInfo, TaskRef, allocate, with_present};
use reactor::{Handle, Hold};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
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

    /// Makes a task of a blocking call. It is not queued yet.
    pub(crate) fn make<F, T>(self: &Arc<Self>, call: F, meta: Meta) -> (Runnable, JoinHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let future = BlockingCall { call: Some(call), observer: self.observer.clone() };
        // SAFETY: the call and what it returns are Send and 'static.
        unsafe { allocate(future, None, self, meta) }
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

    fn start_thread(self: &Arc<Self>, state: &mut State) {
        let pool = self.clone();
        let name = format!("executor-blocking-{}", state.started + 1);
        match thread::Builder::new().name(name).spawn(move || pool.work()) {
            Ok(_) => {
                state.started += 1;
                state.threads += 1;
            }
            // The call waits for one of the threads there are.
            Err(_) if state.threads > 0 => {}
            Err(error) => panic!("spawn_blocking needs a thread and the system gives none: {error}"),
        }
    }

    /// What a thread of the pool does.
    fn work(&self) {
        RUNTIME.set(Some(self.reactor.clone()));
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
    fn is_watched(&self) -> bool {
        self.observer.is_some()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let Some(observer) = &self.observer else { return };
        observer::show(&**observer, task, what, || {
            with_core(|core| core.is_some_and(|core| Arc::ptr_eq(&core.pool, self))) || is_thread_of(&self.reactor)
        });
    }

    fn schedule(self: &Arc<Self>, task: Runnable) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return drop(task); // cancels it
        }
        state.queue.push_back((task, self.reactor.hold()));
        if state.queue.len() > state.idle && state.threads < self.limits.threads {
            self.start_thread(&mut state);
        }
        drop(state);
        self.work.notify_one();
    }
}

thread_local! {
    /// Whose calls this thread makes, or whose tasks it runs if the scheduler is a custom one.
    static RUNTIME: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Whether this thread is one that makes the blocking calls of the runtime with this reactor.
pub(crate) fn is_thread_of(reactor: &Handle) -> bool {
    // Also asked when a thread ends and this is gone already.
    RUNTIME.try_with(|runtime| runtime.borrow().as_ref() == Some(reactor)).unwrap_or(false)
}

/// Calls `f` as on a thread of the runtime with this reactor.
pub(crate) fn as_thread_of<R>(reactor: &Handle, f: impl FnOnce() -> R) -> R {
    struct Back(Option<Handle>);
    impl Drop for Back {
        fn drop(&mut self) {
            RUNTIME.set(self.0.take());
        }
    }
    let _back = Back(RUNTIME.replace(Some(reactor.clone())));
    f()
}

/// A future that is ready when the call has returned, which is in its first poll.
struct BlockingCall<F> {
    call: Option<F>,
    observer: Option<Arc<dyn Observer>>,
}

// The call is moved out to be made; nothing is ever pinned.
impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> T, T> Future for BlockingCall<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let call = self.call.take().expect("a blocking call was made twice");
        let Some(observer) = &self.observer else { return Poll::Ready(call()) };
        let task = with_present(|task| task.expect("a blocking call is made as a task").id());
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
