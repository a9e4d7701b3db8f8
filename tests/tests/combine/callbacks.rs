//! Callbacks and the states of a task.

use super::{Alive, ms, virtually};
use executor::task::{Finish, TaskState};
use executor::time::sleep;
use executor::{JoinHandle, block_on, named, shield, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::pending;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tests::{Log, within};

#[test]
fn callbacks_added_before_or_after_the_end_are_called_once_with_the_outcome() {
    virtually(async {
        for before in [true, false] {
            for how in [Finish::Ready, Finish::Cancelled, Finish::Panicked] {
                let calls = Log::new();
                let task = named("watched").spawn(async move {
                    match how {
                        Finish::Ready => 7,
                        Finish::Cancelled => pending().await,
                        Finish::Panicked => panic!("on purpose"),
                    }
                });
                let note = |n: u32| {
                    let calls = calls.clone();
                    task.on_done(move |task, how| {
                        calls.push((n, task.name().map(str::to_owned), how, task.state()));
                    });
                };
                if before {
                    note(1);
                    note(2);
                }
                yield_now().await;
                if how == Finish::Cancelled {
                    assert!(calls.is_empty());
                    task.cancel();
                    yield_now().await;
                }
                if !before {
                    assert!(calls.is_empty());
                    note(1);
                    assert_eq!(calls.len(), 1, "at once");
                    note(2);
                }
                let state = TaskState::Completed(how);
                let call = |n| (n, Some("watched".to_owned()), how, state);
                assert_eq!(calls.take(), [call(1), call(2)]);
                assert_eq!(task.state(), state);
                let joined = task.await;
                assert_eq!(joined.is_ok(), how == Finish::Ready);
                assert!(calls.is_empty());
            }
        }
    });
}

#[test]
fn a_callback_that_panics_does_not_affect_other_callbacks_or_the_handle() {
    virtually(async {
        let calls = Log::new();
        let task = spawn(async { 7 });
        task.on_done(|_, _| panic!("on purpose"));
        let second = calls.clone();
        task.on_done(move |_, how| second.push(how));
        yield_now().await;
        task.on_done(|_, _| panic!("on purpose"));
        assert_eq!(calls.take(), [Finish::Ready]);
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn callbacks_are_called_without_a_handle_after_the_future_is_gone_and_at_the_end_of_the_runtime() {
    let (alive, calls) = (Alive::new(), Log::new());
    virtually(async {
        for time in [1, 1_000] {
            let task = spawn({
                let alive = alive.clone();
                async move {
                    sleep(ms(time)).await;
                    drop(alive.clone());
                    alive
                }
            });
            let weak = Arc::downgrade(&alive.0);
            let calls = calls.clone();
            task.on_done(move |_, how| calls.push((how, weak.strong_count() > 1, thread::current().id())));
        }
        sleep(ms(5)).await;
    });
    // The first task has an output, which is not taken and is dropped after the callback.
    let here = thread::current().id();
    assert_eq!(calls.take(), [(Finish::Ready, true, here), (Finish::Cancelled, false, here)]);
    assert_eq!(alive.count(), 0);
}

#[test]
fn callbacks_added_from_other_threads_while_tasks_end_are_each_called_once() {
    within(60, || {
        const CALLBACKS: usize = 64;
        for round in 0..60 {
            let called: Arc<Vec<AtomicUsize>> = Arc::new((0..2 * CALLBACKS).map(|_| AtomicUsize::new(0)).collect());
            block_on(async {
                let task = Arc::new(spawn(async move {
                    for _ in 0..round {
                        yield_now().await;
                    }
                }));
                let threads: Vec<_> = (0..2)
                    .map(|part| {
                        let (task, called) = (task.clone(), called.clone());
                        thread::spawn(move || {
                            for n in 0..CALLBACKS {
                                let called = called.clone();
                                task.on_done(move |_, how| {
                                    assert_eq!(how, Finish::Ready);
                                    called[part * CALLBACKS + n].fetch_add(1, Ordering::Relaxed);
                                });
                            }
                        })
                    })
                    .collect();
                while !task.is_finished() || !threads.iter().all(thread::JoinHandle::is_finished) {
                    yield_now().await;
                }
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            });
            assert!(called.iter().all(|calls| calls.load(Ordering::Relaxed) == 1), "round {round}");
        }
    });
}

#[test]
fn a_callback_delays_the_end_of_a_blocking_call_on_the_thread_of_the_call() {
    within(20, || {
        block_on(async {
            let calls = Log::new();
            let log = calls.clone();
            let (begin, begun) = std::sync::mpsc::channel::<()>();
            let call = spawn_blocking(move || begun.recv().is_err());
            call.on_done(move |_, how| log.push((how, thread::current().name().map(str::to_owned))));
            drop(begin);
            assert!(call.await.unwrap());
            tests::eventually("the callback", || calls.len() == 1);
            assert_eq!(calls.take(), [(Finish::Ready, Some("executor-blocking-1".to_owned()))]);
        });
    });
}

#[test]
fn a_task_is_queued_running_suspended_or_completed() {
    virtually(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let seen = Rc::new(Cell::new(None));
        let task = spawn_local({
            let (own, seen) = (own.clone(), seen.clone());
            async move {
                seen.set(own.borrow().as_ref().map(JoinHandle::state));
                pending::<()>().await;
            }
        });
        assert_eq!(task.state(), TaskState::Queued);
        *own.borrow_mut() = Some(task);
        yield_now().await;
        assert_eq!(seen.get(), Some(TaskState::Running));
        let task = own.take().unwrap();
        assert_eq!(task.state(), TaskState::Suspended);
        task.cancel();
        assert_eq!(
            (task.state(), task.state().is_over()),
            (TaskState::Queued, false),
            "its future is still to be dropped"
        );
        yield_now().await;
        assert_eq!((task.state(), task.state().is_over()), (TaskState::Completed(Finish::Cancelled), true));
        let panicked = spawn(async {
            if true {
                panic!("on purpose")
            }
        });
        yield_now().await;
        assert_eq!((panicked.state(), panicked.state().is_over()), (TaskState::Completed(Finish::Panicked), true));
        let states = [TaskState::Queued, TaskState::Running, TaskState::Suspended];
        assert_eq!(states.map(|state| state.to_string()), ["queued", "running", "suspended"]);
        assert_eq!(states.map(TaskState::is_over), [false; 3]);
        let states = [Finish::Ready, Finish::Cancelled, Finish::Panicked].map(TaskState::Completed);
        assert_eq!(states.map(|state| state.to_string()), ["completed", "cancelled", "panicked"]);
        assert_eq!(states.map(TaskState::is_over), [true; 3]);
        // A task that returns although it was cancelled counts as returned.
        let task = spawn(shield(yield_now()));
        yield_now().await;
        task.cancel();
        yield_now().await;
        yield_now().await;
        assert_eq!(task.state(), TaskState::Completed(Finish::Ready));
        task.await.unwrap();
    });
}
