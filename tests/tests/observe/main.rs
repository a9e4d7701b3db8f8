//! What observers, task dumps and deadlock reports say of a run, and that none of it changes the run.
//!
//! Alone: `cargo test -p tests --test observe`.

mod dump;
mod events;
mod handovers;
mod lost_wakes;
mod runs;
