//! Executors other than the runtime: a custom scheduler for the runtime's tasks, an executor that resets the budget,
//! and executors of other libraries, which have no budget.

use super::kit::{Boxed, Full, lets_others_run};
use executor::sync::unbounded;
use executor::task::{Runnable, Schedule, spawn_with};
use executor::time::{Duration, sleep};
use executor::{JoinHandle, join_all, select};
use futures_lite::future::{or, zip};
use reactor::budget::OPERATIONS;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex as Lock};
use std::task::{Context, Wake};
use tests::within;

/// Runs queued tasks in order, until none is queued.
#[derive(Default)]
struct Fifo(Lock<VecDeque<Runnable>>);

impl Schedule for Fifo {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.0.lock().unwrap().push_back(task);
    }
}

impl Fifo {
    fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (task, handle) = spawn_with(future, self.clone());
        self.schedule(task);
        handle
    }

    fn run(self: &Arc<Self>) {
        loop {
            let Some(task) = self.0.lock().unwrap().pop_front() else { break };
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }
}

/// Is always busy, until the other task has counted its turns in `stop`.
async fn busy_until(stop: Arc<Lock<u32>>, most: u32) {
    let (tx, rx) = unbounded();
    let mut count = 0;
    while *stop.lock().unwrap() < 4 {
        select(tx.send(()), tx.send(())).await;
        rx.recv().await.unwrap();
        count += 1;
        assert!(count < most, "the other task starves");
    }
}

async fn counts_turns(turns: Arc<Lock<u32>>) {
    for _ in 0..4 {
        *turns.lock().unwrap() += 1;
        futures_lite::future::yield_now().await;
    }
}

#[test]
fn a_custom_scheduler_need_not_reset_the_budget() {
    let (fifo, turns) = (Arc::new(Fifo::default()), Arc::new(Lock::new(0)));
    let busy = fifo.spawn(busy_until(turns.clone(), 10 * u32::from(OPERATIONS)));
    let other = fifo.spawn(counts_turns(turns));
    fifo.run();
    smol::block_on(zip(busy, other)).0.unwrap();
}

/// A task of an executor that uses no part of the runtime.
struct Task {
    future: Lock<Option<Boxed<'static>>>,
    queue: Arc<Lock<VecDeque<Arc<Task>>>>,
}

// SAFETY: all of it stays on the thread of its test.
unsafe impl Send for Task {}
// SAFETY: as above.
unsafe impl Sync for Task {}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let queue = self.queue.clone();
        queue.lock().unwrap().push_back(self);
    }
}

/// Polls tasks in the order in which they are woken, with a call before each poll.
fn run_all(futures: Vec<Boxed<'static>>, before_each: impl Fn()) {
    let queue: Arc<Lock<VecDeque<Arc<Task>>>> = Arc::default();
    for future in futures {
        let task = Task { future: Lock::new(Some(future)), queue: queue.clone() };
        queue.lock().unwrap().push_back(Arc::new(task));
    }
    loop {
        let Some(task) = queue.lock().unwrap().pop_front() else { break };
        let Some(mut future) = task.future.lock().unwrap().take() else { continue };
        let waker = task.clone().into();
        before_each();
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *task.future.lock().unwrap() = Some(future);
        }
    }
}

#[test]
fn an_executor_that_resets_the_budget_ends_each_poll_that_has_spent_it() {
    let turns = Arc::new(Lock::new(0));
    let busy = busy_until(turns.clone(), 10 * u32::from(OPERATIONS));
    run_all(vec![Box::pin(busy), Box::pin(counts_turns(turns.clone()))], reactor::budget::reset);
    assert_eq!(*turns.lock().unwrap(), 4);
}

#[test]
fn an_executor_without_a_budget_does_not_starve_its_tasks() {
    const MANY: u32 = 1_000_000;
    within(60, || {
        let turns = Arc::new(Lock::new(0));
        run_all(vec![Box::pin(busy_until(turns.clone(), MANY)), Box::pin(counts_turns(turns.clone()))], || ());
        assert_eq!(*turns.lock().unwrap(), 4);

        let turns = Arc::new(Lock::new(0));
        let local = smol::LocalExecutor::new();
        let busy = local.spawn(busy_until(turns.clone(), MANY));
        let other = local.spawn(counts_turns(turns));
        smol::block_on(local.run(zip(busy, other)));

        let turns = Arc::new(Lock::new(0));
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio.block_on(async {
            let other = tokio::spawn(counts_turns(turns.clone()));
            busy_until(turns, MANY).await; // the future of `block_on` is not a task of tokio
            other.await.unwrap();
        });
    });
}

#[test]
fn a_time_limit_ends_a_busy_loop_in_another_librarys_block_on() {
    within(20, || {
        executor::block_on(async {
            // The other thread uses the reactor of this thread, and this thread turns it.
            let reactor = reactor::Handle::current().unwrap();
            let limited = std::thread::spawn(move || {
                let _entered = reactor.enter();
                let full = Full::new();
                let busy = or(full.forever(), sleep(Duration::from_millis(5)));
                futures_lite::future::block_on(busy);
            });
            while !limited.is_finished() {
                sleep(Duration::from_millis(1)).await;
            }
            limited.join().unwrap();
        });
    });
}

#[test]
fn an_executor_inside_of_a_task_shares_the_tasks_budget() {
    lets_others_run("a local executor", |work| async move {
        let full = Full::new();
        let local = smol::LocalExecutor::new();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                local.spawn(async {
                    while work.goes_on() {
                        full.next().await;
                    }
                })
            })
            .collect();
        local.run(join_all(tasks)).await;
    });
}
