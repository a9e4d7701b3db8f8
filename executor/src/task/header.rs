//! The header of a task cell: the part that does not depend on the type of the future; and what a [`TaskRef`] reads in
//! it.
//!
//! Wakers, `Runnable`s and handles point to it, and all files above this one reach a task through it. The state word
//! alone decides which of them may access which field at which moment: see `state.rs`.

use super::error::ignore_panic;
use super::event::TaskEvent;
use super::extras::Extras;
use super::id::{TaskId, TaskInfo, TaskRef};
use super::outcome::{Cancellation, TaskState};
use super::state::State;
use crate::shim::{AtomicPtr, Ordering, UnsafeCell};
use std::any::Any;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::task::Waker;
use std::thread::ThreadId;

/// What is known about a task before it is made.
pub(crate) struct Meta {
    pub(crate) id: TaskId,
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its name and the like, if it has any.
    pub(crate) extras: Option<Box<Extras>>,
}

/// The first field of every task cell, so a pointer to one is a pointer to the other. With a body of the size of a
/// pointer it fills a cache line.
pub(crate) struct Header {
    pub(crate) state: State,
    pub(super) vtable: &'static VTable,
    /// The next task in the queue. Belongs to the queue that holds the `Runnable`.
    pub(crate) next: UnsafeCell<Option<NonNull<Header>>>,
    /// The waker of the task that awaits the join handle. Boxed, as most tasks never need one. Written by the join
    /// handle, and only while JOIN_WAKER is clear.
    pub(super) join_waker: UnsafeCell<Option<Box<Waker>>>,
    spawned_at: &'static Location<'static>,
    /// Null for most tasks. Set once, and valid until the cell is freed.
    extras: AtomicPtr<Extras>,
    id_low: u32,
    id_high: u16,
    /// The slot of its slab that the cell occupies.
    pub(super) slot: u8,
    /// What the body holds. Belongs to the owner of the body.
    pub(super) stage: UnsafeCell<Stage>,
}

// A task whose future panicked has completed. Everything else in its cell changes by single atomic instructions.
impl UnwindSafe for Header {}
impl RefUnwindSafe for Header {}

/// What the body of a cell holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The future, until the task completes. It is pinned: never moved, and dropped where it is.
    Future,
    Output,
    Panic,
    Cancelled,
    Empty,
}

/// The operations that depend on the types of the future and the scheduler.
pub(super) struct VTable {
    /// The size of the future.
    pub(super) size: usize,
    /// The caller has the right to run the task, and keeps it if the poll is pending.
    pub(super) poll: unsafe fn(NonNull<Header>) -> Polled,
    /// The caller gives up the right to run the task.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// The address of the scheduler.
    pub(super) scheduler: unsafe fn(NonNull<Header>) -> *const (),
    pub(super) happened: unsafe fn(NonNull<Header>, TaskEvent<'_>),
    /// Writes the output through the second pointer, which points to an `Option<Result<T, JoinError>>`.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) discard_output: unsafe fn(NonNull<Header>),
    pub(super) end_orphan: unsafe fn(NonNull<Header>),
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// How a poll ended. If it is `Pending`, the task is still running, and its runner has to suspend it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Polled {
    Pending,
    Finished,
}

impl Header {
    #[inline]
    pub(super) fn new(state: State, vtable: &'static VTable, meta: Meta, slot: u8) -> Header {
        Header {
            state,
            vtable,
            next: UnsafeCell::new(None),
            join_waker: UnsafeCell::new(None),
            spawned_at: meta.spawned_at,
            extras: AtomicPtr::new(meta.extras.map_or(std::ptr::null_mut(), Box::into_raw)),
            id_low: meta.id.0 as u32,
            id_high: (meta.id.0 >> 32) as u16,
            slot,
            stage: UnsafeCell::new(Stage::Future),
        }
    }

    #[inline]
    pub(crate) fn extras(&self) -> Option<&Extras> {
        // SAFETY: a pointer that was set stays, and what it points to exists as long as the cell.
        unsafe { self.extras.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the extras, and makes them first if there are none.
    pub(crate) fn make_extras(&self) -> &Extras {
        if let Some(extras) = self.extras() {
            return extras;
        }
        let new = Box::into_raw(Box::<Extras>::default());
        let set = self.extras.compare_exchange(std::ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: either the new extras are now set, and stay; or others were set before, and the new ones still belong
        // to this call.
        unsafe {
            match set {
                Ok(_) => &*new,
                Err(others) => {
                    drop(Box::from_raw(new));
                    &*others
                }
            }
        }
    }

    /// Takes the extras out of a cell that is about to be freed.
    ///
    /// # Safety
    /// The caller has the last reference, and does not call this twice.
    #[inline]
    pub(super) unsafe fn take_extras(&self) -> Option<Box<Extras>> {
        let extras = self.extras.load(Ordering::Relaxed);
        // SAFETY: the pointer came from a box, and nothing else uses it any more.
        (!extras.is_null()).then(|| unsafe { Box::from_raw(extras) })
    }

    /// Whether the output of a completed task was not taken yet.
    ///
    /// # Safety
    /// The task has completed, and the caller is its handle.
    #[inline]
    pub(super) unsafe fn has_output(&self) -> bool {
        // SAFETY: COMPLETE makes the body the join handle's, and the stage with it.
        self.stage.with(|stage| unsafe { *stage != Stage::Empty })
    }

    /// Whether a shield protects the future from being dropped now. If so, `waker` is called when the last shield is
    /// gone.
    #[cold]
    pub(super) fn is_shielded(&self, waker: &Waker) -> bool {
        let scope = self.extras().and_then(|extras| extras.scope.get());
        scope.is_some_and(|scope| scope.is_shielded(waker))
    }

    /// From now on, the future is dropped even if it is shielded.
    pub(super) fn pierce_shields(&self) {
        let scope = self.extras().and_then(|extras| extras.scope.get());
        scope.into_iter().for_each(|scope| scope.pierce());
    }
}

impl<'a> TaskRef<'a> {
    /// # Safety
    /// `header` is that of a cell that exists for as long as the reference is used.
    #[inline]
    pub(super) unsafe fn new(header: NonNull<Header>) -> TaskRef<'a> {
        // SAFETY: the header is the first field of its cell.
        unsafe { TaskRef::from_address(header.cast()) }
    }

    /// A pointer that may access the whole cell; a reference to the header may access only the header.
    #[inline]
    pub(super) fn cell(self) -> NonNull<Header> {
        self.address().cast()
    }

    #[inline]
    pub(crate) fn header(self) -> &'a Header {
        // SAFETY: `from_address` promises it.
        unsafe { self.cell().as_ref() }
    }

    /// The task's number.
    pub fn id(self) -> TaskId {
        TaskId(u64::from(self.header().id_low) | u64::from(self.header().id_high) << 32)
    }

    /// The task's name, if it was given one.
    pub fn name(self) -> Option<&'a str> {
        self.header().extras()?.name()
    }

