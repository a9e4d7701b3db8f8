//! The simulated network: what links take, what faults do, and that its sockets behave as the system's.
//!
//! Alone: `cargo test -p tests --test network`. Time is virtual, so it can be compared to the nanosecond.

use executor::net::{Shutdown, TcpListener, TcpStream, UdpSocket, UnixStream, connect, lookup};
use executor::test::{Crashed, Host, Link, Network};
use executor::time::{Duration, Instant, now, sleep, timeout};
use executor::{Runtime, named, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::{pending, poll_once};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use proptest::prelude::*;
use reactor::Reactor;
use reactor::backend::Simulation;
use reactor::observer::{SourceId, TimerId};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Poll, Wake, Waker};
use tests::{Counting, OnDrop, poll_with};

const MS: Duration = Duration::from_millis(1);
/// What a link of the default takes.
const LATENCY: Duration = MS;
const WINDOW: usize = 64 * 1024;

fn simulated<R, F: Future<Output = R>>(test: impl FnOnce(Network) -> F) -> R {
    let runtime = Runtime::builder().deterministic(0).build().unwrap();
    runtime.block_on(test(runtime.network().unwrap()))
}

/// A connection from `main` to a host of its own, and that host.
async fn connected(network: &Network) -> (TcpStream, TcpStream, Host) {
    let server = network.host("server");
    let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
    let (client, accepted) = future::zip(TcpStream::connect((server.address(), 80)), listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0, server)
}

fn link(network: &Network, link: Link) {
    network.set_link(&network.host("main"), &network.host("server"), link);
}

async fn took<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let start = now();
    let output = operation.await;
    (output, now() - start)
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// What is read up to the end of the stream, or up to an error.
async fn read_all(mut stream: &TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.err();
    (bytes, error.map(|error| error.kind()))
}

// ---- what links take ---------------------------------------------------------------------------

#[test]
fn a_connect_takes_there_and_back_and_a_message_one_way() {
    simulated(|network| async move {
        link(&network, Link { latency: 7 * MS, ..Link::default() });
        let ((client, server, _), time) = took(connected(&network)).await;
        assert_eq!(time, 14 * MS);
        client.write(b"hello").await.unwrap();
        let (read, time) = took(server.read(&mut [0; 16])).await;
        assert_eq!((read.unwrap(), time), (5, 7 * MS));
    });
}

#[test]
fn bandwidth_is_shared_by_what_goes_the_same_way() {
    simulated(|network| async move {
        link(&network, Link { bandwidth: Some(1_000_000), ..Link::default() });
        let (client, server, host) = connected(&network).await;
        client.write(&[1; 10_000]).await.unwrap(); // 10 ms
        server.write(&[2; 10_000]).await.unwrap(); // the other way: at the same time
        client.write(&[1; 5_000]).await.unwrap(); // another 5
        let (_, time) = took(server.read(&mut [0; 20_000])).await;
        assert_eq!(time, 10 * MS + LATENCY);
        let (_, time) = took(client.read(&mut [0; 20_000])).await;
        assert_eq!(time, Duration::ZERO);
        let (count, time) = took(server.read(&mut [0; 20_000])).await;
        assert_eq!((count.unwrap(), time), (5_000, 5 * MS));

        let listener = host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap().unwrap();
        let (second, _) = future::zip(TcpStream::connect((host.address(), 81)), listener.accept()).await;
        let second = second.unwrap();
        client.write(&[1; 10_000]).await.unwrap();
        second.write(&[1; 10_000]).await.unwrap();
        let (_, time) = took(server.read(&mut [0; 20_000])).await;
        assert_eq!(time, 10 * MS + LATENCY);
    });
}

#[test]
fn a_link_without_a_limit_has_none_also_if_it_had_one() {
    simulated(|network| async move {
        link(&network, Link { bandwidth: Some(1_000), ..Link::default() });
        let (client, _server, host) = connected(&network).await;
        client.write(&[1; 10_000]).await.unwrap(); // 10 s
        link(&network, Link::default());
        let (refused, time) = took(TcpStream::connect((host.address(), 81))).await;
        assert_eq!((kind(refused), time), (ErrorKind::ConnectionRefused, 2 * LATENCY));
    });
}

#[test]
fn a_large_write_comes_piece_by_piece() {
    simulated(|network| async move {
        link(&network, Link { bandwidth: Some(16 * 1024 * 1000), ..Link::default() });
        let (client, server, _) = connected(&network).await;
        client.write(&[0; WINDOW]).await.unwrap();
        let start = now();
        for piece in 1..=4 {
            assert_eq!(server.read(&mut [0; WINDOW]).await.unwrap(), 16 * 1024);
            assert_eq!(now() - start, piece * MS + LATENCY);
        }
    });
}

