//! Tasks: their life, custom schedulers, misuse, and wakers that call back.
//!
//! Alone: `cargo test -p tests --test tasks`.

mod auto_traits;
mod custom_runtime;
mod depth;
mod life;
mod misuse;
mod reentrant_wakers;
mod schedule;
mod starvation;