    /// The task's state. Out of date at once, unless the task has completed.
    pub fn state(self) -> TaskState {
        self.header().state.describe()
    }

    /// The size of the task's future, in bytes.
    pub fn size(self) -> usize {
        self.header().extras().and_then(|extras| extras.size).unwrap_or(self.header().vtable.size)
    }

    /// The metadata that the task was spawned with, if that is a `T`: see
    /// [`Builder::metadata`](super::Builder::metadata).
    pub fn metadata<T: Any>(self) -> Option<&'a T> {
        self.header().extras()?.metadata.as_ref()?.downcast_ref()
    }

    /// The thread on which the task must be run and dropped, if its future must not leave that thread: see
    /// [`Builder::spawn_local`](super::Builder::spawn_local). `None` for the tasks of a [`Runtime`](crate::Runtime),
    /// which never leave its thread.
    pub fn home(self) -> Option<ThreadId> {
        self.header().extras()?.home
    }

    /// Where the task was spawned.
    pub fn spawned_at(self) -> &'static Location<'static> {
        self.header().spawned_at
    }

    /// How often the task was polled. The count wraps around to 0 after 2²⁷ polls.
    pub fn polls(self) -> u64 {
        self.header().state.polls()
    }

    /// How many wakers of the task exist, not counting that of a poll in progress. Always 0 for a task that no
    /// [`Observer`](crate::Observer) observes.
    pub fn wakers(self) -> usize {
        let count = self.header().extras().map_or(0, |extras| extras.observed.wakers.load(Ordering::Acquire));
        count.saturating_sub(usize::from(self.state() == TaskState::Running))
    }

    /// Who cancelled the task, if it was cancelled.
    pub fn cancellation(self) -> Option<&'a Cancellation> {
        self.header().extras()?.cancellation.get()
    }

    /// A description of the task that outlives it.
    pub fn info(self) -> TaskInfo {
        TaskInfo { id: self.id(), name: self.name().map(Box::from), spawned_at: self.spawned_at() }
    }

    /// Whether both tasks have the same scheduler.
    pub(crate) fn is_beside(self, other: TaskRef<'_>) -> bool {
        // SAFETY: both cells exist as long as these references.
        unsafe {
            let (ours, others) = (self.header().vtable.scheduler, other.header().vtable.scheduler);
            ours(self.cell()) == others(other.cell())
        }
    }

    /// Whether the task was woken since the call of [`Canceller::wake_up`](super::Canceller) that made it run.
    pub(crate) fn is_woken_since_asked(self) -> bool {
        let again = |extras: &Extras| extras.observed.woken_again.load(Ordering::Acquire);
        self.header().extras().is_some_and(again) || self.header().state.is_woken()
    }

    /// Whether the task is queued or suspended, and no shield protects its future. For the thread that runs it.
    pub(crate) fn can_be_dropped(self) -> bool {
        let scope = self.header().extras().and_then(|extras| extras.scope.get());
        matches!(self.state(), TaskState::Queued | TaskState::Suspended)
            && !scope.is_some_and(|scope| scope.has_shields())
    }

    /// Calls the callbacks of a task that has completed.
    #[cold]
    pub(super) fn run_callbacks(self) {
        let callbacks = self.header().extras().map(Extras::take_callbacks).unwrap_or_default();
        let how = self.header().state.finish().expect("callbacks are called at the end");
        for callback in callbacks {
            ignore_panic(|| callback(self, how));
        }
    }
}

impl fmt::Debug for TaskRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the header exists while it is borrowed; and these methods read the header alone, not the whole cell.
        let task = unsafe { TaskRef::new(NonNull::from(self)) };
        write!(f, "{:?}", task.id())?;
        if let Some(name) = task.name() {
            write!(f, " \"{name}\"")?;
        }
        write!(f, " ({}, spawned at {})", self.state.describe(), self.spawned_at)
    }
}
