//! The access log of `demo serve`: a line for each request, in the format that log tools read.

use crate::Failure;
use crate::http::server::{Answer, Body, Handler, LocalFuture, Request};
use http::{HeaderName, Method, StatusCode, header};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A handler whose answers are logged.
///
/// Each line goes to the file at once, in one write. The write blocks the thread, but only for a system call that
/// copies a line.
pub struct Logged<H> {
    inner: H,
    log: RefCell<Box<dyn Write>>,
}

impl<H> Logged<H> {
    /// Appends to the file; `-` is standard output.
    ///
    /// # Errors
    /// Fails if the file can't be opened.
    pub fn new(inner: H, path: &Path) -> Result<Logged<H>, Failure> {
        let log: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let opened = File::options().append(true).create(true).open(path);
            Box::new(opened.map_err(|source| Failure::Written { path: PathBuf::from(path), source })?)
        };
        Ok(Logged { inner, log: RefCell::new(log) })
    }

    fn write(&self, line: &str) {
        let mut log = self.log.borrow_mut();
        // A full disk must not end the server.
        let _ = log.write_all(line.as_bytes()).and_then(|()| log.flush());
    }
}

impl<H: Handler> Handler for Logged<H> {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        Box::pin(async move {
            let begun = Begun::new(&request);
            let answer = self.inner.answer(request).await;
            self.write(&begun.line(&answer, SystemTime::now()));
            answer
        })
    }

    fn takes(&self, method: &Method) -> bool {
        self.inner.takes(method)
    }

    fn refuse(&self, status: StatusCode) -> Answer {
        self.inner.refuse(status)
    }
}

/// What the line says about the request.
struct Begun {
    peer: String,
    request: String,
    referrer: String,
    user_agent: String,
    body_wanted: bool,
}

impl Begun {
    fn new(request: &Request) -> Begun {
        let field = |name: HeaderName| {
            request
                .headers
                .get(name)
                .map_or("-".to_owned(), |value| quotable(&String::from_utf8_lossy(value.as_bytes())))
        };
        Begun {
            peer: request.peer.map_or("-".to_owned(), |peer| peer.ip().to_string()),
            request: quotable(&format!("{} {} HTTP/1.{}", request.method, request.target, request.version)),
            referrer: field(header::REFERER),
            user_agent: field(header::USER_AGENT),
            body_wanted: request.method != Method::HEAD,
        }
    }

    /// A line in the combined log format of Apache and nginx.
    fn line(&self, answer: &Answer, at: SystemTime) -> String {
        let bytes = match &answer.body {
            _ if !self.body_wanted => 0,
            Body::Whole(body) | Body::Chunked(body) | Body::UntilClose(body) => body.len() as u64,
            Body::Stream(length, _) => *length,
        };
        format!(
            "{} - - [{}] \"{}\" {} {bytes} \"{}\" \"{}\"\n",
            self.peer,
            log_date(at),
            self.request,
            answer.status.as_u16(),
            self.referrer,
            self.user_agent
        )
    }
}

/// `28/Nov/2026:22:30:25 +0000`, from `Sat, 28 Nov 2026 22:30:25 GMT`.
fn log_date(at: SystemTime) -> String {
    let date = httpdate::fmt_http_date(at);
    let mut words = date.split(' ').skip(1);
    let mut next = || words.next().unwrap_or_default().to_owned();
    let (day, month, year, time) = (next(), next(), next(), next());
    format!("{day}/{month}/{year}:{time} +0000")
}

/// Escapes text so that it stays inside its quotes and on its line.
fn quotable(text: &str) -> String {
    let mut quotable = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => quotable.extend(['\\', char]),
            char if char.is_control() => quotable.extend(char.escape_default()),
            char => quotable.push(char),
        }
    }
    quotable
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_request_is_logged_in_the_combined_format() {
        let mut headers = http::HeaderMap::new();
        headers.insert(header::USER_AGENT, http::HeaderValue::from_bytes(b"a \"b\"\t\xff").unwrap());
        let peer = Some(([127, 0, 0, 1], 5000).into());
        let request = Request { method: Method::GET, target: "/x".into(), version: 1, headers, body: Vec::new(), peer };
        let line = Begun::new(&request).line(
            &Answer::new(StatusCode::OK, "text/plain", Body::Whole(b"hello".to_vec())),
            UNIX_EPOCH + Duration::from_secs(1_795_905_025),
        );
        assert_eq!(
            line,
            "127.0.0.1 - - [28/Nov/2026:22:30:25 +0000] \"GET /x HTTP/1.1\" 200 5 \"-\" \"a \\\"b\\\"\\t\u{fffd}\"\n"
        );
    }
}
