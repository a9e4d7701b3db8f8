#![doc = include_str!("../README.md")]
// The chapter marks excerpts of the source with the attribute `source=…`, which rustdoc does not support.
#![allow(rustdoc::invalid_codeblock_attributes)]

pub mod gate;
