//! Lost wakes: suspended tasks whose condition holds and that were not woken.
//!
//! A future that returns `Pending` promises a wake. A task that makes progress in a poll without one proves that the
//! promise was broken: the condition came true, and the code that made it true called no waker. Such polls happen when
//! a task dump collects await chains, and where a runtime checks its suspended tasks: at a deadlock; at the end of a
//! run that fails on lost wakes; and on a deterministic runtime also at certain times of its clock (`asking.rs`).
//!
//! [`Checks`] belongs to runtimes that fail on what they find: those with
//! [`detect_deadlock`](crate::Builder::detect_deadlock), [`deterministic`](crate::Builder::deterministic) ones and
//! those of [`explore`](crate::test::explore). It keeps what the report of a lost wake needs: where each task was
//! suspended, and who dropped its last waker.
//!
//! Used by `monitor.rs`; by `asking.rs` and `custom.rs`, which poll the tasks; and by `observers.rs`, which passes
//! their events on.

use super::observer::WokenBy;
use crate::stack::{AwaitChain, Names, Stack};
use crate::task::{Canceller, TaskEvent, TaskId, TaskInfo, TaskRef};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long another thread may take between making a condition true and calling the waker. Spent only on tasks that
/// have made progress without a wake.
const GRACE: Duration = Duration::from_millis(200);

/// What a poll without a wake has shown about a suspended task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Its condition does not hold: it is suspended as before.
    Suspended,
    /// It made progress: it is over, or woke or spawned another task, or was woken itself, perhaps by another thread.
    Progress,
    /// It made progress, and that poll itself woke it.
    WokeItself,
}

/// A task that has made progress in a poll without a wake.
pub(crate) struct Suspect {
    pub(crate) task: Canceller,
    pub(crate) asked: Asked,
    /// How many wakers of it there were before that poll, which may have dropped them.
    pub(crate) wakers: usize,
}

/// Returns the suspects for which no wake arrives. If `others_wake`, another thread may have made the condition true
/// and be about to call the waker: then this waits up to `GRACE` for that wake.
pub(crate) fn confirmed(mut suspects: Vec<Suspect>, others_wake: bool) -> Vec<Suspect> {
    let start = Instant::now();
    // A wake sets its bit even if the task has completed since: see `State::wake`.
    let is_open = |suspect: &Suspect| suspect.asked == Asked::WokeItself || !suspect.task.task().is_woken_since_asked();
    while others_wake && !suspects.is_empty() && start.elapsed() < GRACE {
        suspects.retain(is_open);
        thread::sleep(Duration::from_millis(1));
    }
    suspects
}

/// Which lost wakes fail a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strictness {
    /// A suspended task whose last waker was dropped fails the run at once.
    pub(crate) stranded: bool,
    /// Each poll notes where it was suspended, so that reports can include it.
    pub(crate) chains: bool,
}

/// What a runtime that fails on lost wakes keeps of its tasks. Any thread: a waker may be dropped on any.
pub(crate) struct Checks {
    strictness: Strictness,
    tasks: Mutex<HashMap<TaskId, Seen>>,
    /// The first failure, until the scheduler takes it.
    failure: Mutex<Option<String>>,
    has_failed: AtomicBool,
}

#[derive(Default)]
struct Seen {
    /// The await chains of its last poll.
    chains: Vec<AwaitChain>,
    /// The calls that dropped its last waker, and what was running.
    dropped: Option<(Stack, WokenBy)>,
}

impl Checks {
    pub(crate) fn new(strictness: Strictness) -> Checks {
        let (tasks, failure, has_failed) = Default::default();
        Checks { strictness, tasks, failure, has_failed }
    }

    /// Returns what these checks were made for.
    pub(crate) fn strictness(&self) -> Strictness {
        self.strictness
    }

    pub(crate) fn wants_chains(&self) -> bool {
        self.strictness.chains
    }

    /// A poll returned `Pending`, with these await chains.
    fn suspended(&self, task: TaskId, chains: &[AwaitChain]) {
        self.tasks().insert(task, Seen { chains: chains.to_vec(), dropped: None });
    }

    /// Forgets a task that has completed.
    pub(crate) fn forget(&self, task: TaskId) {
        self.tasks().remove(&task);
    }

    /// Notes an event of a task; `by` returns what is running.
    pub(crate) fn happened(&self, task: TaskRef<'_>, what: &TaskEvent<'_>, by: impl FnOnce() -> WokenBy) {
        match what {
            TaskEvent::Waits(chains) => self.suspended(task.id(), chains),
            TaskEvent::LastWakerDropped => {
                let dropped = Some((Stack::here(), by()));
                self.tasks().entry(task.id()).or_default().dropped = dropped;
            }
            TaskEvent::Stranded { lost: true } if self.strictness.stranded => {
                let info = task.info();
                self.fail(format!(
                    "lost wake: {info} is suspended, and its last waker was dropped without waking it, so nothing can \
                     ever run it again{}",
                    self.details(task, 0)
                ));
            }
            _ => {}
        }
    }

    /// The task has made progress in a poll without a wake.
    pub(crate) fn lost_wake(&self, suspect: &Suspect) {
        let task = suspect.task.task();
        self.fail(format!("{}{}", sentence(&task.info()), self.details(task, suspect.wakers)));
    }

    /// Takes the first failure.
    pub(crate) fn take_failure(&self) -> Option<String> {
        if !self.has_failed.swap(false, Ordering::Acquire) {
            return None;
        }
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, report: String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(report);
        self.has_failed.store(true, Ordering::Release);
    }

    /// The await chains of the task and what happened to its wakers, a line each.
    fn details(&self, task: TaskRef<'_>, wakers: usize) -> String {
        let (tasks, mut names, mut text) = (self.tasks(), Names::default(), String::new());
        let nothing = Seen::default();
        let Seen { chains, dropped } = tasks.get(&task.id()).unwrap_or(&nothing);
        for AwaitChain { leaf, stack } in chains {
            for line in names.chain(stack) {
                let _ = write!(text, "\n    {line}");
            }
            let _ = write!(text, "\n    waits for: {leaf}");
        }
        let _ = match (dropped, wakers) {
            (Some((stack, by)), _) => {
                let line = names.calls(stack).pop().map(|line| format!(" in {line}")).unwrap_or_default();
                write!(text, "\n    its last waker was dropped by {by}{line}")
            }
            (None, 0) => write!(text, "\n    its last poll left no waker"),
            (None, 1) => write!(text, "\n    it had a waker that was not called"),
            (None, wakers) => write!(text, "\n    it had {wakers} wakers, and none was called"),
        };
        text.push_str(
            "\n    The code that makes a future ready must call wake() on the waker that its last poll registered.",
        );
        text
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Seen>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a task that has made progress in a poll without a wake.
pub(crate) fn sentence(task: &TaskInfo) -> String {
    format!(
        "lost wake: {task} made progress when it was polled without having been woken: its condition held, but its \
         waker was not called"
    )
}
