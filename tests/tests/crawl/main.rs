//! The downloader, run as a program: its daily work, servers that misbehave, real sites, and `demo ways`.
//!
//! Alone: `cargo test -p tests --test crawl`. It needs nothing but the loopback; the head of `real_site.rs` says which
//! programs it compares with.

mod faults;
mod output;
mod real_site;
mod site;
mod ways;
