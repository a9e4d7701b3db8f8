//! [`task_group`]: tasks that don't outlive the block that started them.
//!
//! A group is to tasks what a block is to statements. The group ends when all its tasks have ended. An error in one
//! task cancels the others and is returned from the block. So a reader of the block knows that none of its tasks
//! outlives it.
//!
//! After Nathaniel J. Smith, "Notes on structured concurrency, or: Go statement considered harmful", 2018.

use super::cancel::{current, within};
use crate::schedule::{CoreId, run_cancelled};
use crate::spawn::{Named, Spawning, named};
use crate::task::{Canceller, Extras, Group, JoinHandle, Panic, Scope, TaskInfo, TaskRef, with_current};
use pin_project_lite::pin_project;
use reactor::panics::{discard, wake_all};
use reactor::{budget, leaf};
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// Runs a block that may spawn tasks into a group, and ends when the block and all those tasks have ended.
///
/// The first failure cancels all others, and is returned after they have ended. A failure is an error of the block or
/// of a task, or a panic of a task. Tasks may spawn more tasks through a clone of the group. If this future is dropped,
/// or the task that awaits it is cancelled, the group's tasks are dropped with it, at once.
///
/// # Errors
/// The first failure, with the task that it comes from.
///
/// # Panics
/// When the block panics, and when it spawns outside of a runtime.
///
/// # Cancel safety
/// Dropping it drops the block and the futures of all tasks, except those that are [shielded](crate::shield()), which
/// go on. A cancel of the task that awaits it, or a [`deadline`](crate::deadline) around it, waits for the shielded
/// ones instead.
///
/// ```
/// use executor::{task_group, time::{Duration, sleep}};
///
/// executor::block_on(async {
///     let pages = task_group(|group| async move {
///         let (a, b) = (group.spawn(fetch("a")), group.spawn(fetch("b")));
///         Ok([a.await.unwrap(), b.await.unwrap()])
///     });
///     assert_eq!(pages.await.unwrap(), ["<a>", "<b>"]);
///
///     let failed = task_group(|group| async move {
///         group.spawn(fetch("a"));
///         group.spawn(fetch("")); // fails at once, and cancels the other one
///         Ok(())
///     });
///     // task 5 (spawned at src/main.rs:13:15) failed: no such page
///     assert_eq!(failed.await.unwrap_err().into_error(), Some("no such page"));
/// });
///
/// async fn fetch(page: &'static str) -> Result<String, &'static str> {
///     if page.is_empty() {
///         return Err("no such page");
///     }
///     sleep(Duration::from_millis(1)).await;
///     Ok(format!("<{page}>"))
/// }
/// ```
#[track_caller]
pub fn task_group<T, E, B, F>(body: B) -> impl Future<Output = Result<T, GroupError<E>>>
where
    B: FnOnce(TaskGroup<E>) -> F,
    F: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    let made_at = Location::caller();
    async move {
        budget::take().await; // the block may neither await nor spawn anything
        let scope = Scope::new(current(), None);
        let group = TaskGroup { shared: Arc::new(Shared { scope, made_at, state: Mutex::default() }) };
        let _ends = Ends::new(&group.shared);
        let output = match run_body(&group.shared, body(group.clone())).await {
            Some(Ok(output)) => Some(output),
            Some(Err(error)) => {
                group.shared.fail(GroupError::Failed { task: None, error });
                None
            }
            None => None,
        };
        poll_fn(|cx| group.shared.poll_ended(cx)).await;
        let failure = group.shared.lock().failure.take();
        failure.map_or_else(|| Ok(output.expect("a block without an output has failed")), Err)
    }
}

/// Returns the output of the block, or `None` if a task failed first. Then the block is dropped.
async fn run_body<T, E: Send>(shared: &Shared<E>, body: impl Future<Output = Result<T, E>>) -> Option<Result<T, E>> {
    let mut body = pin!(body);
    // The block has its own scope, because its end does not wait for shields in the group's tasks.
    let scope = Scope::new(Some(shared.scope.clone()), None);
    poll_fn(|cx| {
        let has_to_end = |waker: &Waker| shared.has_failed(waker) && !scope.is_shielded(waker);
        // Checked before the poll. Otherwise the block would go on with the handles of cancelled tasks.
        if has_to_end(cx.waker()) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = within(Some(&scope), || body.as_mut().poll(cx)) {
            return Poll::Ready(Some(output));
        }
        match has_to_end(cx.waker()) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    })
    .await
}

/// A handle that spawns tasks into a group. Cheap to clone. See [`task_group`].
pub struct TaskGroup<E> {
    shared: Arc<Shared<E>>,
}

