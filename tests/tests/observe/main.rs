//! Observers, task dumps and deadlock reports: what they say about a run, and that they do not change it.
//!
//! Alone: `cargo test -p tests --test observe`.

mod dump;
mod events;
mod handovers;
mod lost_wakes;
mod nested;
mod runs;
