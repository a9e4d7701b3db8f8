//! The bytes between a socket and the commands: [`Input`] and [`Outbox`].
//!
//! A client that waits holds no buffer. It takes the server's spare one when there is something to read
//! or to say, and gives it back when that is dealt with, which for most is at once. So ten thousand
//! idle clients take no memory for buffers, and busy ones all use the same, which stays in the cache.

use crate::large::Part;
use executor::net::TcpStream;
use futures_lite::{AsyncRead, AsyncWrite};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Room for one read; all clients share it.
const READ: usize = 64 * 1024;
/// With less room than this a read is not worth its system call.
const LEAST_ROOM: usize = READ / 4;
/// A request may have so many bytes; the client of a longer one is disconnected, as by Redis.
const REQUEST_LIMIT: usize = 1 << 30;
/// A buffer grows by so much at once, at most: new memory is zeroed, and then read into, which holds all clients up.
const GROWTH: usize = 256 * 1024;
/// What it grows by. To copy it is fast in builds without optimisation, too.
static ZEROS: [u8; GROWTH] = [0; GROWTH];
/// So much of a large value is written by one system call.
const WRITE: usize = 64 * 1024;
/// Buffers that grew beyond this go back to the system.
const SPARE_LIMIT: usize = READ;
/// A subscriber that is so far behind is disconnected: Redis's `client-output-buffer-limit pubsub`.
pub const BEHIND_LIMIT: usize = 32 * 1024 * 1024;

/// A buffer that nobody uses just now.
#[derive(Default)]
pub struct Spare(Cell<Vec<u8>>);

impl Spare {
    fn give(&self, buffer: Vec<u8>) {
        if (1..=SPARE_LIMIT).contains(&buffer.capacity()) {
            self.0.set(buffer);
        }
    }
}

/// What a client sent and we have not yet understood.
#[derive(Default)]
pub struct Input {
    /// Initialised as a whole, so that a read needs no zeroing before it.
    bytes: Vec<u8>,
    /// The unread ones are from here …
    start: usize,
    /// … to here.
    end: usize,
}

impl Input {
    /// What is there.
    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Uses up the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Takes the first `count` bytes out, with the memory they are in.
    pub fn detach(&mut self, count: usize) -> Part {
        let (start, end) = (self.start, self.start + count);
        let rest = self.bytes[end..self.end].to_vec();
        (self.start, self.end) = (0, rest.len());
        let mut bytes = std::mem::replace(&mut self.bytes, rest);
        bytes.truncate(end);
        bytes.shrink_to_fit();
        Part::new(bytes, start)
    }

    /// Reads what has come, behind what is there. 0 at the end of the stream.
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

    /// While the client waits it keeps what it needs to keep. Much of it stays where it is: it would be
    /// copied again and again while a large value comes in small pieces.
    fn park(&mut self, spare: &Spare) {
        let unread = self.end - self.start;
        if unread < READ {
            let kept = self.unread().to_vec();
            spare.give(std::mem::replace(&mut self.bytes, kept));
            (self.start, self.end) = (0, unread);
        }
    }

    /// Whether the last read took all it had room for: then there is more.
    pub fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Grows with what has come, never with what was announced.
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

/// What the socket of a client has not yet taken: replies, and messages that others publish.
///
/// Both in one buffer, so they go out in the order in which they came about. The client's task
/// sends; others only add to it and wake that task.
#[derive(Default)]
pub struct Outbox {
    bytes: Cell<Vec<u8>>,
    /// So many of them are sent.
    sent: Cell<usize>,
    /// A large value that follows them, and the end of its line after that. While it is there, nothing may be added.
    large: Cell<Option<Box<Part>>>,
    overrun: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Outbox {
    /// The buffer, to append replies to; `put` it back. Nothing in it is sent yet.
    pub fn take(&self, spare: &Spare) -> Vec<u8> {
        let mut bytes = self.bytes.take();
        if bytes.capacity() == 0 {
            bytes = spare.0.take();
            bytes.clear();
        }
        bytes
    }

    /// Gives the buffer back.
    pub fn put(&self, bytes: Vec<u8>) {
        self.bytes.set(bytes);
    }

    /// Has a large value follow what is in the buffer.
    pub fn follow(&self, value: Part) {
        self.large.set(Some(Box::new(value)));
    }

    /// Adds a message from somebody else. One too many, and the client will be disconnected.
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
            bytes.drain(..sent); // moves less than was sent since the last time
            self.sent.set(0);
        }
        bytes.extend_from_slice(message);
        self.bytes.set(bytes);
        // With something unsent in it the task waits for the socket already.
        if was_empty {
            self.wake();
        }
    }

    /// Disconnects the client, as it is too far behind.
    pub fn overrun(&self) {
        self.overrun.set(true);
        self.bytes.take(); // now: the task that is woken may have to wait its turn
        self.wake();
    }

    /// Sends all that is in it.
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

    /// Has `waker` called when somebody adds a message.
    pub fn listen(&self, waker: &Waker) {
        let before = self.waker.take().filter(|before| before.will_wake(waker));
        self.waker.set(before.or_else(|| Some(waker.clone())));
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker)); // a task keeps its waker for life
        }
    }
}
