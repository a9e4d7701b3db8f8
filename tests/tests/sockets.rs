//! Sockets, through the public face: invariants 5 (a dropped future leaves nothing behind),
//! 6 (nothing spins) and 7 (no task starves the rest), and what the kernel may do to a connection.
//!
//! The main tests run over every backend that watches descriptors: what differs between them (edges or levels; short
//! transfers prove an empty buffer on one of them only) must not be seen from here.

mod strict;

use executor::io::Async;
use executor::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use executor::time::{Duration, Instant, sleep, timeout};
use executor::{Runtime, spawn, yield_now};
use futures_lite::future::{poll_fn, poll_once, zip};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use reactor::backend::{Backend, Event, Token};
use reactor::{Handle, Reactor, backend};
use rustix::net as sys;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net as unix;
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use strict::block_on;
use tests::{Counting, poll_with, waker_fn, within};

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

/// A listener that no connect gets through to any more: the kernel drops what knocks.
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

// ---- how a connection begins and ends ----

#[test]
fn connecting_to_nobody_is_refused_with_the_systems_own_error() {
    on_each(|| async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = TcpStream::connect(gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
    });
}

#[test]
fn a_reset_by_the_peer_is_seen_as_one() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        let reader = spawn(async move { server.read(&mut [0; 8]).await });
        yield_now().await; // it waits
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(reader.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn each_direction_ends_by_itself() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(b"question").await.unwrap();
        client.close().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap(); // the other direction is still open
        assert_eq!(read_exactly(&mut client, 6).await, b"answer");
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "the end stays the end");
    });
}

#[test]
fn an_end_of_stream_wakes_a_reader_that_waits() {
    on_each(|| async {
        let (mut client, server) = tcp_pair().await;
        let reader = spawn(async move { server.read(&mut [0; 8]).await.unwrap() });
        yield_now().await;
        client.close().await.unwrap();
        assert_eq!(reader.await.unwrap(), 0);
    });
}

#[test]
fn a_peer_that_goes_in_the_middle_of_a_write_is_an_error_and_no_signal() {
    on_each(|| async {
        let (mut client, server) = tcp_pair().await;
        let writer = spawn(async move {
            loop {
                if let Err(error) = client.write_all(&[0; 1 << 16]).await {
                    return error.kind();
                }
            }
        });
        sleep(Duration::from_millis(1)).await; // its buffers are full, or nearly
        drop(server); // with bytes unread, so the kernel answers with a reset
        let kind = writer.await.unwrap();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind:?}");
    });
}

#[test]
fn data_and_end_that_arrive_together_before_the_first_read_are_both_seen() {
    // The read returns less than it asked for, which clears the readiness that was assumed; the
    // end of the stream must be found all the same.
    on_each(|| async {
        for _ in 0..100 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.write_all(b"all of it").unwrap();
            drop(client);
            let (mut server, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "all of it");
        }
    });
}

#[test]
fn an_end_that_comes_between_two_short_reads_is_seen() {
    on_each(|| async {
        for round in 0..100 {
            let (client, server) = tcp_pair().await;
            let mut client = net::TcpStream::from(client.as_fd().try_clone_to_owned().unwrap());
            client.write_all(b"first").unwrap();
            assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 5);
            client.write_all(b"second").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            if round % 2 == 0 {
                yield_now().await;
            }
            assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 6);
            assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_thousand_connections_at_once_all_get_their_answer() {
    on_each(|| async {
        const CLIENTS: u32 = 1000;
        if descriptor_limit() < 2500 {
            return println!("skipped: this process may not open 2500 descriptors");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let mut incoming = listener.incoming();
            while let Some(stream) = incoming.next().await {
                let mut stream = stream.unwrap();
                drop(spawn(async move {
                    let question = read_exactly(&mut stream, 4).await;
                    stream.write_all(&question).await.unwrap();
                }));
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&n.to_be_bytes()).await.unwrap();
                    let answer = read_exactly(&mut stream, 4).await;
                    assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 0);
                    u32::from_be_bytes(answer.try_into().unwrap())
                })
            })
            .collect();
        for (n, client) in (0..).zip(clients) {
            assert_eq!(client.await.unwrap(), n);
        }
        server.cancel();
        assert!(server.await.unwrap_err().is_cancelled());
    });
}

// ---- several tasks at one socket ----

