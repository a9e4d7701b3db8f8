//! The tests of lab 3: the counter in the state word, then wakers and runs of tasks on a scheduler that only keeps what
//! it receives. The models in `tests/models/tests/loom` check what happens if several threads do these things at once.
//!
//! A task's cell holds its scheduler, and nothing else here does. So the scheduler's own reference count says whether
//! the cell exists.

use executor::JoinError;
use executor::task::{Canceller, JoinHandle, Runnable, Schedule, TaskEvent, TaskRef, spawn_with};
use std::future::poll_fn;
use std::mem::{ManuallyDrop, forget, take};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use tests::kit::{OnDrop, hand};
use word::{Dropped, State, counted};

/// What `executor/src/task/state.rs` imports as `crate::shim`.
mod shim {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

mod word;

/// A value that is leaked if the test fails, so that no code of a wrong task runs while the test unwinds.
struct Kept<T>(ManuallyDrop<T>);

impl<T> Kept<T> {
    fn new(value: T) -> Kept<T> {
        Kept(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if !thread::panicking() {
            // SAFETY: the value is dropped here once, and is not used again.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

/// A scheduler that keeps the tasks it receives, and counts the wakes that it is shown.
#[derive(Default)]
struct Scheduler {
    received: Mutex<Vec<Runnable>>,
    wakes_shown: AtomicUsize,
    is_watched: bool,
}

impl Schedule for Scheduler {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.received.lock().unwrap().push(task);
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn happened(self: &Arc<Self>, _: TaskRef<'_>, what: TaskEvent<'_>) {
        if let TaskEvent::Woken = what {
            self.wakes_shown.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A task with its scheduler, its handle, and the wakers that its polls leave.
struct Task {
    scheduler: Kept<Arc<Scheduler>>,
    /// The first right to run, and then those that `run` returns.
    queued: Kept<Vec<Runnable>>,
    handle: Kept<Option<JoinHandle<()>>>,
    wakers: Kept<Arc<Mutex<Vec<Waker>>>>,
    polls: Arc<AtomicUsize>,
    /// The number of drops of its future.
    drops: Arc<AtomicUsize>,
}

/// What a poll of a test's task does.
#[derive(Clone, Copy, PartialEq)]
enum Do {
    LeaveWaker,
    WakeItself,
    NothingAndPend,
    Return,
}

impl Task {
    /// A task whose polls do these things, one after the other.
    fn new(polls: &'static [Do]) -> Task {
        Task::on(Scheduler::default(), polls)
    }

    /// As `new`, for an observed task.
    fn observed(polls: &'static [Do]) -> Task {
        Task::on(Scheduler { is_watched: true, ..Scheduler::default() }, polls)
    }

    fn on(scheduler: Scheduler, script: &'static [Do]) -> Task {
        let scheduler = Arc::new(scheduler);
        let (wakers, polls, drops) = <(Arc<Mutex<Vec<Waker>>>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let dropped = OnDrop::new({
            let drops = drops.clone();
            move || {
                drops.fetch_add(1, Ordering::SeqCst);
            }
        });
        let future = poll_fn({
            let (wakers, polls) = (wakers.clone(), polls.clone());
            move |cx| {
                let _dropped = &dropped;
                match script[polls.fetch_add(1, Ordering::SeqCst)] {
                    Do::LeaveWaker => wakers.lock().unwrap().push(cx.waker().clone()),
                    Do::WakeItself => cx.waker().wake_by_ref(),
                    Do::NothingAndPend => {}
                    Do::Return => return Poll::Ready(()),
                }
                Poll::Pending
            }
        });
        let (first, handle) = spawn_with(future, scheduler.clone());
        Task {
            scheduler: Kept::new(scheduler),
            queued: Kept::new(vec![first]),
            handle: Kept::new(Some(handle)),
            wakers: Kept::new(wakers),
            polls,
            drops,
        }
    }

    /// Runs the task, which must be queued. Returns whether `run` returned the right to run it again.
    fn run(&mut self) -> bool {
        let received = take(&mut *self.scheduler.received.lock().unwrap());
        self.queued.extend(received);
        let task = self.queued.pop().expect("the task is queued");
        let again = task.run();
        let is_woken = again.is_some();
        self.queued.extend(again);
        is_woken
    }

    /// How often the scheduler has received the task since the last run.
    fn received(&self) -> usize {
        self.scheduler.received.lock().unwrap().len()
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    fn drops(&self) -> usize {
        self.drops.load(Ordering::SeqCst)
    }

    /// Takes the waker that the last poll has left.
    fn waker(&self) -> Kept<Waker> {
        Kept::new(self.wakers.lock().unwrap().pop().expect("the poll has left a waker"))
    }

    fn drop_handle(&mut self) {
        drop(self.handle.take());
    }

    fn cell_exists(&self) -> bool {
        Arc::strong_count(&self.scheduler) > 1
    }

    /// Leaks the task. For tests that do not need the functions that free it, because a student writes those later.
    fn leak(self) {
        forget(self);
    }
}

/// Gives up a value that was kept.
fn into_inner<T>(mut kept: Kept<T>) -> T {
    // SAFETY: the value is not used again, since `kept` is forgotten.
    let value = unsafe { ManuallyDrop::take(&mut kept.0) };
    forget(kept);
    value
}

#[test]
fn the_word_counts_the_references() {
    for is_observed in [false, true] {
        let state = State::new(is_observed, false);
        assert_eq!(counted(&state), 2, "a new task has two references");
        let observed = state.add_reference();
        assert_eq!(counted(&state), 3, "a reference was added to two; the word must count three");
        assert_eq!(observed, is_observed, "add_reference() must return whether the task is observed");
        let (dropped, observed) = state.drop_reference();
        assert_eq!(counted(&state), 2, "one of three references was dropped; the word must count two");
        assert_eq!(dropped, Dropped::Shared, "one of three references was dropped; nothing is left to do");
        assert_eq!(observed, is_observed, "drop_reference() must return whether the task is observed");
        let is_queued = state.describe() == word::outcome::TaskState::Queued;
        assert!(is_queued, "references were added and dropped; the other bits of the word must stay as they were");
    }
}

#[test]
fn the_last_reference_frees_the_cell_and_the_one_before_may_leave_an_orphan() {
    let dropped = |state: &State| state.drop_reference().0;
    // A queued task is not orphaned: its right to run exists.
    let queued = State::new(false, false);
    let _handle_is_gone = queued.leave();
    let said =
        "the future's reference is left, and the task is queued; it will run, so drop_reference() must say Shared";
    assert_eq!(dropped(&queued), Dropped::Shared, "{said}");

    let suspended = |is_listed| {
        let state = State::new(false, is_listed);
        let _poll = state.begin();
        let _suspended = state.suspend();
        state
    };
    let with_handle = suspended(false);
    with_handle.add_reference();
    let said = "a waker of a suspended task was dropped, and its handle exists; drop_reference() must say Shared";
    assert_eq!(dropped(&with_handle), Dropped::Shared, "{said}");

    let without_handle = suspended(false);
    let _handle_is_gone = without_handle.leave();
    let said = "the future's reference is left, of a suspended task without a handle: nothing can wake, cancel or join \
                it, so drop_reference() must say Orphaned";
    assert_eq!(dropped(&without_handle), Dropped::Orphaned, "{said}");

    let listed = suspended(true);
    let _handle_is_gone = listed.leave();
    let said = "the future's reference is left, and the task is listed: its scheduler will end it, so drop_reference() \
                must say Shared";
    assert_eq!(dropped(&listed), Dropped::Shared, "{said}");

    let completed = State::new(false, false);
    let _poll = completed.begin();
    let _joined = completed.complete(word::outcome::Finish::Ready); // this drops the future's reference
    let said = "the only reference was dropped; drop_reference() must say Last, so that the caller frees the cell";
    assert_eq!(dropped(&completed), Dropped::Last, "{said}");
}

#[test]
fn a_future_that_is_ready_completes_its_task() {
    let mut task = Task::new(&[Do::Return]);
    let again = task.run();
    assert_eq!(task.polls(), 1, "a queued task was run; its future must be polled once");
    assert!(!again, "the future was ready, and run() returned a right to run the task again");
    assert_eq!(task.drops(), 1, "the future was ready; it must be dropped by now");
    task.leak();
}

#[test]
fn a_wake_during_the_poll_gives_the_right_to_run_back() {
    let mut task = Task::new(&[Do::WakeItself, Do::NothingAndPend]);
    let again = task.run();
    assert_eq!(
        task.received(),
        0,
        "a running task was woken, and its scheduler received it: its runner still has the right to run it"
    );
    assert!(again, "the task was woken during its poll; run() must return the right to run it, or the wake is lost");
    assert!(!task.run(), "the task was not woken during its second poll; run() must return None");
    task.leak();
}

#[test]
fn a_wake_of_a_suspended_task_gives_it_to_its_scheduler_once() {
    let mut task = Task::new(&[Do::LeaveWaker, Do::NothingAndPend]);
    task.run();
    let waker = task.waker();
    assert_eq!(task.received(), 0, "the task was not woken, and its scheduler received it");
    waker.wake_by_ref();
    assert_eq!(task.received(), 1, "a suspended task was woken; its scheduler must receive it once");
    waker.wake_by_ref();
    assert_eq!(task.received(), 1, "a queued task was woken; its scheduler must not receive it a second time");
    task.run();
    assert_eq!(task.polls(), 2, "the task was woken and run; its future must be polled a second time");
    forget(waker);
    task.leak();
}

#[test]
fn a_waker_keeps_the_cell_and_the_last_one_frees_it() {
    let mut task = Task::new(&[Do::LeaveWaker, Do::Return]);
    task.run();
    let waker = task.waker();
    waker.wake_by_ref();
    task.run();
    task.drop_handle();
    assert_eq!(task.drops(), 1, "the task has completed; its future must be dropped, although a waker exists");
    assert!(task.cell_exists(), "a waker of a completed task exists, and its cell was freed: clone() must count it");
    let clone = Kept::new(Waker::clone(&waker));
    drop(into_inner(waker));
    assert!(task.cell_exists(), "one of two wakers was dropped, and the cell was freed: each of them counts");
    drop(into_inner(clone));
    assert!(!task.cell_exists(), "the last waker of a completed task was dropped, and its cell was not freed");
}

#[test]
fn a_wake_by_value_gives_up_its_reference() {
    let mut task = Task::new(&[Do::LeaveWaker, Do::Return]);
    task.run();
    into_inner(task.waker()).wake();
    assert_eq!(task.received(), 1, "a suspended task was woken; its scheduler must receive it once");
    task.run();
    assert!(task.cell_exists(), "the handle of a completed task exists, and the cell was freed");
    task.drop_handle();
    assert!(!task.cell_exists(), "no handle and no waker is left of a completed task, and its cell was not freed");
}

#[test]
fn a_task_that_nothing_can_wake_is_ended() {
    // The poll leaves no waker, and the handle is gone.
    let mut task = Task::new(&[Do::NothingAndPend]);
    task.drop_handle();
    task.run();
    assert_eq!(task.drops(), 1, "a task was suspended without a waker and without a handle; run() must end it");
    assert!(!task.cell_exists(), "a task was ended, and its cell was not freed");
    // The last waker is dropped later.
    let mut task = Task::new(&[Do::LeaveWaker]);
    task.run();
    task.drop_handle();
    assert_eq!(task.drops(), 0, "a waker of a suspended task exists, and its future was dropped");
    drop(into_inner(task.waker()));
    assert_eq!(task.drops(), 1, "the last waker of a task without a handle was dropped; that must end the task");
    assert!(!task.cell_exists(), "a task was ended, and its cell was not freed");
}

#[test]
fn the_wakers_and_wakes_of_an_observed_task_are_reported() {
    let mut task = Task::observed(&[Do::LeaveWaker, Do::Return]);
    let handle = task.handle.as_ref().expect("the handle exists");
    let canceller: Kept<Canceller> = Kept::new(handle.canceller());
    task.run();
    let waker = task.waker();
    assert_eq!(canceller.task().wakers(), 1, "an observed task has left one waker, and another number is reported");
    waker.wake_by_ref();
    let shown = task.scheduler.wakes_shown.load(Ordering::SeqCst);
    assert_eq!(shown, 1, "an observed task was woken once; its scheduler must be shown one wake");
    drop(into_inner(waker));
    assert_eq!(canceller.task().wakers(), 0, "the waker of an observed task was dropped; no waker must be reported");
    task.run();
    task.drop_handle();
    drop(into_inner(canceller));
    assert!(!task.cell_exists(), "nothing refers to an observed task that has completed, and its cell was not freed");
}

#[test]
fn a_cancel_queues_a_suspended_task_and_the_run_drops_its_future() {
    let mut task = Task::new(&[Do::LeaveWaker]);
    task.run();
    let handle = task.handle.as_ref().expect("the handle exists");
    handle.cancel();
    assert_eq!(
        task.received(),
        1,
        "a suspended task was cancelled; its scheduler must receive it, so that a run drops the future"
    );
    handle.cancel();
    assert_eq!(task.received(), 1, "a task was cancelled twice; its scheduler must not receive it twice");
    task.run();
    assert_eq!(
        (task.polls(), task.drops()),
        (1, 1),
        "(polls, drops): the run after a cancel drops the future, and does not poll it"
    );
    let handle = task.handle.take().expect("the handle exists");
    let result = hand(handle).ready();
    assert!(matches!(result, Err(JoinError::Cancelled)), "the task was cancelled; its handle must return Cancelled");
    drop(into_inner(task.waker()));
    assert!(!task.cell_exists(), "nothing refers to the cancelled task, and its cell was not freed");
}
