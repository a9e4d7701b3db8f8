//! The atomics and locks of the files that are model-checked.
//!
//! Such a file names `crate::shim` and never `std::sync`. In the models, `crate::shim` is loom's, so the checker runs
//! the very file that the reactor runs, without a `cfg` in it. Used by `readiness.rs`.

pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