#[test]
fn two_tasks_that_accept_both_get_a_connection() {
    on_each(|| async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let accept = |listener: Arc<TcpListener>| spawn(async move { listener.accept().await.unwrap().1 });
        let accepting = [accept(listener.clone()), accept(listener.clone())];
        yield_now().await;
        let clients = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let mut peers = HashSet::new();
        for task in accepting {
            peers.insert(task.await.unwrap());
        }
        assert_eq!(peers, clients.iter().map(|client| client.local_addr().unwrap()).collect());
    });
}

#[test]
fn two_tasks_that_read_one_stream_both_wake() {
    on_each(|| async {
        for by_poll in [false, true] {
            let (mut client, server) = tcp_pair().await;
            let read = |mut stream: TcpStream| {
                spawn(async move {
                    let mut byte = [0];
                    // The method and the trait wait in different ways; both must be woken.
                    let got = if by_poll {
                        AsyncReadExt::read(&mut stream, &mut byte).await
                    } else {
                        TcpStream::read(&stream, &mut byte).await
                    };
                    assert_eq!(got.unwrap(), 1);
                    byte[0]
                })
            };
            let readers = [read(server.clone()), read(server)];
            yield_now().await;
            client.write_all(b"ab").await.unwrap();
            let mut bytes = Vec::new();
            for reader in readers {
                bytes.push(reader.await.unwrap());
            }
            bytes.sort_unstable();
            assert_eq!(bytes, b"ab");
        }
    });
}

#[test]
fn a_reference_to_a_stream_is_shared_by_a_reading_and_a_writing_task() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        let (client, server) = (Arc::new(client), Arc::new(server));
        let echo = spawn({
            let server = server.clone();
            async move {
                let mut buf = [0; 1000];
                loop {
                    let n = AsyncReadExt::read(&mut &*server, &mut buf).await.unwrap();
                    if n == 0 {
                        return (&*server).close().await.unwrap();
                    }
                    (&*server).write_all(&buf[..n]).await.unwrap();
                }
            }
        });
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let writer = spawn({
            let (client, sent) = (client.clone(), sent.clone());
            async move {
                (&*client).write_all(&sent).await.unwrap();
                (&*client).close().await.unwrap();
            }
        });
        let mut received = Vec::new();
        (&*client).read_to_end(&mut received).await.unwrap();
        assert!(received == sent);
        writer.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn the_halves_of_a_stream_keep_it_open_until_both_are_gone() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let (mut reader, mut writer) = client.split();
        let reading = spawn(async move {
            let text = read_exactly(&mut reader, 4).await;
            (text, reader)
        });
        writer.write_all(b"ping").await.unwrap();
        assert_eq!(read_exactly(&mut server, 4).await, b"ping");
        writer.close().await.unwrap();
        drop(writer);
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        server.write_all(b"pong").await.unwrap();
        let (text, reader) = reading.await.unwrap();
        assert_eq!(text, b"pong");
        assert_eq!(reader.get_ref().peer_addr().unwrap(), server.local_addr().unwrap());
    });
}

#[test]
fn a_clone_keeps_the_socket_open() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let mut second = client.clone();
        drop(client);
        second.write_all(b"still here").await.unwrap();
        assert_eq!(read_exactly(&mut server, 10).await, b"still here");
        drop(second);
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
    });
}

#[test]
fn sockets_used_on_other_threads_than_the_reactors_lose_no_readiness() {
    // A report may come between a read that would have blocked and the clearing of its readiness,
    // or after a read that emptied the socket: the first one that is wiped out stops the test.
    on_each_reactor(|mut reactor| {
        const ROUNDS: usize = 20_000;
        let handle = reactor.handle();
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let playing = Arc::new(AtomicUsize::new(4));
        let play = |stream: net::TcpStream, begins: bool| {
            let (handle, playing) = (handle.clone(), playing.clone());
            thread::spawn(move || {
                let _entered = handle.enter();
                let stream = TcpStream::from_std(stream).unwrap();
                stream.set_nodelay(true).unwrap();
                futures_lite::future::block_on(async {
                    for round in 0..ROUNDS {
                        if begins || round > 0 {
                            assert_eq!(stream.write(&[round as u8]).await.unwrap(), 1);
                        }
                        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
                    }
                    let _the_other_may_be_gone = stream.write(&[0]).await;
                });
                playing.fetch_sub(1, Ordering::SeqCst);
                handle.notify();
            })
        };
        let mut players = Vec::new();
        for _ in 0..2 {
            players.push(play(net::TcpStream::connect(listener.local_addr().unwrap()).unwrap(), true));
            players.push(play(listener.accept().unwrap().0, false));
        }
        while playing.load(Ordering::SeqCst) > 0 {
            reactor.turn(None).unwrap();
        }
        players.into_iter().for_each(|player| player.join().unwrap());
        assert!(format!("{handle:?}").contains("sources: 0"));
    });
}

