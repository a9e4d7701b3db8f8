//! Resuming an interrupted body: what to ask, and what an answer means. No I/O: `save/` holds the bytes, and
//! `exchange.rs` sends the request.
//!
//! A body is resumed only if the server gave it a strong validator, so that two versions are never mixed (RFC 9110,
//! 8.8.1 and 13.1.5), and only if it came without a content coding, as coded bytes are not those that were saved.

use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// What is known of a body that can be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its URL.
    pub url: String,
    /// Its strong ETag, or else its Last-Modified: what `If-Range` compares.
    pub validator: String,
    /// Bytes of the whole body, if the server said so.
    pub total: Option<u64>,
}

/// The meaning of an answer to a request for the bytes after a file that is already saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// The file has as many bytes as the body.
    Complete,
    /// The body has another size: request all of it.
    Different,
    /// The answer is the same as to a request for the whole body.
    Other,
}

impl Completeness {
    /// Judges by the head of the answer, for a file of `length` bytes. Without a validator only the size can be
    /// compared, so a larger body does not continue the file.
    pub fn of(length: u64, status: StatusCode, headers: &HeaderMap) -> Completeness {
        let has_size = |size: Option<u64>| match size == Some(length) {
            true => Completeness::Complete,
            false => Completeness::Different,
        };
        match status {
            StatusCode::RANGE_NOT_SATISFIABLE => has_size(content_range(headers).and_then(|range| range.total)),
            StatusCode::PARTIAL_CONTENT => Completeness::Different,
            StatusCode::OK if !is_coded(headers) && content_length(headers) == Some(length) => Completeness::Complete,
            _ => Completeness::Other,
        }
    }
}

/// What an answer to a resuming request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its body continues the part, and has at most what was requested.
    Continues {
        /// The position after its last byte. The whole body may have more.
        end: u64,
        /// The bytes of the whole body, if they are known.
        total: Option<u64>,
    },
    /// Its body is the whole body, perhaps of a new version.
    Whole,
    /// The part was complete already.
    IsComplete,
    /// The part is useless: remove it and request the whole body.
    AskAgain,
    /// It says nothing about the part: a redirect, an error.
    Other,
}

impl Origin {
    /// The origin of a body that can be resumed if it is interrupted, by the head of the response that begins it.
    /// `None` if it can't be.
    pub fn of(url: &str, status: StatusCode, headers: &HeaderMap) -> Option<Origin> {
        let accepts = field(headers, header::ACCEPT_RANGES).is_none_or(|ranges| !ranges.eq_ignore_ascii_case("none"));
        if status != StatusCode::OK || !accepts || is_coded(headers) {
            return None;
        }
        let origin = Origin { url: url.to_owned(), validator: validator(headers)?, total: content_length(headers) };
        Some(origin).filter(Origin::can_be_sent)
    }

    /// Reads what an earlier run wrote beside a part. `None` if no request can carry it: the file is untrusted.
    pub fn parse(sidecar: &[u8]) -> Option<Origin> {
        serde_json::from_slice(sidecar).ok().filter(Origin::can_be_sent)
    }

    /// Whether a request can carry the validator.
    pub fn can_be_sent(&self) -> bool {
        self.validator.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    }

    /// The fields of a request for the bytes from `first` up to `end`, or up to the end of the body.
    pub fn fields(&self, first: u64, end: Option<u64>) -> Vec<(&'static str, String)> {
        let last = end.map(|end| (end - 1).to_string()).unwrap_or_default();
        vec![
            ("Range", format!("bytes={first}-{last}")),
            ("If-Range", self.validator.clone()),
            ("Accept-Encoding", "identity".to_owned()),
        ]
    }

