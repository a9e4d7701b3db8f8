//! The invariants of an executor, checked for one of your own: [`schedule`].
//!
//! Each check names its invariant by the number in ARCHITECTURE.md ("What always holds").

use crate::{eventually, within};
use executor::sync::{Semaphore, oneshot};
use executor::task::{Canceller, Finish};
use executor::{JoinError, spawn, yield_now};
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// An executor to be checked.
pub trait Executor {
    /// Runs a future to its end, and meanwhile all tasks that it spawns. Drops the tasks that are left before it
    /// returns. Inside, [`executor::spawn`] makes tasks of this executor: see [`executor::CustomRuntime`].
    fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output;
}

/// Checks the invariants that users of an executor rely on, with a new executor and a limit of a minute for each check.
///
/// # Panics
/// If an invariant is broken. The message says what happened.
///
/// ```
/// use executor::Runtime;
/// use tests::conformance::{Executor, schedule};
/// use std::future::Future;
///
/// struct Own(Runtime);
/// impl Executor for Own {
///     fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output {
///         self.0.block_on(future)
///     }
/// }
///
/// schedule(|| Own(Runtime::builder().build().unwrap()));
/// ```
pub fn schedule<E: Executor>(make: impl Fn() -> E + Clone + Send + 'static) {
    fn check<E: Executor, F>(make: impl Fn() -> E + Clone + Send + 'static, body: F)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        within(60, move || drop(make().block_on(body)));
    }
    check(make.clone(), wakes_from_other_threads_are_not_lost());
    check(make.clone(), a_task_is_polled_by_one_thread_at_a_time_and_not_after_its_end());
    check(make.clone(), a_future_is_dropped_once_and_before_its_handle_resolves());
    check(make.clone(), a_cancel_works_in_every_state());
    check(make.clone(), a_panic_reaches_only_the_joiner());
    check(make.clone(), a_permit_of_a_dropped_waiter_goes_to_the_next());
    wakers_outlive_the_executor(&make);
    what_is_left_is_dropped_at_the_end(&make);
}

/// Adds one to a counter when it is dropped.
struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn count(counter: &Arc<AtomicUsize>) -> usize {
    counter.load(Ordering::SeqCst)
}

