//! The one piece of memory of a task, and what happens to the future inside of it.
//!
//! ```text
//!   Place<F, S>  ┌─ header ────────────────────────────────────────────────┬─ body ─────────┐
//!                │ state · vtable · next in queue · join waker · id, stage │ future, output │
//!                └─▲───────────────────────────────────────────────────────┴────────────────┘
//!   Waker, Runnable, JoinHandle: pointers to the header; its vtable knows F and S
//! ```
//!
//! Which field belongs to whom at which moment is decided by the state word alone: see `state.rs`.
//! The scheduler is found through the place, in the slab that the cell lies in: see `slab.rs`.

use super::chain::{drop_waker, end_orphan};
use super::extras::{Cancellation, Extras};
use super::join::{JoinError, JoinHandle, Panic};
use super::slab::{self, Slabs};
use super::state::{Begin, Complete, Dropped, State, TaskState, Wake};
use super::waker::{Runnable, borrowed_waker};
use super::watch::{TaskEvent, tell_cancel, tell_end, tell_wake, watch};
use crate::shim::{AtomicPtr, Ordering, UnsafeCell, make_vacant, thread_local};
use reactor::panics::discard;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;

/// Where a task goes when it is ready to run.
///
/// A task keeps its scheduler alive until the last of its wakers and handles is gone.
pub trait Schedule: Send + Sync + 'static {
    /// A task became ready: run it once, some time, by [`Runnable::run`]. Called on the thread
    /// that woke it, whatever that is doing: keep it short and don't run the task in here.
    fn schedule(self: &Arc<Self>, task: Runnable);

    /// A task's future is gone; its handle learns of it right after this. Called by its runner.
    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        let _ = (task, how);
    }

    /// The number of the next task, for one that is spawned without. Unless a scheduler counts its own tasks, the
    /// numbers come from one counter for the whole process, from 1.
    fn next_id(&self) -> TaskId {
        static NUMBERED: AtomicU64 = AtomicU64::new(1);
        TaskId(NUMBERED.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the task that is being made is watched: whether `happened` is called for it.
    fn is_watched(&self) -> bool {
        false
    }

    /// Something happened to a task that is watched, on whatever thread this is. To have it recorded, pass it on to
    /// [`Observer::show`](crate::Observer::show).
    ///
    /// The events of one task come one at a time and in an order that can be read: a wake before the poll that it
    /// leads to, the end of a poll before the next wake. A task waits until its event was shown, so this must not wake
    /// or cancel one, nor panic.
    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let _ = (task, what);
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
pub struct TaskRef<'a>(NonNull<Header>, PhantomData<&'a Header>);

impl<'a> TaskRef<'a> {
    /// # Safety
    /// The cell is there as long as this is used.
    #[inline]
    pub(super) unsafe fn new(header: NonNull<Header>) -> TaskRef<'a> {
        TaskRef(header, PhantomData)
    }

    /// The whole cell, of which a reference to the header is only a part.
    #[inline]
    pub(super) fn cell(self) -> NonNull<Header> {
        self.0
    }

    /// Its number.
    pub fn id(self) -> TaskId {
        TaskId(u64::from(self.header().id_low) | u64::from(self.header().id_high) << 32)
    }

    /// Its name, if it was given one.
    pub fn name(self) -> Option<&'a str> {
        self.header().extras()?.name.as_deref()
    }

    /// Where it is in its life. Out of date at once, unless it is over.
    pub fn state(self) -> TaskState {
        self.header().state.describe()
    }

    /// How large its future is, in bytes.
    pub fn size(self) -> usize {
        self.header().extras().and_then(|extras| extras.size).unwrap_or(self.header().vtable.size)
    }

    /// What it was spawned with for its scheduler to know, if that is a `T`: see [`Builder::metadata`](super::Builder::metadata).
    pub fn metadata<T: Any>(self) -> Option<&'a T> {
        self.header().extras()?.metadata.as_ref()?.downcast_ref()
    }

    /// The thread on which it has to be run and dropped, if its future may not leave it: see
    /// [`Builder::spawn_local`](super::Builder::spawn_local). Tasks of a [`Runtime`](crate::Runtime) never leave its thread
    /// and don't say so.
    pub fn home(self) -> Option<ThreadId> {
        self.header().extras()?.home
    }

    /// Whether both have the same scheduler.
    pub(crate) fn is_beside(self, other: TaskRef<'_>) -> bool {
        // SAFETY: both cells are there as long as these are.
        unsafe {
            let (ours, others) = (self.header().vtable.scheduler, other.header().vtable.scheduler);
            ours(self.0) == others(other.0)
        }
    }

    /// How often it was polled; after 2²⁷ times it is counted from 0 again.
    pub fn polls(self) -> u64 {
        self.header().state.polls()
    }

    /// How many wakers of it exist, beside that of a poll that goes on; if it is watched by an
    /// [`Observer`](crate::Observer), else 0.
    pub fn wakers(self) -> usize {
        let count = self.header().extras().map_or(0, |extras| extras.wakers.load(Ordering::Acquire));
        count.saturating_sub(usize::from(self.state() == TaskState::Running))
    }

    pub(crate) fn header(self) -> &'a Header {
        // SAFETY: `new` promises it.
        unsafe { self.0.as_ref() }
    }

    /// Whether it is the task that runs on this thread.
    pub(crate) fn is_current(self) -> bool {
        is_current(self.0)
    }

    /// Whether a wake came since the call of [`Canceller::wake_up`](super::Canceller) that has made it run.
    pub(crate) fn is_woken_since_asked(self) -> bool {
        let again = self.header().extras().is_some_and(|extras| extras.woken_again.load(Ordering::Acquire));
        again || self.header().state.is_woken()
    }

    /// Whether it is not over, and nothing keeps its future from being dropped. For the thread that runs it.
    pub(crate) fn can_be_dropped(self) -> bool {
        let scope = self.header().extras().and_then(|extras| extras.scope.get());
        self.state() == TaskState::Pending && !scope.is_some_and(|scope| scope.has_shields())
    }

    /// Who cancelled it, if somebody did.
    pub fn cancellation(self) -> Option<&'a Cancellation> {
        self.header().extras()?.cancellation.get()
    }

    /// Where it was spawned.
    pub fn place(self) -> &'static Location<'static> {
        self.header().spawned_at
    }
}

