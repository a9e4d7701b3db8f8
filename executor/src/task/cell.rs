//! The task cell: the single allocation of a task, and what happens to the future in it.
//!
//! ```text
//!   TaskCell<F, S>  ┌─ header ────────────────────────────────────────────────┬─ body ─────────┐
//!                   │ state · vtable · next in queue · join waker · id, stage │ future, output │
//!                   └─▲───────────────────────────────────────────────────────┴────────────────┘
//!   Waker, Runnable, JoinHandle: pointers to the header, whose vtable leads to the functions here, which know F and S
//! ```
//!
//! The state word alone decides whether the runner or the join handle may access a field at a given moment: see
//! `state.rs`. The scheduler is found through the cell's slot, in the slab that contains the cell: see `slab.rs`.
//! `create.rs` makes cells; all other code reaches them through the vtable.

use super::chain;
use super::current::CurrentTask;
use super::error::{JoinError, Panic, ignore_panic};
use super::event::TaskEvent;
use super::header::{Header, Meta, Polled, Stage, VTable};
use super::id::TaskRef;
use super::observed::{report, report_cancel, report_finish, report_transition};
use super::outcome::Finish;
use super::schedule::Schedule;
use super::slab::{self, Slabs};
use super::state::{Begin, Complete, State};
use super::waker::{Runnable, borrowed_waker, drop_reference, task_of};
use super::word::Transition;
use crate::shim::{UnsafeCell, make_vacant};
use reactor::panics::discard;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[repr(C, align(8))] // the header comes first; slabs measure cells in units of eight bytes, also on 32-bit machines
pub(super) struct TaskCell<F: Future, S> {
    header: Header,
    body: UnsafeCell<Body<F>>,
    scheduler: PhantomData<S>,
}

/// The header's stage says which field is valid.
union Body<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    /// Boxed, so that a rare case takes no room in the cell.
    panic: ManuallyDrop<Box<Panic>>,
}

impl<F: Future, S: Schedule> TaskCell<F, S> {
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

    /// Makes a cell in one of these slabs, or in a slab of its own. Returns its header, and where to write the future.
    /// The caller has the references that `State::new` counts.
    #[inline]
    pub(super) fn reserve(
        slabs: Option<&Slabs<S>>,
        scheduler: &Arc<S>,
        mut meta: Meta,
    ) -> (NonNull<Header>, NonNull<F>) {
        let is_observed = scheduler.is_watched();
        if is_observed {
            meta.extras.get_or_insert_default();
        }
        // Nothing between taking the slot and writing the cell can panic.
        let (cell, slot) = slab::take::<Self, S>(slabs, scheduler);
        let header = Header::new(State::new(is_observed, slabs.is_some()), &Self::VTABLE, meta, slot);
        // SAFETY: there is room for the cell, and no other pointer to it. A union may be uninitialized.
        unsafe {
            (&raw mut (*cell.as_ptr()).header).write(header);
            make_vacant(&raw mut (*cell.as_ptr()).body);
            let future = (*cell.as_ptr()).body.with_mut(|body| &raw mut (*body).future);
            (cell.cast(), NonNull::new_unchecked(future.cast()))
        }
    }

