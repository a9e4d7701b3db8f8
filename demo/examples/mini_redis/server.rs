//! What all clients share, and accepting them.

use crate::buffers::Spare;
use crate::client::Client;
use crate::db::Db;
use crate::pubsub::PubSub;
use executor::net::TcpListener;
use executor::time::{Duration, sleep};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// Borrowed for the length of a command and never across an await, so nobody finds it borrowed.
#[derive(Default)]
pub struct Server {
    pub db: RefCell<Db>,
    pub pubsub: RefCell<PubSub>,
    pub input: Spare,
    pub output: Spare,
}

/// Accepts clients for ever, each in a task of its own. Ends only when accepting is beyond hope.
pub async fn accept(listener: TcpListener, server: Rc<Server>) -> io::Error {
    let mut id = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                id += 1;
                executor::spawn_local(Client::new(id, stream, server.clone()).serve());
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No descriptor left, perhaps: others will be closed. Trying at once would only spin.
            Err(error) if error.raw_os_error().is_some() => sleep(Duration::from_millis(50)).await,
            Err(error) => return error,
        }
    }
}
