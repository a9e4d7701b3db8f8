//! Where every task stands: [`tasks`].
//!
//! A task that waits is a chain of futures, each in its caller's `.await`, down to the leaf that waits for
//! something outside. Nobody keeps that chain; but when the task is polled it becomes a stack: the leaf's
//! `poll` is called by the poll of the async fn that awaits it, and so on up to the executor. So each task
//! that waits is polled once more, with a listener that every leaf tells what it waits for before it returns
//! `Pending`, and that looks at the stack just then. As nothing has woken the task nothing in it goes on. A task that
//! makes progress all the same is one whose wake was lost: the dump and the observers say so.

use crate::stack::{self, Heard};
pub use crate::stack::{Names, Place, Stack, Standing};
use crate::task::{TaskInfo, TaskRef, TaskState, with_present};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// All tasks of a runtime. Printing it prints each. Made by [`tasks`].
#[derive(Clone, Debug, Default)]
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

impl Tasks {
    /// In the order of their spawning.
    pub(crate) fn new(mut tasks: Vec<TaskDump>) -> Tasks {
        tasks.sort_by_key(|task| task.task.id);
        Tasks(tasks)
    }
}

impl TaskDump {
    /// A task with its await chains, which `poll` finds unless it runs right now.
    pub(crate) fn asked(task: TaskRef<'_>, age: Duration, names: &mut Names, poll: &mut dyn FnMut()) -> TaskDump {
        let is_present = with_present(|present| present.is_some_and(|present| present.id() == task.id()));
        let heard = if is_present { Heard::default() } else { stack::listen(true, true, poll) };
        let waits = heard.standing.into_iter();
        let waits = waits.map(|standing| Wait { chain: names.chain(&standing.stack), leaf: standing.leaf }).collect();
        TaskDump { left_out: heard.left_out, waits, ..TaskDump::of(task, age) }
    }

    /// The same, with whether its wake was lost.
    pub(super) fn with(self, lost_wake: bool) -> TaskDump {
        TaskDump { lost_wake, ..self }
    }

    fn of(task: TaskRef<'_>, age: Duration) -> TaskDump {
        let (waits, state) = (Vec::new(), task.state());
        let note = match state {
            TaskState::Pending if task.header().state.is_woken() => "is about to run",
            TaskState::Pending => "waits for: something that does not call executor::leaf::pending to say what",
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
    pub(crate) fn dump(self, age: Duration) -> TaskDump {
        let (state, note) = match self.has_begun {
            true => (TaskState::Running, "is a blocking call on a thread of the pool"),
            false => (TaskState::Pending, "is a blocking call that waits for a thread of the pool"),
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
        let TaskInfo { id, name, place } = &self.task;
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
        write!(f, ", spawned at {place})")?;
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