impl fmt::Debug for TaskRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

/// Numbers the tasks of one runtime in the order of their spawning, from 1; and after 2⁴⁸ of them, which
/// is nine years of one each microsecond, from 0.
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
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its name and the like, if it has any.
    pub(crate) extras: Option<Box<Extras>>,
}

/// The part of a cell that does not depend on the future. The first field of every cell, so a
/// pointer to one is a pointer to the other. With a pointer's worth of a body it fills a cache line.
pub(crate) struct Header {
    pub(crate) state: State,
    pub(super) vtable: &'static VTable,
    /// The next task in the queue. Belongs to the queue that holds the `Runnable`.
    pub(crate) next: UnsafeCell<Option<NonNull<Header>>>,
    /// Whom the join handle's wait wakes. Boxed, as most tasks never need one. Written by the join
    /// handle, and only while the JOIN_WAKER bit is clear.
    pub(super) join_waker: UnsafeCell<Option<Box<Waker>>>,
    spawned_at: &'static Location<'static>,
    /// Most have none. Set once, and then there until the cell is freed.
    extras: AtomicPtr<Extras>,
    id_low: u32,
    id_high: u16,
    /// Where in its slab the cell is.
    place: u8,
    /// What is in the body. Belongs to whom the body belongs.
    stage: UnsafeCell<Stage>,
}

// A task whose future panicked is complete. All else in its cell changes by single atomic instructions.
impl UnwindSafe for Header {}
impl RefUnwindSafe for Header {}

