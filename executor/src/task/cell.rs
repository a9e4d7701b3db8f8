//! The one allocation of a task, and what happens to the future inside of it.
//!
//! ```text
//!   Cell<F, S>   ┌─ header ────────────────────────────────────────────────┬ scheduler ┬ stage ─────────┐
//!                │ state · vtable · next in queue · links · join waker · … │     S     │ future, output │
//!                └─▲───────────────────────────────────────────────────────┴───────────┴────────────────┘
//!   Waker, Runnable, JoinHandle: pointers to the header; its vtable knows F and S
//! ```
//!
//! Which field belongs to whom at which moment is decided by the state word alone: see `state.rs`.

use super::join::{JoinError, JoinHandle};
use super::list::Links;
use super::state::{Begin, Complete, State, Suspend, Wake};
use super::waker::{Runnable, borrowed_waker};
use crate::shim::UnsafeCell;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Where a task goes when it is ready to run.
///
/// Each task keeps a reference to its scheduler.
pub trait Schedule: Send + Sync + 'static {
    /// A task became ready: run it once, some time, by [`Runnable::run`]. Called on the thread
    /// that woke it, whatever that is doing: keep it short and don't run the task in here.
    fn schedule(self: &Arc<Self>, task: Runnable);

    /// A task's future is gone; its handle learns of it right after this. Called by its runner.
    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        let _ = (task, how);
    }

    /// Whether the task that is being made is watched: whether the two below are called for it.
    fn is_watched(&self) -> bool {
        false
    }

    /// A wake came for a task that is watched and was not woken yet. If it is running it will be
    /// ready again when its poll ends; else `schedule` comes right after.
    fn woken(self: &Arc<Self>, task: TaskRef<'_>) {
        let _ = task;
    }

    /// A task that is watched was cancelled, which also wakes it.
    fn cancelled(self: &Arc<Self>, task: TaskRef<'_>) {
        let _ = task;
    }
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// Its future was ready.
    Ready,
    /// It was cancelled, and its future dropped.
    Cancelled,
    /// Its future panicked, in a poll or when it was dropped.
    Panicked,
}

/// A look at a task.
#[derive(Clone, Copy)]
pub struct TaskRef<'a>(pub(super) &'a Header);

impl<'a> TaskRef<'a> {
    /// Its number.
    pub fn id(self) -> TaskId {
        self.0.meta.id
    }

    /// Its name, if it was given one.
    pub fn name(self) -> Option<&'a str> {
        self.0.meta.name.as_ref().map(|name| &***name)
    }

    /// Where it was spawned.
    pub fn place(self) -> &'static Location<'static> {
        self.0.meta.place
    }

    pub(crate) fn header(self) -> NonNull<Header> {
        NonNull::from(self.0)
    }
}

impl fmt::Debug for TaskRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Numbers the tasks of one runtime in the order of their spawning, from 1.
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

/// What is known about a task from the start.
pub(crate) struct Meta {
    pub(crate) id: TaskId,
    /// Where it was spawned.
    pub(crate) place: &'static Location<'static>,
    /// Most have none, so there is room for a pointer only.
    pub(crate) name: Option<Box<Box<str>>>,
}

/// The part of a cell that does not depend on the future. The first field of every cell, so a
/// pointer to one is a pointer to the other.
pub(crate) struct Header {
    pub(crate) state: State,
    pub(super) vtable: &'static VTable,
    /// The next task in the queue. Belongs to the queue that holds the `Runnable`.
    pub(crate) next: UnsafeCell<Option<NonNull<Header>>>,
    /// The neighbours in the list of all tasks. Belongs to that list.
    pub(super) links: UnsafeCell<Links>,
    /// Whom the join handle's wait wakes. Boxed, as most tasks never need one. Written by the join
    /// handle, and only while the JOIN_WAKER bit is clear.
    pub(super) join_waker: UnsafeCell<Option<Box<Waker>>>,
    pub(crate) meta: Meta,
}

/// What the types that were erased can do.
pub(super) struct VTable {
    pub(super) run: unsafe fn(NonNull<Header>) -> Run,
    pub(super) schedule: unsafe fn(Runnable),
    pub(super) observe: unsafe fn(NonNull<Header>, Observed),
    /// Writes the output, a `Result<T, JoinError>`, to where the second pointer points.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// What is told to the scheduler of a task that is watched.
pub(super) enum Observed {
    Wake,
    Cancel,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.meta.id)?;
        if let Some(name) = &self.meta.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " ({}, spawned at {})", self.state.describe(), self.meta.place)
    }
}

/// How a run ended.
pub(crate) enum Run {
    /// Waits for a wake.
    Suspended,
    /// Was woken meanwhile, and so is to be run again.
    Ready(Runnable),
    /// Is over.
    Finished,
}

