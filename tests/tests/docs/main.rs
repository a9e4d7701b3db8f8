//! What the documents promise: the examples, README's commands, the tour for gdb, a crate outside of the clone.
//!
//! Alone: `cargo test -p tests --test docs`.

mod debugger;
mod examples;
mod instructions;
mod layers;
mod outside;
mod readme;
