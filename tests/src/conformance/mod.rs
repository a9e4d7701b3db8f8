//! Suites for the traits at which the runtime is extended: each is a function that takes a factory.

mod backend;

pub use backend::backend;