#[repr(C)] // the header is first
struct Cell<F: Future, S> {
    header: Header,
    scheduler: Arc<S>,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    /// Until the task completes. Pinned: never moved out, dropped where it is.
    Future(F),
    Output(Result<F::Output, JoinError>),
    Empty,
}

/// Makes a task of a future: the right to run it the first time, and the handle for its output.
///
/// Nothing happens until the [`Runnable`] is run or scheduled; dropping it cancels the task. Only the
/// runtime numbers its tasks; this one has the number 0.
#[track_caller]
pub fn spawn_with<F: Future<Output: Send> + Send + 'static, S: Schedule>(
    future: F,
    scheduler: Arc<S>,
) -> (Runnable, JoinHandle<F::Output>) {
    let meta = Meta { id: TaskId(0), place: Location::caller(), name: None };
    // SAFETY: it is 'static and may be used and dropped on any thread.
    unsafe { allocate(future, scheduler, meta) }
}

/// As [`spawn_with`], for any future.
///
/// # Safety
/// The `Runnable` must be run and dropped only on threads that may use and drop the future, and
/// before anything that the future borrows ends. (The output goes to the join handle, which its
/// type keeps on such threads.)
pub(crate) unsafe fn allocate<F: Future, S: Schedule>(
    future: F,
    scheduler: Arc<S>,
    meta: Meta,
) -> (Runnable, JoinHandle<F::Output>) {
    let header = Header {
        state: State::new(scheduler.is_watched()),
        vtable: &Cell::<F, S>::VTABLE,
        next: UnsafeCell::new(None),
        links: UnsafeCell::new(Links::default()),
        join_waker: UnsafeCell::new(None),
        meta,
    };
    let cell = Box::new(Cell { header, scheduler, stage: UnsafeCell::new(Stage::Future(future)) });
    let header = NonNull::from(Box::leak(cell)).cast::<Header>();
    // SAFETY: `State::new` counts a reference for the future, which the first `Runnable` stands
    // for, and one for the join handle; nobody else has seen the cell yet.
    unsafe { (Runnable::from_header(header), JoinHandle::from_header(header)) }
}

