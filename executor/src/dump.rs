//! Where every task stands: [`tasks`].
//!
//! A task that waits is a chain of futures, each in its caller's `.await`, down to the leaf that waits for
//! something outside. Nobody keeps that chain; but when the task is polled it becomes a stack: the leaf's
//! `poll` is called by the poll of the async fn that awaits it, and so on up to the executor. So each task
//! that waits is polled once more, with a listener that every leaf tells what it waits for before it returns
//! `Pending`, and that looks at the stack just then. As nothing has woken the task nothing in it goes on.
//!
//! Addresses become names, files and lines by the debug information of the program: `cargo build` has it, and
//! release builds with `debug = "limited"` in their profile. Without, only the leaf is told.

use crate::single::with_core;
use crate::task::{TaskInfo, TaskRef, TaskState, with_present};
use reactor::leaf;
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Waits of one task that are told; `join_all` of a thousand futures has as many.
const WAITS: usize = 16;
/// Frames of one wait.
const FRAMES: usize = 256;

/// Every task of this thread's runtime: what it is, and where it stands now.
///
/// Tasks that wait are polled for it, see the top of `dump.rs`; that counts as a poll. A task that was
/// woken and has not run yet is not: it is about to go on. Outside of a runtime there are none.
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
///     // task 2 `visitor` (pending, 2 polls, 0 ns old, spawned at src/main.rs:10:22)
///     //     main::enter at src/main.rs:5
///     //     waits for: acquire on the semaphore made at src/main.rs:10:37
///     assert!(visitor.waits[0].leaf.starts_with("acquire on the semaphore made at "));
///     if let Some(place) = visitor.waits[0].chain.first() { // none, in a program without debug information
///         assert!(place.function.ends_with("enter"));
///     }
/// });
/// ```
pub fn tasks() -> Tasks {
    with_core(|core| {
        let Some(core) = core else { return Tasks(Vec::new()) };
        let (mut stacks, mut names) = (Vec::new(), Names::default());
        let mut tasks = core.each_task(|task, poll| {
            stacks.clear();
            let mut left_out = 0;
            let marker = 0u8; // lies above all that the poll puts on the stack
            let top = (&raw const marker).addr();
            let mut hear = |what| match stacks.len() < WAITS {
                true => stacks.push((what, stack_below(top))),
                false => left_out += 1,
            };
            let is_present = with_present(|present| present.is_some_and(|present| present.id() == task.id()));
            if !is_present {
                leaf::listen(&mut hear, poll);
            }
            let waits = stacks.drain(..).map(|(leaf, frames)| Wait { leaf, chain: names.chain(&frames) }).collect();
            TaskDump { left_out, waits, ..TaskDump::of(task, core.age(task.id())) }
        });
        let calls = core.pool.calls().into_iter();
        tasks.extend(calls.map(|call| (core.age(call.task.id), call)).map(|(age, call)| call.dump(age)));
        tasks.sort_by_key(|task| task.task.id);
        Tasks(tasks)
    })
}

/// The return addresses on the stack, the innermost first, up to the address of a local variable.
fn stack_below(top: usize) -> Vec<usize> {
    let mut addresses = Vec::new();
    backtrace::trace(|frame| {
        addresses.push(frame.ip().addr());
        frame.sp().addr() < top && addresses.len() < FRAMES
    });
    addresses
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

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function, with its path.
    pub function: String,
    /// The file, relative to the present directory if it is in it.
    pub file: PathBuf,
    /// The line.
    pub line: u32,
}

impl TaskDump {
    fn of(task: TaskRef<'_>, age: Duration) -> TaskDump {
        let (waits, state) = (Vec::new(), task.state());
        let note = match state {
            TaskState::Pending if task.header().state.is_woken() => "is about to run",
            TaskState::Pending => "waits for something that does not say what it is",
            _ => "",
        };
        let cancellation = task.cancellation().cloned();
        TaskDump { task: task.info(), state, age, polls: task.polls(), cancellation, waits, left_out: 0, note }
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
            false => (TaskState::Pending, "is a blocking call that waits for a thread of the pool"),
        };
        let (polls, waits, cancellation) = (u64::from(self.has_begun), Vec::new(), None);
        TaskDump { task: self.task, state, age, polls, cancellation, waits, left_out: 0, note }
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
        write!(f, " ({}, {polls} {unit}, {age:.1?} old, spawned at {place})", self.state)?;
        if let Some(cancellation) = &self.cancellation {
            write!(f, "\n    {cancellation}")?;
        }
        for wait in &self.waits {
            wait.chain.iter().try_for_each(|place| write!(f, "\n    {place}"))?;
            write!(f, "\n    waits for: {}", wait.leaf)?;
        }
        match (self.left_out, self.waits.is_empty() && !self.note.is_empty()) {
            (0, true) => write!(f, "\n    {}", self.note),
            (0, false) => Ok(()),
            (more, _) => write!(f, "\n    and for {more} others"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.function, self.file.display(), self.line)
    }
}

/// The names of addresses. Thousands of tasks stand at the same few.
#[derive(Default)]
struct Names {
    known: HashMap<usize, Arc<[Place]>>,
    here: Option<PathBuf>,
}

impl Names {
    /// The outermost first.
    fn chain(&mut self, addresses: &[usize]) -> Vec<Place> {
        addresses.iter().rev().flat_map(|address| self.places(*address).to_vec()).collect()
    }

    /// What was inlined at an address is several functions; the outermost comes first.
    fn places(&mut self, address: usize) -> Arc<[Place]> {
        if let Some(places) = self.known.get(&address) {
            return places.clone();
        }
        let here = self.here.get_or_insert_with(|| std::env::current_dir().unwrap_or_default());
        let mut places = Vec::new();
        backtrace::resolve(std::ptr::without_provenance_mut::<c_void>(address), |symbol| {
            let function = symbol.name().map(|name| format!("{name:#}"));
            if let (Some(function), Some(file), Some(line)) = (function, symbol.filename(), symbol.lineno())
                && let Some(function) = told(&function, file)
            {
                places.push(Place { function, file: file.strip_prefix(&*here).unwrap_or(file).into(), line });
            }
        });
        places.reverse();
        let places: Arc<[Place]> = places.into();
        self.known.insert(address, places.clone());
        places
    }
}

/// The name of a function as it is told, if it is one that a person wants to see: an async fn or block, or a
/// future of theirs. Not what lies between two of them, nor what is inside of a leaf.
fn told(function: &str, file: &Path) -> Option<String> {
    const RUNTIME: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/src"), leaf::SOURCE];
    let is_library = file.components().any(|part| part.as_os_str() == "registry" || part.as_os_str() == "rustc");
    if is_library || RUNTIME.iter().any(|runtime| file.starts_with(runtime)) {
        return None;
    }
    // Where the debug information is but lines, that is all there is of what was inlined.
    if let Some(kind) = function.strip_prefix("{async_").and_then(|rest| rest.split('#').next()) {
        return Some(format!("an async {kind}"));
    }
    let is_async = function.contains("{{closure}}") || function.contains("::{closure#");
    let is_future = function.ends_with("::poll") || function.ends_with("::poll_next");
    let parts = function.split("::").filter(|part| !part.starts_with("{{closure}}") && !part.starts_with("{closure#"));
    (is_async || is_future).then(|| parts.collect::<Vec<_>>().join("::"))
}
