//! The ways to read and write, and large transfers.

use super::{expect_pattern, on_each, pattern, read_exactly, send_pattern, tcp_pair};
use executor::net::UnixStream;
use executor::time::{Duration, sleep, timeout};
use executor::{spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::net as sys;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

#[test]
fn a_peek_consumes_nothing() {
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
    // The system takes 1,024 buffers a call, so it writes less than it was asked to, although there is room for more.
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
    // A read of a Unix stream ends with the message that carries descriptors, whether or not the reader receives these.
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
fn reading_into_an_empty_buffer_and_writing_an_empty_one_change_nothing() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(read_exactly(&mut server, 1).await, b"x");
    });
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
