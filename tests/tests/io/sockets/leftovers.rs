//! Invariant 5: a dropped future and a closed socket leave nothing behind.

use super::{full_listener, on_each_reactor, unix_pair};
use executor::io::Async;
use executor::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram};
use executor::time::Duration;
use futures_lite::AsyncReadExt;
use futures_lite::future::poll_once;
use reactor::Handle;
use std::future::Future;
use std::io::{self, Write};
use std::net::{self};
use std::os::unix::net as unix;
use tests::strict::block_on;
use tests::{Counting, poll_with};

/// Polls a future once, so that it waits, drops it, and checks that no waker is left.
fn leaves_no_waker<T, F: Future<Output = T>>(what: &str, future: F) {
    let counting = Counting::new();
    let waker = counting.waker();
    let mut future = Box::pin(future);
    // The first poll may find readiness that is only assumed.
    let first = poll_with(&waker, &mut future);
    assert!(first.is_pending(), "{what} was to wait");
    assert!(counting.wakers(2) > 0, "{what} has left no waker to be woken by");
    drop(future);
    assert_eq!(counting.wakers(2), 0, "{what} left a waker behind");
}

#[test]
fn a_dropped_future_removes_its_waker() {
    on_each_reactor(|mut reactor| {
        let _entered = reactor.handle().enter();
        let (_theirs, ours) = unix_pair();
        leaves_no_waker("UnixStream::read", ours.read(&mut [0; 8]));
        leaves_no_waker("UnixStream::peek", ours.peek(&mut [0; 8]));
        leaves_no_waker("UnixStream::readable", ours.readable());
        reactor.turn(Some(Duration::ZERO)).unwrap();
        while poll_with(&Counting::new().waker(), &mut Box::pin(ours.write(&[0; 1 << 16]))).is_ready() {}
        leaves_no_waker("UnixStream::write", ours.write(&[0; 8]));
        leaves_no_waker("UnixStream::writable", ours.writable());

        let std_listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::from_std(std_listener).unwrap();
        leaves_no_waker("TcpListener::accept", listener.accept());
        let udp = UdpSocket::from_std(net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        leaves_no_waker("UdpSocket::recv_from", udp.recv_from(&mut [0; 8]));
        let (_a, b) = UnixDatagram::pair().unwrap();
        leaves_no_waker("UnixDatagram::recv", b.recv(&mut [0; 8]));
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = Async::new(reader).unwrap();
        leaves_no_waker("Async::readable", pipe.readable());
        let mut byte = [0];
        leaves_no_waker("Async::read_with", pipe.read_with(|mut pipe| io::Read::read(&mut pipe, &mut byte)));
        let (full, _first) = full_listener();
        leaves_no_waker("TcpStream::connect", TcpStream::connect(full.local_addr().unwrap()));
    });
}

#[test]
fn a_closed_socket_drops_every_waker() {
    on_each_reactor(|reactor| {
        let _entered = reactor.handle().enter();
        let (_theirs, mut ours) = unix_pair();
        let counting = Counting::new();
        // A poller cannot remove its waker; the drop of the socket does.
        let waker = counting.waker();
        let mut buf = [0; 8];
        assert!(poll_with(&waker, &mut AsyncReadExt::read(&mut ours, &mut buf)).is_pending());
        assert_eq!(counting.wakers(2), 1);
        drop(ours);
        assert_eq!(counting.wakers(2), 0);
    });
}

#[test]
fn a_poller_that_polls_again_and_again_leaves_one_waker() {
    on_each_reactor(|reactor| {
        let _entered = reactor.handle().enter();
        let (_theirs, mut ours) = unix_pair();
        let counting = Counting::new();
        let waker = counting.waker();
        let mut buf = [0; 8];
        for _ in 0..10 {
            assert!(poll_with(&waker, &mut AsyncReadExt::read(&mut ours, &mut buf)).is_pending());
        }
        assert_eq!(counting.wakers(2), 1);
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    block_on(async {
        let (full, _first) = full_listener();
        let address = full.local_addr().unwrap();
        assert!(poll_once(TcpStream::connect(address)).await.is_none());
        assert!(format!("{:?}", Handle::current().unwrap()).contains("sources: 0"));
    });
}

#[test]
fn a_returned_descriptor_is_no_longer_registered() {
    block_on(async {
        let (mut theirs, ours) = unix::UnixStream::pair().unwrap();
        let watched = Async::new(ours).unwrap();
        assert!(poll_once(watched.readable()).await.is_none());
        let ours = watched.into_inner();
        assert!(format!("{:?}", Handle::current().unwrap()).contains("sources: 0"));
        theirs.write_all(b"x").unwrap();
        let again = Async::new(ours).unwrap();
        again.readable().await.unwrap();
    });
}
