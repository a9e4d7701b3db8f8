//! How fast the engine goes: politeness towards hosts, retries, and the limit on bytes per second.
//!
//! | file | what it holds |
//! |---|---|
//! | `options.rs` | the options |
//! | `flow.rs` | pages of a host at once, and the delay between them |
//! | `backoff.rs` | the time before a retry |
//! | `retry_after.rs` | the wait that a `Retry-After` field gives |
//! | `rate.rs` | bytes per second, over all connections |

mod backoff;
mod flow;
mod options;
mod rate;
mod retry_after;

pub use backoff::Backoff;
pub use flow::Flow;
pub use options::PaceOptions;
pub use rate::Rate;
pub use retry_after::retry_after;
