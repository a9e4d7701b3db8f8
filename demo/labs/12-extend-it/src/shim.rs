//! The locks of `steal.rs`, which the model checker replaces: see `tests/check/main.rs`.

pub(crate) use std::sync::{Condvar, Mutex};
