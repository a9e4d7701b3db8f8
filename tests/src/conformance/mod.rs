//! Conformance suites: what a part of a runtime must keep, checked for a part of your own.

mod schedule;

pub use schedule::{Executor, schedule};
