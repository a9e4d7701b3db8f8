//! Suites for the traits at which the runtime is extended: each is a function that takes a factory.

mod backend;
mod schedule;

pub use backend::backend;
pub use schedule::{Executor, schedule};
