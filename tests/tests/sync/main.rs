//! Locks, signals and channels, through the public API.
//!
//! `permits.rs`, `signals.rs`, `channels.rs` and `announcements.rs` test what the docs of each primitive promise.
//! `drops/` drops waits at every point, `fairness.rs` tests the order of waiters, `rounds.rs` has more waiters than one
//! round wakes, `odd_wakers.rs` has wakers that panic or call back, `models/` compares with simple models, `stress.rs`
//! uses real threads, and `soundness.rs` has what must not compile. `tests/models/` runs every interleaving of a few
//! threads.
//!
//! Alone: `cargo test -p tests --test sync`.

mod announcements;
mod channels;
mod drops;
mod fairness;
mod in_tasks;
mod kit;
mod models;
mod odd_wakers;
mod permits;
mod rounds;
mod signals;
mod soundness;
mod stress;
mod text;
mod watch_versions;
