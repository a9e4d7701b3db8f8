//! The task dump: all tasks with their await chains. [`tasks`](crate::tasks) returns it.
//!
//! A suspended task is a chain of futures, each awaiting the next, down to the leaf that waits for something outside of
//! the task. No data structure holds this chain, but while the task is polled it is a stack of calls: the poll of each
//! async fn calls the poll of the future that it awaits. So the dump polls each suspended task once more. Before a leaf
//! returns `Poll::Pending` it reports what it waits for, and at that moment the stack is captured. Since the task was
//! not woken, no leaf in it is ready and the poll changes nothing. If the task makes progress nevertheless, its wake
//! was lost: the dump and the observers report that.

use crate::stack::{self, AwaitChains};
pub use crate::stack::{AwaitChain, Names, SourceLine, Stack};
use crate::task::{TaskInfo, TaskRef, TaskState, with_current};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// All tasks of a runtime, returned by [`tasks`](crate::tasks). Its `Display` prints each of them.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Vec<TaskDump>);

/// A task with its await chains. Its `Display` prints several lines.
#[derive(Clone, Debug)]
pub struct TaskDump {
    /// Its number, name and spawn location.
    pub task: TaskInfo,
    /// Its state.
    pub state: TaskState,
    /// The approximate time since it was spawned.
    pub age: Duration,
    /// The number of times it was polled.
    pub polls: u64,
    /// What cancelled it, where and why, if it was cancelled.
    pub cancellation: Option<crate::task::Cancellation>,
    /// What it waits for: several entries if it awaits several futures at once; none if it is running or queued.
    pub waits: Vec<Wait>,
    /// The number of further waits that are not listed in `waits`.
    pub left_out: usize,
    /// Whether it made progress when it was polled for this list. Then what it waited for had happened, but its waker
    /// had not been called. The other fields describe the task after that poll.
    pub lost_wake: bool,
    /// Printed if `waits` is empty.
    note: &'static str,
}

/// One thing that a task waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The await chain: the futures that await each other, outermost first.
    pub chain: Vec<SourceLine>,
    /// What the leaf waits for.
    pub leaf: String,
}

impl Tasks {
    /// Sorts the tasks by when they were spawned.
    pub(crate) fn new(mut tasks: Vec<TaskDump>) -> Tasks {
        tasks.sort_by_key(|task| task.task.id);
        Tasks(tasks)
    }
}

impl TaskDump {
    /// Dumps a task with its await chains. `poll` polls the task, to find them; the current task is not polled.
    pub(crate) fn asked(task: TaskRef<'_>, age: Duration, names: &mut Names, poll: &mut dyn FnMut()) -> TaskDump {
        let is_current = with_current(|current| current.is_some_and(|current| current.id() == task.id()));
        let found = if is_current { AwaitChains::default() } else { stack::await_chains(true, true, poll) };
        // Read the state before the lookup of names, which is slow: another thread may wake the task meanwhile.
        let dump = TaskDump::of(task, age);
        let waits = found.chains.into_iter();
        let waits = waits.map(|chain| Wait { chain: names.chain(&chain.stack), leaf: chain.leaf }).collect();
        TaskDump { left_out: found.left_out, waits, ..dump }
    }

    /// Sets whether the task's wake was lost.
    pub(super) fn with(self, lost_wake: bool) -> TaskDump {
        TaskDump { lost_wake, ..self }
    }

    fn of(task: TaskRef<'_>, age: Duration) -> TaskDump {
        let (waits, state) = (Vec::new(), task.state());
        let note = match state {
            TaskState::Queued => "is about to run",
            TaskState::Suspended => "waits for: an unnamed leaf future, which does not call executor::leaf::pending",
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
    /// Prints one wait. Lines that it shares with the wait before are not repeated; the others are indented below them.
    fn print_wait(&self, number: usize, wait: &Wait, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branches: Vec<usize> = self.waits.windows(2).map(|pair| pair[0].shares_with(&pair[1])).collect();
        let indent = |depth| 4 + 2 * branches.iter().filter(|branch| **branch <= depth).count();
        let known = if number == 0 { 0 } else { branches[number - 1] };
        for (depth, line) in wait.chain.iter().enumerate().skip(known) {
            write!(f, "\n{:1$}{line}", "", indent(depth))?;
        }
        write!(f, "\n{:1$}waits for: {2}", "", indent(wait.chain.len()), wait.leaf)
    }
}

impl Wait {
    /// Counts the lines that both chains have in common, from the outermost on.
    fn shares_with(&self, other: &Wait) -> usize {
        self.chain.iter().zip(&other.chain).take_while(|(ours, theirs)| ours == theirs).count()
    }
}

/// A blocking call that has not completed.
pub(crate) struct Call {
    pub(crate) task: TaskInfo,
    pub(crate) has_begun: bool,
}

impl Call {
    pub(crate) fn dump(self, age: Duration) -> TaskDump {
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
            write!(f, " \"{name}\"")?;
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
