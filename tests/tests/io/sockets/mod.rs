//! Sockets, through the public API: invariants 5 (a dropped future leaves nothing behind), 6 (nothing spins) and 7 (no
//! task starves the rest), and what the kernel may do to a connection.
//!
//! The main tests run over every backend that watches descriptors. How backends differ must not be visible to a
//! program: some report edges, others levels; a short transfer proves an empty buffer on one of them only.

mod connections;
mod idle;
mod kinds;
mod leftovers;
mod orphans;
mod reuse;
mod shared;
mod transfers;

use executor::net::{TcpListener, TcpStream, UnixStream};
use executor::{Runtime, yield_now};
use futures_lite::future::poll_once;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use reactor::backend::Backend;
use reactor::{Reactor, backend};
use rustix::net as sys;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::future::Future;
use std::io::{self};
use std::net::{self, SocketAddr};
use std::os::unix::net as unix;
use std::sync::Arc;
use tests::within;

type Make = fn() -> io::Result<Box<dyn Backend>>;

/// epoll used directly, or kqueue; `polling`'s portable interface; poll(2).
const BACKENDS: [(&str, Make); 3] =
    [("operating_system", backend::operating_system), ("portable", backend::portable), ("poll", backend::poll)];

/// Runs a test in a runtime over each backend.
fn on_each<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    for (name, make) in BACKENDS {
        println!("on the backend `{name}`");
        within(20, move || Runtime::builder().backend(make().unwrap()).build().unwrap().block_on(test()));
    }
}

/// Runs a test that turns the reactor by itself over each backend.
fn on_each_reactor(test: fn(Reactor)) {
    for (name, make) in BACKENDS {
        println!("on the backend `{name}`");
        within(60, move || test(Reactor::with(make().unwrap(), None)));
    }
}

/// Two streams that are connected to each other over the loopback.
async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// A connected pair whose second stream is registered with the reactor of this thread.
fn unix_pair() -> (unix::UnixStream, UnixStream) {
    let (theirs, ours) = unix::UnixStream::pair().unwrap();
    (theirs, UnixStream::from_std(ours).unwrap())
}

/// A listener with a full queue: the kernel drops further connects.
fn full_listener() -> (net::TcpListener, net::TcpStream) {
    let socket = sys::socket(sys::AddressFamily::INET, sys::SocketType::STREAM, None).unwrap();
    sys::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    sys::listen(&socket, 0).unwrap();
    let listener = net::TcpListener::from(socket);
    let the_only_one = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, the_only_one)
}

async fn read_exactly(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Writes until the kernel takes no more.
async fn fill(stream: &TcpStream) {
    while poll_once(stream.write(&[0; 1 << 16])).await.is_some() {}
}

/// Bytes that depend on their position, so that a wrong stretch is found.
fn pattern() -> Arc<[u8]> {
    (0..1_000_003u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn send_pattern(mut to: impl AsyncWrite + Unpin, pattern: Arc<[u8]>, length: usize) {
    let mut sent = 0;
    while sent < length {
        let at = sent % pattern.len();
        let end = pattern.len().min(at + length - sent).min(at + 50_000 + sent % 30_000);
        sent += to.write(&pattern[at..end]).await.unwrap();
    }
    to.close().await.unwrap();
}

async fn expect_pattern(mut from: impl AsyncRead + Unpin, pattern: Arc<[u8]>, length: usize) {
    let mut buf = vec![0; 70_000];
    let mut received = 0;
    loop {
        let wanted = buf.len() - received % 20_000;
        let n = from.read(&mut buf[..wanted]).await.unwrap();
        if n == 0 {
            return assert_eq!(received, length);
        }
        let mut checked = 0;
        while checked < n {
            let at = (received + checked) % pattern.len();
            let stretch = (n - checked).min(pattern.len() - at);
            assert!(buf[checked..checked + stretch] == pattern[at..at + stretch], "wrong bytes about {received}");
            checked += stretch;
        }
        received += n;
        if received % 7 == 0 {
            yield_now().await; // the reader falls behind, so the writer has to wait
        }
    }
}

#[test]
fn these_tests_pass_on_the_poll_backend_too() {
    // Skips the tests that run over each backend anyway and take long, and those that count the system calls of one.
    tests::strict::pass_over_poll(
        module_path!(),
        &["an_idle_", "sockets_used_on_other", "large_transfers", "a_thousand_connections"],
    );
}

/// Raises the limit of open descriptors to its maximum, and returns it.
fn descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _not_allowed_to = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
