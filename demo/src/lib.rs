//! The downloader, as a library for its own `main` and for tests. It uses only the public API of the runtime.
//!
//! | folder | what it holds |
//! |---|---|
//! | `crawl/`, `download/`, `check/` | `demo crawl`: a site; `demo download`: files; `demo check`: links |
//! | `engine/` | the downloader under it: the frontier, fetching, links, saving, the report |
//! | `http/` | HTTP/1.1 over any stream, both sides |
//! | `redis/` | a client for Redis, for crawls on many machines |
//! | `lab/` | `demo lab`: the course |
//! | `site/` | `demo serve`: the built-in site, files from disk |
//! | `step/` | `demo step`: a run of a program, one event at a time |
//! | `top/` | `demo top`: the tasks, sockets and timers of a running program |
//! | `ways/` | `demo ways`: the same download in six ways |

pub mod check;
pub mod cli;
pub mod crawl;
pub mod descriptors;
mod dispatch;
pub mod download;
pub mod engine;
mod failure;
pub mod http;
pub mod lab;
pub mod redis;
pub mod signals;
pub mod site;
pub mod stderr;
pub mod step;
mod temporary;
pub mod top;
pub mod ways;

pub use dispatch::run;
pub use failure::{Exit, Failure};
