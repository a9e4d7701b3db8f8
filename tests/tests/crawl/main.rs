//! The downloader, run as a program: its daily work, servers that misbehave, real sites, and `demo ways`.
//!
//! Alone: `cargo test -p tests --test crawl`. It needs nothing but the loopback; the heads of `real_site.rs`,
//! `counterparts.rs` and `proxies.rs` say which programs they need.

mod carried;
mod check;
mod commands;
mod convert;
mod counterparts;
mod cut_replies;
mod dry_run;
mod faults;
mod finished;
mod links;
mod output;
mod pace;
mod proxies;
mod real_site;
mod resume;
mod saving;
mod secure;
mod segments;
mod shared;
mod site;
mod state;
mod together;
mod warc;
mod ways;
mod wider;
