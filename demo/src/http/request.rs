//! Parses the head of a request, or finds the status that refuses it. Used by `server.rs`.
//!
//! `httparse` parses the lines. This file adds what else RFC 9112 requires of a server: versions, the forms of a
//! target, the host, and what these say about the body and the connection.

use super::error::Error;
use super::framing::Framing;
use super::head::{header_map, keep_alive};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::net::{Ipv6Addr, SocketAddr};

const FIELDS_LIMIT: usize = 100;

/// A valid request.
#[derive(Debug)]
pub struct Request {
    /// The method, which the handler accepts.
    pub method: Method,
    /// The path and query as sent; `*` in an OPTIONS request about the whole server.
    pub target: String,
    /// The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1 and later ones, which are compatible with it.
    pub version: u8,
    /// The fields. If the target is a whole URL, `host` is its host.
    pub headers: HeaderMap,
    /// The body. Most requests have none.
    pub body: Vec<u8>,
    /// The client's address, where the server knows it.
    pub peer: Option<SocketAddr>,
}

/// A request without its body, and what its head says about the body and the connection.
pub struct Head {
    pub(super) request: Request,
    pub(super) framing: Framing,
    /// Whether the client keeps the connection open after the answer.
    pub(super) keep: bool,
}

/// Parses the head at the beginning of `input`, and returns its length. `None` if it is incomplete.
pub fn parse(input: &[u8]) -> Result<Option<(usize, Head)>, Error> {
    match parse_line_and_fields(input) {
        Err(Error::Version) => match minor_version_at(input)? {
            // RFC 9110, 2.5: a higher minor version is processed as the highest known one.
            Some(at) => {
                let mut as_1_1 = input.to_vec();
                as_1_1[at] = b'1';
                parse_line_and_fields(&as_1_1)
            }
            None => Err(Error::Version),
        },
        parsed => parsed,
    }
}

/// The status that answers an error; `None` if the client is gone or too slow for an answer.
pub(super) fn status_of(error: &Error) -> Option<StatusCode> {
    match error {
        Error::Malformed(_) | Error::FramingTooLarge { .. } => Some(StatusCode::BAD_REQUEST),
        Error::UnknownCoding(_) => Some(StatusCode::NOT_IMPLEMENTED),
        Error::Version => Some(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        Error::HeadTooLarge(_) | Error::TooManyFields(_) => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Error::TooLarge(_) => Some(StatusCode::PAYLOAD_TOO_LARGE),
        _ => None,
    }
}

fn parse_line_and_fields(input: &[u8]) -> Result<Option<(usize, Head)>, Error> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_LIMIT];
    let mut request = httparse::Request::new(&mut fields);
    let used = match request.parse(input) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::TooManyFields(FIELDS_LIMIT)),
        Err(httparse::Error::Version) => return Err(Error::Version),
        Err(error) => return Err(Error::Malformed(error.to_string())),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Error::Malformed("no request line".into()));
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Error::Malformed("the method".into()))?;
    let mut headers = header_map(request.headers)?;
    check_host(version, &headers)?;
    let target = path_and_query(&method, target, &mut headers)?;
    let framing = Framing::of_request(&headers)?;
    // RFC 9112, 6.1: HTTP/1.0 has no transfer codings, so the end of such a body is not to be trusted.
    let is_faulty = version == 0 && headers.contains_key(header::TRANSFER_ENCODING);
    let keep = keep_alive(version, &headers) && !is_faulty;
    let request = Request { method, target, version, headers, body: Vec::new(), peer: None };
    Ok(Some((used, Head { request, framing, keep })))
}

/// The position of the minor version in the request line, if it is HTTP/1 later than 1.1; `None` if it is
/// another major version.
fn minor_version_at(input: &[u8]) -> Result<Option<usize>, Error> {
    let start = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let line = input[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, ..] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            let at = start + line.len() - version.len() + b"HTTP/1.".len();
            Ok((*major == b'1').then_some(at))
        }
        _ => Err(Error::Malformed("the version".into())),
    }
}

/// Requires exactly one host, except that HTTP/1.0 may omit it (RFC 9112, 3.2). With two hosts, a proxy might use the
/// other one.
fn check_host(version: u8, headers: &HeaderMap) -> Result<(), Error> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == 0 => Ok(()),
        (Some(host), None) if host.is_empty() || is_authority(host.as_bytes()) => Ok(()),
        _ => Err(Error::Malformed("not one valid host".into())),
    }
}

