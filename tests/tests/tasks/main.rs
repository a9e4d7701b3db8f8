//! Tasks: their life, schedulers of one's own, misuse, and what foreign wakers may do.
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
