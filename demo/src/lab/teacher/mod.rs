//! The commands of a teacher.
//!
//! | file | command |
//! |---|---|
//! | `verify/` | `lab verify`: verifies labs |
//! | `grade.rs` | `lab grade`: runs the tests on submissions |
//! | `hidden.rs` | hidden tests in place of public ones |
//! | `submission.rs` | the functions of a submission, which `grade` and `score` put into a clean tree |
//! | `score.rs` | `lab score`: instructions and allocations, relative to ours |
//! | `new.rs` | `lab new`: the files of a new lab |

pub(crate) mod grade;
mod hidden;
pub(crate) mod new;
pub(crate) mod score;
mod submission;
pub(crate) mod verify;
