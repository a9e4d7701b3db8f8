//! A client's connection: a request, its response, and further exchanges if both sides agree.

use super::body::{Body, Next};
use super::buffer::Buffer;
use super::coding::codings;
use super::error::Error;
use super::framing::Framing;
use super::head::{Head, parse_head};
use super::limits::{Limits, Speed};
use super::outgoing::Outgoing;
use super::recording::Recording;
use super::transport::Transport;
use executor::time::now;
use executor::yield_now;
use futures_lite::AsyncWriteExt;
use futures_lite::future::poll_once;
use http::{HeaderMap, HeaderName, StatusCode};
use std::io;

/// Maximum number of informational (1xx) responses before the final one.
const INFORMATIONAL_LIMIT: usize = 16;
/// Number of bytes that are decoded before other tasks run. Reads need no such limit: they use the budget of the poll.
const DECODED_AT_ONCE: u64 = 64 * 1024;

/// A connection to a server.
pub struct Connection {
    transport: Box<dyn Transport>,
    input: Buffer,
    /// The number of completed exchanges.
    exchanges: usize,
    reusable: bool,
}

/// The head of a response, with access to its body.
pub struct Response<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    connection: &'a mut Connection,
    body: Body,
    /// A coding of the body that can't be undone. The body is then useless, but the head may be useful.
    undecodable: Option<Error>,
    /// Whether the connection may be reused after the body.
    keep: bool,
    limits: Limits,
    speed: Speed,
    /// The number of decoded bytes when other tasks last ran.
    yielded_at: u64,
    /// Whether all of the body has been read.
    is_complete: bool,
}

impl Connection {
    /// A connection over an open transport.
    pub fn new(transport: Box<dyn Transport>) -> Connection {
        Connection { transport, input: Buffer::default(), exchanges: 0, reusable: true }
    }

    /// Whether an exchange was completed on it before.
    pub fn was_used(&self) -> bool {
        self.exchanges > 0
    }

    /// Whether another request may be sent: the response was read to its end, no bytes followed it, and neither side
    /// wants to close.
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.input.unread().is_empty()
    }

    /// Whether the idle connection is still open and has received nothing. Bytes that arrived would not be the answer
    /// to the next request.
    pub async fn is_quiet(&mut self) -> bool {
        let Connection { input, transport, .. } = self;
        poll_once(input.fill(&mut **transport)).await.is_none()
    }

    /// Sends a request without a body and reads the head of its response.
    pub async fn request(&mut self, request: &Outgoing<'_>, limits: &Limits) -> Result<Response<'_>, Error> {
        self.reusable = false; // until the response has been read to its end
        let head = request.head();
        let exchange = async {
            self.transport.write_all(&head).await.map_err(|error| self.no_reply(error))?;
            self.transport.flush().await?;
            self.read_final_head(request.is_recorded()).await
        };
        let what = "waiting for the response's head";
        let ((status, headers, keep_alive), raw_head) = limits.within(limits.header, what, exchange).await?;
        let delimited = Framing::of_response(request.method(), status, &headers)?;
        let (codings, undecodable) = match codings(request.target(), &headers, &delimited.codings) {
            Ok(codings) => (codings, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut body = Body::new(delimited.framing, &codings, limits.body);
        if request.is_recorded() {
            body.record(Recording { head: raw_head, ..Recording::default() });
        }
        let mut response = Response {
            status,
            headers,
            connection: self,
            body,
            undecodable,
            keep: keep_alive && delimited.keep,
            limits: limits.clone(),
            speed: Speed::default(),
            yielded_at: 0,
            is_complete: false,
        };
        if response.body.is_empty() {
            response.undecodable = None;
            response.complete();
        }
        Ok(response)
    }

    /// The transport, after a proxy has opened a tunnel on it.
    pub fn into_transport(self) -> Result<Box<dyn Transport>, Error> {
        match self.input.unread() {
            [] => Ok(self.transport),
            _ => Err(Error::Malformed("bytes after the head that opens a tunnel".into())),
        }
    }

    /// Skips informational responses. Also returns the bytes of the head, if they are recorded.
    async fn read_final_head(&mut self, is_recorded: bool) -> Result<(Head, Vec<u8>), Error> {
        for _ in 0..=INFORMATIONAL_LIMIT {
            let head = self.read_head(is_recorded).await?;
            match head.0.0 {
                StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Error::Malformed("an unrequested 101 Switching Protocols".into()));
                }
                status if status.is_informational() => {}
                _ => return Ok(head),
            }
        }
        Err(Error::TooManyInformational(INFORMATIONAL_LIMIT))
    }

    async fn read_head(&mut self, is_recorded: bool) -> Result<(Head, Vec<u8>), Error> {
        loop {
            if let Some((used, head)) = parse_head(self.input.unread())? {
                let raw = self.input.take(used);
                return Ok((head, if is_recorded { raw.to_vec() } else { Vec::new() }));
            }
            match self.input.fill(&mut *self.transport).await {
                Ok(0) if self.input.unread().is_empty() => return Err(Error::NoReply),
                Ok(0) => return Err(Error::Incomplete("inside the head".into())),
                Ok(_) => {}
                Err(error) => return Err(self.no_reply(error)),
            }
        }
    }

    /// The error for a connection that broke. Before the first byte of a response it means that the server closed it,
    /// for example an idle connection just when it was reused.
    fn no_reply(&self, error: io::Error) -> Error {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset if self.input.unread().is_empty() => Error::NoReply,
            _ => Error::Io(error),
        }
    }
}