impl<E: Send + 'static> TaskGroup<E> {
    /// Spawns a task into the group.
    ///
    /// The handle returns the task's output. If the task fails, the group gets the error, and the handle reports the
    /// task as cancelled. In a group that has failed or ended, the task is cancelled at once.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> JoinHandle<T>
    where
        T: Send,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        // SAFETY: the bounds of this method say that the future and its output are Send.
        unsafe { self.spawn_as(Named::default(), future, false) }
    }

    /// Like [`spawn`](TaskGroup::spawn), with a name for the task.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_named<T, F>(&self, name: impl Into<String>, future: F) -> JoinHandle<T>
    where
        T: Send,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        // SAFETY: the bounds of this method say that the future and its output are Send.
        unsafe { self.spawn_as(named(name), future, false) }
    }

    /// Like [`spawn`](TaskGroup::spawn), for a future that must stay on this thread.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_local<T, F>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
    {
        // SAFETY: the future is local.
        unsafe { self.spawn_as(Named::default(), future, true) }
    }

    /// # Safety
    /// The future and its output are Send, or `is_local` is set.
    #[track_caller]
    unsafe fn spawn_as<T, F>(&self, named: Named, future: F, is_local: bool) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
    {
        let number = self.shared.lock().number();
        let leaves = Leaves { shared: self.shared.clone(), number };
        let spawned_at = Location::caller();
        // SAFETY: the future is written before the start. It is 'static, and is created on the thread on which it will
        // run and be dropped; or it is Send or local, as the caller promises. The rest of a `Child` is Send,
        // because a group's errors are.
        let handle = unsafe {
            match Spawning::reserve(named, spawned_at) {
                Ok(task) => {
                    ptr::write(task.future(), Child { future: Some(future), leaves });
                    task.start()
                }
                Err(named) => named.start_elsewhere(
                    Child { future: Some(future), leaves },
                    is_local,
                    "TaskGroup::spawn",
                    spawned_at,
                ),
            }
        };
        // The task's scope lies in the group's, so that a cancel of the group waits for the task's shields.
        let _new = handle.header().make_extras().scope.set(Scope::new(Some(self.shared.scope.clone()), None));
        let mut state = self.shared.lock();
        state.tasks.insert(number, Member { task: handle.canceller(), core: CoreId::current() });
        let is_over = state.is_over;
        drop(state);
        if is_over {
            handle.canceller().cancel_at(self.shared.made_at, Some("its group has ended".into()));
        }
        handle
    }

    /// Cancels all tasks of the group. The block goes on.
    #[track_caller]
    pub fn cancel_all(&self, reason: impl Into<String>) {
        let (at, reason) = (Location::caller(), reason.into());
        self.shared.cancellers().iter().for_each(|task| task.cancel_at(at, Some(reason.clone())));
    }

    /// The number of tasks that have not ended.
    pub fn len(&self) -> usize {
        self.shared.lock().tasks.len()
    }

    /// Whether all tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        TaskGroup { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskGroup(made at {}, {})", self.shared.made_at, count(self.shared.lock().tasks.len()))
    }
}

/// A number of tasks, as messages say it: "1 task", "2 tasks".
fn count(tasks: usize) -> String {
    format!("{tasks} task{}", if tasks == 1 { "" } else { "s" })
}

/// Why a group has no output.
#[derive(Debug)]
pub enum GroupError<E> {
    /// A task of the group, or the block, returned an error.
    Failed {
        /// The task; `None` if it was the block.
        task: Option<TaskInfo>,
        /// The error.
        error: E,
    },
    /// A task of the group panicked.
    Panicked {
        /// The task.
        task: TaskInfo,
        /// What it panicked with.
        panic: Panic,
    },
}

impl<E> GroupError<E> {
    /// Returns the error; `None` if a task panicked.
    pub fn into_error(self) -> Option<E> {
        match self {
            GroupError::Failed { error, .. } => Some(error),
            GroupError::Panicked { .. } => None,
        }
    }

    /// The task that failed or panicked; `None` if the block failed.
    pub fn task(&self) -> Option<&TaskInfo> {
        match self {
            GroupError::Failed { task, .. } => task.as_ref(),
            GroupError::Panicked { task, .. } => Some(task),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupError::Failed { task: Some(task), error } => write!(f, "{task} failed: {error}"),
            GroupError::Failed { task: None, error } => error.fmt(f),
            GroupError::Panicked { task, panic } => write!(f, "{task} panicked: {panic}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GroupError::Failed { error, .. } => Some(error),
            GroupError::Panicked { .. } => None,
        }
    }
}

struct Shared<E> {
    scope: Arc<Scope>,
    made_at: &'static Location<'static>,
    state: Mutex<State<E>>,
}

struct State<E> {
    /// The tasks that have not ended, by their number in the group.
    tasks: BTreeMap<u64, Member>,
    numbered: u64,
    /// The group has failed or ended. Tasks that are spawned from now on are cancelled at once.
    is_over: bool,
    failure: Option<GroupError<E>>,
    /// The task that awaits the group.
    parent: Option<Waker>,
}

struct Member {
    task: Canceller,
    /// The runtime that the task was spawned in and runs in.
    core: CoreId,
}

impl<E> Default for State<E> {
    fn default() -> Self {
        State { tasks: BTreeMap::new(), numbered: 0, is_over: false, failure: None, parent: None }
    }
}

impl<E> State<E> {
    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancellers(&self) -> Vec<Canceller> {
        self.lock().tasks.values().map(|member| member.task.clone()).collect()
    }

