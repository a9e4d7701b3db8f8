//! Sockets where the system's own behaviour would hold a thread, end the process, or keep a processor busy.

use executor::io::AsyncWrite;
use executor::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use executor::observer::PollEnd;
use executor::time::{Duration, Instant, sleep, timeout};
use executor::{Runtime, TaskId, block_on, spawn, tasks};
use futures_lite::future::{poll_fn, poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use reactor::backend;
use rustix::net::sockopt;
use std::io::{self, ErrorKind, IoSlice};
use std::net;
use std::os::unix::net as unix;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::within;

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

// ---- no operation raises a signal ----

/// Writes until there is an error, which must be a broken pipe.
async fn until_broken(mut stream: impl AsyncWrite + Unpin, vectored: bool) {
    let error = loop {
        let written = match vectored {
            false => stream.write(b"into the void").await,
            true => stream.write_vectored(&[IoSlice::new(b"into "), IoSlice::new(b"the void")]).await,
        };
        match written {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {} // comes once, and then the pipe is broken
            Err(error) => break error,
            Ok(_) => sleep(Duration::from_millis(1)).await,
        }
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// The next test runs this in a process that does not ignore SIGPIPE, like one whose `main` is written in C.
#[test]
#[ignore = "the test below runs it"]
fn writes_to_closed_peers() {
    unsafe extern "C" {
        fn signal(number: i32, action: usize) -> usize;
    }
    const SIGPIPE: i32 = 13;
    const DEFAULT: usize = 0;
    // SAFETY: the default action calls no handler.
    unsafe { signal(SIGPIPE, DEFAULT) };
    block_on(async {
        for vectored in [false, true] {
            let (client, server) = tcp_pair().await;
            drop(server);
            until_broken(&client, vectored).await;
            until_broken(client.split().1, vectored).await;

            let (ours, theirs) = UnixStream::pair().unwrap();
            drop(theirs);
            until_broken(&ours, vectored).await;
            until_broken(ours.split().1, vectored).await;

            // A write after the stream's own `shutdown` fails like one to a closed peer.
            let (ours, _theirs) = UnixStream::pair().unwrap();
            ours.shutdown(net::Shutdown::Write).unwrap();
            until_broken(&ours, vectored).await;
            let (client, _server) = tcp_pair().await;
            client.shutdown(net::Shutdown::Write).unwrap();
            until_broken(&client, vectored).await;
        }
        let (client, server) = tcp_pair().await;
        drop(server);
        while client.write(b"the method, not the trait").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(client.write(b"once more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        drop(theirs);
        assert!(ours.send(b"x").await.is_err());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        rustix::net::shutdown(&socket, rustix::net::Shutdown::Write).unwrap();
        assert!(socket.send(b"x").await.is_err());
    });
    println!("still there");
}

#[test]
fn a_write_to_a_closed_peer_is_an_error_and_no_signal_where_sigpipe_is_not_ignored() {
    let output = tests::alone::test(module_path!(), "writes_to_closed_peers").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("still there"), "{}: {text}", output.status);
}

// ---- closing does not wait ----

/// Writes to a peer that does not read, until nothing more fits. Returns the number of bytes.
async fn fill(stream: &TcpStream) -> usize {
    let mut written = 0;
    while let Some(more) = poll_once(stream.write(&[7; 1 << 16])).await {
        written += more.unwrap();
    }
    written
}

/// Checks that the drop of the stream returns at once, and that what it has sent still arrives.
async fn closes_in_the_background(stream: TcpStream, mut peer: impl io::Read + Send + 'static) {
    let written = fill(&stream).await;
    let start = Instant::now();
    drop(stream);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "the thread was held up for {took:?}");
    let read = executor::spawn_blocking(move || io::copy(&mut peer, &mut io::sink()));
    assert_eq!(read.await.unwrap().unwrap(), written as u64);
}

const LINGER: Option<Duration> = Some(Duration::from_secs(3));

#[test]
fn a_stream_with_a_linger_time_is_closed_without_waiting() {
    block_on(async {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_linger(LINGER).unwrap();
        closes_in_the_background(stream, listener.accept().unwrap().0).await;

        // The linger time was set before the stream was taken over.
        let stream = net::TcpStream::connect(address).unwrap();
        sockopt::set_socket_linger(&stream, LINGER).unwrap();
        closes_in_the_background(TcpStream::from_std(stream).unwrap(), listener.accept().unwrap().0).await;

        // Accepted streams inherit it from their listener.
        sockopt::set_socket_linger(&listener, LINGER).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let client = net::TcpStream::connect(address).unwrap();
        closes_in_the_background(listener.accept().await.unwrap().0, client).await;
    });
}

#[test]
fn a_linger_time_of_zero_still_resets() {
    block_on(async {
        for over in [false, true] {
            let (client, server) = tcp_pair().await;
            client.set_linger(Some(Duration::ZERO)).unwrap();
            if over {
                client.set_linger(None).unwrap();
            }
            drop(client);
            let read = server.read(&mut [0; 8]).await;
            assert_eq!(read.map_err(|error| error.kind()), if over { Ok(0) } else { Err(ErrorKind::ConnectionReset) });
        }
    });
}

// ---- a receiver's queue that others have filled ----

/// Fills the queue at a path with datagrams of other sockets, which are closed then. Returns their number.
fn fill_queue(path: &std::path::Path) -> usize {
    let mut sent = 0;
    loop {
        let other = unix::UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        let before = sent;
        while other.send_to(b"theirs", path).is_ok() {
            sent += 1;
        }
        if sent == before {
            return sent;
        }
    }
}

/// Counts the polls of tasks and the waits of the reactor.
#[derive(Default)]
struct Waits(AtomicUsize);

impl executor::Observer for Waits {
    fn poll_ends(&self, _: TaskId, _: PollEnd) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl reactor::Observer for Waits {
    fn wait_begins(&self, _: Option<Duration>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_datagram_for_a_queue_that_others_have_filled_waits_without_spinning() {
    for (name, make) in [
        ("operating_system", backend::operating_system as fn() -> _),
        ("portable", backend::portable),
        ("poll", backend::poll),
    ] {
        println!("on the backend `{name}`");
        within(20, move || {
            let waits = Arc::new(Waits::default());
            let runtime = Runtime::builder().backend(make().unwrap()).observer(waits.clone()).build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("socket");
                let receiver = UnixDatagram::bind(&path).unwrap();
                let theirs = fill_queue(&path);
                let ours = UnixDatagram::unbound().unwrap();
                let mut send = Box::pin(ours.send_to(b"ours", &path));
                let before = waits.0.load(Ordering::Relaxed);
                assert!(timeout(Duration::from_millis(300), &mut send).await.is_err(), "the queue is full");
                let waited = waits.0.load(Ordering::Relaxed) - before;
                assert!(waited < 50, "{waited} waits and polls in 300 ms");
                let receive = async {
                    let mut buf = [0; 16];
                    for _ in 0..theirs {
                        assert_eq!(receiver.recv(&mut buf).await.unwrap(), 6);
                    }
                    receiver.recv(&mut buf).await.unwrap()
                };
                let (sent, received) = zip(send, receive).await;
                assert_eq!((sent.unwrap(), received), (4, 4));
            });
        });
    }
}

#[test]
fn a_datagram_waits_for_room_at_its_receiver_and_not_at_the_peer_of_the_socket() {
    within(20, || {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let [peer, other] = ["peer", "other"].map(|name| folder.path().join(name));
            let _peer = UnixDatagram::bind(&peer).unwrap();
            let receiver = UnixDatagram::bind(&other).unwrap();
            let ours = unix::UnixDatagram::unbound().unwrap();
            ours.connect(&peer).unwrap();
            let ours = UnixDatagram::from_std(ours).unwrap();
            fill_queue(&peer); // so that the socket's peer never has room
            fill_queue(&other);
            let send = spawn(async move { ours.send_to(b"ours", &other).await });
            let mut buf = [0; 16];
            while receiver.recv(&mut buf).await.unwrap() != 4 {}
            assert_eq!(send.await.unwrap().unwrap(), 4);
        });
    });
}

#[test]
fn a_datagram_socket_that_never_waits_yields_within_128_operations() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut polls = 0;
        let mut all = Box::pin(async {
            for _ in 0..600 {
                sender.send_to(b"x", &path).await.unwrap();
                receiver.recv(&mut [0; 8]).await.unwrap();
            }
        });
        poll_fn(|cx| {
            polls += 1;
            all.as_mut().poll(cx)
        })
        .await;
        assert!(polls >= 1200 / 128, "1200 operations in {polls} polls");
    });
}

