//! The tests of lab 7, the easiest first. Each runs its tasks one by one, on a queue of its own, so no test waits.
//!
//! The panics of tasks are raised by `resume_unwind`, which prints nothing: what is printed is the failure of the test.

use executor::task::{JoinHandle, Runnable, Schedule, spawn_with};
use executor::{JoinError, shield};
use reactor::budget;
use std::any::Any;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tests::kit::{Counting, Log, OnDrop, waker_fn};

/// A scheduler that runs its tasks when the test says so.
#[derive(Default)]
struct Queue(Mutex<VecDeque<Runnable>>);

impl Schedule for Queue {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.0.lock().unwrap().push_back(task);
    }
}

impl Queue {
    /// Spawns a task, which is queued.
    fn spawn<T: Send + 'static>(self: &Arc<Self>, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let (task, handle) = spawn_with(future, self.clone());
        self.schedule(task);
        handle
    }

    /// Runs the queued tasks until there are none.
    #[track_caller]
    fn run(self: &Arc<Self>) {
        while let Some(task) = { self.0.lock().unwrap().pop_front() } {
            match catch_unwind(AssertUnwindSafe(|| task.run())) {
                Ok(woken) => woken.into_iter().for_each(|task| self.schedule(task)),
                Err(panic) => panic!("a panic reached the thread that runs the tasks: {}", text(&*panic)),
            }
        }
    }
}

/// The message of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let string = panic.downcast_ref::<String>().map(String::as_str);
    string.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a payload that is not text")
}

/// Panics without printing anything.
fn fail(message: &'static str) -> ! {
    resume_unwind(Box::new(message))
}