#[test]
fn a_report_between_a_read_that_would_block_and_the_clearing_of_its_readiness_is_kept() {
    on_each_reactor(|reactor| {
        let reactor = RefCell::new(reactor);
        let _entered = reactor.borrow().handle().enter();
        let (mut theirs, ours) = unix::UnixStream::pair().unwrap();
        let ours = Async::new(ours).unwrap();
        reactor.borrow_mut().turn(Some(Duration::ZERO)).unwrap();
        let mut first = true;
        let mut read = Box::pin(ours.read_with(|mut io| {
            let result = io::Read::read(&mut io, &mut [0; 8]);
            if std::mem::take(&mut first) {
                // What other threads may do just now: the peer's write, and the reactor's report.
                theirs.write_all(b"x").unwrap();
                reactor.borrow_mut().turn(Some(Duration::ZERO)).unwrap();
            }
            result
        }));
        let counting = Counting::new();
        let poll = poll_with(&counting.waker(), &mut read);
        reactor.borrow_mut().turn(Some(Duration::ZERO)).unwrap(); // the edge has been reported, a level is once more
        assert!(matches!(poll, Poll::Ready(Ok(1))) || counting.wakes() > 0, "{poll:?}, and nobody will wake it");
    });
}

// ---- ways to read and write ----

#[test]
fn a_peek_takes_nothing() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let peeker = spawn({
            let server = server.clone();
            async move {
                let mut buf = [0; 16];
                let n = server.peek(&mut buf).await.unwrap();
                buf[..n].to_vec()
            }
        });
        yield_now().await;
        client.write_all(b"look").await.unwrap();
        assert_eq!(peeker.await.unwrap(), b"look");
        assert_eq!(read_exactly(&mut server, 4).await, b"look");
    });
}

#[test]
fn vectored_reads_and_writes_use_all_buffers() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let written = client.write_vectored(&[IoSlice::new(b"one "), IoSlice::new(b"two")]).await.unwrap();
        assert_eq!(written, 7);
        server.readable().await.unwrap();
        let (mut a, mut b) = ([0; 5], [0; 5]);
        let read = server.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).await.unwrap();
        assert_eq!((read, &a, &b[..2]), (7, b"one t", &b"wo"[..]));
    });
}

#[test]
fn a_vectored_write_of_more_buffers_than_the_kernel_takes_goes_on() {
    // The system takes 1,024 buffers a call: what it writes is then less than was asked for,
    // though there is room for more.
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let slices = [IoSlice::new(b"x"); 3000];
        let mut written = 0;
        while written < slices.len() {
            let write = timeout(Duration::from_secs(3), client.write_vectored(&slices[written..])).await;
            written += write.unwrap_or_else(|_| panic!("stuck after {written}")).unwrap();
        }
        assert_eq!(read_exactly(&mut server, 3000).await, [b'x'; 3000]);
    });
}

#[test]
fn a_vectored_read_into_more_buffers_than_the_kernel_takes_goes_on() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(&[7; 3000]).await.unwrap();
        let mut bytes = [0; 3000];
        let mut read = 0;
        while read < bytes.len() {
            let mut bufs: Vec<_> = bytes[read..].chunks_mut(1).map(IoSliceMut::new).collect();
            let more = timeout(Duration::from_secs(3), server.read_vectored(&mut bufs)).await;
            read += more.unwrap_or_else(|_| panic!("stuck after {read}")).unwrap();
        }
        assert_eq!(bytes, [7; 3000]);
    });
}

#[test]
fn a_read_that_urgent_data_cuts_short_is_not_the_last() {
    // A read stops before the urgent byte, with less than it asked for, though more bytes are there.
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        for (bytes, flags) in
            [(&b"ab"[..], sys::SendFlags::empty()), (b"!", sys::SendFlags::OOB), (b"cd", sys::SendFlags::empty())]
        {
            sys::send(&client, bytes, flags).unwrap();
        }
        sleep(Duration::from_millis(5)).await; // all has arrived, and the reactor has reported it
        let mut received = Vec::<u8>::new();
        while received != b"abcd" {
            let mut buf = [0; 64];
            let read = timeout(Duration::from_secs(3), server.read(&mut buf)).await;
            let n = read.unwrap_or_else(|_| panic!("stuck after {received:?}")).unwrap();
            received.extend(&buf[..n]);
        }
    });
}