/// What the types that were erased can do.
pub(super) struct VTable {
    /// Of the future.
    size: usize,
    pub(super) poll: unsafe fn(NonNull<Header>) -> Polled,
    pub(super) schedule: unsafe fn(Runnable),
    /// The address of its scheduler.
    scheduler: unsafe fn(NonNull<Header>) -> *const (),
    pub(super) happened: unsafe fn(NonNull<Header>, TaskEvent<'_>),
    /// Writes the output to where the second pointer points, an `Option<Result<T, JoinError>>`.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) discard_output: unsafe fn(NonNull<Header>),
    pub(super) end_orphan: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
}

impl Header {
    #[inline]
    pub(crate) fn extras(&self) -> Option<&Extras> {
        // SAFETY: a pointer that was set stays, and what it points to is there as long as the cell.
        unsafe { self.extras.load(Ordering::Acquire).as_ref() }
    }

    /// Whether a task that is complete has an output that was not taken.
    ///
    /// # Safety
    /// The task is complete, and the caller is its handle.
    #[inline]
    pub(super) unsafe fn has_output(&self) -> bool {
        // SAFETY: COMPLETE makes the body the join handle's, and the stage with it.
        self.stage.with(|stage| unsafe { *stage != Stage::Empty })
    }

    /// The extras, which are made if there are none.
    pub(crate) fn make_extras(&self) -> &Extras {
        if let Some(extras) = self.extras() {
            return extras;
        }
        let new = Box::into_raw(Box::<Extras>::default());
        let set = self.extras.compare_exchange(std::ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: either the new ones are set now, and stay; or others were, and the new ones are still ours.
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

    /// Whether the future must not be dropped now: then the waker is called when it may.
    #[cold]
    fn is_shielded(&self, waker: &Waker) -> bool {
        let scope = self.extras().and_then(|extras| extras.scope.get());
        scope.is_some_and(|scope| scope.is_shielded(waker))
    }

    /// The future is to be dropped even if it is shielded.
    pub(super) fn pierce_shields(&self) {
        let scope = self.extras().and_then(|extras| extras.scope.get());
        scope.into_iter().for_each(|scope| scope.pierce());
    }
}

/// Calls those who wanted to be called at the end.
#[cold]
pub(super) fn call_back(task: TaskRef<'_>) {
    let callbacks = task.header().extras().map(Extras::take_callbacks).unwrap_or_default();
    let how = task.header().state.finish().expect("callbacks are called at the end");
    for callback in callbacks {
        ignore_panic(|| callback(task, how));
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Looks at the header alone, of which this is a reference.
        let task = TaskRef(NonNull::from(self), PhantomData);
        write!(f, "{:?}", task.id())?;
        if let Some(name) = task.name() {
            write!(f, " `{name}`")?;
        }
        write!(f, " ({}, spawned at {})", self.state.describe(), self.spawned_at)
    }
}

/// Calls code of others at the end of a task. A panic in it reaches nobody: the task is over, its runner is not concerned, and
/// there is more to do.
fn ignore_panic(call: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(discard);
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

/// How a poll ended. If it is `Pending`, the task is still RUNNING, and its runner has to suspend it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Polled {
    Pending,
    Finished,
}

#[repr(C, align(8))] // the header is first; on all machines, slabs count in steps of eight bytes
struct Place<F: Future, S> {
    header: Header,
    body: UnsafeCell<Body<F>>,
    scheduler: PhantomData<S>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Until the task completes. Pinned: never moved out, dropped where it is.
    Future,
    Output,
    Panic,
    Cancelled,
    Empty,
}

union Body<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    /// In a box, so that what is rare takes no room.
    panic: ManuallyDrop<Box<Panic>>,
}

thread_local! {
    /// The task that runs on this thread.
    static PRESENT: Cell<Option<NonNull<Header>>> = const { Cell::new(None) };
}

/// While it lives, a task is the one that runs on this thread, or none is.
pub(crate) struct Present(Option<NonNull<Header>>);

impl Present {
    /// None is: what follows is no task's doing.
    pub(crate) fn nobody() -> Present {
        Present(PRESENT.with(|present| present.replace(None)))
    }

