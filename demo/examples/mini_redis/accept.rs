//! Accepts clients.

use crate::client::Client;
use crate::server::Server;
use executor::net::TcpListener;
use executor::time::{Duration, sleep};
use std::io;
use std::rc::Rc;

/// Accepts clients, each in a task of its own. Returns only if the listener fails for good.
pub async fn accept(listener: TcpListener, server: Rc<Server>) -> io::Error {
    let mut id = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                id += 1;
                executor::spawn_local(Client::new(id, stream, server.clone()).serve());
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely no file descriptor is left until a client closes one. Retrying at once would spin.
            Err(error) if error.raw_os_error().is_some() => sleep(Duration::from_millis(50)).await,
            Err(error) => return error,
        }
    }
}
