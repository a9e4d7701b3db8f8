//! Idle connections, kept for the next request that can use them.

use super::connection::Connection;
use super::connector::Connector;
use super::error::Error;
use super::limits::Limits;
use executor::time::{Duration, Instant, now};
use std::cell::RefCell;
use std::collections::BTreeMap;
use url::Url;

/// The longest idle time. Servers close connections that are idle for longer.
const IDLE: Duration = Duration::from_secs(15);

/// The connections of a crawl, for one thread.
pub struct Pool {
    connector: Connector,
    /// By route, in a fixed order, in which they are closed at the end.
    idle: RefCell<BTreeMap<String, Vec<(Connection, Instant)>>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(connector: Connector) -> Pool {
        Pool { connector, idle: RefCell::default() }
    }

    /// A connection for the URL: the one that was used last, or a new one.
    pub async fn get(&self, url: &Url, limits: &Limits) -> Result<Connection, Error> {
        let route = self.connector.route(url);
        while let Some(mut connection) = self.take(&route) {
            if connection.is_quiet().await {
                return Ok(connection);
            }
        }
        self.connect(url, limits).await
    }

    /// A new connection for the URL.
    pub async fn connect(&self, url: &Url, limits: &Limits) -> Result<Connection, Error> {
        self.connector.connect(url, limits).await
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Keeps a connection, if it can be reused.
    pub fn put(&self, url: &Url, connection: Connection) {
        if connection.is_reusable() {
            self.idle.borrow_mut().entry(self.connector.route(url)).or_default().push((connection, now()));
        }
    }

    fn take(&self, route: &str) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(route)?;
        connections.retain(|(_, since)| now() - *since < IDLE);
        connections.pop().map(|(connection, _)| connection)
    }
}
