#![doc = include_str!("../README.md")]
// The chapter marks excerpts of the source with `source=…`, which rustdoc warns about.
#![allow(rustdoc::invalid_codeblock_attributes)]

mod lint;
mod scheduler;
mod shim;
mod steal;

pub use lint::{Finding, never_waits, woken_after_the_end};
pub use scheduler::{Scheduler, block_on};
pub use steal::Queues;
