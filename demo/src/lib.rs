//! The downloader, as a library for its own `main` and for tests. It uses only the public API of the runtime.
//!
//! | folder | what it holds |
//! |---|---|
//! | `crawl/` | `demo crawl`: the frontier, fetching, links, saving, the report |
//! | `http/` | HTTP/1.1 over any stream, both sides |
//! | `site/` | `demo serve`: the built-in site, files from disk |
//! | `step/` | `demo step`: a run of a program, one event at a time |
//! | `top/` | `demo top`: the tasks, sockets and timers of a running program |
//! | `ways/` | `demo ways`: the same download in six ways |

pub mod cli;
pub mod crawl;
pub mod descriptors;
mod failure;
pub mod http;
pub mod signals;
pub mod site;
pub mod step;
pub mod top;
pub mod ways;

pub use failure::{Exit, Failure};
