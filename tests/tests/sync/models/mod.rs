//! The semaphore and the channel, compared with models of a few lines: after random operations in any order, results,
//! contents and woken waiters are the same.

mod channel;
mod semaphore;
