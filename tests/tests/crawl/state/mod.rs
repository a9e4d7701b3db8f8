//! A crawl that is kept in a file (`--state`), killed and stopped at many moments, and continued.
//!
//! Alone: `cargo test -p tests --test crawl state`.

mod continued;
mod refused;
mod site;
mod stopped;
