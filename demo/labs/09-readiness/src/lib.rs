#![doc = include_str!("../README.md")]
// The excerpts in the chapter name their source in the attributes of their block.
#![allow(rustdoc::invalid_codeblock_attributes)]