/// The path and query of a target (RFC 9112, 3.2). The client of a proxy sends a whole URL, which every server must
/// accept; the URL's host then replaces the `host` field.
fn path_and_query(method: &Method, target: &str, headers: &mut HeaderMap) -> Result<String, Error> {
    const SCHEME: &str = "http://";
    let bad = || Error::Malformed(format!("the target `{target}`"));
    if target.starts_with('/') || (target == "*" && method == Method::OPTIONS) || method == Method::CONNECT {
        return Ok(target.to_owned());
    }
    let scheme = target.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    let rest = &target[scheme.ok_or_else(bad)?.len()..];
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = HeaderValue::from_str(authority).ok().filter(|_| is_authority(authority.as_bytes()));
    headers.insert(header::HOST, host.ok_or_else(bad)?);
    match rest.starts_with('/') {
        true => Ok(rest.to_owned()),
        false if rest.is_empty() && method == Method::OPTIONS => Ok("*".to_owned()),
        false => Ok(format!("/{rest}")),
    }
}

/// Whether this is a host, with or without a port (RFC 3986, 3.2.2 and 3.2.3).
fn is_authority(text: &[u8]) -> bool {
    let colon = text.iter().rposition(|byte| *byte == b':').filter(|at| !text[*at..].contains(&b']'));
    let (host, port) = text.split_at(colon.unwrap_or(text.len()));
    is_port(port.strip_prefix(b":").unwrap_or_default())
        && match host {
            [b'[', address @ .., b']'] => {
                std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
            }
            name => !name.is_empty() && is_registered_name(name),
        }
}

fn is_port(digits: &[u8]) -> bool {
    let fits = |digits: &str| digits.is_empty() || digits.parse::<u16>().is_ok();
    digits.iter().all(u8::is_ascii_digit) && std::str::from_utf8(digits).is_ok_and(fits)
}

fn is_registered_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()].into_iter().all(|digit| digit.is_some_and(u8::is_ascii_hexdigit)),
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: &str) -> Result<Head, Error> {
        parse(request.as_bytes()).map(|parsed| parsed.expect("the head is complete").1)
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["x", "x:80", "x:", "127.0.0.1:8080", "[::1]", "[::1]:80", "a-b_c.example", "%41", "x:65535"] {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        for host in ["", ":80", "a b", "a@b", "a/b", "a?b", "a#b", "a\\b", "x:y", "x:-1", "x:65536", "x:8:8", "[::1"] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
        for host in ["::1", "[x]", "[::1]x", "x]", "\u{fc}", "%4", "%zz", "<x>", "\"x\"", "x|y", "a\tb"] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_whole_url_gives_its_path_and_its_host() {
        for (target, path, host) in [
            ("http://a:1/p/?q#f", "/p/?q#f", "a:1"),
            ("HTTP://a/../%2e", "/../%2e", "a"),
            ("http://a", "/", "a"),
            ("http://a?q", "/?q", "a"),
            ("//a/b", "//a/b", "x"),
        ] {
            let request = head(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap().request;
            assert_eq!((&*request.target, request.headers[header::HOST].as_bytes()), (path, host.as_bytes()));
        }
        for target in ["http://", "http:///p", "http://a@b/", "https://a/", "a/b", "*", "?q", "a:80"] {
            let refused = head(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(matches!(refused, Err(Error::Malformed(_))), "{target}");
        }
    }

    #[test]
    fn a_later_minor_version_is_treated_as_1_1_and_another_major_one_is_an_error() {
        for (version, expected) in [("1.0", 0), ("1.1", 1), ("1.2", 1), ("1.9", 1)] {
            let head = head(&format!("\r\nGET / HTTP/{version}\r\nHost: x\r\n\r\n")).unwrap();
            assert_eq!((head.request.version, head.keep), (expected, expected == 1), "{version}");
        }
        for version in ["0.9", "2.0", "3.0", "9.9"] {
            assert!(matches!(head(&format!("GET / HTTP/{version}\r\nHost: x\r\n\r\n")), Err(Error::Version)));
        }
        for version in ["HTTP/1.10", "HTTP/1.", "HTTP/11.1", "http/1.1", "HTTP/1.x", "FTP/1.1", "HTTP/1.2 x"] {
            let refused = head(&format!("GET / {version}\r\nHost: x\r\n\r\n"));
            assert!(matches!(refused, Err(Error::Malformed(_))), "{version}");
        }
        assert!(parse(b"GET / HTTP/1.2\r\nHo").unwrap().is_none());
    }
}
