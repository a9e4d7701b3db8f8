//! How long links take: latency, jitter and bandwidth.

use super::{LATENCY, MS, WINDOW, connected, kind, link, refusal, simulated, took};
use executor::net::{TcpListener, TcpStream};
use executor::test::Link;
use executor::time::{Duration, now};
use futures_lite::{AsyncReadExt, future};
use reactor::Reactor;
use reactor::backend::Simulation;
use std::io::ErrorKind;
use std::task::Waker;
use tests::poll_with;

#[test]
fn a_connect_takes_the_latency_twice_and_a_message_takes_it_once() {
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
fn bytes_in_the_same_direction_share_the_bandwidth() {
    simulated(|network| async move {
        link(&network, Link { bandwidth: Some(1_000_000), ..Link::default() });
        let (client, server, host) = connected(&network).await;
        client.write(&[1; 10_000]).await.unwrap(); // 10 ms
        server.write(&[2; 10_000]).await.unwrap(); // in the other direction, at the same time
        client.write(&[1; 5_000]).await.unwrap(); // another 5 ms
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
fn a_link_whose_limit_was_removed_has_none() {
    simulated(|network| async move {
        link(&network, Link { bandwidth: Some(1_000), ..Link::default() });
        let (client, _server, host) = connected(&network).await;
        client.write(&[1; 10_000]).await.unwrap(); // takes 10 s
        link(&network, Link::default());
        let (refused, time) = took(TcpStream::connect((host.address(), 81))).await;
        assert_eq!((kind(refused), time), (ErrorKind::ConnectionRefused, 2 * LATENCY));
    });
}

#[test]
fn a_large_write_arrives_piece_by_piece() {
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
fn jitter_is_at_most_that_of_the_link_and_keeps_the_order() {
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

#[test]
fn the_slowest_allowed_link_works_and_a_slower_one_is_refused() {
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
fn a_turn_with_the_longest_timeout_ends_at_the_next_event() {
    let mut reactor = Reactor::with(Box::new(Simulation::with_network(0)), None);
    let (handle, start) = (reactor.handle(), reactor.handle().now());
    let _entered = handle.enter();
    drop(poll_with(Waker::noop(), &mut Box::pin(TcpStream::connect("10.0.0.1:80"))));
    reactor.turn(Some(Duration::MAX)).unwrap(); // until the connect is refused
    assert!(handle.now() - start < MS);
}
