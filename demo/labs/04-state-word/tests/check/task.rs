//! The files of `executor/src/task/` that the state word needs, compiled once more, because `State` is private there.

#[path = "../../../../../executor/src/task/outcome.rs"]
pub mod outcome;
#[path = "../../../../../executor/src/task/state.rs"]
pub mod state;
#[path = "../../../../../executor/src/task/word.rs"]
pub mod word;

/// Replaces `executor/src/task/id.rs`: the other files need only the number of a task.
pub mod id {
    use std::fmt;

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct TaskId(pub u64);

    impl fmt::Display for TaskId {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
}
