//! How the rest of the program refers to a task: by number, by reference, and by a description that outlives the task.
//!
//! Any file may use these types. [`TaskRef`] is opaque here, so that files below the header can pass one on;
//! `header.rs` gives it its methods.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;

/// Numbers the tasks of one runtime in the order in which they are spawned, from 1. The numbers wrap around to 0 after
/// 2⁴⁸ tasks, which takes nine years at one task per microsecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

/// A reference to a task. It reads the task's number, name, state and the like, but reaches neither its future nor its
/// output.
///
/// ```
/// executor::block_on(async {
///     let canceller = executor::named("page").spawn(async { 7 }).canceller();
///     let task = canceller.task();
///     assert_eq!((task.name(), task.polls()), (Some("page"), 0));
///     println!("{task:?}"); // task 2 "page" (queued, spawned at src/main.rs:2:52)
/// });
/// ```
#[derive(Clone, Copy)]
pub struct TaskRef<'a>(NonNull<()>, PhantomData<&'a ()>);

impl TaskRef<'_> {
    /// # Safety
    /// `cell` is the address of a task cell that exists for as long as the reference is used.
    #[inline]
    pub(super) unsafe fn from_address(cell: NonNull<()>) -> Self {
        TaskRef(cell, PhantomData)
    }

    /// The address of the task cell.
    #[inline]
    pub(super) fn address(self) -> NonNull<()> {
        self.0
    }
}

/// A description of a task that outlives the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its number.
    pub id: TaskId,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, " (spawned at {})", self.spawned_at)
    }
}
