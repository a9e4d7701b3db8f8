//! The pool of threads for blocking calls. It grows on demand and shrinks when idle.
//!
//! A blocking call is a task whose future makes the call in its only poll, and whose [`Schedule`] passes it to a thread
//! of the pool. So handles, cancellation and panics work as for every other task.
//!
//! Used by `single.rs` and `custom.rs`.

use crate::task::{Meta, Reserved, Runnable, Schedule, TaskEvent, TaskId, TaskInfo, TaskRef, reserve, with_current};
use crate::watch::dump::Call;
use crate::watch::observer::Observer;
use crate::watch::{Observers, enter_run};
use reactor::{Handle, Hold, budget};
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
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
    observers: Observers,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of threads. Further calls wait for one of them.
    pub(crate) threads: usize,
    /// How long an idle thread lives.
    pub(crate) keep_alive: Duration,
}

impl Limits {
    /// The limits of a runtime whose builder sets none.
    pub(crate) const DEFAULT: Limits = Limits { threads: 128, keep_alive: Duration::from_secs(10) };
}

#[derive(Default)]
struct State {
    /// Calls that no thread has begun. While a call is in here, a simulated clock does not advance.
    queue: VecDeque<(Runnable, Hold)>,
    threads: usize,
    /// Threads that wait for a call.
    idle: usize,
    /// One of them was notified, and none has looked at the queue since.
    is_notified: bool,
    /// Calls that threads have begun.
    begun: Vec<TaskInfo>,
    /// How many threads were ever started, for their names.
    started: usize,
    closed: bool,
}

impl State {
    /// Whether to notify one more thread, which then counts as notified.
    ///
    /// While a notified thread is on its way to the queue, no other is notified: that thread notifies the next one if it
    /// leaves a call behind. So each call finds a thread, and many calls in a row take few system calls.
    fn notifies_another(&mut self) -> bool {
        let notifies = !self.queue.is_empty() && self.idle > 0 && !self.is_notified;
        self.is_notified |= notifies;
        notifies
    }
}

impl Pool {
    /// For the blocking calls of the run that these observers observe.
    pub(crate) fn new(limits: Limits, reactor: Handle, observers: &Observers) -> Pool {
        let observers = observers.of_calls();
        Pool { limits, reactor, observers, state: Mutex::default(), work: Condvar::new() }
    }

