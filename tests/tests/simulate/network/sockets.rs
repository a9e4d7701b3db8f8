//! Simulated sockets behave like those of the system.

use super::{LATENCY, MS, WINDOW, connected, kind, read_all, simulated, took};
use executor::net::{Shutdown, TcpListener, UdpSocket, UnixStream};
use executor::time::{Duration, sleep, timeout};
use executor::{spawn, spawn_local, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

#[test]
fn a_writer_waits_when_the_window_is_full_and_continues_when_half_of_it_was_read() {
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
fn no_writer_is_woken_while_the_window_is_full() {
    simulated(|network| async move {
        let (client, _server, _) = connected(&network).await;
        client.writable().await.unwrap();
        assert_eq!(client.write(&[0; 2 * WINDOW]).await.unwrap(), WINDOW);
        assert!(timeout(10 * MS, client.writable()).await.is_err());
    });
}

#[test]
fn a_broken_connection_is_an_error_once() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        drop(server);
        client.write(b"answered by a reset").await.unwrap();
        sleep(LATENCY / 2).await;
        client.write(b"and so is this").await.unwrap();
        sleep(LATENCY * 7 / 4).await; // the first reset has arrived
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
fn shutting_down_reading_ends_a_waiting_read_and_drops_what_arrives_later() {
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
        client.write(b"unread").await.unwrap();
        server.readable().await.unwrap();
        drop(server);
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0); // the error is returned once, as the system does
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
fn a_linger_of_zero_resets_and_what_had_arrived_can_still_be_read() {
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
fn peek_vectored_io_split_halves_and_options_work() {
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
fn waits_at_a_socket_are_in_the_task_dump() {
    simulated(|network| async move {
        let (client, _server, host) = connected(&network).await;
        spawn_local(async move { client.read(&mut [0; 8]).await });
        let listener = host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap().unwrap();
        spawn_local(async move { listener.accept().await });
        // In the next pass both tasks run, before this one or after it; by the pass after that, both have run.
        yield_now().await;
        yield_now().await;
        let tasks = executor::tasks().to_string();
        assert!(tasks.contains("waits for: readable on the socket to 10.0.0.2:80"), "{tasks}");
        assert!(tasks.contains("waits for: readable on the listener at 0.0.0.0:81"), "{tasks}");
    });
}
