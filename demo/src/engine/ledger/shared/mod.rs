//! A frontier that many processes share: a job in Redis, from which each process leases a few pages at a time.
//!
//! Redis knows all URLs and has a queue for each host. The frontier in the memory of a process still decides when a
//! leased page begins, with the limits of this process. A page that is done is sent with its links and its line of the
//! report in one step. The pages of a process that no longer renews its leases return to their queues.
//!
//! | file | what it holds |
//! |---|---|
//! | `options.rs`, `settings.rs` | the options; what all workers must agree on |
//! | `error.rs` | why a job cannot be joined or continued |
//! | `scripts/`, `scripts.rs` | the steps in Lua, which change a job; `scripts/prelude.lua` describes the keys |
//! | `job.rs` | each script as a function |
//! | `purpose.rs` | the purpose of a page, as a letter |
//! | `leases.rs` | the pages that this worker has |
//! | `worker.rs` | [`SharedFrontier`]: what the engine calls |
//! | `feed.rs` | runs beside the workers: feeds the frontier, renews leases |

mod error;
mod feed;
mod job;
mod leases;
mod options;
mod purpose;
mod scripts;
mod settings;
mod worker;

pub use error::SharedError;
pub use feed::run;
pub use options::SharedOptions;
pub use settings::Settings;
pub use worker::SharedFrontier;