#[test]
fn a_read_that_passed_descriptors_cut_short_is_not_the_last() {
    // A read of a Unix stream ends with the message that carries descriptors, whether or not the
    // reader wants them.
    on_each(|| async {
        let (client, mut server) = UnixStream::pair().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = sys::SendAncillaryBuffer::new(&mut space);
        let fds = [client.as_fd()];
        assert!(control.push(sys::SendAncillaryMessage::ScmRights(&fds)));
        sys::sendmsg(&client, &[IoSlice::new(b"ab")], &mut control, sys::SendFlags::empty()).unwrap();
        sys::send(&client, b"cd", sys::SendFlags::empty()).unwrap();
        sleep(Duration::from_millis(5)).await; // the reactor has reported it
        let mut received = Vec::<u8>::new();
        while received != b"abcd" {
            let mut buf = [0; 64];
            let read = timeout(Duration::from_secs(3), AsyncReadExt::read(&mut server, &mut buf)).await;
            let n = read.unwrap_or_else(|_| panic!("stuck after {received:?}")).unwrap();
            received.extend(&buf[..n]);
        }
    });
}

#[test]
fn reading_into_nothing_and_writing_nothing_change_nothing() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(read_exactly(&mut server, 1).await, b"x");
    });
}

/// Bytes whose every stretch says where it is from.
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
            yield_now().await; // falls behind, so the writer has to wait
        }
    }
}

#[test]
fn large_transfers_in_both_directions_at_once_arrive_whole() {
    on_each(|| async {
        const LENGTH: usize = 64 << 20;
        let (client, server) = tcp_pair().await;
        let pattern = pattern();
        let (client, server) = (client.split(), server.split());
        let tasks = [
            spawn(send_pattern(client.1, pattern.clone(), LENGTH)),
            spawn(expect_pattern(server.0, pattern.clone(), LENGTH)),
            spawn(send_pattern(server.1, pattern.clone(), LENGTH)),
            spawn(expect_pattern(client.0, pattern, LENGTH)),
        ];
        for task in tasks {
            task.await.unwrap();
        }
    });
}

// ---- nothing is left behind (invariant 5) ----

/// Polls each future once so that it waits, drops it, and finds no waker left anywhere.
fn leaves_no_waker<T, F: Future<Output = T>>(what: &str, future: F) {
    let counting = Counting::new();
    let waker = counting.waker();
    let mut future = Box::pin(future);
    // The first poll may find readiness that was only assumed.
    let first = poll_with(&waker, &mut future);
    assert!(first.is_pending(), "{what} was to wait");
    assert!(counting.wakers(2) > 0, "{what} has left no waker to be woken by");
    drop(future);
    assert_eq!(counting.wakers(2), 0, "{what} left a waker behind");
}

