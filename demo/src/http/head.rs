//! Parses the head of a response. Used by `connection.rs`; `request.rs` uses parts for the head of a request.
//!
//! `httparse` parses the fields. Before that, this file finds the end of the head and repairs what RFC 9112 allows a
//! client to repair. It parses only complete heads, so the result does not depend on how the bytes were split.

use super::error::Error;
use bytesize::ByteSize;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::borrow::Cow;

/// Maximum size of a head with any empty lines before it, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;
/// Maximum number of fields of a response's head.
const FIELDS_LIMIT: usize = 256;
const HTTP: &[u8] = b"HTTP/";

/// The status, the fields, and whether the connection may be reused.
pub type Head = (StatusCode, HeaderMap, bool);

/// Parses the head at the beginning of `input`: its length in bytes, and whether it allows reuse of the connection.
/// `None` if it is incomplete. The result for a part of a head is `None` or the result for the whole.
///
/// # Errors
/// The bytes are not HTTP/1.x, or the head exceeds a limit.
pub fn parse_head(input: &[u8]) -> Result<Option<(usize, Head)>, Error> {
    let seen = &input[..input.len().min(HEAD_LIMIT)];
    // RFC 9112, 2.2 asks servers to ignore an empty line here. For a client, it is as likely that bytes were left over
    // from the previous response.
    let start = seen.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let begun = &seen[start..];
    let prefix = HTTP.len().min(begun.len());
    if !begun[..prefix].eq_ignore_ascii_case(&HTTP[..prefix]) {
        return Err(Error::Malformed("it does not begin with HTTP/".into()));
    }
    let Some(length) = length(begun) else {
        return match seen.len() < HEAD_LIMIT {
            true => Ok(None),
            false => Err(Error::HeadTooLarge(ByteSize::b(HEAD_LIMIT as u64))),
        };
    };
    Ok(Some((start + length, parse(&begun[..length])?)))
}

/// The length of the head at the beginning of `input`, with the empty line that ends it.
fn length(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += input[at..].iter().position(|byte| *byte == b'\n')? + 1;
        match input[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Parses a complete head.
fn parse(head: &[u8]) -> Result<Head, Error> {
    let (line, fields) = head.split_at(head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |end| end + 1));
    let (version, status) = status_line(line)?;
    let repaired = repair(fields)?;
    let mut parsed = [httparse::EMPTY_HEADER; FIELDS_LIMIT];
    let mut response = httparse::Response::new(&mut parsed);
    let result = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, &repaired);
    match result {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Error::Malformed("the fields have no end".into())),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::TooManyFields(FIELDS_LIMIT)),
        Err(error) => return Err(Error::Malformed(error.to_string())),
    }
    let headers = header_map(response.headers)?;
    // RFC 9112, 6.1: HTTP/1.0 has no transfer codings, so the end of such a body is not to be trusted.
    let is_faulty = version == 0 && headers.contains_key(header::TRANSFER_ENCODING);
    let keep_alive = keep_alive(version, &headers) && !is_faulty;
    Ok((status, headers, keep_alive))
}

/// The minor version and the status. Any white space separates them (RFC 9112, 4); a reason is not required.
///
/// A later minor version is treated as HTTP/1.1 (RFC 9110, 2.5). So are `HTTP/2` and `HTTP/3`: servers that write them
/// here mean HTTP/1.1. curl and wget accept `HTTP/2` too.
fn status_line(line: &[u8]) -> Result<(u8, StatusCode), Error> {
    let mut words =
        line.split(|byte| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')).filter(|w| !w.is_empty());
    let version = match words.next().and_then(|version| version.get(HTTP.len()..)) {
        Some(b"1.0") => 0,
        Some([b'1', b'.', b'1'..=b'9'] | b"2" | b"2.0" | b"3" | b"3.0") => 1,
        _ => return Err(Error::Version),
    };
    let code = match words.next() {
        Some([a, b, c, rest @ ..]) if ![a, b, c].iter().any(|digit| !digit.is_ascii_digit()) => match rest {
            [next, ..] if next.is_ascii_digit() => None,
            _ => Some([*a, *b, *c]),
        },
        _ => None,
    };
    let status = code.and_then(|code| StatusCode::from_bytes(&code).ok());
    status.map(|status| (version, status)).ok_or_else(|| Error::Malformed("no valid status code".into()))
}

/// The fields after a status line for `httparse`, with control characters replaced by spaces (RFC 9112, 2.2 allows it
/// for a bare CR, and RFC 9110, 5.5 for the others).
fn repair(fields: &[u8]) -> Result<Vec<u8>, Error> {
    const STATUS_LINE: &[u8] = b"HTTP/1.1 200\r\n";
    if fields.contains(&0) {
        return Err(Error::Malformed("a NUL in the head".into()));
    }
    let mut repaired = [STATUS_LINE, fields].concat();
    for at in STATUS_LINE.len()..repaired.len() {
        match repaired[at] {
            b'\t' | b'\n' => {}
            b'\r' if repaired.get(at + 1) == Some(&b'\n') => {}
            byte if byte.is_ascii_control() => repaired[at] = b' ',
            _ => {}
        }
    }
    Ok(repaired)
}

pub(super) fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let bad = || Error::Malformed(format!("the field `{}`", field.name));
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| bad())?;
        headers.append(name, HeaderValue::from_bytes(&unfold(field.value)).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// A value on one line: each fold becomes a space (RFC 9112, 5.2). Spaces at its ends are not part of it (RFC 9110,
/// 5.5).
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return value.trim_ascii().into();
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(&b' ').into()
}

