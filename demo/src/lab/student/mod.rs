//! The commands of a student.
//!
//! | file | command |
//! |---|---|
//! | `start.rs` | `lab start`: makes the tree of a lab |
//! | `check.rs` | `check`: the tests, up to the first that fails |
//! | `show.rs` | `show`: the failing run in the stepper |
//! | `hint.rs`, `beside.rs` | `hint`, `beside`: one more hint; the student's functions next to ours |
//! | `next.rs`, `update.rs` | `next`, `update`: the following lab; a newer clone |
//! | `crawl.rs` | `crawl`: the downloader on the student's runtime |

pub(crate) mod beside;
pub(crate) mod check;
pub(crate) mod crawl;
pub(crate) mod hint;
pub(crate) mod next;
pub(crate) mod show;
pub(crate) mod start;
pub(crate) mod update;