/// 1: each round, another thread wakes the task once.
async fn wakes_from_other_threads_are_not_lost() {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            spawn(async {
                for _ in 0..50 {
                    let (give, take) = oneshot();
                    let other = thread::spawn(move || give.send(()).unwrap());
                    take.await.expect("invariant 1: the message was sent");
                    other.join().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("invariant 1: a task that is woken from other threads runs to its end");
    }
}

/// 1: each poll checks that no other one is under way, while two threads wake the task as often as they can.
async fn a_task_is_polled_by_one_thread_at_a_time_and_not_after_its_end() {
    let (under_way, polls) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let wakers = Arc::<Mutex<Vec<Waker>>>::default();
    let task = spawn({
        let (polls, wakers) = (polls.clone(), wakers.clone());
        poll_fn(move |cx| {
            let _alone = under_way.try_lock().expect("invariant 1: two threads poll one task");
            let number = polls.fetch_add(1, Ordering::SeqCst);
            assert!(number < 200, "invariant 1: a task was polled after its end");
            wakers.lock().unwrap().push(cx.waker().clone());
            if number == 199 { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    let canceller = task.canceller();
    let wakes: Vec<_> = (0..2)
        .map(|_| {
            let (canceller, wakers) = (canceller.clone(), wakers.clone());
            thread::spawn(move || {
                while !canceller.task().state().is_over() {
                    wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
                }
            })
        })
        .collect();
    task.await.expect("invariant 1");
    wakes.into_iter().for_each(|thread| thread.join().unwrap());
    wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    yield_now().await;
    assert_eq!(count(&polls), 200, "invariant 1: a task was polled after its end");
}

/// 2: for a task that returns, panics or is cancelled.
async fn a_future_is_dropped_once_and_before_its_handle_resolves() {
    for end in [Finish::Ready, Finish::Panicked, Finish::Cancelled] {
        let drops = Arc::new(AtomicUsize::new(0));
        let inside = Counts(drops.clone());
        let task = spawn(async move {
            let _inside = inside;
            yield_now().await;
            match end {
                Finish::Ready => {}
                Finish::Panicked => std::panic::resume_unwind(Box::new("expected")),
                Finish::Cancelled => pending().await,
            }
        });
        if end == Finish::Cancelled {
            task.cancel();
        }
        let result = task.await;
        assert_eq!(result.is_ok(), end == Finish::Ready);
        assert_eq!(count(&drops), 1, "invariant 2: dropped once, before the handle of a task resolves that is {end:?}");
    }
}

/// 3: for a task that is queued, suspended, running or completed.
async fn a_cancel_works_in_every_state() {
    let queued = spawn(async {});
    queued.cancel();
    let (begin, begun) = oneshot();
    let suspended = spawn(async move {
        begin.send(()).unwrap();
        pending::<()>().await;
    });
    begun.await.unwrap();
    suspended.cancel();
    let (give, take) = oneshot::<Canceller>();
    let running = spawn(async move {
        take.await.unwrap().cancel(); // its own
        pending::<()>().await;
    });
    assert!(give.send(running.canceller()).is_ok());
    for (task, state) in [(suspended, "suspended"), (running, "running")] {
        assert!(matches!(task.await, Err(JoinError::Cancelled)), "invariant 3: a {state} task was cancelled");
    }
    assert!(!queued.await.is_err_and(|error| error.is_panic()), "invariant 3: a queued task was cancelled");
    let completed = spawn(async { 7 });
    let canceller = completed.canceller();
    while !canceller.task().state().is_over() {
        yield_now().await;
    }
    canceller.cancel();
    assert_eq!(completed.await.expect("invariant 3: a completed task keeps its output"), 7);
}

/// 4: of many tasks, every second one panics.
async fn a_panic_reaches_only_the_joiner() {
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            spawn(async move {
                yield_now().await;
                if number % 2 == 0 {
                    std::panic::resume_unwind(Box::new("expected"));
                }
                number
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await {
            Ok(output) => assert_eq!((output, number % 2), (number, 1), "invariant 4"),
            Err(JoinError::Panicked(panic)) => assert_eq!((panic.message(), number % 2), (Some("expected"), 0)),
            Err(JoinError::Cancelled) => panic!("invariant 4: a task was cancelled by the panic of another one"),
        }
    }
}

/// 5: each waiter but the last is cancelled as it is handed its permit.
async fn a_permit_of_a_dropped_waiter_goes_to_the_next() {
    let semaphore = Arc::new(Semaphore::new(0));
    let waiters: Vec<_> = (0..10)
        .map(|_| {
            let semaphore = semaphore.clone();
            spawn(async move { semaphore.acquire().await.forget() })
        })
        .collect();
    yield_now().await;
    let mut waiters = waiters.into_iter();
    let last = waiters.next_back().unwrap();
    for waiter in waiters {
        waiter.cancel();
        let _cancelled_or_served = waiter.await;
        semaphore.add_permits(1);
    }
    last.await.expect("invariant 5: the last waiter has its permit");
}

/// 9: wakers are called and dropped after the executor is gone.
fn wakers_outlive_the_executor<E: Executor>(make: &(impl Fn() -> E + Clone + Send + 'static)) {
    let (wakers, make) = (Arc::<Mutex<Vec<Waker>>>::default(), make.clone());
    let left = wakers.clone();
    within(60, move || {
        make().block_on(async move {
            drop(spawn(poll_fn(move |cx| -> Poll<()> {
                left.lock().unwrap().extend([cx.waker().clone(), cx.waker().clone()]);
                Poll::Pending
            })));
            yield_now().await;
        });
    });
    let mut wakers = std::mem::take(&mut *wakers.lock().unwrap()).into_iter();
    wakers.next().into_iter().for_each(Waker::wake);
    thread::spawn(move || wakers.for_each(|waker| (waker.wake_by_ref(), waker.wake()).1)).join().expect("invariant 9");
}

/// 2 and 5: for tasks that are queued or suspended.
fn what_is_left_is_dropped_at_the_end<E: Executor>(make: &(impl Fn() -> E + Clone + Send + 'static)) {
    let drops = Arc::new(AtomicUsize::new(0));
    let (counter, make) = (drops.clone(), make.clone());
    within(60, move || {
        make().block_on(async move {
            for _ in 0..10 {
                let (waits, queued) = (Counts(counter.clone()), Counts(counter.clone()));
                let _detached = spawn(async move { drop((pending::<()>().await, waits)) });
                yield_now().await;
                let _detached = spawn(async move { drop(queued) });
            }
        });
    });
    eventually("invariant 2: the end of an executor drops the tasks that are left", || count(&drops) == 20);
}