    #[inline]
    fn enter(header: NonNull<Header>) -> Present {
        Present(PRESENT.with(|present| present.replace(Some(header))))
    }
}

impl Drop for Present {
    #[inline]
    fn drop(&mut self) {
        PRESENT.with(|present| present.set(self.0));
    }
}

/// Shows `f` the task that runs on this thread.
pub(crate) fn with_present<R>(f: impl FnOnce(Option<TaskRef<'_>>) -> R) -> R {
    let header = PRESENT.with(Cell::get);
    // SAFETY: a task that runs is there: its future's reference goes as the last thing it does.
    f(header.map(|header| unsafe { TaskRef::new(header) }))
}

/// Whether this is the task that runs on this thread.
pub(super) fn is_current(header: NonNull<Header>) -> bool {
    PRESENT.with(Cell::get) == Some(header)
}

/// The address of the cell of the task that runs on this thread: tells apart the tasks that exist.
#[inline]
pub(crate) fn present_address() -> Option<usize> {
    PRESENT.with(Cell::get).map(|header| header.addr().get())
}

/// Makes a task of a future, in one of these slabs or in memory of its own: the right to run it the first time, and the
/// handle for its output.
///
/// # Safety
/// As for [`reserve`].
#[inline]
pub(crate) unsafe fn allocate<F: Future, S: Schedule>(
    future: F,
    slabs: Option<&Slabs<S>>,
    scheduler: &Arc<S>,
    meta: Meta,
) -> (Runnable, JoinHandle<F::Output>) {
    // SAFETY: as the caller promises; the future is written before the task is made.
    unsafe {
        let cell = reserve::<F, S>(slabs, scheduler, meta);
        cell.future().write(future);
        cell.into_task()
    }
}

/// A cell whose future is still to be written.
///
/// The future is written to its place by the function that was given it. If it were passed on by value, a build without
/// optimizations would copy it to the stack once for each call, and a large one would overflow that.
#[must_use = "a cell that is not made a task leaks"]
pub(crate) struct Reserved<F> {
    header: NonNull<Header>,
    future: NonNull<F>,
}

impl<F: Future> Reserved<F> {
    /// Where the future is to be written.
    #[inline]
    pub(crate) fn future(&self) -> *mut F {
        self.future.as_ptr()
    }

    /// # Safety
    /// The future was written.
    #[inline]
    pub(crate) unsafe fn into_task(self) -> (Runnable, JoinHandle<F::Output>) {
        // SAFETY: the cell is whole. `State::new` counts a reference for the future, which the first `Runnable` stands
        // for, and one for the join handle; nobody else has seen it yet.
        unsafe {
            watch(self.header, || TaskEvent::Spawned);
            (Runnable::from_header(self.header), JoinHandle::from_header(self.header))
        }
    }
}

/// A future that was given to a function which hands it on by reference, for the same reason, until it has a cell.
pub(crate) struct Held<F> {
    future: MaybeUninit<F>,
    is_here: bool,
}

impl<F> Held<F> {
    pub(crate) fn empty() -> Held<F> {
        Held { future: MaybeUninit::uninit(), is_here: false }
    }

    /// Where the future is to be written.
    ///
    /// # Safety
    /// The caller writes it there before it does anything else.
    pub(crate) unsafe fn future(&mut self) -> *mut F {
        self.is_here = true;
        self.future.as_mut_ptr()
    }

    /// Moves the future to its cell.
    ///
    /// # Safety
    /// It is here, and there is room for it there.
    pub(crate) unsafe fn move_to(&mut self, cell: *mut F) {
        debug_assert!(self.is_here, "a future was moved twice");
        self.is_here = false;
        // SAFETY: as the caller promises. Here it is not used again.
        unsafe { cell.copy_from_nonoverlapping(self.future.as_ptr(), 1) };
    }
}

impl<F> Drop for Held<F> {
    fn drop(&mut self) {
        if self.is_here {
            // SAFETY: then it was written, and was not moved.
            unsafe { self.future.assume_init_drop() };
        }
    }
}

/// Makes a cell for a future, in one of these slabs.
///
/// # Safety
/// The `Runnable` must be run and dropped only on threads that may use and drop the future, and
/// before anything that the future borrows ends. (The output goes to the join handle, which its
/// type keeps on such threads.)
#[inline]
pub(crate) unsafe fn reserve<F: Future, S: Schedule>(
    slabs: Option<&Slabs<S>>,
    scheduler: &Arc<S>,
    meta: Meta,
) -> Reserved<F> {
    let is_watched = scheduler.is_watched();
    let extras = meta.extras.or_else(|| is_watched.then(Box::default));
    let extras = extras.map_or(std::ptr::null_mut(), Box::into_raw);
    // Nothing that could panic stands between taking the place and writing the cell.
    let (cell, place) = slab::take::<Place<F, S>, S>(slabs, scheduler);
    let header = Header {
        state: State::new(is_watched, slabs.is_some()),
        vtable: &Place::<F, S>::VTABLE,
        next: UnsafeCell::new(None),
        join_waker: UnsafeCell::new(None),
        spawned_at: meta.spawned_at,
        extras: AtomicPtr::new(extras),
        id_low: meta.id.0 as u32,
        id_high: (meta.id.0 >> 32) as u16,
        place,
        stage: UnsafeCell::new(Stage::Future),
    };
    // SAFETY: there is room for the cell, and nobody else knows it. A union may have nothing in it yet.
    unsafe {
        (&raw mut (*cell.as_ptr()).header).write(header);
        make_vacant(&raw mut (*cell.as_ptr()).body);
        let future = (*cell.as_ptr()).body.with_mut(|body| &raw mut (*body).future);
        Reserved { header: cell.cast(), future: NonNull::new_unchecked(future.cast()) }
    }
}

impl<F: Future, S: Schedule> Place<F, S> {
    const VTABLE: VTable = VTable {
        size: size_of::<F>(),
        poll: Self::poll,
        schedule: Self::schedule,
        scheduler: Self::scheduler_address,
        happened: Self::happened,
        take_output: Self::take_output,
        end_orphan: Self::end_orphan,
        discard_output: Self::discard_output,
        free: Self::free,
    };

    /// Polls the future once, or drops it if the task was cancelled.
    ///
    /// # Safety
    /// `header` is that of a `Place<F, S>`, and the caller has the right to run it: to keep if the poll is pending, else
    /// to give up.
    unsafe fn poll(header: NonNull<Header>) -> Polled {
        let _present = Present::enter(header);
        // SAFETY: the future's reference keeps the cell alive until `finish`.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // SAFETY: as above, and nobody uses it after the poll.
        let waker = unsafe { borrowed_waker(header) };
        let result = match cell.header.state.begin() {
            Begin::Drop if !cell.header.is_shielded(&waker) => Err(JoinError::Cancelled),
            Begin::Drop | Begin::Poll => match cell.poll_future(&waker) {
                Ok(Poll::Ready(output)) => Ok(output),
                Ok(Poll::Pending) => return Polled::Pending,
                Err(panic) => Err(JoinError::Panicked(Panic::new(panic))),
            },
        };
        // SAFETY: the task is RUNNING and this is its runner.
        unsafe { Self::finish(header, result) };
        Polled::Finished
    }

    fn poll_future(&self, waker: &Waker) -> Result<Poll<F::Output>, Box<dyn Any + Send>> {
        let mut cx = Context::from_waker(waker);
        self.with_body(|stage, body| {
            assert!(*stage == Stage::Future, "a task was run after it had completed");
            // SAFETY: that is what is in the body. It never moves: the cell stays where it is, and the
            // future is dropped in its place.
            let future = unsafe { Pin::new_unchecked(&mut *body.future) };
            catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx)))
        })
    }

