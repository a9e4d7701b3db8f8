//! Datagrams, Unix sockets, pipes and files.

use super::{expect_pattern, on_each, pattern, read_exactly, send_pattern};
use executor::io::Async;
use executor::net::{UdpSocket, UnixDatagram, UnixListener, UnixStream};
use executor::{spawn, yield_now};
use futures_lite::future::{poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use reactor::Handle;
use rustix::net as sys;
use std::io::{self, ErrorKind};
use std::sync::Arc;

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
            yield_now().await; // the receiver waits now
            a.send_to(b"first", b.local_addr().unwrap()).await.unwrap();
            a.send_to(b"", b.local_addr().unwrap()).await.unwrap();
            let mut buf = [0; 2];
            assert_eq!(a.recv_from(&mut buf).await.unwrap().0, 2, "the rest is cut off");
        };
        zip(receiving, sending).await;
    });
}

#[test]
fn a_connected_datagram_socket_reports_the_refusal_of_a_closed_port() {
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
        // More than its queue holds: the sender waits until the receiver has made room.
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

/// Drops the writer at the end, because `close` does not end a pipe.
async fn send_pattern_and_drop(mut to: impl AsyncWrite + Unpin, pattern: Arc<[u8]>, length: usize) {
    send_pattern(&mut to, pattern, length).await;
}

#[test]
fn a_regular_file_is_always_ready_or_refused_at_once_with_an_error_that_says_so() {
    on_each(|| async {
        match Async::new(tempfile::tempfile().unwrap()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied), // epoll's error for a regular file
            Ok(mut file) => assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0),
        }
        assert!(format!("{:?}", Handle::current().unwrap()).contains("sources: 0"));
    });
}
