//! A task: one piece of memory that holds a future until it is ready and its output until it is taken.
//!
//! [`spawn_with`] makes one and gives out its two ends: the [`Runnable`], the right to poll it
//! once, and the [`JoinHandle`], the right to its output. Where a ready task goes is the
//! business of a [`Schedule`], the second of the runtime's three seams. The runtime's own
//! schedulers use this face; so can yours:
//!
//! ```
//! use executor::task::{Schedule, Runnable, spawn_with};
//! use std::{collections::VecDeque, sync::{Arc, Mutex}};
//!
//! #[derive(Default)]
//! struct Fifo(Mutex<VecDeque<Runnable>>);
//!
//! impl Schedule for Fifo {
//!     fn schedule(self: &Arc<Self>, task: Runnable) {
//!         self.0.lock().unwrap().push_back(task);
//!     }
//! }
//!
//! let fifo = Arc::new(Fifo::default());
//! let (task, sum) = spawn_with(async { 1 + 2 }, fifo.clone());
//! fifo.schedule(task);
//! loop {
//!     let Some(task) = fifo.0.lock().unwrap().pop_front() else { break };
//!     if let Some(ready_again) = task.run() {
//!         fifo.schedule(ready_again);
//!     }
//! }
//! assert!(sum.is_finished());
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `state.rs` | the state word and its transitions: who may touch what, when |
//! | `cell.rs` | that piece of memory, and running what is in it |
//! | `waker.rs` | `Waker` and `Runnable`: the pointers that lead to it |
//! | `join.rs` | `JoinHandle` and `JoinError` |
//! | `builder.rs` | making tasks for a scheduler of your own |
//! | `extras.rs`, `scope.rs` | what few tasks have: a name, who cancelled it, what is shielded from that |
//! | `chain.rs` | dropping what tasks keep of each other, without recursion |
//! | `watch.rs` | what is told of a task that somebody watches |
//! | `slab.rs` | the memory of tasks, and all tasks of a scheduler |
//! | `registry.rs` | the tasks of a scheduler that has no slabs |

mod builder;
mod cell;
mod chain;
mod extras;
mod join;
mod registry;
mod scope;
mod slab;
mod state;
mod waker;
mod watch;

pub(crate) use builder::at_home;
pub use builder::{Builder, builder, spawn_with};
pub use cell::{Finish, Schedule, TaskId, TaskRef};
pub(crate) use cell::{Header, Held, Meta, Present, Reserved, Run, present_address, reserve, with_present};
pub use extras::{Cancellation, CancelledBy};
pub(crate) use extras::{Extras, Group};
pub(crate) use join::NO_MESSAGE;
pub use join::{CancelOnDrop, Canceller, Explained, JoinError, JoinHandle, Panic, TaskError, TaskInfo};
pub(crate) use registry::Registry;
pub(crate) use scope::Scope;
pub(crate) use slab::{Entered, Slabs};
pub use state::TaskState;
pub use waker::Runnable;
pub use watch::{Chains, PollEnd, TaskEvent};
