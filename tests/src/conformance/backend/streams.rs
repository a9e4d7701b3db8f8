//! TCP streams on a reactor over the backend: what a program sees of the properties that `descriptors.rs` checks.

use super::{Check, LIMIT, SILENCE};
use crate::{Counting, poll_with, waker_fn};
use futures_lite::future::{poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use reactor::Reactor;
use reactor::backend::Backend;
use reactor::net::{Shutdown, TcpListener, TcpStream};
use reactor::observer::Observer;
use reactor::time::{now, sleep, timeout};
use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) const CHECKS: &[Check<Box<dyn Backend>>] = &[
    ("a refused connect is an error", refused),
    ("streams arrive whole in both directions, and end", both_directions),
    ("a reset wakes both directions", reset),
    ("a writer is woken after a reader of the same stream was", writer_that_is_left),
    ("an idle program does not wait again and again", idle),
];

#[derive(Default)]
struct CountsWaits(AtomicUsize);

impl Observer for CountsWaits {
    fn wait_begins(&self, _: Option<Duration>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A minimal executor.
fn drive<F: Future>(backend: Box<dyn Backend>, observer: Option<Arc<dyn Observer>>, future: F) -> F::Output {
    let mut reactor = Reactor::with(backend, observer);
    let _current = reactor.handle().enter();
    let handle = reactor.handle();
    let waker = waker_fn(move || handle.notify());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        reactor.turn(None).expect("the wait goes well");
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (client, server) = zip(TcpStream::connect(address), listener.accept()).await;
    (client.expect("a listener is there"), server.expect("a client comes").0)
}

fn refused(backend: Box<dyn Backend>) {
    drive(backend, None, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let error = TcpStream::connect(address).await.expect_err("no listener is there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

fn both_directions(backend: Box<dyn Backend>) {
    const LENGTH: usize = 4 << 20;
    async fn send(stream: &TcpStream, salt: usize) {
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at * 31 + at / 251 + salt) as u8).collect();
        (&*stream).write_all(&bytes).await.expect("the peer reads");
        stream.shutdown(Shutdown::Write).expect("it is connected");
    }
    async fn expect(stream: &TcpStream, salt: usize) {
        let mut bytes = Vec::new();
        (&*stream).read_to_end(&mut bytes).await.expect("the peer writes");
        assert_eq!(bytes.len(), LENGTH);
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (at * 31 + at / 251 + salt) as u8));
    }
    drive(backend, None, async {
        let (client, server) = pair().await;
        let sending = zip(send(&client, 1), send(&server, 2));
        zip(sending, zip(expect(&client, 2), expect(&server, 1))).await;
    });
}

fn reset(backend: Box<dyn Backend>) {
    drive(backend, None, async {
        let (client, server) = pair().await;
        let (reader, writer) = (client.clone(), client);
        let write = async {
            loop {
                if let Err(error) = writer.write(&[0; 1 << 16]).await {
                    return error.kind();
                }
            }
        };
        let read = async { reader.read(&mut [0; 8]).await };
        let break_off = async {
            sleep(SILENCE).await; // the buffers are full, and both wait
            server.set_linger(Some(Duration::ZERO)).expect("a stream can linger");
            drop(server);
        };
        let ((read, kind), ()) = zip(zip(read, write), break_off).await;
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
        assert!(read.is_err() || read.is_ok_and(|read| read == 0), "there was nothing to read");
    });
}

/// A backend that reports once has to be re-armed for the waiters that the report did not wake.
fn writer_that_is_left(backend: Box<dyn Backend>) {
    let writer = Counting::new();
    drive(backend, None, async {
        let (client, server) = pair().await;
        let mut buf = vec![0; 1 << 16];
        while poll_once(client.write(&buf)).await.is_some() {}
        let mut write = Box::pin(client.write(b"x"));
        assert!(poll_with(&writer.waker(), &mut write).is_pending(), "it is full");
        let (read, written) = zip(client.read(&mut [0; 8]), server.write(b"x")).await;
        assert_eq!((read.expect("it is connected"), written.expect("it is connected")), (1, 1));
        let start = now();
        while writer.wakes() == 0 {
            assert!(now() - start < LIMIT, "the writer was not woken");
            while poll_once(server.read(&mut buf)).await.is_some() {}
            sleep(Duration::from_millis(1)).await;
        }
        assert!(poll_with(&writer.waker(), &mut write).is_ready());
    });
}

/// There are readable, writable and broken sources, and no task waits for them.
fn idle(backend: Box<dyn Backend>) {
    let waits = Arc::new(CountsWaits::default());
    drive(backend, Some(waits.clone()), async {
        let (client, server) = pair().await;
        let (gone, broken) = pair().await;
        for stream in [&server, &broken] {
            let gave_up = timeout(SILENCE, stream.read(&mut [0; 8])).await;
            assert!(gave_up.is_err(), "nothing was written");
        }
        assert!(poll_once(server.read(&mut [0; 8])).await.is_none());
        (&client).write_all(b"not read").await.expect("there is room");
        drop(gone);
        sleep(SILENCE).await; // until the last reports have come
        let before = waits.0.load(Ordering::Relaxed);
        sleep(3 * SILENCE).await;
        let waits = waits.0.load(Ordering::Relaxed) - before;
        assert!(waits <= 3, "with nothing to wait for but a timer, the reactor waited {waits} times");
        let read = timeout(LIMIT, server.read(&mut [0; 16])).await;
        assert_eq!(read.expect("what was reported is remembered").expect("it is connected"), 8);
    });
}