impl Response<'_> {
    /// A field as text, which may contain more than ASCII. `None` if there is no such field, or if it is not UTF-8.
    pub fn field(&self, name: HeaderName) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// The next piece of the body, with its codings undone; `None` at its end.
    ///
    /// # Errors
    /// The connection broke, the body is malformed or not valid data in its coding, or a limit was exceeded.
    ///
    /// # Cancel safety
    /// If this future is dropped before it is ready, nothing of the body is lost.
    pub async fn piece(&mut self) -> Result<Option<&[u8]>, Error> {
        if let Some(error) = self.undecodable.take() {
            return Err(error);
        }
        if self.body.decoded() - self.yielded_at >= DECODED_AT_ONCE {
            self.yielded_at = self.body.decoded();
            if self.body.is_coded() {
                yield_now().await;
            }
        }
        let count = loop {
            match self.body.next(&mut self.connection.input)? {
                Next::Piece(count) => break count,
                Next::More => self.more().await?,
                Next::Done => {
                    self.complete();
                    return Ok(None);
                }
            }
        };
        Ok(Some(self.body.take(count, &mut self.connection.input)))
    }

    /// The number of bytes of the body so far, before decoding.
    pub fn received(&self) -> u64 {
        self.body.received()
    }

    /// The number of bytes of the body so far, after decoding.
    pub fn decoded(&self) -> u64 {
        self.body.decoded()
    }

    /// Whether a coding of the body is undone. If so, its length and its ranges refer to the coded body.
    pub fn is_coded(&self) -> bool {
        self.body.is_coded()
    }

    /// Reads the rest of the body, up to `limit` bytes, so that the connection can be reused. Beyond that, closing it
    /// is cheaper.
    pub async fn discard(&mut self, limit: u64) -> Result<(), Error> {
        while self.decoded().max(self.received()) <= limit && self.piece().await?.is_some() {}
        Ok(())
    }

    /// Whether all of the body has been read.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The received bytes that were not taken yet, if the request asked to record them.
    pub fn recording(&mut self) -> Option<&mut Recording> {
        self.body.recording()
    }

    /// Closes the connection, so that the server sends no more of the body.
    pub fn abandon(&mut self) {
        self.connection.transport = Box::new(futures_lite::io::Cursor::new(Vec::new()));
    }

    /// Notes the end of the body.
    fn complete(&mut self) {
        self.is_complete = true;
        self.connection.exchanges += 1;
        self.connection.reusable = self.keep;
    }

    async fn more(&mut self) -> Result<(), Error> {
        let Connection { input, transport, .. } = &mut *self.connection;
        let read = async { input.fill(&mut **transport).await.map_err(Error::Io) };
        let start = now();
        match self.limits.within(self.limits.idle, "waiting for more of the body", read).await? {
            0 => self.body.end_of_stream(),
            count => self.speed.arrived(&self.limits.speed, now() - start, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::limits::{LeastSpeed, TotalTime};
    use executor::spawn_local;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_lite::{AsyncRead, AsyncWrite};
    use http::Method;
    use std::cell::Cell;
    use std::io::Write;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll};
    use std::time::Duration;
    use url::Url;

    /// A server whose whole reply is available at once.
    struct Ready(Vec<u8>);

    impl AsyncRead for Ready {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
            let count = self.0.len().min(to.len());
            to[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Ready {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(from.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn other_tasks_run_while_a_small_body_expands_to_a_large_one() {
        const SIZE: u64 = 16 * DECODED_AT_ONCE;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&vec![0; SIZE as usize]).unwrap();
        let body = encoder.finish().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        let second = Duration::from_secs(1);
        let limits = Limits {
            connect: second,
            header: second,
            idle: second,
            body: SIZE,
            total: TotalTime::default(),
            speed: LeastSpeed::default(),
        };
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        executor::block_on(async move {
            spawn_local(async move {
                loop {
                    counted.set(counted.get() + 1);
                    yield_now().await;
                }
            });
            let mut connection = Connection::new(Box::new(Ready([head.as_bytes(), &body].concat())));
            let url = Url::parse("http://server/").unwrap();
            let request = Outgoing::new(Method::GET, &url);
            let mut response = connection.request(&request, &limits).await.unwrap();
            while response.piece().await.unwrap().is_some() {}
            assert_eq!((response.decoded(), response.received()), (SIZE, body.len() as u64));
        });
        assert!(turns.get() >= 15, "they had {} turns", turns.get());
    }
}
