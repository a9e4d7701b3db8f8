//! How a connection begins and ends.

use super::{descriptor_limit, on_each, read_exactly, tcp_pair};
use executor::net::{TcpListener, TcpStream};
use executor::time::{Duration, sleep};
use executor::{spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use std::io::{ErrorKind, Write};
use std::net::{self, Shutdown};
use std::os::fd::AsFd;

#[test]
fn connecting_to_a_closed_port_is_refused_with_the_systems_error() {
    on_each(|| async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = TcpStream::connect(gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
    });
}

#[test]
fn a_reset_by_the_peer_is_reported_as_a_reset() {
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
fn a_peer_that_closes_during_a_write_causes_an_error_and_no_signal() {
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
    // The read returns less than it asked for, which clears the readiness that was assumed; the end of the stream must
    // still be found.
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
