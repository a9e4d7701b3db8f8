//! The state that all clients share.

use crate::buffers::Spare;
use crate::db::Db;
use crate::pubsub::PubSub;
use std::cell::RefCell;

/// The keys, the subscriptions and the spare buffers. A command borrows a cell while it runs and never across an
/// await, so no borrow can fail.
#[derive(Default)]
pub struct Server {
    pub db: RefCell<Db>,
    pub pubsub: RefCell<PubSub>,
    pub input: Spare,
    pub output: Spare,
}
