//! The bytes between a socket and the commands: [`Input`] and [`Outbox`].
//!
//! An idle client holds no buffer. To read or reply it takes the server's spare buffer, and gives it back when it is
//! done, usually at once. So ten thousand idle clients take no memory for buffers, and busy ones share a buffer that
//! stays in the cache.

use crate::large::Part;
use executor::net::TcpStream;
use futures_lite::{AsyncRead, AsyncWrite};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// The size of a read.
const READ: usize = 64 * 1024;
/// Minimum free space for which a read is worth its system call.
const LEAST_ROOM: usize = READ / 4;
/// The longest request, in bytes. Like Redis, the server disconnects the client of a longer one.
const REQUEST_LIMIT: usize = 1 << 30;
/// Maximum number of bytes by which a buffer grows at once. New memory is zeroed first, which delays all clients.
const GROWTH: usize = 256 * 1024;
/// Copied to grow a buffer, which is fast even in builds without optimization.
static ZEROS: [u8; GROWTH] = [0; GROWTH];
/// Bytes of a large value that are written by one system call.
const WRITE: usize = 64 * 1024;
/// A larger buffer is freed instead of kept as the spare one.
const SPARE_LIMIT: usize = READ;
/// Unsent bytes after which a subscriber is disconnected: Redis's `client-output-buffer-limit pubsub`.
pub const BEHIND_LIMIT: usize = 32 * 1024 * 1024;

/// A buffer that no client uses, or none.
#[derive(Default)]
pub struct Spare(Cell<Vec<u8>>);

impl Spare {
    fn give(&self, buffer: Vec<u8>) {
        if (1..=SPARE_LIMIT).contains(&buffer.capacity()) {
            self.0.set(buffer);
        }
    }
}

/// The input of a client that has not been parsed yet.
#[derive(Default)]
pub struct Input {
    /// Always initialized, so a read needs no zeroing. The unread bytes are `bytes[start..end]`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// The unread bytes.
    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Consumes the first `count` unread bytes.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Takes the first `count` unread bytes out, together with their memory.
    pub fn detach(&mut self, count: usize) -> Part {
        let (start, end) = (self.start, self.start + count);
        let rest = self.bytes[end..self.end].to_vec();
        (self.start, self.end) = (0, rest.len());
        let mut bytes = std::mem::replace(&mut self.bytes, rest);
        bytes.truncate(end);
        bytes.shrink_to_fit();
        Part::new(bytes, start)
    }

    /// Reads more bytes after the unread ones. Returns 0 at the end of the stream.
    pub fn poll_fill(
        &mut self,
        mut stream: &TcpStream,
        spare: &Spare,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room(spare)?;
        let polled = Pin::new(&mut stream).poll_read(cx, &mut self.bytes[self.end..]);
        match &polled {
            Poll::Ready(Ok(count)) => self.end += count,
            Poll::Pending => self.park(spare),
            Poll::Ready(Err(_)) => {}
        }
        polled
    }

    /// Keeps only the unread bytes while the client is idle. Many unread bytes stay in place: they would be copied
    /// again and again while a large value arrives in small pieces.
    fn park(&mut self, spare: &Spare) {
        let unread = self.end - self.start;
        if unread < READ {
            let kept = self.unread().to_vec();
            spare.give(std::mem::replace(&mut self.bytes, kept));
            (self.start, self.end) = (0, unread);
        }
    }

    /// Whether the last read filled the buffer, so there is probably more.
    pub fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Makes room for a read. The buffer grows with the bytes that arrived, never with an announced length.
    fn make_room(&mut self, spare: &Spare) -> io::Result<()> {
        let unread = self.end - self.start;
        if self.bytes.len() < READ {
            let mut bytes = spare.0.take();
            bytes.resize(READ, 0);
            bytes[..unread].copy_from_slice(self.unread());
            self.bytes = bytes;
        } else if unread == 0 || self.bytes.len() - self.end < LEAST_ROOM {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
            }
        } else {
            return Ok(());
        }
        (self.start, self.end) = (0, unread);
        if self.bytes.len() - unread < LEAST_ROOM {
            if unread > REQUEST_LIMIT {
                return Err(io::Error::other("a request is longer than Redis takes"));
            }
            let more = self.bytes.len().min(GROWTH).min(REQUEST_LIMIT + READ - self.bytes.len());
            self.bytes.reserve_exact(more);
            self.bytes.extend_from_slice(&ZEROS[..more]);
        }
        Ok(())
    }
}

