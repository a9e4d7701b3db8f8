//! A student's executor on the trait `Schedule`, with several threads.

use executor::task::{Finish, Runnable, Schedule, TaskRef, spawn_with};
use executor::{JoinError, JoinHandle, yield_now};
use futures_lite::future::{pending, poll_fn, poll_once};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use tests::kit::Guarded;
use tests::{Log, dropped_on, within};

/// Several threads that take tasks from one queue.
#[derive(Default)]
struct Shared {
    ready: Mutex<VecDeque<Runnable>>,
    work: Condvar,
    over: AtomicBool,
    finished: [AtomicUsize; 3],
}

impl Schedule for Shared {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.ready.lock().unwrap().push_back(task);
        self.work.notify_one();
    }

    fn finished(self: &Arc<Self>, _: TaskRef<'_>, how: Finish) {
        self.finished[how as usize].fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = spawn_with(future, self.clone());
        self.schedule(task);
        handle
    }

    fn work(self: &Arc<Self>) {
        loop {
            let mut ready = self.ready.lock().unwrap();
            let task = loop {
                match ready.pop_front() {
                    Some(task) => break task,
                    None if self.over.load(Ordering::SeqCst) => return,
                    None => ready = self.work.wait(ready).unwrap(),
                }
            };
            drop(ready);
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }

    /// Runs the future that `make` returns on this many threads.
    fn run<F>(threads: usize, make: impl FnOnce(Arc<Shared>) -> F) -> Arc<Shared>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || shared.work())
            })
            .collect();
        futures_lite::future::block_on(shared.spawn(make(shared.clone()))).unwrap();
        shared.over.store(true, Ordering::SeqCst);
        drop(shared.ready.lock().unwrap());
        shared.work.notify_all();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        shared
    }
}

#[test]
fn a_students_executor_with_several_threads_runs_the_same_tasks() {
    within(60, || {
        const TASKS: usize = 200;
        const MESSAGES: usize = 100;
        let drops = Arc::new(AtomicUsize::new(0));
        let shared = Shared::run(4, {
            let drops = drops.clone();
            move |shared| async move {
                // A ring: each task adds one to what it receives and passes it on.
                let channels: Vec<_> = (0..TASKS).map(|_| async_channel::bounded::<usize>(2)).collect();
                let tasks: Vec<_> = (0..TASKS)
                    .map(|n| {
                        let (receive, send) = (channels[n].1.clone(), channels[(n + 1) % TASKS].0.clone());
                        let passes = async move {
                            for _ in 0..MESSAGES {
                                let message = receive.recv().await.unwrap();
                                yield_now().await;
                                send.send(message + 1).await.unwrap();
                            }
                        };
                        shared.spawn(Guarded::new(passes, &drops))
                    })
                    .collect();
                for (send, _) in channels.iter().step_by(TASKS / 10) {
                    send.send(0).await.unwrap(); // ten messages go round and round
                }
                // Each task has passed on `MESSAGES` when all have made `MESSAGES / 10` rounds.
                for task in tasks {
                    task.await.unwrap();
                }
                let mut left = 0;
                for (_, receive) in &channels {
                    while let Ok(message) = receive.try_recv() {
                        left += 1;
                        assert!(message >= MESSAGES / 10 * TASKS - TASKS, "{message}");
                    }
                }
                assert_eq!(left, 10);
            }
        });
        assert_eq!(drops.load(Ordering::SeqCst), TASKS);
        assert_eq!(shared.finished[Finish::Ready as usize].load(Ordering::SeqCst), TASKS + 1);
    });
}

/// A future that keeps a waker of each of its polls. Depending on its number, it panics or returns in its third poll,
/// returns in its first, or never completes.
fn numbered(n: usize, wakers: Log<Waker>) -> impl Future<Output = usize> {
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        wakers.push(cx.waker().clone());
        match n % 5 {
            0 if polls == 3 => panic!("on purpose"),
            1 if polls == 3 => Poll::Ready(n),
            2 => Poll::Ready(n),
            _ => Poll::Pending,
        }
    })
}

/// Joins a task. Cancels it first if it never completes. Depending on its number, polls the handle before that, or
/// detaches the task.
async fn join(n: usize, mut task: JoinHandle<usize>) -> Option<Result<usize, JoinError>> {
    if n.is_multiple_of(3)
        && let Some(joined) = poll_once(&mut task).await
    {
        return Some(joined);
    }
    if n % 5 >= 3 {
        task.cancel();
    }
    if n % 7 == 6 {
        return None; // dropped: detached
    }
    Some(task.await)
}

/// Wakes all tasks again and again.
async fn wake_forever(wakers: Log<Waker>) {
    loop {
        wakers.take().into_iter().for_each(Waker::wake);
        yield_now().await;
    }
}

#[test]
fn wakes_cancels_and_joins_from_all_threads_at_once_end_every_task_once() {
    within(60, || {
        const TASKS: usize = 5000;
        let drops = Arc::new(AtomicUsize::new(0));
        let shared = Shared::run(4, {
            let drops = drops.clone();
            move |shared| async move {
                let wakers: Log<Waker> = Log::new();
                let mut joining = Vec::new();
                for n in 0..TASKS {
                    let task = shared.spawn(Guarded::new(numbered(n, wakers.clone()), &drops));
                    joining.push(shared.spawn(join(n, task)));
                    if n % 4 == 0 {
                        wakers.take().into_iter().for_each(Waker::wake);
                    }
                }
                let wakes = shared.spawn(wake_forever(wakers.clone()));
                for (n, joining) in joining.into_iter().enumerate() {
                    let Some(joined) = joining.await.unwrap() else { continue };
                    match joined {
                        Ok(output) => assert!(output == n && matches!(n % 5, 1 | 2)),
                        Err(JoinError::Cancelled) => assert!(n % 5 >= 3),
                        Err(JoinError::Panicked(_)) => assert_eq!(n % 5, 0),
                    }
                }
                while drops.load(Ordering::SeqCst) < TASKS {
                    yield_now().await; // until the detached tasks have ended, too
                }
                wakes.cancel();
                assert!(wakes.await.unwrap_err().is_cancelled());
                wakers.take().into_iter().for_each(Waker::wake);
            }
        });
        assert_eq!(drops.load(Ordering::SeqCst), TASKS);
        assert_eq!(shared.finished.iter().map(|n| n.load(Ordering::SeqCst)).sum::<usize>(), 2 * TASKS + 2);
    });
}

#[test]
fn a_runnable_that_is_dropped_cancels_its_task_on_the_thread_that_drops_it() {
    let drops = Log::new();
    let dropped = dropped_on(&drops);
    let (task, handle) = spawn_with(
        async move {
            let _dropped = dropped;
            pending::<()>().await;
        },
        Arc::new(Shared::default()),
    );
    let thread = thread::spawn(move || drop(task));
    let id = thread.thread().id();
    thread.join().unwrap();
    assert_eq!(drops.take(), [id]);
    assert!(futures_lite::future::block_on(handle).unwrap_err().is_cancelled());
}
