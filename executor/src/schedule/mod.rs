//! Which thread polls a queued task, and when.
//!
//! | file | what it holds |
//! |---|---|
//! | `run_queue.rs` | the run queue of a thread, and the injection queue for all other threads |
//! | `pool.rs` | threads for blocking calls |
//! | `nested.rs` | dropping the futures of cancelled tasks at once |
//! | `single.rs` | the single-thread scheduler: run what is queued, then poll the reactor or park |
//! | `custom.rs` | the rest of the library on a scheduler of your own |

pub mod custom;
mod nested;
mod pool;
mod run_queue;
mod single;

pub(crate) use custom::{Custom, with_custom};
pub(crate) use pool::{Limits, Pool};
pub(crate) use single::{Core, CoreId, Settings, Single, core, run_cancelled, with_core};
