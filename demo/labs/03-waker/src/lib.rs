#![doc = include_str!("../README.md")]
// The chapter marks excerpts of the source with `source=…`, which rustdoc does not know.
#![allow(rustdoc::invalid_codeblock_attributes)]
