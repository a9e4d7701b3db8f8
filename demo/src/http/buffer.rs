//! Bytes that were read and not yet used. Used by both sides of a connection.
//!
//! An idle connection holds no memory for reading. A read takes the thread's spare buffer, if that is free, and gives
//! it back when nothing was read or everything was used.

use super::transport::Transport;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The size of a read. A larger head makes the buffer grow.
const READ: usize = 32 * 1024;

thread_local! {
    /// A buffer of `READ` bytes that no connection of this thread uses, or none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that were read and not yet used.
#[derive(Default)]
pub struct Buffer {
    /// Always initialized, so a read needs no zeroing. The unread bytes are `bytes[start..end]`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// The unread bytes.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Consumes the first `count` unread bytes.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Consumes the first `count` unread bytes and returns them.
    pub fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.consume(count);
        &self.bytes[from..self.start]
    }

    /// Reads more bytes after the unread ones. Returns 0 at the end of the stream.
    ///
    /// # Cancel safety
    /// If this future is dropped before it is ready, nothing was read.
    pub async fn fill(&mut self, from: &mut (impl Transport + ?Sized)) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(from, cx)).await
    }

    fn poll_fill(&mut self, from: &mut (impl Transport + ?Sized), cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.make_room();
        let polled = Pin::new(from).poll_read(cx, &mut self.bytes[self.end..]);
        match &polled {
            Poll::Ready(Ok(count)) => self.end += count,
            Poll::Ready(Err(_)) | Poll::Pending => self.release(),
        }
        polled
    }

    /// Frees the memory that the unread bytes do not need. Call it before awaiting anything but `fill`.
    pub fn release(&mut self) {
        let unread = self.end - self.start;
        if unread < READ && self.bytes.len() > unread {
            let kept = self.unread().to_vec();
            let buffer = std::mem::replace(&mut self.bytes, kept);
            (self.start, self.end) = (0, unread);
            if buffer.len() == READ {
                SPARE.set(buffer);
            }
        }
    }

    /// Makes room for a read that is worth its system call.
    fn make_room(&mut self) {
        let unread = self.end - self.start;
        if self.bytes.len() < READ {
            let mut buffer = SPARE.take();
            buffer.resize(READ, 0);
            buffer[..unread].copy_from_slice(self.unread());
            self.bytes = buffer;
        } else if unread == 0 || self.bytes.len() - self.end < READ / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            return;
        }
        (self.start, self.end) = (0, unread);
        if self.bytes.len() - unread < READ / 2 {
            self.bytes.resize(self.bytes.len() + READ, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use futures_lite::{AsyncRead, AsyncWrite};

    /// A peer that sends these pieces, one for each read, and then nothing more.
    struct Pieces(Vec<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
            let Some(piece) = self.0.first_mut() else { return Poll::Pending };
            let count = piece.len().min(to.len());
            to[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            self.0.retain(|piece| !piece.is_empty());
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Pieces {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn unread_bytes_stay_in_order() {
        let all: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for (piece, used) in [(1000, 999), (40_000, 10), (1, 1), (32_768, 32_768), (5000, 7777)] {
            let mut peer = Pieces(all[..piece.max(5000)].chunks(piece).map(<[u8]>::to_vec).collect());
            let (mut buffer, mut got) = (Buffer::default(), Vec::<u8>::new());
            while block_on(poll_once(buffer.fill(&mut peer))).is_some() {
                let count = used.min(buffer.unread().len());
                got.extend(buffer.take(count));
            }
            got.extend(buffer.unread());
            assert!(got == all[..piece.max(5000)], "pieces of {piece}, {used} used at a time");
        }
    }

    #[test]
    fn a_waiting_buffer_holds_only_the_unread_bytes() {
        let mut peer = Pieces(vec![b"hello".to_vec()]);
        let mut buffer = Buffer::default();
        assert!(block_on(poll_once(buffer.fill(&mut peer))).is_some());
        buffer.consume(3);
        assert!(block_on(poll_once(buffer.fill(&mut peer))).is_none());
        assert_eq!((buffer.unread(), buffer.bytes.capacity()), (&b"lo"[..], 2));
        buffer.consume(2);
        assert!(block_on(poll_once(buffer.fill(&mut peer))).is_none());
        assert_eq!((buffer.unread(), buffer.bytes.capacity()), (&b""[..], 0));
    }
}
