//! Sockets, and connecting by name.
//!
//! Re-exports all of [`reactor::net`], which handles addresses only, and adds what needs the blocking pool: [`lookup`]
//! resolves a host name with the system's resolver, and [`connect`] tries the addresses that it returns.

pub use reactor::net::*;

use crate::spawn_blocking;
use reactor::backend::Network;
use reactor::budget;
use reactor::time::{Duration, sleep};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::ToSocketAddrs;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// If an attempt to connect has not finished after this time, the next address is tried in parallel: the "Connection
/// Attempt Delay" of RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// A host name could not be resolved. The [`io::Error`] that [`lookup`] and [`connect`] return contains this error.
///
/// ```
/// executor::block_on(async {
///     let error = executor::net::connect(("no-such-host.invalid", 80)).await.unwrap_err();
///     assert!(error.get_ref().unwrap().is::<executor::net::LookupError>());
/// });
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot look up \"{host}\": {source}")]
pub struct LookupError {
    host: String,
    source: io::Error,
}

/// Returns the addresses of a host, in the order of the system's resolver. If `host` is an IP address, returns that.
///
/// The port of each address is 0. On a simulated network, `lookup` resolves the names of the network's hosts.
///
/// # Errors
/// If the resolver fails or the system cannot start a thread for it, an error that contains a [`LookupError`].
///
/// # Panics
/// Outside of a runtime, if `host` is a name.
///
/// # Cancel safety
/// Dropping the future discards the result. A look-up that has begun runs to its end on its thread.
///
/// ```
/// executor::block_on(async {
///     let addresses = executor::net::lookup("127.0.0.1").await?;
///     assert_eq!(addresses[0].ip().to_string(), "127.0.0.1");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub async fn lookup(host: impl Into<String>) -> io::Result<Vec<SocketAddr>> {
    let host: String = host.into();
    budget::take().await; // also for an address, which needs no look-up
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, 0).into()]);
    }
    if let Some(network) = Network::current() {
        let found = network.lookup(&host).map(|ip| vec![(ip, 0).into()]);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the simulated network has no host of that name");
        return found.ok_or_else(|| unresolved(host, missing()));
    }
    let name = host.clone();
    // If this future is dropped before the look-up begins, the look-up is never made.
    let call = spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).cancel_on_drop();
    let looked_up = call.await.map_err(io::Error::from).and_then(|addresses| addresses);
    Ok(looked_up.map_err(|source| unresolved(host, source))?.collect())
}

fn unresolved(host: String, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), LookupError { host, source })
}

/// Connects to a host by name.
///
/// `connect` tries the addresses in the resolver's order, alternating between IPv6 and IPv4. When an attempt fails, or
/// has not finished after 250 ms, it tries the next address in parallel. It returns the first connection that is made
/// ("happy eyeballs", RFC 8305).
///
/// # Errors
/// If the look-up fails, its error. If all attempts fail, an error of the first one's kind; its message contains the
/// errors of all attempts.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Dropping the future abandons all attempts.
///
/// ```
/// executor::block_on(async {
///     let listener = executor::net::TcpListener::bind("127.0.0.1:0").await?;
///     let port = listener.local_addr()?.port();
///     let stream = executor::net::connect(("localhost", port)).await?;
///     assert_eq!(stream.peer_addr()?.port(), port);
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub async fn connect((host, port): (impl Into<String>, u16)) -> io::Result<TcpStream> {
    let host: String = host.into();
    let mut addresses = lookup(host.as_str()).await?;
    addresses.iter_mut().for_each(|address| address.set_port(port));
    connect_any(&host, take_turns(addresses)).await
}

/// Reorders the addresses so that the families alternate, beginning with the family of the first.
fn take_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return VecDeque::new() };
    let (mut next, mut other): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first);
    let mut turns = VecDeque::new();
    while let Some(address) = next.pop_front() {
        turns.push_back(address);
        if !other.is_empty() {
            std::mem::swap(&mut next, &mut other);
        }
    }
    turns
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + Sync>>;