#[test]
fn a_dropped_future_takes_its_waker_back() {
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
fn a_closed_socket_lets_go_of_every_waker() {
    on_each_reactor(|reactor| {
        let _entered = reactor.handle().enter();
        let (_theirs, mut ours) = unix_pair();
        let counting = Counting::new();
        // A poller has no moment at which it could take its waker back; the socket's end is one.
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
fn a_descriptor_that_is_given_back_is_no_longer_watched() {
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

// ---- a descriptor and a table place that are used again ----

/// Raises the limit of open descriptors as far as it goes, and gives it.
fn descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _not_allowed_to = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[test]
fn a_descriptor_that_is_used_again_at_once_brings_no_wrong_data_and_no_hang() {
    // A descriptor far up, that no other test's sockets get in between.
    fn pair() -> (unix::UnixStream, UnixStream) {
        let high = descriptor_limit().min(60_000) as i32 - 4;
        let (theirs, ours) = unix::UnixStream::pair().unwrap();
        let ours = rustix::io::fcntl_dupfd_cloexec(&ours, high).unwrap();
        assert_eq!(ours.as_raw_fd(), high);
        (theirs, UnixStream::from_std(ours.into()).unwrap())
    }
    on_each(|| async {
        for round in 0..1000u32 {
            let (mut theirs, ours) = pair();
            theirs.write_all(b"of the old one").unwrap(); // an event is under way …
            if round % 2 == 0 {
                yield_now().await;
            }
            drop((ours, theirs)); // … for a descriptor that is closed
            let (mut theirs, ours) = pair();
            let reader = spawn(async move {
                let mut buf = [0; 32];
                let n = ours.read(&mut buf).await.unwrap();
                buf[..n].to_vec()
            });
            yield_now().await;
            assert!(!reader.is_finished(), "it read something that nobody wrote");
            theirs.write_all(&round.to_be_bytes()).unwrap();
            assert_eq!(reader.await.unwrap(), round.to_be_bytes());
        }
    });
}

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Hook = Box<dyn FnOnce() + Send>;

/// The operating system, with something that happens after it has reported events and before the
/// reactor gets to look at them: what another thread may do at that moment.
struct Hooked {
    inner: Box<dyn Backend>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Backend for Hooked {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { self.inner.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(events, timeout)?;
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            assert!(!events.is_empty());
            hook();
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.inner.notify()
    }

    fn reports_close(&self) -> bool {
        self.inner.reports_close()
    }
}

fn hooked() -> (Reactor, Arc<Mutex<Option<Hook>>>) {
    let hook = Arc::new(Mutex::new(None));
    let backend = Hooked { inner: backend::operating_system().unwrap(), hook: hook.clone() };
    (Reactor::with(Box::new(backend), None), hook)
}

/// A source becomes ready, and while that is on its way to the reactor the source is closed and
/// `open` is called, which so gets its place in the reactor's table. Gives the future that `open` made.
fn with_stale_event<T: 'static>(
    (reactor, hook): &mut (Reactor, Arc<Mutex<Option<Hook>>>),
    counting: &Arc<Counting>,
    open: impl FnOnce() -> Boxed<T> + Send + 'static,
) -> Boxed<T> {
    let (mut theirs, ours) = unix_pair();
    reactor.turn(Some(Duration::ZERO)).unwrap(); // the report of a new socket, that it is writable
    let opened = Arc::new(Mutex::new(None));
    theirs.write_all(b"x").unwrap();
    *hook.lock().unwrap() = Some(Box::new({
        let (opened, counting) = (opened.clone(), counting.clone());
        move || {
            drop(ours);
            let mut future = open();
            reactor::budget::reset(); // as an executor does before each poll
            assert!(poll_with(&counting.waker(), &mut future).is_pending());
            *opened.lock().unwrap() = Some(future);
        }
    }));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    opened.lock().unwrap().take().expect("the source was reported")
}

#[test]
fn an_event_of_a_closed_source_gives_nothing_to_read_to_the_next_in_its_place() {
    within(20, || {
        let mut hooked = hooked();
        let _entered = hooked.0.handle().enter();
        for round in 0..1000u32 {
            let counting = Counting::new();
            let (mut theirs, ours) = unix::UnixStream::pair().unwrap();
            let mut future = with_stale_event(&mut hooked, &counting, move || {
                let stream = UnixStream::from_std(ours).unwrap();
                Box::pin(async move {
                    let mut buf = [0; 8];
                    let n = stream.read(&mut buf).await?;
                    Ok(buf[..n].to_vec())
                })
            });
            assert!(poll_with(&counting.waker(), &mut future).is_pending(), "read what nobody wrote");
            theirs.write_all(&round.to_be_bytes()).unwrap();
            let before = counting.wakes();
            while counting.wakes() == before {
                hooked.0.turn(None).unwrap();
            }
            let Poll::Ready(read) = poll_with(&counting.waker(), &mut future) else { panic!("woken for nothing") };
            assert_eq!(read.unwrap(), round.to_be_bytes());
        }
    });
}

#[test]
fn an_event_of_a_closed_source_does_not_finish_the_connect_in_its_place() {
    within(20, || {
        let mut hooked = hooked();
        let _entered = hooked.0.handle().enter();
        let (full, _first) = full_listener();
        let address = full.local_addr().unwrap();
        let counting = Counting::new();
        let mut connect = with_stale_event(&mut hooked, &counting, move || Box::pin(TcpStream::connect(address)));
        let connected = poll_with(&counting.waker(), &mut connect);
        assert!(connected.is_pending(), "not connected yet: {connected:?}");
    });
}

#[test]
fn a_waker_that_panics_costs_no_other_its_wake() {
    on_each_reactor(|mut reactor| {
        let _entered = reactor.handle().enter();
        let (mut theirs, ours): (Vec<_>, Vec<_>) = (0..4).map(|_| unix_pair()).unzip();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        let counting = Counting::new();
        let mut timer = executor::time::sleep_until(Instant::now());
        let _ = poll_with(&waker_fn(|| panic!("the timer's waker panics")), &mut timer);
        let mut waits: Vec<_> = ours.iter().map(UnixStream::readable).collect();
        for (n, wait) in waits.iter_mut().enumerate() {
            let waker = if n == 1 { waker_fn(|| panic!("the second waker panics")) } else { counting.waker() };
            assert!(poll_with(&waker, wait).is_pending());
        }
        theirs.iter_mut().for_each(|theirs| theirs.write_all(b"x").unwrap());
        // The edge was the only one: whoever misses it is never told again.
        let mut panics = 0;
        for _ in 0..4 {
            let turn = std::panic::AssertUnwindSafe(|| reactor.turn(Some(Duration::from_millis(1))));
            panics += u32::from(std::panic::catch_unwind(turn).is_err());
        }
        assert!(panics > 0, "a panic goes on to whoever turns the reactor");
        assert_eq!(counting.wakes(), 3);
    });
}

// ---- a socket without its runtime ----

#[test]
fn a_socket_used_after_its_runtime_ended_gives_an_error_and_does_not_hang() {
    within(20, || {
        let (listener, stream, _peer) = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (peer, _) = listener.accept().await.unwrap();
            (listener, stream, peer)
        });
        block_on(async {
            let errors = [
                listener.accept().await.map(drop).unwrap_err(),
                stream.read(&mut [0; 8]).await.map(drop).unwrap_err(),
                stream.write(b"x").await.map(drop).unwrap_err(),
                stream.readable().await.unwrap_err(),
                AsyncReadExt::read(&mut &stream, &mut [0; 8]).await.map(drop).unwrap_err(),
            ];
            for error in errors {
                assert!(error.to_string().contains("has ended"), "{error}");
            }
        });
    });
}

#[test]
fn the_end_of_a_reactor_wakes_whoever_waits_for_its_sockets() {
    on_each_reactor(|reactor| {
        let entered = reactor.handle().enter();
        let (_theirs, ours) = unix_pair();
        let counting = Counting::new();
        let mut readable = ours.readable();
        assert!(poll_with(&counting.waker(), &mut readable).is_pending());
        drop((entered, reactor));
        assert_eq!(counting.wakes(), 1);
        assert!(matches!(poll_with(&counting.waker(), &mut readable), Poll::Ready(Err(_))));
    });
}

#[test]
fn a_socket_made_with_the_handle_of_a_reactor_that_is_gone_gives_an_error() {
    on_each_reactor(|reactor| {
        let _entered = reactor.handle().enter();
        drop(reactor);
        let (_theirs, ours) = unix::UnixStream::pair().unwrap();
        // Either the making or the first use may say it; waiting for ever would be wrong.
        let Ok(ours) = UnixStream::from_std(ours) else { return };
        let read = poll_with(&Counting::new().waker(), &mut Box::pin(ours.read(&mut [0; 8])));
        assert!(matches!(read, Poll::Ready(Err(_))), "it waits for a reactor that is gone");
    });
}

#[test]
fn a_socket_made_outside_of_a_runtime_is_an_error_that_says_what_to_write() {
    let error = UnixStream::pair().unwrap_err();
    assert!(error.to_string().contains("executor::block_on"), "{error}");
}

// ---- the other kinds of sockets, and what is none ----

#[test]
fn datagrams_arrive_whole_and_name_their_sender() {
    on_each(|| async {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let receiving = async {
            let mut buf = [0; 16];
            let (n, from) = b.peek_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..n], from), (&b"first"[..], a.local_addr().unwrap()));
            assert_eq!(b.recv_from(&mut buf).await.unwrap(), (5, from));
            b.connect(from).unwrap();
            assert_eq!(b.peer_addr().unwrap(), from);
            let n = b.recv(&mut buf).await.unwrap();
            assert_eq!(&buf[..n], b"");
            assert_eq!(b.send(b"back").await.unwrap(), 4);
        };
        let sending = async {
            yield_now().await; // the other one waits
            a.send_to(b"first", b.local_addr().unwrap()).await.unwrap();
            a.send_to(b"", b.local_addr().unwrap()).await.unwrap();
            let mut buf = [0; 2];
            assert_eq!(a.recv_from(&mut buf).await.unwrap().0, 2, "the rest is cut off");
        };
        zip(receiving, sending).await;
    });
}