    /// Shows the body to its owner, which is the caller.
    fn with_body<R>(&self, f: impl FnOnce(&mut Stage, &mut Body<F>) -> R) -> R {
        // SAFETY: RUNNING makes the body the runner's alone, and COMPLETE the join handle's, so that
        // nobody else looks at it meanwhile.
        self.header.stage.with_mut(|stage| self.body.with_mut(|body| unsafe { f(&mut *stage, &mut *body) }))
    }

    /// Drops the future, hands the output over and gives back the future's reference.
    ///
    /// # Safety
    /// The task is RUNNING and the caller is its runner.
    unsafe fn finish(header: NonNull<Header>, mut result: Result<F::Output, JoinError>) {
        // SAFETY: the future's reference keeps the cell alive until it is given back below.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // A future whose destructor panics is a task that panicked.
        if let Err(panic) = cell.drop_future() {
            discard(std::mem::replace(&mut result, Err(JoinError::Panicked(Panic::new(panic)))));
        }
        let finish = match &result {
            Ok(_) => Finish::Ready,
            Err(JoinError::Cancelled) => Finish::Cancelled,
            Err(JoinError::Panicked(_)) => Finish::Panicked,
        };
        if cell.header.state.is_watched() {
            let panic = result.as_ref().err().and_then(JoinError::panic);
            // SAFETY: as above.
            unsafe { tell_end(header, panic, finish) };
        }
        // SAFETY: as above.
        unsafe { Self::scheduler(header).finished(TaskRef::new(header), finish) };
        cell.put_output(result);
        let Complete::Left { join_waker, callbacks, detached } = cell.header.state.complete(finish) else {
            return; // from here on, the cell may be gone
        };
        if join_waker {
            // SAFETY: once the task is complete, nobody writes the join waker any more.
            let waker = cell.header.join_waker.with(|waker| unsafe { &*waker });
            waker.iter().for_each(|waker| ignore_panic(|| waker.wake_by_ref()));
        }
        if callbacks {
            // SAFETY: as above.
            call_back(unsafe { TaskRef::new(header) });
        }
        if detached {
            // SAFETY: as above.
            unsafe { watch(header, || TaskEvent::OutputDropped(finish)) };
            discard(cell.take_result());
        }
        // SAFETY: this was the future's reference, and it is not used again.
        unsafe { drop_reference(header) };
    }

