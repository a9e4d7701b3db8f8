//! Timers, on the virtual clock and on the system's.
//!
//! Alone: `cargo test -p tests --test time`.

mod reset;
mod timers;
mod virtual_time;