#[test]
fn a_datagram_to_nobody_is_refused_to_a_connected_socket() {
    on_each(|| async {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gone).unwrap();
        socket.send(b"anybody?").await.unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn unix_streams_connect_by_path() {
    on_each(|| async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let server = spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            let mut second = listener.incoming().next().await.unwrap().unwrap();
            first.write_all(b"1").await.unwrap();
            second.write_all(b"2").await.unwrap();
        });
        let mut first = UnixStream::connect(&path).await.unwrap();
        let mut second = UnixStream::connect(&path).await.unwrap();
        assert_eq!(read_exactly(&mut second, 1).await, b"2");
        assert_eq!(read_exactly(&mut first, 1).await, b"1");
        assert_eq!(first.read(&mut [0; 4]).await.unwrap(), 0);
        server.await.unwrap();
        assert_eq!(UnixStream::connect(&path).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_unix_connect_to_a_full_listener_tries_until_there_is_room() {
    on_each(|| async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        sys::listen(&listener, 1).unwrap();
        let mut queued = Vec::new();
        let mut last = loop {
            let mut connect = Box::pin(UnixStream::connect(&path));
            match poll_once(&mut connect).await {
                Some(stream) => queued.push(stream.unwrap()),
                None => break connect,
            }
        };
        assert!(!queued.is_empty());
        assert!(poll_once(&mut last).await.is_none());
        let accepted = zip(&mut last, async {
            let mut accepted = Vec::new();
            while accepted.len() <= queued.len() {
                accepted.push(listener.accept().await.unwrap());
            }
        });
        accepted.await.0.unwrap();
        drop(last);
        assert!(format!("{:?}", Handle::current().unwrap()).contains("timers: 0"));
    });
}

#[test]
fn unix_datagrams_go_to_a_path_or_a_pair() {
    on_each(|| async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut buf = [0; 16];
        let (received, _) = zip(receiver.recv_from(&mut buf), sender.send_to(b"by path", &path)).await;
        assert_eq!(received.unwrap().0, 7);
        let (a, b) = UnixDatagram::pair().unwrap();
        // More than its queue takes: the sender waits until the receiver has made room.
        let sending = async {
            for n in 0..2000u32 {
                a.send(&n.to_be_bytes()).await.unwrap();
            }
        };
        let receiving = async {
            for n in 0..2000u32 {
                let mut buf = [0; 8];
                assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
                assert_eq!(buf[..4], n.to_be_bytes());
            }
        };
        zip(sending, receiving).await;
    });
}

#[test]
fn pipes_are_awaitable() {
    on_each(|| async {
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        let pattern = pattern();
        let length = 4 << 20;
        zip(send_pattern_and_drop(writer, pattern.clone(), length), expect_pattern(reader, pattern, length)).await;
    });
}

/// A pipe ends when its writer is dropped: closing it does not end it.
async fn send_pattern_and_drop(mut to: impl AsyncWrite + Unpin, pattern: Arc<[u8]>, length: usize) {
    send_pattern(&mut to, pattern, length).await;
}

#[test]
fn a_regular_file_is_always_ready_or_refused_at_once_with_an_error_that_says_so() {
    on_each(|| async {
        match Async::new(tempfile::tempfile().unwrap()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied), // epoll's word for it
            Ok(mut file) => assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0),
        }
        assert!(format!("{:?}", Handle::current().unwrap()).contains("sources: 0"));
    });
}