async fn connect_any(host: &str, mut left: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts: Vec<(SocketAddr, Attempt)> = Vec::new();
    let mut errors: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = left.pop_front() {
            attempts.push((address, Box::pin(TcpStream::connect(address))));
        } else if attempts.is_empty() {
            return Err(all_failed(host, errors));
        }
        let failed_before = errors.len();
        let mut head_start = pin!(sleep(HEAD_START));
        let connected = poll_fn(|cx| {
            if let Some(stream) = poll_attempts(&mut attempts, &mut errors, cx) {
                return Poll::Ready(Some(stream));
            }
            let mut time_is_up = || !left.is_empty() && head_start.as_mut().poll(cx).is_ready();
            match errors.len() > failed_before || time_is_up() {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        });
        if let Some(stream) = connected.await {
            return Ok(stream);
        }
    }
}

/// Polls all attempts, and returns the first connection that was made. Failed attempts move to `errors`.
fn poll_attempts(
    attempts: &mut Vec<(SocketAddr, Attempt)>,
    errors: &mut Vec<(SocketAddr, io::Error)>,
    cx: &mut Context<'_>,
) -> Option<TcpStream> {
    let mut connected = None;
    attempts.retain_mut(|(address, attempt)| match attempt.as_mut().poll(cx) {
        Poll::Pending => true,
        Poll::Ready(Ok(stream)) => {
            connected.get_or_insert(stream);
            false
        }
        Poll::Ready(Err(error)) => {
            errors.push((*address, error));
            false
        }
    });
    connected
}

fn all_failed(host: &str, mut errors: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match errors.len() {
        0 => io::Error::new(io::ErrorKind::NotFound, format!("\"{host}\" has no address")),
        1 => errors.remove(0).1,
        _ => {
            let each: Vec<_> = errors.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            io::Error::new(errors[0].1.kind(), each.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;
    use reactor::time::now;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate_starting_with_that_of_the_first_address() {
        let resolved = addresses("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1");
        assert_eq!(take_turns(resolved), addresses("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1"));
        assert_eq!(take_turns(addresses("1.1.1.1:1 [::1]:1")), addresses("1.1.1.1:1 [::1]:1"));
        assert!(take_turns(Vec::new()).is_empty());
    }

    /// Binds a socket that does not listen: while it exists, its address refuses connections.
    fn bound() -> (rustix::fd::OwnedFd, SocketAddr) {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &addresses("127.0.0.1:0")[0]).unwrap();
        let address = getsockname(&socket).unwrap().try_into().unwrap();
        (socket, address)
    }

    #[test]
    fn after_a_refused_connection_the_next_address_is_tried_at_once() {
        let (_socket, refusing) = bound();
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let good = listener.local_addr().unwrap();
            let start = now();
            let stream = connect_any("host", [refusing, good].into()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
            assert!(now() - start < HEAD_START);
        });
    }

    #[test]
    fn the_next_address_is_tried_when_one_has_not_answered_for_the_head_start() {
        // A listener whose queue is full drops further connection attempts without an answer.
        let (silent, address) = bound();
        rustix::net::listen(&silent, 0).unwrap();
        let _fill: Vec<_> = (0..8).map(|_| start_connect(address)).collect();
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let good = listener.local_addr().unwrap();
            let start = now();
            let stream = connect_any("host", [address, good].into()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
            assert!(now() - start >= HEAD_START);
        });
    }

    fn start_connect(address: SocketAddr) -> rustix::fd::OwnedFd {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let _ = connect(&socket, &address);
        socket
    }

    #[test]
    fn if_all_attempts_fail_the_error_names_each_address() {
        let ((_a, first), (_b, second)) = (bound(), bound());
        let error = block_on(connect_any("host", [first, second].into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let message = error.to_string();
        assert!(message.contains(&first.to_string()) && message.contains(&second.to_string()), "{message}");
        assert!(block_on(connect_any("host", VecDeque::new())).unwrap_err().to_string().contains("host"));
    }

    #[test]
    fn the_error_for_an_unknown_host_contains_its_name() {
        let error = block_on(connect(("no-such-host.invalid", 80))).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<LookupError>()), "{error:?}");
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    }
}
