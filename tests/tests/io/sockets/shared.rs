//! Several tasks at one socket.

use super::{on_each, on_each_reactor, read_exactly, tcp_pair};
use executor::io::Async;
use executor::net::{TcpListener, TcpStream};
use executor::time::Duration;
use executor::{spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::net::{self};
use std::os::unix::net as unix;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use tests::{Counting, poll_with};

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
    // or after a read that emptied the socket: the first report that is lost stops the test.
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
                // Other threads may do this at this moment: the peer writes, and the reactor reports it.
                theirs.write_all(b"x").unwrap();
                reactor.borrow_mut().turn(Some(Duration::ZERO)).unwrap();
            }
            result
        }));
        let counting = Counting::new();
        let poll = poll_with(&counting.waker(), &mut read);
        reactor.borrow_mut().turn(Some(Duration::ZERO)).unwrap(); // an edge is not reported again, a level is
        assert!(matches!(poll, Poll::Ready(Ok(1))) || counting.wakes() > 0, "{poll:?}, and it will not be woken");
    });
}