    /// Polls the future once, or drops it if the task was cancelled.
    ///
    /// # Safety
    /// `header` is that of a `TaskCell<F, S>`, and the caller has the right to run it. The caller keeps that right if
    /// the poll is pending, and otherwise gives it up.
    unsafe fn poll(header: NonNull<Header>) -> Polled {
        let _current = CurrentTask::enter(header);
        // SAFETY: the future's reference keeps the cell alive until `finish`.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // SAFETY: as above, and the waker is not used after the poll.
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
            // SAFETY: the body holds the future. It never moves: the cell stays where it is, and the future is dropped
            // in place.
            let future = unsafe { Pin::new_unchecked(&mut *body.future) };
            catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx)))
        })
    }

    /// Lends the body to its owner, which is the caller.
    fn with_body<R>(&self, f: impl FnOnce(&mut Stage, &mut Body<F>) -> R) -> R {
        // SAFETY: the caller owns the body: the runner while RUNNING is set; from COMPLETE on, the join handle if JOIN
        // was set at that moment, and otherwise still the runner. So nothing else accesses it meanwhile.
        self.header.stage.with_mut(|stage| self.body.with_mut(|body| unsafe { f(&mut *stage, &mut *body) }))
    }

    /// Drops the future, hands over the output and gives up the future's reference.
    ///
    /// # Safety
    /// The task is RUNNING and the caller is its runner.
    unsafe fn finish(header: NonNull<Header>, mut result: Result<F::Output, JoinError>) {
        // SAFETY: the future's reference keeps the cell alive until it is given up below.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // If the destructor of the future panics, the task counts as panicked.
        if let Err(panic) = cell.drop_future() {
            discard(std::mem::replace(&mut result, Err(JoinError::Panicked(Panic::new(panic)))));
        }
        let finish = match &result {
            Ok(_) => Finish::Ready,
            Err(JoinError::Cancelled) => Finish::Cancelled,
            Err(JoinError::Panicked(_)) => Finish::Panicked,
        };
        if cell.header.state.is_observed() {
            let panic = result.as_ref().err().and_then(JoinError::panic);
            // SAFETY: as above.
            unsafe { report_finish(header, panic, finish) };
        }
        // SAFETY: as above.
        unsafe { Self::scheduler(header).finished(TaskRef::new(header), finish) };
        cell.put_output(result);
        let Complete::Left { join_waker, callbacks, detached } = cell.header.state.complete(finish) else {
            return; // from here on, the cell may be gone
        };
        if join_waker {
            // SAFETY: once the task has completed, nothing writes the join waker any more.
            let waker = cell.header.join_waker.with(|waker| unsafe { &*waker });
            waker.iter().for_each(|waker| ignore_panic(|| waker.wake_by_ref()));
        }
        if callbacks {
            // SAFETY: as above.
            unsafe { TaskRef::new(header) }.run_callbacks();
        }
        if detached {
            // SAFETY: as above.
            unsafe { report(header, || TaskEvent::OutputDropped(finish)) };
            discard(cell.take_result());
        }
        if cell.header.state.drop_completed() {
            // SAFETY: the future's reference was the last.
            unsafe { Self::free(header) };
        }
    }

    /// Drops the future in place. Returns the panic of its destructor, if there was one.
    fn drop_future(&self) -> Result<(), Box<dyn Any + Send>> {
        self.with_body(|stage, body| {
            assert!(std::mem::replace(stage, Stage::Empty) == Stage::Future, "a task finished twice");
            // SAFETY: the body held the future. It is not used again, even if its destructor panics.
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

    /// Takes what `put_output` stored. `None` if it was taken before.
    fn take_result(&self) -> Option<Result<F::Output, JoinError>> {
        self.with_body(|stage, body| match std::mem::replace(stage, Stage::Empty) {
            // SAFETY: the stage said what the body holds, and says so no longer.
            Stage::Output => Some(Ok(unsafe { ManuallyDrop::take(&mut body.output) })),
            // SAFETY: as above.
            Stage::Panic => Some(Err(JoinError::Panicked(*unsafe { ManuallyDrop::take(&mut body.panic) }))),
            Stage::Cancelled => Some(Err(JoinError::Cancelled)),
            Stage::Future | Stage::Empty => None,
        })
    }

    /// # Safety
    /// The cell exists for as long as the result is used.
    #[inline]
    unsafe fn scheduler<'a>(header: NonNull<Header>) -> &'a Arc<S> {
        // SAFETY: as promised, and the cell was made with a scheduler of this type.
        unsafe { slab::scheduler(header.cast::<Self>(), header.as_ref().slot) }
    }

    /// # Safety
    /// The caller has the right to run the task, and gives it up. It keeps a reference until this returns, or is on the
    /// only thread that runs the task.
    unsafe fn schedule(header: NonNull<Header>) {
        // SAFETY: the future's reference keeps the cell alive until the task is queued. After that another thread may
        // run the task to completion; the caller's own reference keeps the cell alive until this returns.
        unsafe { Self::scheduler(header).schedule(Runnable::from_header(header)) };
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
        // SAFETY: the caller is the join handle, which holds a reference, and passes a pointer to an
        // `Option<Result<F::Output, JoinError>>`. The task is COMPLETE, which makes the body the handle's.
        unsafe { *to.cast() = header.cast::<Self>().as_ref().take_result() };
    }

    /// Ends an orphaned task: at once, on this thread, unless its future must be dropped on another.
    ///
    /// # Safety
    /// The task is orphaned, and the caller is the one whose transition made it so.
    unsafe fn end_orphan(header: NonNull<Header>) {
        // SAFETY: the future's reference keeps the cell alive, because only the caller can reach the task. The
        // transition to queued gives the caller the right to run it.
        unsafe {
            let task = header.as_ref();
            match task.state.cancel() {
                Some((wake, before)) if before.is_observed() => report_cancel(header, wake, before),
                Some(_) => {}
                // The task was cancelled before, and waits for a shield that nothing can take down any more.
                None => assert!(task.state.wake_suspended().is_some(), "an orphan was not suspended"),
            }
            match TaskRef::new(header).home() {
                Some(home) if home != std::thread::current().id() => {
                    task.pierce_shields();
                    task.state.add_reference(); // for this call: once queued, the task may complete on another thread
                    Self::schedule(header);
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
        // SAFETY: the last reference is gone. The stage is empty by now, so no future or output is dropped here; this
        // may be any thread. Only the join waker and the extras are left to drop. Observed tasks always have extras.
        unsafe {
            let waker = header.as_ref().join_waker.with_mut(|waker| (*waker).take());
            if waker.is_some() || header.as_ref().extras().is_some() {
                return Self::free_with(header, waker);
            }
            slab::give_back::<Self, S>(header.cast(), (*header.as_ptr()).slot);
        }
    }

    /// Frees a cell that owned this waker or has extras.
    ///
    /// # Safety
    /// The last reference is gone.
    #[cold]
    unsafe fn free_with(header: NonNull<Header>, waker: Option<Box<Waker>>) {
        // The destructors may be foreign code, which must not find a current task that is being freed.
        let _none = CurrentTask::clear();
        // SAFETY: as the caller promises. The observer may read the extras, so they are taken after the report.
        unsafe {
            report_transition(header, TaskEvent::Freed, Transition::drop_reference);
            header.as_ref().take_extras().into_iter().for_each(discard);
            slab::give_back::<Self, S>(header.cast(), (*header.as_ptr()).slot);
        }
        waker.into_iter().for_each(drop_join_waker);
    }
}

/// Drops the waker that the awaiting task left in the cell.
#[inline]
fn drop_join_waker(waker: Box<Waker>) {
    // Dropping the waker may free its task, and so drop that task's join waker, and so on: `chain` turns this recursion
    // into a loop. The check avoids it in the usual case.
    match task_of(&waker).is_some_and(|task| task.state.may_be_last_waker()) {
        true => chain::run(move || drop(waker)),
        false => discard(waker), // another executor's waker may panic
    }
}