#[test]
fn jitter_is_up_to_what_was_said_and_nothing_overtakes() {
    simulated(|network| async move {
        link(&network, Link { jitter: 10 * MS, ..Link::default() });
        let (client, server, _) = connected(&network).await;
        let (mut times, mut last) = (Vec::new(), 0);
        for number in 1..=50u8 {
            let start = now();
            client.write(&[number]).await.unwrap();
            let mut byte = [0];
            server.read(&mut byte).await.unwrap();
            assert_eq!(byte[0], last + 1);
            last = byte[0];
            times.push(now() - start);
        }
        assert!(times.iter().all(|time| (LATENCY..=11 * MS).contains(time)), "{times:?}");
        assert!(times.iter().max() > Some(&(8 * MS)) && times.iter().min() < Some(&(4 * MS)), "{times:?}");
        for number in 1..=50u8 {
            client.write(&[number]).await.unwrap();
        }
        let mut all = [0; 50];
        (&server).read_exact(&mut all).await.unwrap();
        assert!(all.is_sorted(), "{all:?}");
    });
}

/// What it says who panics.
fn refusal(misuse: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(misuse)).unwrap_err();
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn the_slowest_link_can_be_and_one_that_is_slower_is_refused() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    simulated(|network| async move {
        link(&network, Link { latency: YEAR, jitter: YEAR, bandwidth: Some(1), loss: 0.0 });
        let ((client, server, _), time) = took(connected(&network)).await;
        assert!((2 * YEAR..=4 * YEAR).contains(&time), "{time:?}");
        client.write(&[1; 100]).await.unwrap();
        assert_eq!(server.read(&mut [0; 200]).await.unwrap(), 100);
        let normal = Link::default();
        for slower in [YEAR + Duration::from_nanos(1), Duration::MAX] {
            for slower in [Link { latency: slower, ..normal }, Link { jitter: slower, ..normal }] {
                for said in [refusal(|| link(&network, slower)), refusal(|| network.set_default_link(slower))] {
                    assert!(said.contains("up to a year") && said.contains("use Network::partition"), "{said}");
                }
            }
        }
    });
}

#[test]
fn the_clock_does_not_jump_to_where_it_can_not_be() {
    let mut reactor = Reactor::with(Box::new(Simulation::with_network(0)), None);
    let (handle, start) = (reactor.handle(), reactor.handle().now());
    let _entered = handle.enter();
    drop(poll_with(Waker::noop(), &mut Box::pin(TcpStream::connect("10.0.0.1:80"))));
    reactor.turn(Some(Duration::MAX)).unwrap(); // until it is refused
    assert!(handle.now() - start < MS);
}

// ---- as sockets do -----------------------------------------------------------------------------

#[test]
fn a_writer_waits_when_the_window_is_full_and_goes_on_when_half_of_it_was_read() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        assert_eq!(client.write(&[0; 2 * WINDOW]).await.unwrap(), WINDOW);
        let mut more = pin!(client.write(&[0; 100]));
        assert!(timeout(Duration::from_secs(60), &mut more).await.is_err());
        assert_eq!(server.read(&mut [0; WINDOW / 2 - 1]).await.unwrap(), WINDOW / 2 - 1);
        assert!(timeout(Duration::from_secs(60), &mut more).await.is_err());
        server.read(&mut [0; 1]).await.unwrap();
        let (written, time) = took(more).await;
        assert_eq!((written.unwrap(), time), (100, LATENCY));
        assert_eq!(client.write(&[0; WINDOW]).await.unwrap(), WINDOW / 2 - 100);
    });
}

#[test]
fn nobody_is_told_to_write_while_the_window_is_full() {
    simulated(|network| async move {
        let (client, _server, _) = connected(&network).await;
        client.writable().await.unwrap();
        assert_eq!(client.write(&[0; 2 * WINDOW]).await.unwrap(), WINDOW);
        assert!(timeout(10 * MS, client.writable()).await.is_err());
    });
}

