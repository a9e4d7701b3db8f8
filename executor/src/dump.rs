//! Where every task stands: [`tasks`].
//!
//! A task that waits is a chain of futures, each in its caller's `.await`, down to the leaf that waits for
//! something outside. Nobody keeps that chain; but when the task is polled it becomes a stack: the leaf's
//! `poll` is called by the poll of the async fn that awaits it, and so on up to the executor. So each task
//! that waits is polled once more, with a listener that every leaf tells what it waits for before it returns
//! `Pending`, and that looks at the stack just then. As nothing has woken the task nothing in it goes on. A task that
//! makes progress all the same is one whose wake was lost: the dump and the observers say so.

use crate::custom::{Custom, with_custom};
use crate::lost_wake::{self, Asked, Suspect};
use crate::single::{Core, with_core};
use crate::stack::{self, Heard};
pub use crate::stack::{Names, Place, Stack, Standing};
use crate::task::{Canceller, TaskInfo, TaskRef, TaskState, with_current};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// Every task of this thread's runtime: what it is, and where it stands now.
///
/// Tasks that wait are polled for it, see the top of `dump.rs`; that counts as a poll. One whose wake was lost makes
/// progress in it, which its entry says ([`TaskDump::lost_wake`]), as does [`Observer::lost_wake`](crate::Observer);
/// on a runtime with [`detect_deadlock`](crate::Builder::detect_deadlock) the run fails with it. A queued task is not
/// polled: it is about to run anyway. Outside of a runtime the list is empty.
///
/// # Panics
/// A hand-written future of yours that panics when it is polled, because it borrows what the caller of this has
/// borrowed, ends its task. So don't call this with a `RefCell` borrowed that other tasks use.
///
/// ```
/// use executor::{named, sync::Semaphore, tasks, yield_now};
/// use std::sync::Arc;
///
/// async fn enter(door: Arc<Semaphore>) {
///     let _permit = door.acquire().await;
/// }
///
/// executor::block_on(async {
///     named("visitor").spawn(enter(Arc::new(Semaphore::new(0))));
///     yield_now().await;
///     let visitor = &tasks()[1];
///     println!("{visitor}");
///     // task 2 `visitor` (suspended, 2 polls, new, spawned at src/main.rs:10:22)
///     //     main::enter at src/main.rs:5
///     //     waits for: acquire on the semaphore made at src/main.rs:10:37
///     assert!(visitor.waits[0].leaf.starts_with("acquire on the semaphore made at "));
///     if let Some(place) = visitor.waits[0].chain.first() { // none, in a program without debug information
///         assert!(place.function.ends_with("enter"));
///     }
/// });
/// ```
pub fn tasks() -> Tasks {
    with_core(|core| match core {
        Some(core) => tasks_of(core, true),
        None => with_custom(|custom| Tasks(custom.map(|custom| tasks_of_custom(custom)).unwrap_or_default())),
    })
}

/// The tasks of a custom runtime. Those of another thread that may not leave it are not polled. Other threads wake and
/// run tasks meanwhile; so only a task that this poll has finished is one whose wake was lost.
fn tasks_of_custom(custom: &Custom) -> Vec<TaskDump> {
    let mut names = Names::default();
    let listed = custom.tasks();
    let mut tasks: Vec<_> = listed.iter().map(|(task, spawned)| (task, task.task(), spawned.elapsed())).collect();
    tasks.retain(|(_, task, _)| !task.state().is_over());
    let mut suspects = Vec::new();
    let mut dump = |canceller: &Canceller, task: TaskRef<'_>, age| {
        let wakers = task.wakers();
        TaskDump::asked(task, age, &mut names, &mut || match custom.ask(canceller) {
            Asked::Suspended => {}
            asked => suspects.push(Suspect { task: canceller.clone(), asked, wakers }),
        })
    };
    let mut dumps: Vec<_> = tasks.into_iter().map(|(canceller, task, age)| dump(canceller, task, age)).collect();
    for suspect in lost_wake::confirmed(suspects, true) {
        custom.lost_wake(suspect.task.task());
        let dumped = dumps.iter_mut().find(|dump| dump.task.id == suspect.task.task().id());
        dumped.into_iter().for_each(|dump| dump.lost_wake = true);
    }
    let calls = custom.pool.iter().flat_map(|pool| pool.calls());
    dumps.extend(calls.map(|call| call.dump(Duration::ZERO)));
    dumps.sort_by_key(|task| task.task.id);
    dumps
}

/// The same of a runtime of this thread. `others_wake` says that a wake may be under way on another thread.
pub(crate) fn tasks_of(core: &Core, others_wake: bool) -> Tasks {
    // The time this takes must not count as poll time of the task that calls it.
    let mut tasks = core.slow.not_counting(|| waiting_tasks(core, others_wake));
    let calls = core.pool.calls().into_iter();
    tasks.extend(calls.map(|call| (core.age(call.task.id), call)).map(|(age, call)| call.dump(age)));
    tasks.sort_by_key(|task| task.task.id);
    Tasks(tasks)
}

fn waiting_tasks(core: &Core, others_wake: bool) -> Vec<TaskDump> {
    let mut names = Names::default();
    let tasks = core.each_task(others_wake, |task, poll| TaskDump::asked(task, core.age(task.id()), &mut names, poll));
    tasks.into_iter().map(|(dump, lost_wake)| TaskDump { lost_wake, ..dump }).collect()
}

/// All tasks of a runtime. Printing it prints each. Made by [`tasks`].
#[derive(Clone, Debug)]
pub struct Tasks(Vec<TaskDump>);

