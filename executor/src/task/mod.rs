//! A task: one allocation that holds a future until it completes, and then its output until that is taken.
//!
//! [`spawn_with`] makes a task and returns two values: the [`Runnable`], which is the right to poll it once, and the
//! [`JoinHandle`], which is the right to its output. A [`Schedule`] decides where a task goes when it is woken; it is
//! the second of the three traits at which the runtime can be extended. The runtime's own schedulers use this
//! interface, and yours can too:
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
//!     if let Some(woken) = task.run() {
//!         fifo.schedule(woken);
//!     }
//! }
//! assert!(sum.is_finished());
//! ```
//!
//! | file, from bottom to top | what it holds |
//! |---|---|
//! | `scope.rs` | what can be cancelled as a whole, and the shields that delay that |
//! | `chain.rs` | running destructors without deep recursion |
//! | `id.rs` | `TaskId`, `TaskRef`, `TaskInfo`: how a task is referred to |
//! | `outcome.rs` | `TaskState`, `Finish`, `PollEnd`, `Cancellation` |
//! | `error.rs` | `JoinError`, `Panic`, `TaskError` |
//! | `event.rs` | `TaskEvent`: what an observer sees of a task |
//! | `state.rs` | the state word and its transitions: who may touch what, when |
//! | `word.rs` | `StateWord`, `Transition`: the state word as observers see it |
//! | `extras.rs` | what only few tasks have: a name, metadata, callbacks |
//! | `header.rs` | the part of a task cell that does not depend on the future |
//! | `current.rs` | the task that runs on this thread |
//! | `slab.rs` | the memory of tasks |
//! | `observed.rs` | which events of an observed task are reported, and in which order |
//! | `waker.rs` | `Waker` and `Runnable`; waking, cancelling, running, dropping a reference |
//! | `schedule.rs` | `Schedule`, which a scheduler implements |
//! | `cell.rs` | the task cell: polling the future, finishing, the output |
//! | `canceller.rs` | `Canceller`, a reference that keeps the cell |
//! | `join.rs` | `JoinHandle` |
//! | `create.rs` | making a task from a future |
//! | `builder.rs` | making tasks for a scheduler of your own |
//! | `registry.rs` | all tasks of a scheduler |
//!
//! Each file knows only those above it in this table.

mod builder;
mod canceller;
mod cell;
mod chain;
mod create;
mod current;
mod error;
mod event;
mod extras;
mod header;
mod id;
mod join;
mod observed;
mod outcome;
mod registry;
mod schedule;
mod scope;
mod slab;
mod state;
mod waker;
mod word;

pub(crate) use builder::at_home;
pub use builder::{Builder, builder, spawn_with};
pub use canceller::Canceller;
pub(crate) use create::{Held, Reserved, reserve};
pub(crate) use current::{CurrentTask, current_address, with_current};
pub(crate) use error::NO_MESSAGE;
pub use error::{JoinError, Panic, TaskError};
pub use event::{Chains, TaskEvent};
pub(crate) use extras::{Extras, Group};
pub(crate) use header::{Header, Meta};
pub use id::{TaskId, TaskInfo, TaskRef};
pub use join::{CancelOnDrop, Explained, JoinHandle};
pub use outcome::{Cancellation, CancelledBy, Finish, PollEnd, TaskState};
pub(crate) use registry::Registry;
pub use schedule::Schedule;
pub(crate) use scope::Scope;
pub(crate) use slab::{Entered, Slabs};
pub use state::StateWord;
pub(crate) use waker::Run;
pub use waker::Runnable;
pub use word::{Edge, Queue, Transition};