    /// Drops the future where it lies; gives the panic of its destructor, if it had one.
    fn drop_future(&self) -> Result<(), Box<dyn Any + Send>> {
        self.with_body(|stage, body| {
            assert!(std::mem::replace(stage, Stage::Empty) == Stage::Future, "a task finished twice");
            // SAFETY: that was in the body; and is not looked at again, also if its destructor panics.
            catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(&mut body.future) }))
        })
    }

    fn put_output(&self, result: Result<F::Output, JoinError>) {
        self.with_body(|stage, body| {
            *stage = match result {
                Ok(output) => {
                    body.output = ManuallyDrop::new(output);
                    Stage::Output
                }
                Err(JoinError::Panicked(panic)) => {
                    body.panic = ManuallyDrop::new(Box::new(panic));
                    Stage::Panic
                }
                Err(JoinError::Cancelled) => Stage::Cancelled,
            }
        });
    }

    /// What `put_output` has put, the first time.
    fn take_result(&self) -> Option<Result<F::Output, JoinError>> {
        self.with_body(|stage, body| match std::mem::replace(stage, Stage::Empty) {
            // SAFETY: the stage said what is in the body, and does so no more.
            Stage::Output => Some(Ok(unsafe { ManuallyDrop::take(&mut body.output) })),
            // SAFETY: as above.
            Stage::Panic => Some(Err(JoinError::Panicked(*unsafe { ManuallyDrop::take(&mut body.panic) }))),
            Stage::Cancelled => Some(Err(JoinError::Cancelled)),
            Stage::Future | Stage::Empty => None,
        })
    }

    /// # Safety
    /// The cell is there for as long as this is used.
    #[inline]
    unsafe fn scheduler<'a>(header: NonNull<Header>) -> &'a Arc<S> {
        // SAFETY: as promised, and it was made with a scheduler of this type.
        unsafe { slab::scheduler(header.cast::<Self>(), header.as_ref().place) }
    }

    unsafe fn schedule(task: Runnable) {
        // SAFETY: the future's reference keeps the cell alive while a `Runnable` exists; and the
        // caller's own, a waker's, while `schedule` runs: once the task is in a queue, another
        // thread may run it to its end.
        unsafe { Self::scheduler(task.header()) }.schedule(task);
    }

    unsafe fn scheduler_address(header: NonNull<Header>) -> *const () {
        // SAFETY: the caller's reference keeps the cell alive while this runs.
        Arc::as_ptr(unsafe { Self::scheduler(header) }).cast()
    }

    unsafe fn happened(header: NonNull<Header>, what: TaskEvent<'_>) {
        // SAFETY: the caller's reference keeps the cell alive while this runs.
        unsafe { Self::scheduler(header).happened(TaskRef::new(header), what) };
    }

    unsafe fn take_output(header: NonNull<Header>, to: *mut ()) {
        // SAFETY: the join handle calls this, which holds a reference, and gives a pointer to an
        // `Option<Result<F::Output, JoinError>>`. The task is COMPLETE, which makes the body its own.
        unsafe { *to.cast() = header.cast::<Self>().as_ref().take_result() };
    }

    /// Ends a task that is orphaned: at once, on this thread, unless its future may not be dropped here.
    ///
    /// # Safety
    /// The task is orphaned, and the caller is the one that was told so.
    unsafe fn end_orphan(header: NonNull<Header>) {
        // SAFETY: the future's reference keeps the cell alive, as nothing but the caller knows the task: the transition to
        // queued gives it the right to run.
        unsafe {
            let task = header.as_ref();
            match task.state.cancel() {
                Some(wake) if task.state.is_watched() => tell_cancel(header, wake),
                Some(_) => {}
                // It was cancelled before, and waits for a shield that nobody can take down any more.
                None => assert!(task.state.wake_suspended(), "an orphan was not suspended"),
            }
            match TaskRef::new(header).home() {
                Some(home) if home != std::thread::current().id() => {
                    task.pierce_shields();
                    task.state.add_reference(); // for the call: once it is queued, another thread may run it to its end
                    Self::schedule(Runnable::from_header(header));
                    drop_reference(header);
                }
                _ => drop(Runnable::from_header(header)),
            }
        }
    }

    unsafe fn discard_output(header: NonNull<Header>) {
        // SAFETY: as in `take_output`: the caller stands in for the join handle.
        discard(unsafe { header.cast::<Self>().as_ref().take_result() });
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the last reference is gone. The stage is empty by now, so neither the future nor the
        // output is dropped here, on whatever thread this is; the other fields that hold something are.
        unsafe {
            let waker = header.as_ref().join_waker.with_mut(|waker| (*waker).take());
            let extras = header.as_ref().extras.load(Ordering::Relaxed);
            // What is dropped here may be foreign, and must not find a task on this thread that is being freed.
            let _nobody = (!extras.is_null() || waker.is_some()).then(Present::nobody);
            watch(header, || TaskEvent::Freed);
            (!extras.is_null()).then(|| Box::from_raw(extras)).into_iter().for_each(discard);
            slab::give_back::<Self, S>(header.cast(), (*header.as_ptr()).place);
            waker.into_iter().for_each(drop_waker);
        }
    }
}

