//! Pages over TLS: which certificates are accepted, and what the end of a connection means.
//!
//! Alone: `cargo test -p tests --test crawl secure`. It needs `openssl`, `nginx` and `python3`; a test whose program is
//! not there says so and passes.

mod certificates;
pub mod kit;
mod streams;