impl<F: Future, S: Schedule> Cell<F, S> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        schedule: Self::schedule,
        observe: Self::observe,
        take_output: Self::take_output,
        free: Self::free,
    };

    /// Polls the future once, or drops it if the task was cancelled.
    ///
    /// # Safety
    /// `header` is that of a `Cell<F, S>`, and the caller gives up the right to run it.
    unsafe fn run(header: NonNull<Header>) -> Run {
        // SAFETY: the future's reference keeps the cell alive until `finish`; after `suspend` it is
        // not touched any more.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        let result = match cell.header.state.begin() {
            Begin::Drop => Err(JoinError::Cancelled),
            Begin::Poll => match cell.poll(header) {
                Ok(Poll::Ready(output)) => Ok(output),
                Ok(Poll::Pending) => match cell.header.state.suspend() {
                    Suspend::Suspended => return Run::Suspended,
                    // SAFETY: `suspend` says that the right to run is still ours to pass on.
                    Suspend::Ready => return Run::Ready(unsafe { Runnable::from_header(header) }),
                },
                Err(panic) => Err(JoinError::Panicked(panic.into())),
            },
        };
        // SAFETY: the task is RUNNING and this is its runner.
        unsafe { cell.finish(header, result) };
        Run::Finished
    }

    fn poll(&self, header: NonNull<Header>) -> Result<Poll<F::Output>, Box<dyn Any + Send>> {
        // SAFETY: the future's reference outlives this poll, and the waker is never dropped.
        let waker: ManuallyDrop<Waker> = unsafe { borrowed_waker(header) };
        let mut cx = Context::from_waker(&waker);
        self.stage.with_mut(|stage| {
            // SAFETY: RUNNING makes the stage ours alone. The future never moves: it lives in a
            // heap allocation and is dropped in its place.
            let future = match unsafe { &mut *stage } {
                // SAFETY: as above.
                Stage::Future(future) => unsafe { Pin::new_unchecked(future) },
                _ => unreachable!("a task was run after it had completed"),
            };
            catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx)))
        })
    }

    /// Drops the future, hands the output over and gives back the future's reference.
    ///
    /// # Safety
    /// The task is RUNNING and the caller is its runner.
    unsafe fn finish(&self, header: NonNull<Header>, mut result: Result<F::Output, JoinError>) {
        // A future whose destructor panics is a task that panicked.
        if let Err(panic) = self.replace_stage(Stage::Empty) {
            discard(std::mem::replace(&mut result, Err(JoinError::Panicked(panic.into()))));
        }
        let finish = match &result {
            Ok(_) => Finish::Ready,
            Err(JoinError::Cancelled) => Finish::Cancelled,
            Err(JoinError::Panicked(_)) => Finish::Panicked,
        };
        self.scheduler.finished(TaskRef(&self.header), finish);
        if self.header.state.is_last() {
            discard(result);
            // SAFETY: nobody else has a reference, nor can make one.
            return unsafe { Self::free(header) };
        }
        // SAFETY: RUNNING makes the stage ours.
        self.stage.with_mut(|stage| unsafe { *stage = Stage::Output(result) });
        match self.header.state.complete() {
            Complete::Joined => return, // from here on, the cell may be gone
            Complete::CallJoinWaker => {
                // SAFETY: once the task is complete, nobody writes the join waker any more.
                let waker = self.header.join_waker.with(|waker| unsafe { &*waker });
                waker.iter().for_each(|waker| waker.wake_by_ref());
            }
            Complete::Detached => {
                let _nobodys = self.replace_stage(Stage::Empty).map_err(std::mem::forget);
            }
        }
        // SAFETY: this was the future's reference, and it is not used again.
        unsafe { drop_reference(header) };
    }

    /// Drops what is in the stage where it lies, and puts something else there; gives the panic of
    /// the destructor, if it had one. For the owner of the stage.
    fn replace_stage(&self, new: Stage<F>) -> Result<(), Box<dyn Any + Send>> {
        self.stage.with_mut(|stage| {
            // SAFETY: the caller owns the stage.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ptr::drop_in_place(stage) }));
            // SAFETY: as above; this makes it whole again, whether or not the destructor panicked.
            unsafe { stage.write(new) };
            dropped
        })
    }

    unsafe fn schedule(task: Runnable) {
        let header = task.header();
        // SAFETY: the future's reference keeps the cell alive while a `Runnable` exists; and the
        // caller's own, a waker's, while `schedule` runs: once the task is in a queue, another
        // thread may run it to its end.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.scheduler.schedule(task);
    }

    unsafe fn observe(header: NonNull<Header>, what: Observed) {
        // SAFETY: as in `schedule`.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        match what {
            Observed::Wake => cell.scheduler.woken(TaskRef(&cell.header)),
            Observed::Cancel => cell.scheduler.cancelled(TaskRef(&cell.header)),
        }
    }

    unsafe fn take_output(header: NonNull<Header>, to: *mut ()) {
        // SAFETY: the join handle calls this, and holds a reference.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // SAFETY: it gives a pointer to an `Option<Result<F::Output, JoinError>>`.
        let to = unsafe { &mut *to.cast::<Option<Result<F::Output, JoinError>>>() };
        cell.stage.with_mut(|stage| {
            // SAFETY: the task is COMPLETE, which makes the stage the handle's own.
            if let Stage::Output(output) = std::mem::replace(unsafe { &mut *stage }, Stage::Empty) {
                *to = Some(output);
            }
        });
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the last reference is gone; it came from `Box::leak`. The stage is empty by now,
        // so neither the future nor the output is dropped here, on whatever thread this is.
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

/// Drops an output that nobody takes. A panic in there reaches nobody: nobody joins.
pub(super) fn discard<T>(output: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(output))).map_err(std::mem::forget);
}

/// Wakes the task.
///
/// # Safety
/// The caller holds a reference, and keeps it until this has returned.
#[inline]
pub(super) unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    let (wake, observed) = task.state.wake();
    // SAFETY: as above; `pass_on` gets what the transition returned.
    unsafe {
        if observed && wake != Wake::Nothing {
            (task.vtable.observe)(header, Observed::Wake);
        }
        pass_on(header, wake);
    }
}

/// Asks for the end of the task. `false` if it is complete or was asked before.
///
/// # Safety
/// As for [`wake`].
pub(crate) unsafe fn cancel(header: NonNull<Header>) -> bool {
    // SAFETY: the caller's reference keeps the cell alive; `pass_on` gets what the transition returned.
    unsafe {
        let Some((wake, observed)) = header.as_ref().state.cancel() else { return false };
        if observed {
            (header.as_ref().vtable.observe)(header, Observed::Cancel);
        }
        pass_on(header, wake);
    }
    true
}

/// # Safety
/// As for [`wake`]; and `wake` was returned by a transition of this task just now.
#[inline]
unsafe fn pass_on(header: NonNull<Header>, wake: Wake) {
    if wake == Wake::Schedule {
        // SAFETY: the transition gave the caller the right to run.
        unsafe { (header.as_ref().vtable.schedule)(Runnable::from_header(header)) };
    }
}

/// # Safety
/// The caller has a reference, and gives it up.
#[inline]
pub(super) unsafe fn drop_reference(header: NonNull<Header>) {
    // SAFETY: the reference keeps the cell alive until here; the last one frees it.
    unsafe {
        if header.as_ref().state.drop_reference() {
            (header.as_ref().vtable.free)(header);
        }
    }
}