/// Wakes the task.
///
/// # Safety
/// The caller holds a reference, and keeps it until this has returned.
#[inline]
pub(super) unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    let (wake, is_watched) = task.state.wake();
    // SAFETY: as above; `pass_on` gets what the transition returned.
    unsafe {
        if is_watched {
            match (wake, header.as_ref().extras()) {
                (Wake::Nothing, Some(extras)) => extras.woken_again.store(true, Ordering::Release),
                (Wake::Nothing, None) => {}
                _ => tell_wake(header),
            }
        }
        pass_on(header, wake);
    }
}

/// Asks for the end of the task.
///
/// # Safety
/// As for [`wake`].
pub(crate) unsafe fn cancel(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive; `pass_on` gets what the transition returned.
    unsafe {
        let Some(wake) = header.as_ref().state.cancel() else { return };
        if header.as_ref().state.is_watched() {
            tell_cancel(header, wake);
        }
        pass_on(header, wake);
    }
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
    // SAFETY: the reference keeps the cell alive until here.
    unsafe {
        let (dropped, _) = header.as_ref().state.drop_reference();
        dropped_reference(header, dropped);
    }
}

/// Does what is left to do when a reference was dropped.
///
/// # Safety
/// A transition of this task has just said so.
#[inline]
pub(super) unsafe fn dropped_reference(header: NonNull<Header>, dropped: Dropped) {
    // SAFETY: the last reference frees the cell; and an orphan is only the caller's.
    unsafe {
        match dropped {
            Dropped::Shared => {}
            Dropped::Orphaned => end_orphan(header),
            Dropped::Last => (header.as_ref().vtable.free)(header),
        }
    }
}