    /// What the head of an answer means to a request for the bytes from `first` up to `end`, or up to the end of the
    /// body.
    pub fn verdict(&self, first: u64, end: Option<u64>, status: StatusCode, headers: &HeaderMap) -> Verdict {
        match status {
            StatusCode::OK => Verdict::Whole,
            StatusCode::PARTIAL_CONTENT if is_coded(headers) || self.is_other_version(headers) => Verdict::AskAgain,
            StatusCode::PARTIAL_CONTENT => match content_range(headers) {
                Some(ContentRange { bytes: Some((begins, last)), total })
                    if begins == first
                        && end.is_none_or(|end| last < end)
                        && self.may_have(total)
                        && has_length(headers, last - first + 1) =>
                {
                    Verdict::Continues { end: last + 1, total: total.or(self.total) }
                }
                _ => Verdict::AskAgain,
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let total = content_range(headers).and_then(|range| range.total).or(self.total);
                if total == Some(first) && self.may_have(total) { Verdict::IsComplete } else { Verdict::AskAgain }
            }
            StatusCode::PRECONDITION_FAILED => Verdict::AskAgain,
            _ => Verdict::Other,
        }
    }

    fn may_have(&self, total: Option<u64>) -> bool {
        self.total.is_none() || total.is_none() || self.total == total
    }

    /// Whether the validator of the answer differs from that of the part. Detects a server that ignores `If-Range`.
    fn is_other_version(&self, headers: &HeaderMap) -> bool {
        let known = if self.validator.starts_with('"') { header::ETAG } else { header::LAST_MODIFIED };
        field(headers, known).is_some_and(|validator| validator != self.validator)
    }
}