#[test]
fn a_break_is_told_once_however_often_it_is_heard_of() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        drop(server);
        client.write(b"answered by a reset").await.unwrap();
        sleep(LATENCY / 2).await;
        client.write(b"and so is this").await.unwrap();
        sleep(LATENCY * 7 / 4).await; // the first is here
        assert_eq!(kind(client.write(b"!").await), ErrorKind::ConnectionReset);
        sleep(LATENCY).await;
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        client.write(b"last").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(kind(client.write(b"x").await), ErrorKind::BrokenPipe);
        assert_eq!(read_all(&server).await, (b"last".to_vec(), None));
        server.write(b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_all(&client).await, (b"answer".to_vec(), None));
    });
}

#[test]
fn to_shut_reading_down_ends_the_wait_for_it_and_what_comes_is_dropped() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        let reading = spawn({
            let client = client.clone();
            async move { client.read(&mut [0; 8]).await.unwrap() }
        });
        yield_now().await;
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reading.await.unwrap(), 0);
        (&server).write_all(&[0; 3 * WINDOW]).await.unwrap();
        sleep(MS).await;
        drop(client); // with nothing unread
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn closing_with_bytes_unread_resets() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        client.write(b"nobody reads this").await.unwrap();
        server.readable().await.unwrap();
        drop(server);
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0); // told once, as by the system
        assert_eq!(kind(client.write(b"x").await), ErrorKind::BrokenPipe);
        assert_eq!(kind(client.shutdown(Shutdown::Write)), ErrorKind::NotConnected);
        assert_eq!(kind(client.peer_addr()), ErrorKind::NotConnected);
    });
}

#[test]
fn writing_to_a_socket_that_is_gone_resets() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        client.write(b"too late").await.unwrap();
        sleep(2 * LATENCY).await;
        assert_eq!(kind(client.write(b"x").await), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_linger_of_nothing_resets_and_what_had_arrived_can_still_be_read() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        server.write(b"before").await.unwrap();
        server.set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        sleep(2 * LATENCY).await;
        assert_eq!(read_all(&client).await, (b"before".to_vec(), Some(ErrorKind::ConnectionReset)));
    });
}

#[test]
fn peek_vectors_halves_and_options() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        let mut to_server = &client;
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(to_server.write_vectored(&slices).await.unwrap(), 5);
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(server.peek(&mut buf).await.unwrap(), 5);
            assert_eq!(&buf[..5], b"abcde");
        }
        let (mut a, mut b) = ([0; 2], [0; 8]);
        let mut from_client = &server;
        let read = from_client.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).await;
        assert_eq!((read.unwrap(), &a, &b[..3]), (5, b"ab", &b"cde"[..]));
        assert_eq!(server.read(&mut []).await.unwrap(), 0);

        assert!(!client.nodelay().unwrap());
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap() && !server.nodelay().unwrap());
        assert_eq!(client.peer_addr().unwrap(), (host.address(), 80).into());
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
        assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        assert!(format!("{client:?}").contains("simulated"), "{client:?}");

        let (mut reader, mut writer) = client.split();
        let (echo, ()) = future::zip(
            async {
                let mut text = String::new();
                reader.read_to_string(&mut text).await.unwrap();
                text
            },
            async {
                writer.write_all(b"x").await.unwrap();
                writer.close().await.unwrap();
                server.read(&mut [0; 8]).await.unwrap();
                server.write(b"echo").await.unwrap();
                server.shutdown(Shutdown::Write).unwrap();
            },
        )
        .await;
        assert_eq!(echo, "echo");
    });
}

#[test]
fn a_simulated_socket_has_no_descriptor_and_says_so() {
    simulated(|network| async move {
        let (client, ..) = connected(&network).await;
        let panic = catch_unwind(AssertUnwindSafe(|| client.get_ref().ttl())).unwrap_err();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("simulated network"));
    });
}

#[test]
fn sockets_of_other_kinds_are_refused() {
    simulated(|_| async {
        for error in [UdpSocket::bind("127.0.0.1:0").await.unwrap_err(), UnixStream::pair().unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("deterministic"), "{error}");
        }
    });
}

#[test]
fn whoever_waits_says_for_what() {
    simulated(|network| async move {
        let (client, _server, host) = connected(&network).await;
        spawn_local(async move { client.read(&mut [0; 8]).await });
        let listener = host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap().unwrap();
        spawn_local(async move { listener.accept().await });
        // In the turn after the first one both run, before this one or after it.
        yield_now().await;
        yield_now().await;
        let tasks = executor::tasks().to_string();
        assert!(tasks.contains("waits for: readable on the socket to 10.0.0.2:80"), "{tasks}");
        assert!(tasks.contains("waits for: readable on the listener at 0.0.0.0:81"), "{tasks}");
    });
}