/// Is never ready. It keeps its waker: without any waker, the task would end as soon as its handle is dropped.
async fn stay() {
    let own = Mutex::new(None);
    poll_fn(|cx| {
        *own.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

fn poll<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    budget::reset();
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// Polls the handle of a completed task, and returns the output.
#[track_caller]
fn output<T>(handle: &mut JoinHandle<T>) -> Result<T, JoinError> {
    match poll(handle, Waker::noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the task has completed, and polling its handle returned Poll::Pending"),
    }
}

#[test]
fn a_task_whose_poll_is_pending_goes_on_when_it_is_woken() {
    let queue = Arc::new(Queue::default());
    let steps = Log::new();
    let _task = queue.spawn({
        let steps = steps.clone();
        async move {
            steps.push("first poll");
            executor::yield_now().await;
            steps.push("second poll");
            stay().await;
        }
    });
    queue.run();
    let steps = steps.take();
    assert!(
        steps == ["first poll", "second poll"],
        "the task was spawned, and woken during its first poll, so it must be polled twice; these polls happened: \
         {steps:?}"
    );
}

#[test]
fn a_panic_does_not_reach_the_thread_that_runs_the_task() {
    let queue = Arc::new(Queue::default());
    let task = queue.spawn(async { fail("no luck") });
    queue.run();
    assert!(task.is_finished(), "the task has panicked, and its state is \"{}\"; it must be completed", task.state());
}

#[test]
fn the_future_is_dropped_when_the_task_completes() {
    let queue = Arc::new(Queue::default());
    let drops = Log::new();
    // A hand-written future with a field: an async block would drop its variables before it returns.
    let guard = OnDrop::new({
        let drops = drops.clone();
        move || drops.push(())
    });
    let wakers = Log::new();
    let task = queue.spawn({
        let wakers = wakers.clone();
        poll_fn(move |cx| {
            let _guard = &guard;
            wakers.push(cx.waker().clone());
            Poll::Ready(7)
        })
    });
    queue.run();
    let count = drops.len();
    assert!(
        task.is_finished() && count == 1,
        "the task has returned, and its future was dropped {count} times; it must be dropped once, although a waker \
         and the handle still exist"
    );
    drop((task, wakers.take()));
    let count = drops.len();
    assert!(count == 1, "after the handle and the waker are gone, the future was dropped {count} times");
}

#[test]
fn a_handle_returns_the_output_once() {
    let queue = Arc::new(Queue::default());
    let mut task = queue.spawn(async { 7 });
    queue.run();
    let first = output(&mut task);
    assert!(matches!(first, Ok(7)), "the task returned 7, and its handle returned {first:?}");
    let second = catch_unwind(AssertUnwindSafe(|| output(&mut task)));
    assert!(second.is_err(), "the handle was polled again, and returned its output a second time");
}

#[test]
fn a_handle_returns_the_panic() {
    let queue = Arc::new(Queue::default());
    let mut task = queue.spawn(async { fail("no luck") });
    queue.run();
    let returned: Result<(), JoinError> = output(&mut task);
    let is_right = matches!(&returned, Err(JoinError::Panicked(panic)) if panic.message() == Some("no luck"));
    assert!(is_right, "the task panicked with \"no luck\", and its handle returned {returned:?}");
}

#[test]
fn a_destructor_that_panics_is_a_panic_of_its_task() {
    let queue = Arc::new(Queue::default());
    let guard = OnDrop::new(|| fail("in the destructor"));
    let mut task = queue.spawn(poll_fn(move |_| {
        let _guard = &guard;
        Poll::Ready(7)
    }));
    queue.run();
    let returned = output(&mut task);
    assert!(
        matches!(&returned, Err(JoinError::Panicked(panic)) if panic.message() == Some("in the destructor")),
        "the destructor of the future panicked, so the task has panicked; its handle returned {returned:?}"
    );
}

#[test]
fn a_cancelled_task_is_dropped_without_another_poll() {
    let queue = Arc::new(Queue::default());
    let steps = Log::new();
    let mut task = queue.spawn({
        let (steps, guard) = (steps.clone(), steps.clone());
        async move {
            let _guard = OnDrop::new(move || guard.push("dropped"));
            let mut stays = pin!(stay());
            poll_fn(|cx| {
                steps.push("polled");
                stays.as_mut().poll(cx)
            })
            .await
        }
    });
    queue.run();
    task.cancel();
    queue.run();
    let steps = steps.take();
    assert!(
        steps == ["polled", "dropped"],
        "the task was polled once, and then cancelled: its future must be dropped without another poll; what happened: \
         {steps:?}"
    );
    let returned = output(&mut task);
    let is_right = matches!(returned, Err(JoinError::Cancelled));
    assert!(is_right, "the task was cancelled, and its handle returned {returned:?}");
}

#[test]
fn a_shield_delays_a_cancel() {
    let queue = Arc::new(Queue::default());
    let (steps, wakers) = (Log::new(), Log::new());
    let task = queue.spawn({
        let (steps, wakers) = (steps.clone(), wakers.clone());
        async move {
            let mut is_first = true;
            let protected = poll_fn(move |cx| {
                wakers.push(cx.waker().clone());
                if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
            });
            shield(protected).await;
            steps.push("the protected part is over");
            stay().await;
        }
    });
    queue.run();
    task.cancel();
    queue.run(); // the shield is up: the task is polled, and not dropped
    wakers.take().into_iter().for_each(Waker::wake);
    queue.run();
    let steps = steps.take();
    assert!(
        steps == ["the protected part is over"] && task.is_finished(),
        "the task was cancelled while a shield protected a part of it: this part must run to its end, and then the \
         task must be dropped; steps {steps:?}, state \"{}\"",
        task.state()
    );
}

#[test]
fn the_output_is_there_when_the_joiner_is_woken() {
    let queue = Arc::new(Queue::default());
    let task = Arc::new(Mutex::new(queue.spawn(async { 7 })));
    let states = Log::new();
    let waker = waker_fn({
        let (task, states) = (task.clone(), states.clone());
        move || states.push(task.lock().unwrap().is_finished())
    });
    let polled = poll(&mut task.lock().unwrap(), &waker);
    assert!(polled.is_pending(), "the task has not run, and polling its handle returned {polled:?}");
    queue.run();
    let states = states.take();
    assert!(
        states.iter().all(|finished| *finished),
        "the joiner was woken before the task had completed: on another thread, it could poll the handle at this \
         moment, find no output and wait for ever"
    );
}

#[test]
fn a_completed_task_wakes_its_joiner_once() {
    for is_cancelled in [false, true] {
        let queue = Arc::new(Queue::default());
        let mut task = queue.spawn(async { 7 });
        let joiner = Counting::new();
        let polled = poll(&mut task, &joiner.waker());
        assert!(polled.is_pending(), "the task has not run, and polling its handle returned {polled:?}");
        if is_cancelled {
            task.cancel();
        }
        queue.run();
        let (how, wakes) = (if is_cancelled { "was cancelled" } else { "returned" }, joiner.wakes());
        assert!(wakes == 1, "the task {how}, and the task that awaits its handle was woken {wakes} times, not once");
        let returned = output(&mut task);
        let is_right =
            if is_cancelled { matches!(returned, Err(JoinError::Cancelled)) } else { matches!(returned, Ok(7)) };
        assert!(is_right, "the task {how}, and its handle returned {returned:?}");
    }
}

#[test]
fn the_waker_of_the_last_poll_is_called() {
    let queue = Arc::new(Queue::default());
    let mut task = queue.spawn(async { 7 });
    let (first, last) = (Counting::new(), Counting::new());
    assert!(poll(&mut task, &first.waker()).is_pending(), "the task has not run");
    assert!(poll(&mut task, &last.waker()).is_pending(), "the task has not run");
    queue.run();
    let wakes = (first.wakes(), last.wakes());
    assert!(
        wakes == (0, 1),
        "the handle was polled with two wakers, as if it had moved to another task; the first was called {} times, and \
         the last {} times: only the last must be called",
        wakes.0,
        wakes.1
    );
    let left = first.wakers(1);
    assert!(left == 0, "the handle keeps {left} wakers besides the last one");
}

#[test]
fn a_joiner_whose_waker_panics_harms_no_other_task() {
    let queue = Arc::new(Queue::default());
    let mut task = queue.spawn(async { 7 });
    let other = queue.spawn(async { 8 });
    assert!(poll(&mut task, &waker_fn(|| fail("in the waker"))).is_pending(), "the task has not run");
    queue.run();
    assert!(other.is_finished(), "the other task has run, and its state is \"{}\"", other.state());
    let returned = output(&mut task);
    assert!(matches!(returned, Ok(7)), "the task returned 7, and its handle returned {returned:?}");
}

#[test]
fn the_output_of_a_detached_task_is_dropped() {
    let queue = Arc::new(Queue::default());
    let drops = Log::new();
    let output = OnDrop::new({
        let drops = drops.clone();
        move || drops.push(())
    });
    drop(queue.spawn(async move { output })); // nothing can take the output any more
    queue.run();
    let count = drops.len();
    assert!(
        count == 1,
        "the handle was dropped, and the task has returned: its output was dropped {count} times, not once"
    );
}

#[test]
fn the_memory_of_a_completed_task_is_freed() {
    for is_detached in [true, false] {
        let queue = Arc::new(Queue::default());
        let mut task = Some(queue.spawn(async { 7 }));
        let how = if is_detached { "detached" } else { "awaited" };
        if is_detached {
            task = None;
        } else if let Some(task) = &mut task {
            assert!(poll(task, Waker::noop()).is_pending(), "the task has not run");
        }
        queue.run();
        drop(task);
        // The memory of each task keeps a reference to the scheduler.
        let left = Arc::strong_count(&queue) - 1;
        assert!(left == 0, "the {how} task has completed, nothing refers to it any more, and its memory was not freed");
    }
}

#[test]
fn a_panic_of_one_task_leaves_the_others_alone() {
    let queue = Arc::new(Queue::default());
    let mut good = queue.spawn(async {
        executor::yield_now().await;
        1
    });
    let bad = queue.spawn(async { fail("no luck") });
    let mut joins = queue.spawn(async move {
        let error: JoinError = match bad.await {
            Ok(()) => panic!("it panicked"),
            Err(error) => error,
        };
        error.to_string()
    });
    queue.run();
    let returned = output(&mut good);
    assert!(matches!(returned, Ok(1)), "a task that did not panic returned {returned:?}");
    let returned = output(&mut joins);
    assert!(
        matches!(&returned, Ok(text) if text == "the task panicked: no luck"),
        "the task that joins the panicked one must see \"the task panicked: no luck\"; it returned {returned:?}"
    );
}

#[test]
fn joining_completed_tasks_takes_part_in_the_budget() {
    const TASKS: usize = 1000;
    let queue = Arc::new(Queue::default());
    let mut tasks: Vec<JoinHandle<usize>> = (0..TASKS).map(|number| queue.spawn(async move { number })).collect();
    queue.run();
    let joiner = Counting::new();
    let waker = joiner.waker();
    let mut cx = Context::from_waker(&waker);
    let poll_of_a_task = budget::enter();
    let pending = tasks.iter_mut().position(|task| Pin::new(task).poll(&mut cx).is_pending());
    drop(poll_of_a_task);
    let ready = pending.unwrap_or(TASKS);
    assert!(
        ready <= usize::from(budget::OPERATIONS),
        "one poll took the outputs of {ready} tasks; after {} operations the budget of a poll is spent, and the handle \
         must return Poll::Pending, so that other tasks can run",
        budget::OPERATIONS
    );
    let wakes = joiner.wakes();
    assert!(wakes == 1, "the handle was deferred because the budget is spent, and its task was woken {wakes} times");
    let mut late = tasks.swap_remove(ready);
    let returned = output(&mut late);
    assert!(returned.is_ok(), "a handle that was deferred by the budget must be ready in the next poll: {returned:?}");
}
