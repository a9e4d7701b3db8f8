//! Sockets and other descriptors: what a program sees of them, over every backend that watches descriptors.
//!
//! Alone: `cargo test -p tests --test io`.

mod backends;
mod edges;
mod sockets;
mod waiters;
