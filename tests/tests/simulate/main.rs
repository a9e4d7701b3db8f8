//! Deterministic runs and the simulated network, up to the downloader on that network.
//!
//! Alone: `cargo test -p tests --test simulate`.

mod crawler;
mod cut_replies;
mod deterministic;
mod network;
mod pace;
mod segments;
mod shared;
