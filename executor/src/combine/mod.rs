//! Futures made of futures, and what a task passes down to the futures that it awaits.
//!
//! | file | what it holds |
//! |---|---|
//! | `lent.rs` | a thread-local that points to a value of a call further up the stack |
//! | `cancel.rs` | nested deadlines, and shields |
//! | `local.rs` | task-locals: values of a task |
//! | `join/` | several futures awaited as one: all, the first, or each as it completes |
//! | `group.rs` | tasks that end together |

pub mod cancel;
pub(crate) mod group;
pub mod join;
mod lent;
pub mod local;
