//! Idle connections, kept for the next request to the same server.

use super::connection::{Connection, Limits, in_time};
use super::error::{Error, is_unresolved};
use executor::net;
use executor::time::{Duration, Instant, now};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use url::Url;

/// The longest idle time. Servers close connections that are idle for longer.
const IDLE: Duration = Duration::from_secs(15);

/// The connections of a crawl, for one thread.
#[derive(Default)]
pub struct Pool {
    /// By server, in a fixed order, in which they are closed at the end.
    idle: RefCell<BTreeMap<String, Vec<(Connection, Instant)>>>,
    /// Addresses of servers that accepted a connection, to save further look-ups.
    known: RefCell<HashMap<String, IpAddr>>,
}

impl Pool {
    /// A connection to the URL's server: the one that was used last, or a new one.
    pub async fn get(&self, url: &Url, limits: &Limits) -> Result<Connection, Error> {
        let server = server(url);
        while let Some(mut connection) = self.take(&server) {
            if connection.is_quiet().await {
                return Ok(connection);
            }
        }
        self.connect(url, limits).await
    }

    /// A new connection to the URL's server.
    pub async fn connect(&self, url: &Url, limits: &Limits) -> Result<Connection, Error> {
        in_time(limits.connect, "connecting", self.connect_to(url)).await
    }

    async fn connect_to(&self, url: &Url) -> Result<Connection, Error> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);
        let known = self.known.borrow().get(host).copied();
        let connected = match known {
            Some(address) => net::TcpStream::connect((address, port)).await.ok(),
            None => None,
        };
        let stream = match connected {
            Some(stream) => stream,
            None => net::connect((host, port)).await.map_err(|source| Error::Connect {
                host: format!("{host}:{port}"),
                unresolved: is_unresolved(&source),
                source,
            })?,
        };
        if url.domain().is_some() {
            self.known.borrow_mut().insert(host.to_owned(), stream.peer_addr()?.ip());
        }
        stream.set_nodelay(true)?;
        Ok(Connection::new(Box::new(stream)))
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Keeps a connection, if it can be reused.
    pub fn put(&self, url: &Url, connection: Connection) {
        if connection.is_reusable() {
            self.idle.borrow_mut().entry(server(url)).or_default().push((connection, now()));
        }
    }

    fn take(&self, server: &str) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(server)?;
        connections.retain(|(_, since)| now() - *since < IDLE);
        connections.pop().map(|(connection, _)| connection)
    }
}

/// The server of a URL. A connection serves only requests to its own server.
fn server(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}