    /// Keeps the first failure, and cancels all tasks.
    fn fail(&self, failure: GroupError<E>) {
        let origin = failure.task().map_or("the block of its group".into(), TaskInfo::to_string);
        let mut failure = Some(failure); // a later failure is dropped outside the lock
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_over, true) {
            state.failure = failure.take();
        }
        let parent = state.parent.take();
        drop(state);
        let reason = format!("{origin} failed");
        self.cancellers().iter().for_each(|task| task.cancel_at(self.made_at, Some(reason.clone())));
        wake_all(parent);
    }

    /// Whether the group has failed. Registers the waker, which is called when a task fails or the last one ends.
    fn has_failed(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        let replaced = state.parent.replace(waker);
        let has_failed = state.failure.is_some();
        drop(state);
        drop(replaced);
        has_failed
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.has_failed(cx.waker());
        let left = self.lock().tasks.len();
        if left == 0 {
            return Poll::Ready(());
        }
        leaf::pending(|| format!("the end of {} of the group made at {}", count(left), self.made_at));
        Poll::Pending
    }
}

impl<E: Send> Group for Shared<E> {
    fn end(&self, f: &mut dyn FnMut(TaskRef<'_>)) {
        self.lock().is_over = true;
        let tasks = self.cancellers();
        if tasks.is_empty() {
            return;
        }
        tasks.iter().for_each(|task| task.cancel_at(self.made_at, Some("its group was dropped".into())));
        // A task of another runtime is dropped there.
        let here = CoreId::current();
        let state = self.lock();
        state.tasks.values().filter(|member| member.core == here).for_each(|member| f(member.task.task()));
    }
}

/// Ends the group when the future of [`task_group`] completes or is dropped.
struct Ends<E: Send + 'static> {
    shared: Arc<Shared<E>>,
    /// The task whose future contains the group, and the group's number there.
    task: Option<(Canceller, u64)>,
}

impl<E: Send + 'static> Ends<E> {
    fn new(shared: &Arc<Shared<E>>) -> Ends<E> {
        let group: Weak<dyn Group> = Arc::<Shared<E>>::downgrade(shared);
        let task =
            with_current(|task| task.map(|task| (task.canceller(), task.header().make_extras().add_group(group))));
        Ends { shared: shared.clone(), task }
    }
}

impl<E: Send + 'static> Drop for Ends<E> {
    /// Drops the group's tasks, and the tasks of groups inside them, before it returns: nothing outlives the block.
    ///
    /// The innermost tasks are dropped first. So the groups of a task that is dropped are already empty, and no
    /// destructor has to drop a task in turn. That recursion would be as deep as the groups are nested.
    fn drop(&mut self) {
        if let Some((task, number)) = self.task.take() {
            task.task().header().make_extras().remove_group(number);
        }
        loop {
            let tasks = end_all(&*self.shared);
            // A destructor may have spawned another task into a group.
            let are_left = tasks.iter().any(|task| task.task().can_be_dropped());
            if !are_left || !run_cancelled(tasks) {
                break;
            }
        }
    }
}

/// Ends a group, and the groups inside its tasks that can be dropped. Returns all their tasks, the innermost last.
fn end_all(group: &dyn Group) -> Vec<Canceller> {
    let mut tasks = Vec::new();
    group.end(&mut |task| tasks.push(task.canceller()));
    let mut visited = 0;
    while let Some(task) = tasks.get(visited).map(Canceller::task) {
        let extras = task.header().extras().filter(|_| task.can_be_dropped());
        for group in extras.map(Extras::groups).unwrap_or_default() {
            group.end(&mut |task| tasks.push(task.canceller()));
        }
        visited += 1;
    }
    tasks
}

pin_project! {
    /// The future of a task in a group. It never returns an error: it passes an error to the group, which cancels the
    /// task.
    struct Child<F, E> {
        #[pin]
        future: Option<F>,
        leaves: Leaves<E>,
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for Child<F, E> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let task = || with_current(|task| task.map(TaskRef::info));
        let failure = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(output))) => return Poll::Ready(output),
            Ok(Poll::Ready(Err(error))) => GroupError::Failed { task: task(), error },
            Err(panic) => {
                let task = task().expect("a group's future is polled by a task");
                GroupError::Panicked { task, panic: Panic::new(panic) }
            }
        };
        // The task has failed already; a panic in the future's destructor adds nothing and is discarded.
        catch_unwind(AssertUnwindSafe(|| this.future.set(None))).unwrap_or_else(discard);
        this.leaves.shared.fail(failure);
        Poll::Pending
    }
}

/// Takes a task out of its group when its future is dropped.
struct Leaves<E> {
    shared: Arc<Shared<E>>,
    number: u64,
}

impl<E> Drop for Leaves<E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let task = state.tasks.remove(&self.number);
        let parent = if state.tasks.is_empty() { state.parent.take() } else { None };
        drop(state);
        drop(task);
        wake_all(parent);
    }
}