    /// Makes the task cell of a blocking call. The call is not queued yet.
    pub(crate) fn reserve<F, T>(self: &Arc<Self>, meta: Meta) -> Reserved<BlockingCall<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the call and what it returns are Send and 'static.
        unsafe { reserve(None, self, meta) }
    }

    /// The future to write to that cell.
    #[inline(always)]
    pub(crate) fn call<F>(&self, call: F) -> BlockingCall<F> {
        BlockingCall { call: Some(call), observer: self.observers.observer.clone() }
    }

    /// Cancels the calls that no thread has begun. Each thread ends when its current call returns.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        let has_threads = state.threads > 0;
        drop(state);
        if has_threads {
            self.work.notify_all(); // a system call even if no thread waits
        }
        drop(queue); // cancels them, after the lock was released: their destructors may spawn
    }

    /// The calls that have not returned.
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

    /// The loop of a thread of the pool.
    fn work(&self) {
        let _run = enter_run(self.observers.run()); // the thread belongs to this run even if the call outlives it
        let mut state = self.lock();
        loop {
            if let Some((task, hold)) = state.queue.pop_front() {
                let call = task.task().info();
                let id = call.id;
                state.begun.push(call);
                let notifies = state.notifies_another();
                drop(state);
                if notifies {
                    self.work.notify_one();
                }
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
            // Also if another thread was notified: this one looks at the queue in its place.
            state.is_notified = false;
            if waited.1.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Schedule for Pool {
    fn is_watched(&self) -> bool {
        !self.observers.is_empty()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        // The call has events of its own, and its only poll does not hold up the runtime's thread.
        if let TaskEvent::PollBegins { .. } | TaskEvent::Waits(_) | TaskEvent::PollEnds(_) = what {
            return;
        }
        self.observers.happened(task, what);
    }

    fn schedule(self: &Arc<Self>, task: Runnable) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return drop(task); // cancels it
        }
        let needs_thread = state.queue.len() >= state.idle && state.threads < self.limits.threads;
        if let Err(error) = if needs_thread { self.start_thread(&mut state) } else { Ok(()) } {
            // If the pool has other threads, the call waits for one of them. If it has none, no thread would ever make
            // the call.
            if state.threads == 0 {
                drop(state);
                return refuse(task, &error);
            }
        }
        state.queue.push_back((task, self.reactor.hold()));
        let notifies = state.notifies_another();
        drop(state);
        if notifies {
            self.work.notify_one();
        }
    }
}

thread_local! {
    /// The error for the call that this thread polls next; that call is then not made.
    static REFUSAL: Cell<Option<io::Error>> = const { Cell::new(None) };
}

/// Completes a call that no thread will ever make: its handle gets this error.
fn refuse(task: Runnable, why: &io::Error) {
    REFUSAL.set(Some(io::Error::other(format!("no thread could be started for a blocking call: {why}"))));
    let _over = task.run(); // its one poll
    REFUSAL.set(None); // still set if the task was cancelled instead of polled
}

/// The future of a blocking call. Its first poll makes the call and returns `Poll::Ready`.
pub(crate) struct BlockingCall<F> {
    call: Option<F>,
    observer: Option<Arc<dyn Observer>>,
}

// The call is moved out before it is made, so nothing is ever pinned.
impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> T, T> Future for BlockingCall<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        if let Some(error) = REFUSAL.take() {
            // `panic!` would print a message. This is an error for the handle, not a bug of the program.
            resume_unwind(Box::new(error));
        }
        let call = self.call.take().expect("a blocking call was made twice");
        let _not_counted = budget::leave(); // the call may block its thread on futures
        let Some(observer) = &self.observer else { return Poll::Ready(call()) };
        let task = with_current(|task| task.expect("a blocking call is made as a task").id());
        observer.blocking_begins(task);
        let _ends = Ends(&**observer, task);
        Poll::Ready(call())
    }
}

/// Reports the end of a call, also when the call panics.
struct Ends<'a>(&'a dyn Observer, TaskId);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.blocking_ends(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Pool};
    use crate::task::{JoinHandle, Meta, Schedule, TaskId};
    use crate::watch::Observers;
    use futures_lite::future::block_on;
    use std::panic::Location;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    fn make<T: Send + 'static>(pool: &Arc<Pool>, id: u64, call: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let cell = pool.reserve(Meta { id: TaskId(id), spawned_at: Location::caller(), extras: None });
        // SAFETY: the call is written before the cell becomes a task.
        let (task, handle) = unsafe {
            cell.future().write(pool.call(call));
            cell.into_task()
        };
        pool.schedule(task);
        handle
    }

    #[test]
    fn a_notified_thread_that_leaves_a_call_behind_notifies_another() {
        const LIMIT: Duration = Duration::from_secs(60); // is reached only if the test fails
        let reactor = reactor::Reactor::new().unwrap();
        let limits = Limits { threads: 3, keep_alive: 10 * LIMIT };
        let pool = Arc::new(Pool::new(limits, reactor.handle(), &Observers::new(None, None)));
        for _ in 0..limits.threads {
            pool.start_thread(&mut pool.lock()).unwrap();
        }
        // Once all are idle: as if one were notified and still on its way.
        while {
            let mut state = pool.lock();
            state.is_notified = state.idle == limits.threads;
            !state.is_notified
        } {
            thread::yield_now();
        }
        // Each call but the last waits for the next one to begin.
        let ((second, second_begins), (third, third_begins)) = (mpsc::channel(), mpsc::channel());
        let calls = [
            make(&pool, 1, move || second_begins.recv_timeout(LIMIT).is_ok()),
            make(&pool, 2, move || second.send(()).is_ok() && third_begins.recv_timeout(LIMIT).is_ok()),
            make(&pool, 3, move || third.send(()).is_ok()),
        ];
        pool.work.notify_one(); // the only notification that is not of another thread of the pool
        for call in calls {
            assert!(block_on(call).unwrap());
        }
        pool.close();
    }
}
