//! What `fair.rs` takes from the standard library. In `tests/models.rs`, the model checker's own is in its place.

pub(crate) use std::sync::Mutex;
