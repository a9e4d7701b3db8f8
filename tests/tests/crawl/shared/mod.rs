//! One crawl in many processes, which share a frontier in a real Redis: `demo crawl --frontier … --job …`.
//!
//! Alone: `cargo test -p tests --test crawl shared`. It needs `redis-server`, and is skipped where that is not installed.
//! The same protocol under a thousand seeds: `tests/tests/simulate/shared/`.

mod deaths;
mod errors;
mod kit;
mod lost_replies;
mod pages;
mod speed;
