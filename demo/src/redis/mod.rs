//! A client for Redis, over the runtime's own streams. Used by the ledger of a crawl that several processes share.
//!
//! | file | what it holds |
//! |---|---|
//! | `address.rs` | `redis://user:password@host:port/database` |
//! | `error.rs` | why a command fails, and whether a retry can help |
//! | `connection.rs` | one connection: commands and replies |
//! | `script.rs` | a script in Lua, which Redis runs as one step |
//! | `client.rs` | a connection that reconnects when it breaks |

mod address;
mod client;
mod connection;
mod error;
mod script;

pub use address::{Address, AddressError};
pub use client::Client;
pub use connection::Connection;
pub use error::Error;
pub use redis_protocol::resp2::types::OwnedFrame as Reply;
pub use script::Script;