// ---- nothing spins (invariant 6) and nobody starves (invariant 7) ----

#[test]
fn a_socket_that_is_always_ready_lets_the_others_run_within_128_operations() {
    on_each(|| async {
        let operations = Rc::new(Cell::new(0u32));
        let busy = executor::spawn_local({
            let operations = operations.clone();
            async move {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let to = socket.local_addr().unwrap();
                loop {
                    socket.send_to(b"x", to).await.unwrap(); // never has to wait
                    operations.set(operations.get() + 1);
                }
            }
        });
        let mut before = 0;
        for _ in 0..100 {
            yield_now().await;
            let now = operations.get();
            // One that was deferred in the poll before comes on top.
            assert!(now - before <= 129, "{} operations in one poll", now - before);
            before = now;
        }
        assert!(before > 1000, "it goes on: {before}");
        // The readiness that never ends keeps no timer from its time either.
        sleep(Duration::from_millis(2)).await;
        busy.cancel();
    });
}

#[test]
fn a_read_that_never_waits_yields_as_well() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        fill(&client).await;
        let mut polls = 0;
        let mut read = 0;
        let mut all = Box::pin(async {
            while read < 1000 {
                read += server.read(&mut [0]).await.unwrap();
            }
        });
        poll_fn(|cx| {
            polls += 1;
            all.as_mut().poll(cx)
        })
        .await;
        assert!(polls >= 1000 / 128, "1000 reads in {polls} polls");
    });
}