/// A task and where it stands. Printing it takes some lines.
#[derive(Clone, Debug)]
pub struct TaskDump {
    /// Number, name and place of the spawn.
    pub task: TaskInfo,
    /// Where it is in its life.
    pub state: TaskState,
    /// Since about when it exists.
    pub age: Duration,
    /// How often it was polled.
    pub polls: u64,
    /// Who asked for its end, where and why, if somebody did.
    pub cancellation: Option<crate::task::Cancellation>,
    /// What it waits for. More than one, if it awaits several futures at once; none, if it is running, or
    /// about to run.
    pub waits: Vec<Wait>,
    /// So many further waits are not in there.
    pub left_out: usize,
    /// It made progress when it was polled for this list: what it waited for had come, and its waker was not called.
    /// The other fields say what has become of it in that poll.
    pub lost_wake: bool,
    /// What there is to say of it otherwise.
    note: &'static str,
}

/// One thing that a task waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The futures that await each other, the outermost first.
    pub chain: Vec<Place>,
    /// What the innermost one waits for.
    pub leaf: String,
}

impl TaskDump {
    /// A task with its await chains, which `poll` finds unless it runs right now.
    fn asked(task: TaskRef<'_>, age: Duration, names: &mut Names, poll: &mut dyn FnMut()) -> TaskDump {
        let is_current = with_current(|current| current.is_some_and(|current| current.id() == task.id()));
        let heard = if is_current { Heard::default() } else { stack::listen(true, true, poll) };
        // Read the state before the lookup of names, which is slow: another thread may wake the task meanwhile.
        let dump = TaskDump::of(task, age);
        let waits = heard.standing.into_iter();
        let waits = waits.map(|standing| Wait { chain: names.chain(&standing.stack), leaf: standing.leaf }).collect();
        TaskDump { left_out: heard.left_out, waits, ..dump }
    }

    fn of(task: TaskRef<'_>, age: Duration) -> TaskDump {
        let (waits, state) = (Vec::new(), task.state());
        let note = match state {
            TaskState::Queued => "is about to run",
            TaskState::Suspended => "waits for: something that does not call executor::leaf::pending to say what",
            _ => "",
        };
        let cancellation = task.cancellation().cloned();
        TaskDump {
            task: task.info(),
            state,
            age,
            polls: task.polls(),
            cancellation,
            waits,
            left_out: 0,
            lost_wake: false,
            note,
        }
    }
}

impl TaskDump {
    /// What several waits have in common is printed once, and what each has for itself further in.
    fn print_wait(&self, number: usize, wait: &Wait, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branches: Vec<usize> = self.waits.windows(2).map(|pair| pair[0].shares_with(&pair[1])).collect();
        let indent = |depth| 4 + 2 * branches.iter().filter(|branch| **branch <= depth).count();
        let known = if number == 0 { 0 } else { branches[number - 1] };
        for (depth, place) in wait.chain.iter().enumerate().skip(known) {
            write!(f, "\n{:1$}{place}", "", indent(depth))?;
        }
        write!(f, "\n{:1$}waits for: {2}", "", indent(wait.chain.len()), wait.leaf)
    }
}

impl Wait {
    /// How many places from the outermost on both have.
    fn shares_with(&self, other: &Wait) -> usize {
        self.chain.iter().zip(&other.chain).take_while(|(ours, theirs)| ours == theirs).count()
    }
}

/// A blocking call that is not over.
pub(crate) struct Call {
    pub(crate) task: TaskInfo,
    pub(crate) has_begun: bool,
}

impl Call {
    fn dump(self, age: Duration) -> TaskDump {
        let (state, note) = match self.has_begun {
            true => (TaskState::Running, "is a blocking call on a thread of the pool"),
            false => (TaskState::Queued, "is a blocking call that waits for a thread of the pool"),
        };
        let (polls, waits, cancellation) = (u64::from(self.has_begun), Vec::new(), None);
        TaskDump { task: self.task, state, age, polls, cancellation, waits, left_out: 0, lost_wake: false, note }
    }
}

impl Deref for Tasks {
    type Target = [TaskDump];

    fn deref(&self) -> &[TaskDump] {
        &self.0
    }
}

impl IntoIterator for Tasks {
    type Item = TaskDump;
    type IntoIter = std::vec::IntoIter<TaskDump>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = if self.len() == 1 { "task" } else { "tasks" };
        writeln!(f, "{} {tasks}", self.len())?;
        self.iter().try_for_each(|task| writeln!(f, "{task}"))
    }
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskInfo { id, name, spawned_at } = &self.task;
        write!(f, "task {id}")?;
        if let Some(name) = name {
            write!(f, " `{name}`")?;
        }
        let (polls, age) = (self.polls, self.age);
        let unit = if polls == 1 { "poll" } else { "polls" };
        write!(f, " ({}, {polls} {unit}, ", self.state)?;
        match age.as_micros() {
            0 => write!(f, "new")?,
            _ => write!(f, "{age:.1?} old")?,
        }
        write!(f, ", spawned at {spawned_at})")?;
        if let Some(cancellation) = &self.cancellation {
            write!(f, "\n    {cancellation}")?;
        }
        if self.lost_wake {
            write!(f, "\n    made progress when it was polled for this list: its wake was lost")?;
        }
        self.waits.iter().enumerate().try_for_each(|(number, wait)| self.print_wait(number, wait, f))?;
        match (self.left_out, self.waits.is_empty() && !self.note.is_empty()) {
            (0, true) => write!(f, "\n    {}", self.note),
            (0, false) => Ok(()),
            (more, _) => write!(f, "\n    and for {more} others"),
        }
    }
}
