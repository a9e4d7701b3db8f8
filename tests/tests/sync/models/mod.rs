//! The semaphore and the channel beside models of a few lines: random operations in any order have the same results,
//! the same contents, and wake the same waiters.

mod channel;
mod semaphore;