/// What the next tests run in a process of its own, where no other test makes system calls.
#[test]
#[ignore = "the tests below run it"]
fn idle_child() {
    let mark = |name| drop(std::fs::metadata(name)); // a system call that shows in a trace
    block_on(async {
        let (_theirs, ours) = unix_pair();
        let waits = spawn(async move { ours.read(&mut [0; 8]).await });
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let woken = Arc::new(AtomicBool::new(false));
        let (begin, begun) = mpsc::channel::<Waker>();
        let waker = thread::spawn({
            let woken = woken.clone();
            move || {
                let waker = begun.recv().unwrap();
                thread::sleep(Duration::from_millis(300)); // what the wait is measured by
                woken.store(true, Ordering::Relaxed); // the wake orders it
                waker.wake();
            }
        });
        sleep(Duration::from_millis(20)).await; // the reports of a new socket have come
        let before = tests::processor_time().unwrap();
        begin.send(own).unwrap();
        mark("/the-wait-begins");
        poll_fn(|_| if woken.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }).await;
        mark("/the-wait-is-over");
        println!("processor time: {} ns", (tests::processor_time().unwrap() - before).as_nanos());
        mark("/the-sleep-begins");
        sleep(Duration::from_millis(300)).await;
        mark("/the-sleep-is-over");
        assert!(!waits.is_finished());
        waker.join().unwrap();
    });
}

const IDLE_CHILD: [&str; 4] = ["--exact", "idle_child", "--ignored", "--nocapture"];

#[test]
fn an_idle_runtime_uses_no_processor_time() {
    let child = Command::new(std::env::current_exe().unwrap()).args(IDLE_CHILD).output().unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let nanos = text.split("processor time: ").nth(1).and_then(|rest| rest.split(' ').next());
    let nanos: u64 = nanos.unwrap_or_else(|| panic!("no measurement in {text}")).parse().unwrap();
    assert!(nanos < 5_000_000, "{nanos} ns of processor time in a wait of 300 ms");
}

/// The system calls of the thread that makes the two marking calls, between them.
fn calls_between<'a>(trace: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let begin = trace.lines().position(|line| line.contains(begin)).expect("the begin is in the trace");
    let thread = trace.lines().nth(begin).and_then(|line| line.split(' ').next()).unwrap();
    let during = trace.lines().skip(begin + 1).take_while(|line| !line.contains(end));
    let ours = during.filter(|line| line.starts_with(thread) && !line.contains("resumed>"));
    ours.map(|line| line[thread.len()..].trim()).collect()
}

#[test]
fn an_idle_wait_is_one_system_call() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).arg(std::env::current_exe().unwrap()).args(IDLE_CHILD);
    match strace.output() {
        Ok(output) if output.status.success() => {}
        other => return println!("skipped: strace does not run here ({other:?})"),
    }
    let trace = std::fs::read_to_string(trace).unwrap();
    let wait = calls_between(&trace, "the-wait-begins", "the-wait-is-over");
    assert!(wait.len() == 1 && wait[0].starts_with("epoll_"), "the wait made these calls: {wait:#?}");
    let sleep = calls_between(&trace, "the-sleep-begins", "the-sleep-is-over");
    assert!(sleep.len() == 1 && sleep[0].starts_with("epoll_"), "the sleep made these calls: {sleep:#?}");
}

#[test]
fn all_of_this_passes_over_poll_too() {
    // Without those that run over each backend anyway and take long, or count the system calls of one.
    strict::pass_over_poll(&["an_idle_", "sockets_used_on_other", "large_transfers", "a_thousand_connections"]);
}
