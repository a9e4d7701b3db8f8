//! `demo step`, its page and its lints, and `demo top`.
//!
//! Alone: `cargo test -p tests --test step`.

mod files;
mod lints;
mod model;
mod page;
mod runtime_lints;
mod screens;
mod strangers;
mod top;
