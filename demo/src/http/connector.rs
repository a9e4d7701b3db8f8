//! Opens connections: the look-up, TCP, a proxy, TLS. Used by `pool.rs`; `options.rs` makes the connector.

use super::connection::Connection;
use super::error::{Error, is_unresolved};
use super::limits::Limits;
use super::proxy::{Proxies, Proxy, authority, tunnel};
use super::tls::{Tls, TlsError};
use super::transport::Transport;
use executor::net::{self, TcpStream};
use executor::time::{Instant, now, timeout};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use url::Url;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Opens connections, for one thread.
pub struct Connector {
    tls: Tls,
    proxies: Rc<Proxies>,
    /// The only family to connect to.
    family: Option<Family>,
    /// The `User-Agent` of requests for a tunnel.
    user_agent: Option<String>,
    /// Addresses of hosts that accepted a connection, to save further look-ups.
    known: RefCell<HashMap<String, IpAddr>>,
}

impl Connector {
    /// A connector over these proxies and this TLS.
    pub fn new(tls: Tls, proxies: Rc<Proxies>, family: Option<Family>, user_agent: Option<String>) -> Connector {
        Connector { tls, proxies, family, user_agent, known: RefCell::default() }
    }

    /// The route of this URL. A connection can be used for all URLs with the same route.
    pub fn route(&self, url: &Url) -> String {
        let server = || url.origin().ascii_serialization();
        match self.proxies.of(url) {
            None => server(),
            Some(proxy) if url.scheme() == "https" => format!("{} through {}", server(), proxy.name()),
            Some(proxy) => format!("through {}", proxy.name()),
        }
    }

    /// A new connection for requests of this URL's route.
    ///
    /// # Errors
    /// If the server or the proxy cannot be reached, the proxy refuses, or TLS fails; or if all of this takes
    /// longer than `limits.connect`.
    pub async fn connect(&self, url: &Url, limits: &Limits) -> Result<Connection, Error> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(80);
        let secure = url.scheme() == "https";
        let deadline = Deadline { at: now() + limits.connect, limits };
        let stream = match self.proxies.of(url) {
            None => deadline.until("connecting", self.tcp(host, port, "")).await?,
            Some(proxy) => self.through(proxy, &authority(host, port), secure, &deadline).await?,
        };
        let stream = if secure { self.secure(host, stream, &deadline).await? } else { stream };
        Ok(Connection::new(stream))
    }

    async fn through(
        &self,
        proxy: &Proxy,
        target: &str,
        secure: bool,
        deadline: &Deadline<'_>,
    ) -> Result<Box<dyn Transport>, Error> {
        let connecting = self.tcp(&proxy.host, proxy.port, "the proxy ");
        let mut stream = deadline.until("connecting to the proxy", connecting).await?;
        if proxy.secure {
            stream = self.secure(&proxy.host, stream, deadline).await?;
        }
        if !secure {
            return Ok(stream);
        }
        let tunnel = tunnel::open(proxy, stream, target, self.user_agent.as_deref(), deadline.limits);
        deadline.until("connecting through the proxy", async { Ok(tunnel.await?) }).await
    }

    async fn secure(
        &self,
        host: &str,
        stream: Box<dyn Transport>,
        deadline: &Deadline<'_>,
    ) -> Result<Box<dyn Transport>, Error> {
        let left = deadline.at.saturating_duration_since(now());
        let late = || TlsError::Timeout { host: host.to_owned(), after: deadline.limits.connect };
        Ok(timeout(left, self.tls.connect(host, stream)).await.unwrap_or_else(|_| Err(late()))?)
    }

    /// A TCP connection. `role` precedes the host in errors.
    async fn tcp(&self, host: &str, port: u16, role: &'static str) -> Result<Box<dyn Transport>, Error> {
        let known = self.known.borrow().get(host).copied();
        let connected = match known {
            Some(address) => TcpStream::connect((address, port)).await.ok(),
            None => None,
        };
        let stream = match connected {
            Some(stream) => stream,
            None => self.look_up_and_connect(host, port).await.map_err(|source| Error::Connect {
                role,
                host: authority(host, port),
                unresolved: is_unresolved(&source) || is_of_other_family(&source),
                source,
            })?,
        };
        if host.parse::<IpAddr>().is_err() {
            self.known.borrow_mut().insert(host.to_owned(), stream.peer_addr()?.ip());
        }
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn look_up_and_connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let Some(family) = self.family else { return net::connect((host, port)).await };
        let name = if family == Family::V4 { "IPv4" } else { "IPv6" };
        let mut addresses = net::lookup(host).await?;
        addresses.retain(|address| address.is_ipv4() == (family == Family::V4));
        let mut failed = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("it has no {name} address"));
        for address in addresses {
            match TcpStream::connect((address.ip(), port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// Whether a host has addresses, but none of the chosen family.
fn is_of_other_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable && error.raw_os_error().is_none()
}

/// The time by which a connection must be open.
struct Deadline<'a> {
    at: Instant,
    limits: &'a Limits,
}

impl Deadline<'_> {
    /// Limits the time of a step. In the error, `what` precedes "took longer than".
    async fn until<T>(&self, what: &'static str, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let left = self.at.saturating_duration_since(now());
        timeout(left, step).await.unwrap_or(Err(Error::Timeout { what, after: self.limits.connect }))
    }
}
