//! Servers on the runtime: `demo serve`, and the examples `mini_redis` and `task_service`.
//!
//! Alone: `cargo test -p tests --test serve`.

mod answers;
mod files;
mod http_server;
mod mini_redis;
mod ranges;
mod refusals;
mod root;
mod task_service;
