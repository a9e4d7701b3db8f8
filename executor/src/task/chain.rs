//! Drops what tasks keep of each other without recursion.
//!
//! A task may keep another one: its output may be the handle of a task whose output is a handle again, its future the last
//! waker of a suspended task, and its cell keeps the waker of the task that awaited it. The destructor of each would call the next one's, and a long chain would
//! overflow the stack. So from a certain depth on, what is to be dropped is left to the outermost call.
//!
//! Used by `join.rs` and `cell.rs`.

use super::cell::{Header, TaskRef};
use super::join::Canceller;
use super::waker::task_of;
use super::watch::{TaskEvent, watch};
use crate::shim::thread_local;
use reactor::panics::discard;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::task::Waker;

/// Each level takes about a kilobyte of stack in a debug build, and what the destructor of the output takes.
const DEPTH: usize = 16;

thread_local! {
    /// How many calls of [`drop_one`] are under way on this thread.
    static DROPS: Cell<usize> = const { Cell::new(0) };
}

thread_local! {
    /// What the outermost of them drops in the end.
    static LEFT_OVER: RefCell<Vec<Link>> = const { RefCell::new(Vec::new()) };
}

enum Link {
    /// The output of a task that is complete. Its handle is gone, so it belongs to this.
    Output(Canceller),
    Waker(Box<Waker>),
    /// A task that nobody knows any more.
    Orphan(NonNull<Header>),
}

impl Link {
    fn drop(self) {
        match self {
            Link::Waker(waker) => drop(waker),
            // SAFETY: whoever made this link gave up the task, which nobody else knows.
            Link::Orphan(header) => unsafe { (header.as_ref().vtable.end_orphan)(header) },
            Link::Output(task) => {
                let header = task.task().cell();
                let Some(how) = task.task().header().state.finish() else { return };
                // SAFETY: `task` holds a reference; and the output was the handle's, which has given it to this.
                unsafe {
                    watch(header, || TaskEvent::OutputDropped(how));
                    (header.as_ref().vtable.discard_output)(header);
                }
            }
        }
    }
}

/// Drops the output of a task that is complete, which panics nowhere.
///
/// # Safety
/// The caller is the task's handle, and gives up the output.
#[cold]
pub(super) unsafe fn drop_output(task: TaskRef<'_>) {
    drop_one(Link::Output(task.canceller()));
}

/// Ends a task that is orphaned. Its future may hold the last waker of another one.
///
/// # Safety
/// The task is orphaned, and the caller is the one that was told so.
#[cold]
pub(super) unsafe fn end_orphan(header: NonNull<Header>) {
    drop_one(Link::Orphan(header));
}

/// Drops the waker that was left in the cell of a task by the one that awaited it.
#[inline]
pub(super) fn drop_waker(waker: Box<Waker>) {
    // Only the last reference to a cell frees it, and with it the next waker. Asked first, as it is nearly never.
    match task_of(&waker).is_some_and(|task| task.state.may_be_last_waker()) {
        true => drop_one(Link::Waker(waker)),
        false => discard(waker), // another executor's may panic
    }
}

#[cold]
fn drop_one(link: Link) {
    let depth = DROPS.with(Cell::get);
    let mut link = Some(link);
    if depth == DEPTH {
        // A thread that ends may have no list any more; then there is only recursion.
        let _ = LEFT_OVER.try_with(|left| left.borrow_mut().extend(link.take()));
    }
    let Some(link) = link else { return };
    let _depth = Depth(DROPS.with(|drops| drops.replace(depth + 1)));
    link.drop();
    if depth == 0 {
        // Which may leave some again.
        let left_over = || LEFT_OVER.try_with(|left| left.borrow_mut().pop()).ok().flatten();
        while let Some(link) = left_over() {
            link.drop();
        }
    }
}

/// Puts the depth back, whether the call returns or unwinds.
struct Depth(usize);

impl Drop for Depth {
    fn drop(&mut self) {
        DROPS.with(|drops| drops.set(self.0));
    }
}
