//! The tests of lab 12, a module for each track. The order is that of lab.toml.

mod backend;
mod lint;
mod queues;
mod scheduler;

/// `src/steal.rs` once more, for the model checker.
#[path = "../../src/steal.rs"]
mod steal;

/// The locks that the copy in [`steal`] uses.
mod shim {
    pub(crate) use models::shim::{Condvar, Mutex};
}