// ---- addresses ---------------------------------------------------------------------------------

#[test]
fn hosts_have_names_and_addresses_and_ports_are_given_in_order() {
    simulated(|network| async move {
        let (a, b) = (network.host("a.example"), network.host("b.example"));
        assert_eq!((a.address().to_string(), b.address().to_string()), ("10.0.0.2".into(), "10.0.0.3".into()));
        assert!(network.host("a.example") == a && a != b);
        assert_eq!(lookup("b.example").await.unwrap(), [(b.address(), 0).into()]);
        assert_eq!(lookup("localhost").await.unwrap()[0].to_string(), "127.0.0.1:0");
        for name in ["localhost", "10.0.0.9", "::1"] {
            let said = refusal(|| _ = network.host(name));
            assert!(said.contains(&format!("can't be named `{name}`")), "{said}");
        }
        let error = lookup("c.example").await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<executor::net::LookupError>());

        let listener = a.run(TcpListener::bind("10.0.0.2:0")).await.unwrap().unwrap();
        assert_eq!(listener.local_addr().unwrap().to_string(), "10.0.0.2:49152");
        let calling = b.run(async { connect(("a.example", 49152)).await });
        let (stream, accepted) = future::zip(calling, listener.accept()).await;
        assert_eq!(stream.unwrap().unwrap().local_addr().unwrap().to_string(), "10.0.0.3:49152");
        assert_eq!(accepted.unwrap().1.to_string(), "10.0.0.3:49152");
    });
}

#[test]
fn a_host_of_another_network_is_refused() {
    let other = Runtime::builder().deterministic(0).build().unwrap().network().unwrap();
    let foreign = other.host("elsewhere");
    simulated(|network| async move {
        let main = network.host("main");
        let own = network.host("elsewhere"); // with the same name and number
        for said in [
            refusal(|| network.set_link(&main, &foreign, Link::default())),
            refusal(|| network.partition(&foreign, &main)),
            refusal(|| network.heal(&main, &foreign)),
        ] {
            assert!(said.starts_with("Host(`elsewhere`, 10.0.0.2) belongs to another network"), "{said}");
        }
        network.partition(&main, &own);
        let runs = spawn_local(foreign.run(TcpListener::bind("0.0.0.0:80")));
        let error = runs.await.unwrap_err().to_string();
        assert!(error.contains("does not have its network"), "{error}");
        TcpListener::bind("0.0.0.0:80").await.unwrap();
    });
    let host = other.host("elsewhere");
    let said = refusal(|| executor::block_on(host.run(async {})).unwrap());
    assert!(said.contains("deterministic"), "{said}");
}

#[test]
fn a_runtime_in_a_blocking_call_is_on_no_host_of_the_one_outside() {
    simulated(|network| async move {
        let inner = || simulated(|_| async { Host::current() });
        let seen = network.host("a").run(async { (Host::current(), spawn_blocking(inner).await.unwrap()) });
        assert_eq!(seen.await, Ok((Some(network.host("a")), None)));
    });
}

#[test]
fn each_host_has_a_loopback_of_its_own() {
    simulated(|network| async move {
        let host = network.host("a");
        let inside = host.run(async {
            let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
            let (client, accepted) = future::zip(TcpStream::connect("127.0.0.1:80"), listener.accept()).await;
            assert!(client.unwrap().local_addr().unwrap().ip().is_loopback());
            drop(accepted);
            listener
        });
        let (listener, time) = took(inside).await;
        assert_eq!(time, Duration::ZERO);
        for address in ["127.0.0.1:80", "10.0.0.2:80"] {
            assert_eq!(kind(TcpStream::connect(address).await), ErrorKind::ConnectionRefused);
        }
        drop(listener);
    });
}

#[test]
fn what_can_not_be_bound_or_reached() {
    simulated(|network| async move {
        let host = network.host("a");
        let (refused, time) = took(TcpStream::connect((host.address(), 80))).await;
        assert_eq!((kind(refused), time), (ErrorKind::ConnectionRefused, 2 * LATENCY));
        assert_eq!(kind(TcpStream::connect("10.9.9.9:80").await), ErrorKind::HostUnreachable);
        assert_eq!(kind(TcpStream::connect("192.0.2.1:80").await), ErrorKind::HostUnreachable);
        assert_eq!(kind(TcpListener::bind((host.address(), 80)).await), ErrorKind::AddrNotAvailable);
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        assert_eq!(kind(TcpListener::bind("127.0.0.1:80").await), ErrorKind::AddrInUse);
        drop(listener);
        TcpListener::bind("127.0.0.1:80").await.unwrap();
    });
}