/// The output of a client: replies, and messages that others publish.
///
/// Both are in one buffer, so they are sent in order. Only the client's task sends; other tasks append and wake it.
#[derive(Default)]
pub struct Outbox {
    bytes: Cell<Vec<u8>>,
    /// The number of bytes that are sent.
    sent: Cell<usize>,
    /// A large value after these bytes; its line end follows. While there is one, nothing may be appended.
    large: Cell<Option<Box<Part>>>,
    overrun: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Outbox {
    /// Takes the buffer, to append replies; `put` it back. Call it once `poll_send` was ready, so no byte in it is sent.
    pub fn take(&self, spare: &Spare) -> Vec<u8> {
        let mut bytes = self.bytes.take();
        if bytes.capacity() == 0 {
            bytes = spare.0.take();
            bytes.clear();
        }
        bytes
    }

    /// Puts the buffer back.
    pub fn put(&self, bytes: Vec<u8>) {
        self.bytes.set(bytes);
    }

    /// Appends a large value.
    pub fn follow(&self, value: Part) {
        self.large.set(Some(Box::new(value)));
    }

    /// Appends a published message. If the client is too far behind, it is disconnected instead.
    pub fn push(&self, message: &[u8]) {
        if self.overrun.get() {
            return;
        }
        let (mut bytes, sent) = (self.bytes.take(), self.sent.get());
        let was_empty = bytes.is_empty();
        if bytes.len() - sent + message.len() > BEHIND_LIMIT {
            return self.overrun();
        }
        if sent > bytes.len() / 2 {
            bytes.drain(..sent); // moves fewer bytes than were sent since the last time
            self.sent.set(0);
        }
        bytes.extend_from_slice(message);
        self.bytes.set(bytes);
        // With unsent bytes in the buffer, the task already waits for the socket.
        if was_empty {
            self.wake();
        }
    }

    /// Disconnects the client, because it is too far behind.
    pub fn overrun(&self) {
        self.overrun.set(true);
        self.bytes.take(); // frees the memory now: the task may run much later
        self.wake();
    }

    /// Sends everything in the buffer.
    pub fn poll_send(&self, mut stream: &TcpStream, spare: &Spare, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.overrun.get() {
            return Poll::Ready(Err(io::Error::other("the client is too far behind its messages")));
        }
        let mut bytes = self.bytes.take();
        loop {
            while self.sent.get() < bytes.len() {
                match Pin::new(&mut stream).poll_write(cx, &bytes[self.sent.get()..]) {
                    Poll::Ready(count) => self.sent.set(self.sent.get() + count?),
                    Poll::Pending => {
                        self.bytes.set(bytes);
                        return Poll::Pending;
                    }
                }
            }
            self.sent.set(0);
            let Some(value) = self.large.take() else {
                spare.give(bytes);
                return Poll::Ready(Ok(()));
            };
            bytes.clear();
            ready!(self.poll_send_large(value, stream, cx))?;
            bytes.extend_from_slice(b"\r\n");
        }
    }

    fn poll_send_large(
        &self,
        mut value: Box<Part>,
        mut stream: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !value.is_empty() {
            match Pin::new(&mut stream).poll_write(cx, &value[..value.len().min(WRITE)]) {
                Poll::Ready(count) => value.advance(count?),
                Poll::Pending => {
                    self.large.set(Some(value));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Stores the waker to call when a message is appended.
    pub fn listen(&self, waker: &Waker) {
        let before = self.waker.take().filter(|before| before.will_wake(waker));
        self.waker.set(before.or_else(|| Some(waker.clone())));
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker)); // a task's waker never changes
        }
    }
}
