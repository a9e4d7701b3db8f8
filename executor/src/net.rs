//! Sockets, and connecting by name.
//!
//! All of [`reactor::net`], which knows addresses only, and what needs the blocking pool:
//! [`lookup`] asks the system's resolver, [`connect`] tries what it found.

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

/// How long an attempt to connect has the field to itself before the next address is tried beside
/// it: the "Connection Attempt Delay" of RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// Why a name has no address. It is inside of the [`io::Error`] that [`lookup`] and [`connect`] give.
///
/// ```
/// executor::block_on(async {
///     let error = executor::net::connect(("no-such-host.invalid", 80)).await.unwrap_err();
///     assert!(error.get_ref().unwrap().is::<executor::net::LookupError>());
/// });
/// ```
#[derive(Debug, thiserror::Error)]
#[error("looking up {host}: {source}")]
pub struct LookupError {
    host: String,
    source: io::Error,
}

/// The addresses of a host, as the system's resolver gives them; an address is its own.
///
/// The port of each is 0: a look-up is of hosts. On a simulated network, the names are those of its hosts.
///
/// # Errors
/// The resolver's, as a [`LookupError`]; also when the system gives no thread to ask it on.
///
/// # Panics
/// Outside of a runtime, for a name.
///
/// # Cancel safety
/// Dropping it gives the result up. The look-up itself goes on to its end on its thread.
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
    budget::take().await; // an address needs no look-up
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![(ip, 0).into()]);
    }
    if let Some(network) = Network::current() {
        let found = network.lookup(&host).map(|ip| vec![(ip, 0).into()]);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no host of the simulated network has that name");
        return found.ok_or_else(|| unresolved(host, missing()));
    }
    let name = host.clone();
    // A look-up that nobody waits for any more does not begin.
    let call = spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).cancel_on_drop();
    let looked_up = call.await.map_err(io::Error::from).and_then(|addresses| addresses);
    Ok(looked_up.map_err(|source| unresolved(host, source))?.collect())
}

fn unresolved(host: String, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), LookupError { host, source })
}

/// Connects to a host by name.
///
/// Its addresses are tried in the resolver's order, the two families taking turns; when one has not
/// answered after 250 ms, or failed, the next is tried beside it, and the first connection made
/// wins ("happy eyeballs", RFC 8305).
///
/// # Errors
/// The look-up's; or, if no address could be connected to, the first one's, with all of them in
/// its message if there were several.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Dropping it gives all attempts up.
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

/// The same addresses, the families taking turns, beginning with that of the first.
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

/// Polls all attempts: the first connection, if one was made; those that failed go to `errors`.
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
        0 => io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")),
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
    fn the_families_take_turns_beginning_with_the_resolvers_first() {
        let resolved = addresses("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1");
        assert_eq!(take_turns(resolved), addresses("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1"));
        assert_eq!(take_turns(addresses("1.1.1.1:1 [::1]:1")), addresses("1.1.1.1:1 [::1]:1"));
        assert!(take_turns(Vec::new()).is_empty());
    }

    /// A socket that is bound and does not listen keeps its address, which refuses.
    fn bound() -> (rustix::fd::OwnedFd, SocketAddr) {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &addresses("127.0.0.1:0")[0]).unwrap();
        let address = getsockname(&socket).unwrap().try_into().unwrap();
        (socket, address)
    }

    #[test]
    fn a_refused_address_makes_way_for_the_next_at_once() {
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
    fn an_address_that_does_not_answer_has_a_head_start_and_no_more() {
        // A listener whose queue is full drops further connects without an answer.
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
    fn when_all_fail_the_error_names_each() {
        let ((_a, first), (_b, second)) = (bound(), bound());
        let error = block_on(connect_any("host", [first, second].into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let message = error.to_string();
        assert!(message.contains(&first.to_string()) && message.contains(&second.to_string()), "{message}");
        assert!(block_on(connect_any("host", VecDeque::new())).unwrap_err().to_string().contains("host"));
    }

    #[test]
    fn a_name_without_an_address_says_so() {
        let error = block_on(connect(("no-such-host.invalid", 80))).unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<LookupError>()), "{error:?}");
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    }
}