#[test]
fn a_listener_that_goes_resets_those_who_wait() {
    simulated(|network| async move {
        let host = network.host("a");
        let listener = host.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let client = TcpStream::connect((host.address(), 80)).await.unwrap();
        drop(listener);
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        drop(client);
        assert!(format!("{network:?}").ends_with(", 0 sockets)"), "{network:?}");
    });
}

// ---- faults ------------------------------------------------------------------------------------

#[test]
fn a_lost_piece_breaks_the_connection_on_both_ends() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        link(&network, Link { loss: 1.0, ..Link::default() });
        client.write(b"lost").await.unwrap();
        assert_eq!(read_all(&server).await, (vec![], Some(ErrorKind::ConnectionReset)));
        assert_eq!(read_all(&client).await, (vec![], Some(ErrorKind::ConnectionReset)));
        assert!(catch_unwind(AssertUnwindSafe(|| link(&network, Link { loss: 1.5, ..Link::default() }))).is_err());
    });
}

#[test]
fn so_many_pieces_are_lost_as_was_said() {
    simulated(|network| async move {
        link(&network, Link { loss: 0.25, ..Link::default() });
        let host = network.host("server");
        let listener = host.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let mut lost = 0;
        for _ in 0..400 {
            let (client, accepted) = future::zip(TcpStream::connect((host.address(), 80)), listener.accept()).await;
            client.unwrap().write(b"x").await.unwrap();
            lost += usize::from(accepted.unwrap().0.read(&mut [0]).await.is_err());
        }
        assert!((70..130).contains(&lost), "{lost} of 400");
    });
}

#[test]
fn what_is_sent_after_a_piece_was_lost_does_not_arrive() {
    for seed in 0..100 {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let network = runtime.network().unwrap();
        runtime.block_on(async {
            let (client, server, _) = connected(&network).await;
            link(&network, Link { loss: 0.5, ..Link::default() });
            let bytes: Vec<u8> = (0..WINDOW).map(nth).collect();
            client.write(&bytes).await.unwrap(); // four pieces
            sleep(Duration::from_secs(1)).await;
            drop(client);
            let (read, _) = read_all(&server).await;
            let (rest, _) = read_all(&server).await;
            assert!(bytes.starts_with(&read) && rest.is_empty(), "{} bytes, then {}", read.len(), rest.len());
        });
    }
}

#[test]
fn nothing_arrives_while_the_network_is_cut_and_all_of_it_after() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        let main = network.host("main");
        client.write(b"under way ").await.unwrap();
        network.partition(&main, &host);
        client.write(b"sent meanwhile").await.unwrap();
        let mut byte = [0; 64];
        assert!(timeout(Duration::from_secs(3600), server.read(&mut byte)).await.is_err());
        network.heal(&host, &main);
        let (read, time) = took(server.read(&mut byte)).await;
        assert_eq!((&byte[..read.unwrap()], time), (&b"under way sent meanwhile"[..], LATENCY));
        server.write(b"x").await.unwrap();
        assert_eq!(client.read(&mut byte).await.unwrap(), 1);
    });
}

#[test]
fn what_was_under_way_takes_its_time_once_more_and_not_twice() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        let main = network.host("main");
        link(&network, Link { latency: 100 * MS, bandwidth: Some(1_000_000), ..Link::default() });
        client.write(&[1; 10_000]).await.unwrap(); // 10 ms, and then 100
        sleep(MS).await;
        network.partition(&main, &host);
        link(&network, Link { bandwidth: Some(1_000_000), ..Link::default() });
        network.heal(&main, &host);
        let (read, time) = took(server.read(&mut [0; 20_000])).await;
        assert_eq!((read.unwrap(), time), (10_000, 10 * MS + LATENCY));
    });
}

#[test]
fn a_connect_into_a_partition_goes_through_when_it_heals_or_gives_up() {
    simulated(|network| async move {
        let (_client, _server, host) = connected(&network).await;
        let listener = host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap().unwrap();
        let main = network.host("main");
        network.partition(&main, &host);
        let healing = async {
            sleep(Duration::from_secs(5)).await;
            network.heal(&main, &host);
        };
        let ((connected, time), _) = future::zip(took(TcpStream::connect((host.address(), 81))), healing).await;
        connected.unwrap();
        assert_eq!(time, Duration::from_secs(5) + 2 * LATENCY);
        network.partition(&main, &host);
        let (failed, time) = took(TcpStream::connect((host.address(), 81))).await;
        assert_eq!((kind(failed), time), (ErrorKind::TimedOut, Duration::from_secs(127)));
        drop(listener);
    });
}