/// The validator for `If-Range` (RFC 9110, 13.1.5): a strong ETag or, without any ETag, a Last-Modified that is at
/// least a second older than the response.
fn validator(headers: &HeaderMap) -> Option<String> {
    if let Some(tag) = headers.get(header::ETAG) {
        let tag = tag.to_str().ok().filter(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"'));
        return tag.map(str::to_owned);
    }
    let modified = field(headers, header::LAST_MODIFIED)?;
    let date = field(headers, header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let age = date.unwrap_or_else(SystemTime::now).duration_since(httpdate::parse_http_date(modified).ok()?);
    (age.ok()? >= Duration::from_secs(1)).then(|| modified.to_owned())
}

/// The length of a body that is not chunked.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = field(headers, header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
    length.filter(|_| !headers.contains_key(header::TRANSFER_ENCODING))
}

/// Whether the fields are consistent with a body of this length.
fn has_length(headers: &HeaderMap, length: u64) -> bool {
    content_length(headers).is_none_or(|known| known == length)
}

/// Whether the server says that it sends ranges. A server without the field may still send them.
pub fn accepts_ranges(headers: &HeaderMap) -> bool {
    field(headers, header::ACCEPT_RANGES).is_some_and(|unit| unit.trim().eq_ignore_ascii_case("bytes"))
}

/// A `Content-Range`: `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
struct ContentRange {
    /// The first and the last byte.
    bytes: Option<(u64, u64)>,
    total: Option<u64>,
}

fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let (unit, range) = field(headers, header::CONTENT_RANGE)?.trim().split_once(' ')?;
    let (range, total) = range.trim().split_once('/')?;
    let total = if total == "*" { None } else { Some(number(total)?) };
    let bytes = match range {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last) = (number(first)?, number(last)?);
            let is_valid = first <= last && last < total.unwrap_or(u64::MAX);
            Some(is_valid.then_some((first, last))?)
        }
    };
    unit.eq_ignore_ascii_case("bytes").then_some(ContentRange { bytes, total })
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn is_coded(headers: &HeaderMap) -> bool {
    field(headers, header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
}

fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn origin(fields: &[(&'static str, &'static str)]) -> Option<Origin> {
        Origin::of("http://h/x", StatusCode::OK, &headers(fields))
    }

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_sidecar_that_no_request_can_carry_is_rejected() {
        let sidecar = |validator: &str| format!(r#"{{"url":"http://h/x","validator":"{validator}","total":null}}"#);
        assert!(Origin::parse(sidecar(EARLIER).as_bytes()).is_some());
        for validator in [r"a\r\nX: y", r"a\nb", r"a\u0000", "\u{e4}", r"\u007f"] {
            assert_eq!(Origin::parse(sidecar(validator).as_bytes()), None, "{validator}");
        }
        assert_eq!(Origin::parse(b"{}"), None);
    }

    #[test]
    fn only_a_body_with_a_strong_validator_can_be_resumed() {
        const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
        let validator = |fields: &[_]| origin(fields).map(|origin| origin.validator);
        for (fields, expected) in [
            (&[("etag", "\"a\"")][..], Some("\"a\"")),
            (&[("etag", "\"a\""), ("last-modified", EARLIER)], Some("\"a\"")),
            (&[("last-modified", EARLIER)], Some(EARLIER)),
            (&[("last-modified", EARLIER), ("date", LATER)], Some(EARLIER)),
            (&[("last-modified", EARLIER), ("date", EARLIER)], None),
            (&[("last-modified", LATER), ("date", EARLIER)], None),
            (&[("last-modified", "yesterday")], None),
            (&[("etag", "W/\"a\""), ("last-modified", EARLIER)], None),
            (&[("etag", "a")], None),
            (&[("etag", "\"")], None),
            (&[("etag", "\"a\""), ("accept-ranges", "none")], None),
            (&[("etag", "\"a\""), ("accept-ranges", "bytes")], Some("\"a\"")),
            (&[("etag", "\"a\""), ("content-encoding", "gzip")], None),
            (&[("etag", "\"a\""), ("content-encoding", "identity")], Some("\"a\"")),
            (&[], None),
        ] {
            assert_eq!(validator(fields).as_deref(), expected, "{fields:?}");
        }
        let tagged = headers(&[("etag", "\"a\"")]);
        assert_eq!(Origin::of("http://h/x", StatusCode::PARTIAL_CONTENT, &tagged), None);
    }

    #[test]
    fn the_total_is_the_length_of_a_body_that_is_not_chunked() {
        let total = |fields: &[_]| origin(fields).unwrap().total;
        assert_eq!(total(&[("etag", "\"a\""), ("content-length", "10")]), Some(10));
        assert_eq!(total(&[("etag", "\"a\"")]), None);
        assert_eq!(total(&[("etag", "\"a\""), ("content-length", "10"), ("transfer-encoding", "chunked")]), None);
    }

    #[test]
    fn the_request_names_the_range_and_the_version() {
        let fields = origin(&[("etag", "\"a\"")]).unwrap().fields(5, None);
        let expected = [("Range", "bytes=5-"), ("If-Range", "\"a\""), ("Accept-Encoding", "identity")];
        assert_eq!(fields, expected.map(|(name, value)| (name, value.to_owned())));
        let fields = origin(&[("etag", "\"a\"")]).unwrap().fields(5, Some(8));
        assert_eq!(fields[0], ("Range", "bytes=5-7".to_owned()));
    }

    #[test]
    fn an_answer_to_a_closed_range_must_begin_with_it_lie_in_it_and_have_a_consistent_length() {
        let tagged = origin(&[("etag", "\"a\""), ("content-length", "10")]).unwrap();
        let verdict = |fields: &[_]| tagged.verdict(2, Some(6), StatusCode::PARTIAL_CONTENT, &headers(fields));
        let up_to = |end| Verdict::Continues { end, total: Some(10) };
        for (fields, expected) in [
            (&[("content-range", "bytes 2-5/10")][..], up_to(6)),
            (&[("content-range", "bytes 2-2/10"), ("content-length", "1")], up_to(3)),
            (&[("content-range", "bytes 2-6/10")], Verdict::AskAgain),
            (&[("content-range", "bytes 2-9/10")], Verdict::AskAgain),
            (&[("content-range", "bytes 1-5/10")], Verdict::AskAgain),
            (&[("content-range", "bytes 2-5/11")], Verdict::AskAgain),
            (&[("content-range", "bytes 2-5/10"), ("content-length", "3")], Verdict::AskAgain),
            (&[("content-range", "bytes 2-5/10"), ("content-length", "5")], Verdict::AskAgain),
            (&[("content-range", "bytes 2-5/10"), ("content-length", "5"), ("transfer-encoding", "chunked")], up_to(6)),
        ] {
            assert_eq!(verdict(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn an_answer_is_used_only_if_it_continues_the_part() {
        use Verdict::{AskAgain, Continues, IsComplete, Other, Whole};
        let tagged = origin(&[("etag", "\"a\""), ("content-length", "10")]).unwrap();
        let all = |total| Continues { end: 10, total };
        for (status, fields, expected) in [
            (206, &[("content-range", "bytes 5-9/10")][..], all(Some(10))),
            (206, &[("content-range", "BYTES 5-9/10")], all(Some(10))),
            (206, &[("content-range", "bytes 5-9/*")], all(Some(10))),
            (206, &[("content-range", "bytes 5-7/10")], Continues { end: 8, total: Some(10) }),
            (206, &[("content-range", "bytes 5-9/10"), ("etag", "\"a\"")], all(Some(10))),
            (206, &[("content-range", "bytes 5-9/10"), ("etag", "\"b\"")], AskAgain),
            (206, &[("content-range", "bytes 5-9/10"), ("etag", "W/\"a\"")], AskAgain),
            (206, &[("content-range", "bytes 5-9/10"), ("content-encoding", "gzip")], AskAgain),
            (206, &[("content-range", "bytes 0-4/10")], AskAgain),
            (206, &[("content-range", "bytes 4-9/10")], AskAgain),
            (206, &[("content-range", "bytes 5-10/11")], AskAgain),
            (206, &[("content-range", "bytes 5-10/10")], AskAgain),
            (206, &[("content-range", "bytes 5-4/10")], AskAgain),
            (206, &[("content-range", "bytes +5-9/10")], AskAgain),
            (206, &[("content-range", "bytes 5-99999999999999999999/*")], AskAgain),
            (206, &[("content-range", "items 5-9/10")], AskAgain),
            (206, &[("content-range", "bytes")], AskAgain),
            (206, &[], AskAgain),
            (200, &[], Whole),
            (200, &[("etag", "\"b\"")], Whole),
            (416, &[("content-range", "bytes */10")], AskAgain),
            (416, &[("content-range", "bytes */5")], AskAgain),
            (412, &[], AskAgain),
            (404, &[], Other),
            (301, &[], Other),
            (503, &[], Other),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(tagged.verdict(5, None, status, &headers(fields)), expected, "{status}, {fields:?}");
        }
        let complete = |received, fields: &[_]| {
            tagged.verdict(received, None, StatusCode::RANGE_NOT_SATISFIABLE, &headers(fields))
        };
        assert_eq!(complete(10, &[("content-range", "bytes */10")]), IsComplete);
        assert_eq!(complete(10, &[]), IsComplete);
        assert_eq!(complete(10, &[("content-range", "bytes */11")]), AskAgain);
        assert_eq!(complete(11, &[]), AskAgain);
    }

    #[test]
    fn a_file_is_complete_if_and_only_if_the_size_is_equal() {
        use Completeness::{Complete, Different, Other};
        for (status, fields, expected) in [
            (416, &[("content-range", "bytes */10")][..], Complete),
            (416, &[("content-range", "bytes */9")], Different),
            (416, &[("content-range", "bytes */11")], Different),
            (416, &[("content-range", "bytes */*")], Different),
            (416, &[], Different),
            (206, &[("content-range", "bytes 10-19/20")], Different),
            (206, &[("content-range", "bytes 10-19/10")], Different),
            (206, &[], Different),
            (200, &[("content-length", "10")], Complete),
            (200, &[("content-length", "11")], Other),
            (200, &[("content-length", "10"), ("transfer-encoding", "chunked")], Other),
            (200, &[("content-length", "10"), ("content-encoding", "gzip")], Other),
            (200, &[], Other),
            (404, &[("content-length", "10")], Other),
            (302, &[], Other),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Completeness::of(10, status, &headers(fields)), expected, "{status}, {fields:?}");
        }
    }

    #[test]
    fn an_unknown_total_is_taken_from_the_answer() {
        let dated = origin(&[("last-modified", EARLIER)]).unwrap();
        let verdict =
            |status: u16, fields: &[_]| dated.verdict(5, None, StatusCode::from_u16(status).unwrap(), &headers(fields));
        assert_eq!(verdict(206, &[("content-range", "bytes 5-9/10")]), Verdict::Continues { end: 10, total: Some(10) });
        assert_eq!(verdict(206, &[("content-range", "bytes 5-9/*")]), Verdict::Continues { end: 10, total: None });
        let changed = [("content-range", "bytes 5-9/10"), ("last-modified", "Mon, 07 Nov 1994 08:49:37 GMT")];
        assert_eq!(verdict(206, &changed), Verdict::AskAgain);
        assert_eq!(verdict(416, &[("content-range", "bytes */5")]), Verdict::IsComplete);
        assert_eq!(verdict(416, &[]), Verdict::AskAgain);
    }
}
