//! The state word, compiled once more from the files of the runtime, because its type is private.
#![allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links)]

#[path = "../../../../../executor/src/task/outcome.rs"]
pub(crate) mod outcome;
#[path = "../../../../../executor/src/task/state.rs"]
mod state;

pub(crate) use state::{Dropped, State};

/// What `outcome.rs` imports as `super::id`.
mod id {
    pub(crate) use executor::task::TaskId;
}

/// The number of references that the word counts.
pub(crate) fn counted(state: &State) -> u64 {
    state::references(state.word().0)
}
