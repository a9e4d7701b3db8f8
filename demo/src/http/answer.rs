//! Answers, and sending them. Used by `server.rs` and by request handlers.

use super::error::Error;
use super::limits::in_time;
use executor::net::TcpStream;
use futures_lite::AsyncWrite;
use http::StatusCode;
use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// The time a client has to receive a piece of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer to a request.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Fields other than `date`, `connection` and those that delimit the body.
    pub fields: Vec<(&'static str, String)>,
    /// The body. The server adds its length or its chunks.
    pub body: Body,
}

/// The body of an answer.
pub enum Body {
    /// Sent with its length.
    Whole(Vec<u8>),
    /// Sent in chunks.
    Chunked(Vec<u8>),
    /// Ended by closing the connection.
    UntilClose(Vec<u8>),
    /// This many bytes of a file or another source, sent while they are read.
    Stream(u64, Box<dyn PieceByPiece>),
}

/// A boxed future for one thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A source of bytes that is read while they are sent.
///
/// A piece exists only while it is written to the client's socket. Bytes that the socket did not take are read again
/// once it has room, so a slow client takes no memory.
pub trait PieceByPiece {
    /// Reads bytes at the current position, as many as one read returns. Returns no bytes at the end.
    fn next(&mut self) -> LocalFuture<'_, io::Result<Box<dyn AsRef<[u8]>>>>;

    /// Moves the position by `count` bytes, at most as many as `next` returned last.
    fn advance(&mut self, count: usize);
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: StatusCode, content_type: &str, body: Body) -> Answer {
        Answer { status, fields: vec![("content-type", content_type.to_owned())], body }
    }

    /// An answer whose body is a line with the status.
    pub fn plain(status: StatusCode) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", Body::Whole(format!("{status}\n").into_bytes()))
    }

    /// An answer without a body, as for the status 204.
    pub fn empty(status: StatusCode) -> Answer {
        Answer { status, fields: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    /// Adds a field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }

    /// Whether the status allows a body (RFC 9110, 6.4.1).
    fn has_body(&self) -> bool {
        !self.status.is_informational() && !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

/// Sends an answer. Fails if the client stops reading it.
pub(super) async fn send(to: &TcpStream, answer: Answer, keep: bool, body_wanted: bool) -> Result<(), Error> {
    let mut message = head(&answer, keep).into_bytes();
    if !body_wanted || !answer.has_body() {
        return write(to, &message).await;
    }
    match answer.body {
        Body::Whole(body) | Body::UntilClose(body) => message.extend(body),
        Body::Chunked(body) => {
            for chunk in body.chunks(8 * 1024) {
                message.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                message.extend(chunk);
                message.extend(b"\r\n");
            }
            message.extend(b"0\r\n\r\n");
        }
        Body::Stream(length, pieces) => {
            write(to, &message).await?;
            drop(message);
            return send_pieces(to, length, pieces).await;
        }
    }
    write(to, &message).await
}

async fn send_pieces(to: &TcpStream, mut left: u64, mut pieces: Box<dyn PieceByPiece>) -> Result<(), Error> {
    while left > 0 {
        let room = async { to.writable().await.map_err(Error::Io) };
        in_time(PATIENCE, "the client to read", room).await?;
        let written = {
            let piece = pieces.next().await?;
            let piece = (*piece).as_ref();
            let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if count == 0 {
                // The file shrank. Only closing early shows the client that bytes are missing.
                return Err(Error::Incomplete("before its announced length".into()));
            }
            write_now(to, &piece[..count]).await?
        };
        pieces.advance(written);
        left -= written as u64;
    }
    Ok(())
}

/// Writes as much as the socket takes without waiting.
async fn write_now(mut to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    poll_fn(|cx| {
        while written < bytes.len() {
            match Pin::new(&mut to).poll_write(cx, &bytes[written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(written))
    })
    .await
}

/// Writes all bytes. Fails if the client stops reading them.
pub(super) async fn write(to: &TcpStream, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let writing = async { to.write(bytes).await.map_err(Error::Io) };
        match in_time(PATIENCE, "the client to read", writing).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

fn head(answer: &Answer, keep: bool) -> String {
    let status = answer.status;
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("-"));
    let _ = write!(head, "date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
    for (name, value) in &answer.fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let length = match &answer.body {
        _ if !answer.has_body() => None,
        Body::Whole(body) => Some(body.len() as u64),
        Body::Stream(length, _) => Some(*length),
        Body::Chunked(_) | Body::UntilClose(_) => None,
    };
    let _ = match (&answer.body, length) {
        (_, Some(length)) => write!(head, "content-length: {length}\r\n"),
        (Body::Chunked(_), None) if answer.has_body() => write!(head, "transfer-encoding: chunked\r\n"),
        _ => Ok(()),
    };
    head.push_str(if keep { "connection: keep-alive\r\n\r\n" } else { "connection: close\r\n\r\n" });
    head
}