// ---- abstract names ----

#[test]
#[cfg(target_os = "linux")]
fn abstract_names_are_bound_connected_to_and_sent_to() {
    use std::os::linux::net::SocketAddrExt;
    block_on(async {
        let name = format!("\0abstract-{}", std::process::id());
        let listener = UnixListener::bind(&name).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert_eq!(UnixListener::bind(&name).unwrap_err().kind(), ErrorKind::AddrInUse);
        let accept = spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(b"hello").await?;
            drop(stream);
            listener.accept().await
        });
        let mut stream = UnixStream::connect(&name).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        executor::yield_now().await;
        let dump = tasks();
        let listed = format!("{dump:?}");
        assert!(listed.contains(&name.replace('\0', "@")), "the dump names what is waited for: {listed}");
        let address = unix::SocketAddr::from_abstract_name(&name[1..]).unwrap();
        UnixStream::connect_addr(&address).await.unwrap();
        accept.await.unwrap().unwrap();
        assert_eq!(UnixStream::connect(&name).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

        let [a, b] = ["\0a", "\0b"].map(|name| format!("{name}-{}", std::process::id()));
        let (first, second) = (UnixDatagram::bind(&a).unwrap(), UnixDatagram::bind(&b).unwrap());
        first.send_to(b"ping", &b).await.unwrap();
        let (_, from) = second.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!(from.as_abstract_name(), Some(&a.as_bytes()[1..]));
        second.send_to_addr(b"pong", &from).await.unwrap();
        assert_eq!(first.recv(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn a_path_with_a_zero_byte_inside_is_refused() {
    block_on(async {
        assert_eq!(UnixListener::bind("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixDatagram::bind("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixStream::connect("a\0b").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let sender = UnixDatagram::unbound().unwrap();
        assert_eq!(sender.send_to(b"x", "a\0b").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

// ---- the ports of a simulated host ----

#[test]
fn ports_used_up_for_one_address_leave_other_addresses_reachable() {
    const PORTS: usize = 1 << 14; // from 49,152 on
    let runtime = Runtime::builder().deterministic(7).build().unwrap();
    let network = runtime.network().unwrap();
    let (server, other) = (network.host("server"), network.host("other"));
    runtime.block_on(async {
        let listening = async || {
            let listeners = (TcpListener::bind(("0.0.0.0", 80)).await, TcpListener::bind(("0.0.0.0", 81)).await);
            (listeners.0.unwrap(), listeners.1.unwrap())
        };
        let _servers = server.run(listening()).await.unwrap();
        let _others = other.run(listening()).await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..PORTS {
            streams.push(TcpStream::connect((server.address(), 80)).await.unwrap());
        }
        let full = TcpStream::connect((server.address(), 80)).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::AddrNotAvailable, "as the system's connect says it");
        // Another port or host is another address.
        let next = TcpStream::connect((server.address(), 81)).await.unwrap();
        TcpStream::connect((other.address(), 80)).await.unwrap();
        // No listener can have one of the ports in use, whether it is given or chosen.
        let used = next.local_addr().unwrap().port();
        for port in [0, used] {
            assert_eq!(TcpListener::bind(("0.0.0.0", port)).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        }
        // A closed connection frees its port.
        drop(streams.pop());
        TcpStream::connect((server.address(), 80)).await.unwrap();
    });
}
