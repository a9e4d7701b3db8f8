//! Sockets that have outlived their runtime, or never had one.

use super::{on_each_reactor, unix_pair};
use executor::net::{TcpListener, TcpStream, UnixStream};
use futures_lite::AsyncReadExt;
use std::os::unix::net as unix;
use std::task::Poll;
use tests::strict::block_on;
use tests::{Counting, poll_with, within};

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
fn the_end_of_a_reactor_wakes_the_waiters_of_its_sockets() {
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
        // Either the creation or the first use may return the error; neither may wait for ever.
        let Ok(ours) = UnixStream::from_std(ours) else { return };
        let read = poll_with(&Counting::new().waker(), &mut Box::pin(ours.read(&mut [0; 8])));
        assert!(matches!(read, Poll::Ready(Err(_))), "it waits for a reactor that is gone");
    });
}

#[test]
fn making_a_socket_outside_of_a_runtime_is_an_error_that_says_what_to_write() {
    let error = UnixStream::pair().unwrap_err();
    assert!(error.to_string().contains("executor::block_on"), "{error}");
}
