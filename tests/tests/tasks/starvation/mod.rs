//! No task starves the rest (invariant 7): every leaf future counts against the budget of a poll, a poll whose budget
//! is spent ends, however its futures are combined, and no future starves beside one that always spends the budget.
//!
//! `by_hand.rs` tests the opposite: a poll outside of a runtime has no budget, and returns what is there.

mod budget;
mod by_hand;
mod combined;
mod executors;
mod kit;
mod leaves;