/// Whether a message keeps the connection open: the default in HTTP/1.1, on request in HTTP/1.0.
pub(super) fn keep_alive(version: u8, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let fields = headers.get_all(header::CONNECTION).iter().filter_map(|field| field.to_str().ok());
        fields.flat_map(|field| field.split(',')).any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    match version {
        0 => says("keep-alive") && !says("close"),
        _ => !says("close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(head: &str) -> Result<Head, Error> {
        let (length, parsed) = parse_head(head.as_bytes())?.expect("the head is complete");
        assert_eq!(length, head.len());
        Ok(parsed)
    }

    #[test]
    fn a_head_is_repaired_where_rfc_9112_allows_it() {
        for head in [
            "HTTP/1.1 200 OK\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 OK\nX: a b\n\n",
            "HTTP/1.1 200 OK\r\nX: a b\n\r\n",
            "\r\n\n\r\nHTTP/1.1 200 OK\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 \r\nX: a b\r\n\r\n",
            "HTTP/1.1  200   OK\r\nX: a b\r\n\r\n",
            "HTTP/1.1\t200\x0bOK\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 sch\u{f6}n \x01\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200OK\r\nX: a b\r\n\r\n",
            "http/1.1 200 ok\r\nX: a b\r\n\r\n",
            "HTTP/1.2 200 OK\r\nX: a b\r\n\r\n",
            "HTTP/2 200\r\nX: a b\r\n\r\n",
            "HTTP/2.0 200 OK\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : a b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX \t:a b \t\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX:\r\n\t a\r\n \t b\r\n \r\n\r\n",
            "HTTP/1.1 200 OK\nX: a\n b\n\n",
            "HTTP/1.1 200 OK\r\nX: \x01a b\x7f\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\x7fb\x1f\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: before any field\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nPHP Warning: no such library on line 0\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n and its fold\r\nX: a b\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: no name\r\nX: a b\r\n<html>\r\nY\u{e4}: z\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a b\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let (status, headers, keep) = whole(head).unwrap_or_else(|error| panic!("{head:?}: {error}"));
            assert_eq!((status, keep), (StatusCode::OK, true), "{head:?}");
            assert_eq!(headers.get("x").unwrap_or_else(|| panic!("{head:?}: {headers:?}")), "a b", "{head:?}");
        }
    }

    #[test]
    fn a_head_that_is_not_http_1_is_an_error() {
        for head in
            ["<html>\r\n\r\n", "ICY 200 OK\r\n\r\n", " HTTP/1.1 200 OK\r\n\r\n", "HTTQ", "h2", "\0", "\r\n\r\nx"]
        {
            assert!(matches!(parse_head(head.as_bytes()), Err(Error::Malformed(_))), "{head:?}");
        }
        for version in ["HTTP/0.9", "HTTP/4", "HTTP/1", "HTTP/1.10", "HTTP/11.1", "HTTP/x.1", "HTTP/", "HTTP/1.1x"] {
            let result = whole(&format!("{version} 200 OK\r\n\r\n"));
            assert!(matches!(result, Err(Error::Version)), "{version}: {result:?}");
        }
        for code in ["", "20", "2000", "099", "000", "abc", "-200", "OK 200"] {
            let result = whole(&format!("HTTP/1.1 {code}\r\nX: y\r\n\r\n"));
            assert!(matches!(result, Err(Error::Malformed(_))), "{code}: {result:?}");
        }
        for nul in ["X: a\0b", "X\0: a", "\0", "junk\0"] {
            let result = whole(&format!("HTTP/1.1 200 OK\r\n{nul}\r\n\r\n"));
            assert!(matches!(&result, Err(Error::Malformed(why)) if why.contains("NUL")), "{nul:?}: {result:?}");
        }
    }

    #[test]
    fn http_1_0_keeps_a_connection_on_request_but_never_after_a_transfer_coding() {
        for (head, expected) in [
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false),
        ] {
            assert_eq!(whole(head).unwrap().2, expected, "{head}");
        }
    }

    #[test]
    fn the_limits_do_not_depend_on_how_the_head_arrives() {
        let of_size = |size: usize| {
            let rest = "HTTP/1.1 200 OK\r\nX: \r\n\r\n";
            format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(size - rest.len()))
        };
        assert!(whole(&of_size(HEAD_LIMIT)).is_ok());
        let large = of_size(HEAD_LIMIT + 1);
        for arrived in [HEAD_LIMIT, large.len()] {
            let result = parse_head(&large.as_bytes()[..arrived]);
            assert!(matches!(result, Err(Error::HeadTooLarge(_))), "{arrived} of {}", large.len());
        }
        let fields = |count| whole(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count)));
        assert!(fields(FIELDS_LIMIT).is_ok());
        assert!(matches!(fields(FIELDS_LIMIT + 1), Err(Error::TooManyFields(FIELDS_LIMIT))));
    }

    const WORDS: &[&[u8]] = &[
        b"HTTP/1.1 200 OK",
        b"\r\n",
        b"\n",
        b"\r",
        b"X: y",
        b" ",
        b"\0",
        b"\x01",
        b":",
        b"Content-Length: 5",
        b"\xff",
        b"x",
    ];

    proptest! {
        #[test]
        fn the_result_for_a_part_of_a_head_is_none_or_that_for_the_whole(
            words in proptest::collection::vec(prop::sample::select(WORDS), 0..24),
            cut: prop::sample::Index,
        ) {
            let input = words.concat();
            let whole = format!("{:?}", parse_head(&input));
            let part = format!("{:?}", parse_head(&input[..cut.index(input.len() + 1)]));
            prop_assert!(part == "Ok(None)" || part == whole, "{part} of {whole}");
        }
    }
}
