//! Futures made of futures, and what a task hands down to those that it awaits.
//!
//! | file | what it holds |
//! |---|---|
//! | `lent.rs` | a thread-local that points to a value of a call further down the stack |
//! | `cancel.rs` | deadlines that nest, and shields |
//! | `local.rs` | values of a task |
//! | `join/` | the results of several futures: all, the first, as they come |
//! | `group.rs` | tasks that end together |

pub mod cancel;
pub(crate) mod group;
pub mod join;
mod lent;
pub mod local;