#[test]
fn who_is_connected_by_then_does_not_give_up() {
    simulated(|network| async move {
        let (main, server) = (network.host("main"), network.host("server"));
        let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        network.partition(&main, &server);
        let connecting = spawn(TcpStream::connect((server.address(), 80)));
        sleep(Duration::from_secs(60)).await;
        network.heal(&main, &server);
        let client = connecting.await.unwrap().unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        sleep(Duration::from_secs(100)).await;
        accepted.write(b"still here").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 10);
    });
}

#[test]
fn a_run_that_is_dropped_leaves_no_waker() {
    simulated(|network| async move {
        let counting = Counting::new();
        let mut run = Box::pin(network.host("a").run(pending::<()>()));
        assert!(poll_with(&counting.waker(), &mut run).is_pending());
        assert_eq!(counting.wakers(1), 1);
        drop(run);
        assert_eq!(counting.wakers(1), 0);
    });
}

#[test]
fn a_connect_whose_answer_is_cut_off_gives_up_too() {
    simulated(|network| async move {
        let (main, server) = (network.host("main"), network.host("server"));
        let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        for port in [80, 81] {
            let connecting = spawn(TcpStream::connect((server.address(), port)));
            sleep(LATENCY + LATENCY / 2).await; // it has arrived; yes or no is on its way back
            network.partition(&main, &server);
            let (connected, time) = took(connecting).await;
            assert_eq!((kind(connected.unwrap()), time), (ErrorKind::TimedOut, Duration::from_secs(127)));
            network.heal(&main, &server);
        }
        // Who had accepted finds out when the network is whole again.
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(kind(accepted.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_crash_ends_all_that_runs_on_the_host_and_it_can_be_started_again() {
    simulated(|network| async move {
        let host = network.host("server");
        let log: Rc<RefCell<Vec<&str>>> = Rc::default();
        let gone = |what| {
            let log = log.clone();
            OnDrop::new(move || log.borrow_mut().push(what))
        };
        let (first, inner) = (gone("run"), gone("spawned"));
        let running = spawn_local(host.run(async move {
            let _first = first;
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            named("connection").spawn_local(async move {
                let _inner = inner;
                executor::shield(async { stream.read(&mut [0; 8]).await.map(drop) }).await
            });
            pending::<()>().await
        }));
        let client = TcpStream::connect((host.address(), 80)).await.unwrap();
        sleep(MS).await;
        assert!(log.borrow().is_empty());
        let before = now();
        host.crash();
        assert_eq!(running.await.unwrap(), Err(Crashed));
        yield_now().await;
        assert_eq!((log.borrow().len(), now()), (2, before), "{log:?}");
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert_eq!(now() - before, LATENCY);
        assert_eq!(kind(TcpStream::connect((host.address(), 80)).await), ErrorKind::ConnectionRefused);

        let again = spawn_local(host.run(async { TcpListener::bind("0.0.0.0:80").await.unwrap().accept().await }));
        yield_now().await;
        TcpStream::connect((host.address(), 80)).await.unwrap();
        assert!(again.await.unwrap().is_ok_and(|accepted| accepted.is_ok()));
    });
}

#[test]
fn a_host_that_crashes_itself_does_not_go_on() {
    simulated(|network| async move {
        let host = network.host("a");
        let went_on = Rc::new(Cell::new(false));
        let seen = went_on.clone();
        let task = host.run(async move {
            Host::current().unwrap().crash();
            yield_now().await;
            seen.set(true);
        });
        assert_eq!((task.await, went_on.get()), (Err(Crashed), false));
        assert!(Host::current().is_none());
    });
}

#[test]
fn what_is_started_after_the_crash_goes_on_and_what_was_spawned_before_does_not() {
    simulated(|network| async move {
        let host = network.host("a");
        let went_on = Rc::new(Cell::new(false));
        let seen = went_on.clone();
        let crashing = host.run(async {
            Host::current().unwrap().crash();
            spawn_local(async move {
                yield_now().await;
                seen.set(true);
            });
        });
        crashing.await.unwrap();
        assert!(host.run(async { spawn_local(yield_now()).await }).await.unwrap().is_ok()); // in the same poll
        assert!(!went_on.get());
    });
    // Between two runs.
    let runtime = Runtime::builder().deterministic(0).build().unwrap();
    let host = runtime.network().unwrap().host("a");
    host.crash();
    assert!(runtime.block_on(host.run(async { spawn_local(yield_now()).await })).unwrap().is_ok());
}

/// Has a host crash when it is woken.
struct Crashes(Host);

impl Wake for Crashes {
    fn wake(self: Arc<Self>) {
        self.0.crash();
    }
}

#[test]
fn a_crash_in_no_task_at_all_ends_what_is_about_to_run() {
    simulated(|network| async move {
        let (host, went_on) = (network.host("a"), Rc::new(Cell::new(false)));
        let seen = went_on.clone();
        let spawning = host.run(async {
            spawn_local(async move {
                sleep(MS).await;
                seen.set(true);
            });
            yield_now().await;
            yield_now().await; // by now it sleeps
        });
        spawning.await.unwrap();
        let mut crash = Box::pin(sleep(MS));
        assert!(poll_with(&Waker::from(Arc::new(Crashes(host))), &mut crash).is_pending());
        sleep(2 * MS).await;
        assert!(!went_on.get());
    });
}

#[test]
fn a_destructor_starts_nothing_on_a_host_that_has_crashed() {
    simulated(|network| async move {
        let (host, went_on) = (network.host("a"), Rc::new(Cell::new(false)));
        let seen = went_on.clone();
        let spawns = OnDrop::new(move || {
            spawn_local(async move {
                yield_now().await;
                seen.set(true);
            });
        });
        let run = spawn_local(host.run(async move {
            let _spawns = spawns;
            pending::<()>().await
        }));
        yield_now().await;
        host.crash();
        assert_eq!(run.await.unwrap(), Err(Crashed));
        sleep(MS).await;
        assert!(!went_on.get());
    });
}

#[test]
fn the_destructors_of_a_run_that_is_given_up_are_on_its_host() {
    simulated(|network| async move {
        let seen: Rc<RefCell<Option<Host>>> = Rc::default();
        let (host, sees) = (network.host("a"), seen.clone());
        let destructor = OnDrop::new(move || *sees.borrow_mut() = Host::current());
        let run = host.run(async move {
            let _destructor = destructor;
            pending::<()>().await
        });
        assert!(timeout(MS, run).await.is_err());
        assert_eq!((seen.take(), Host::current()), (Some(host), None));
    });
}

#[test]
fn a_task_of_no_host_is_on_none_whoever_has_it_polled() {
    simulated(|network| async move {
        let hosts = Rc::new(RefCell::new(Vec::new()));
        let seen = hosts.clone();
        let _waits = spawn_local(future::poll_fn(move |_| {
            seen.borrow_mut().push(Host::current());
            Poll::<()>::Pending
        }));
        yield_now().await;
        network.host("a").run(async { executor::tasks() }).await.unwrap(); // polls all, to ask them
        assert_eq!(*hosts.borrow(), [None, None]);
    });
}

#[test]
fn a_socket_that_outlives_its_crashed_host_is_broken() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        client.write(b"arrives, and goes with the machine").await.unwrap();
        sleep(LATENCY).await;
        let bind = || async { host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap() };
        let listener = Rc::new(bind().await.unwrap());
        let held = listener.clone();
        let accepting = spawn_local(async move { held.accept().await.map(drop) });
        yield_now().await;
        host.crash();
        assert_eq!(kind(server.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert!(accepting.await.unwrap().unwrap_err().to_string().contains("crashed"));
        let _new = bind().await.unwrap();
        drop(listener); // which no longer has the port
        assert_eq!(kind(bind().await), ErrorKind::AddrInUse);
    });
}

// ---- nothing is left ---------------------------------------------------------------------------

/// Counts what is registered and set.
#[derive(Default)]
struct Left {
    sources: AtomicI64,
    timers: AtomicI64,
}

impl reactor::Observer for Left {
    fn source_added(&self, _: SourceId, fd: i32) {
        assert_eq!(fd, -1);
        self.sources.fetch_add(1, Ordering::Relaxed);
    }
    fn source_removed(&self, _: SourceId) {
        self.sources.fetch_sub(1, Ordering::Relaxed);
    }
    fn timer_set(&self, _: TimerId, _: Instant, _: &'static Location<'static>) {
        self.timers.fetch_add(1, Ordering::Relaxed);
    }
    fn timer_cancelled(&self, _: TimerId) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
    }
    fn timer_fired(&self, _: TimerId) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl executor::Observer for Left {}

/// A client that connects, asks, and reads the answer.
async fn exchange(host: Host) -> io::Result<()> {
    let stream = timeout(Duration::from_secs(9), TcpStream::connect((host.address(), 80))).await??;
    (&stream).write_all(&[0; 100_000]).await?;
    (&stream).read_exact(&mut [0; 10]).await?;
    Ok(())
}

#[test]
fn a_client_that_is_dropped_at_any_await_leaves_nothing() {
    for polls in 0.. {
        let left = Arc::new(Left::default());
        let runtime = Runtime::builder().deterministic(0).observer(left.clone()).build().unwrap();
        let network = runtime.network().unwrap();
        let was_done = runtime.block_on(async {
            let host = network.host("server");
            let serving = host.run(async {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut stream, _) = listener.accept().await?;
                stream.read_exact(&mut [0; 100_000]).await?;
                stream.write_all(&[0; 10]).await?;
                stream.read(&mut [0]).await
            });
            let serving = spawn_local(serving);
            yield_now().await;
            let mut client = Box::pin(exchange(host));
            let mut was_done = false;
            for _ in 0..polls {
                was_done = was_done || poll_once(&mut client).await.is_some();
                sleep(MS).await;
            }
            drop(client);
            timeout(Duration::from_secs(200), serving.cancel_on_drop()).await.ok();
            sleep(Duration::from_secs(1)).await;
            was_done
        });
        assert_eq!(left.sources.load(Ordering::Relaxed), 0, "after {polls} polls");
        assert_eq!(left.timers.load(Ordering::Relaxed), 0, "after {polls} polls");
        assert!(format!("{network:?}").ends_with(", 0 sockets)"), "{network:?} after {polls} polls");
        if was_done {
            assert!(polls > 4, "{polls}");
            return;
        }
    }
}

// ---- whatever happens --------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    Wait(u64),
    Cut,
    Heal,
    Crash,
    Slow(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..100_000usize).prop_map(Step::Write),
        4 => (1..100_000usize).prop_map(Step::Read),
        3 => (0..20u64).prop_map(Step::Wait),
        1 => Just(Step::Cut),
        2 => Just(Step::Heal),
        1 => (1..1000u64).prop_map(Step::Slow),
        1 => Just(Step::Crash),
    ]
}

/// The bytes that are sent: each says where it stands.
fn nth(position: usize) -> u8 {
    (position as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]
}

proptest! {
    // To shrink one that ends in a deadlock takes long: each time, the tasks are looked at.
    #![proptest_config(ProptestConfig { max_shrink_time: 5_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_read_is_what_was_written_up_to_some_point(
        seed: u64,
        loss in prop_oneof![Just(0.0), 0.0..0.2],
        jitter in 0..5_000u64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let network = runtime.network().unwrap();
        runtime.block_on(async {
            let (client, server, host) = connected(&network).await;
            let main = network.host("main");
            let normal = Link { loss, jitter: Duration::from_micros(jitter), ..Link::default() };
            link(&network, normal);
            let (mut written, mut read, mut has_failed) = (0, 0, false);
            let mut buf = vec![0; 100_000];
            for step in steps {
                match step {
                    Step::Write(count) => {
                        let bytes: Vec<u8> = (written..written + count).map(nth).collect();
                        match poll_once(client.write(&bytes)).await {
                            Some(Ok(count)) => written += count,
                            Some(Err(_)) => has_failed = true,
                            None => {}
                        }
                    }
                    Step::Read(count) => match poll_once(server.read(&mut buf[..count])).await {
                        Some(Ok(count)) => {
                            let expected: Vec<u8> = (read..read + count).map(nth).collect();
                            assert!(buf[..count] == expected, "{count} bytes from {read} on");
                            read += count;
                        }
                        Some(Err(_)) => has_failed = true,
                        None => {}
                    },
                    Step::Wait(time) => sleep(Duration::from_millis(time)).await,
                    Step::Cut => network.partition(&main, &host),
                    Step::Heal => network.heal(&main, &host),
                    Step::Slow(rate) => link(&network, Link { bandwidth: Some(rate * 1000), ..normal }),
                    Step::Crash => main.crash(),
                }
                assert!(read <= written);
            }
            network.heal(&main, &host);
            drop(client);
            let (rest, error) = read_all(&server).await;
            let expected: Vec<u8> = (read..read + rest.len()).map(nth).collect();
            assert!(rest == expected, "the rest, from {read} on");
            if error.is_none() && !has_failed {
                // An end without a reset says that it is all.
                assert_eq!(read + rest.len(), written);
            }
        });
    }
}
