//! Two mutexes, as examples of a primitive of your own.
//!
//! [`fair`] fulfils all that the suite requires; [`simple`] is shorter and promises less. `tests/conformance.rs` checks
//! both, and `tests/models.rs` runs `fair` in every interleaving of two threads. Neither names the executor.

pub mod fair;
mod shim;
pub mod simple;
