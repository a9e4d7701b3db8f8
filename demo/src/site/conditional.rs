//! Preconditions and ranges of a request for a file that may have changed (RFC 9110, 13 and 14), without any I/O.
//! Used by `files.rs`.

use http::{HeaderMap, HeaderName, header};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The version of a file.
pub struct Version {
    /// The entity tag, with its quotes.
    pub tag: String,
    /// The time of the last change, in whole seconds.
    pub modified: SystemTime,
}

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub enum Selected {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 304: the client has this version.
    NotModified,
    /// 412: the request is for another version.
    PreconditionFailed,
    /// 416: the range begins behind the end.
    NotSatisfiable,
}

impl Version {
    /// The version of a file with this length and time of change. The tag is weak while the file is so young that
    /// another change could leave the same time (RFC 9110, 8.8.1).
    pub fn new(length: u64, changed: SystemTime, now: SystemTime) -> Version {
        let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_young = now.duration_since(changed).map_or(true, |age| age < Duration::from_secs(1));
        let weak = if is_young { "W/" } else { "" };
        let tag = format!("{weak}\"{length:x}-{:x}\"", since.as_nanos());
        Version { tag, modified: UNIX_EPOCH + Duration::from_secs(since.as_secs()) }
    }

    /// Selects what to send of `length` bytes, in the order of RFC 9110, 13.2.2.
    pub fn select(&self, headers: &HeaderMap, length: u64) -> Selected {
        if let Some(tags) = text(headers, header::IF_MATCH) {
            if !self.is_one_of(&tags, true) {
                return Selected::PreconditionFailed;
            }
        } else if date(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|date| self.modified > date) {
            return Selected::PreconditionFailed;
        }
        if let Some(tags) = text(headers, header::IF_NONE_MATCH) {
            if self.is_one_of(&tags, false) {
                return Selected::NotModified;
            }
        } else if date(headers, header::IF_MODIFIED_SINCE).is_some_and(|date| self.modified <= date) {
            return Selected::NotModified;
        }
        match text(headers, header::RANGE) {
            Some(range) if self.is_unchanged(headers) => select_range(&range, length),
            _ => Selected::Whole,
        }
    }

    /// Whether `If-Range` is missing or names this version. A date must be equal to this version's.
    fn is_unchanged(&self, headers: &HeaderMap) -> bool {
        match text(headers, header::IF_RANGE) {
            None => true,
            Some(tag) if tag.contains('"') => self.is_one_of(&tag, true),
            Some(_) => date(headers, header::IF_RANGE) == Some(self.modified),
        }
    }

    /// Whether a list of tags contains this version's. A strong comparison never matches weak tags.
    fn is_one_of(&self, tags: &str, strong: bool) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let matches = |tag: &str| match strong {
            true => tag == self.tag && !tag.starts_with("W/"),
            false => opaque(tag) == opaque(&self.tag),
        };
        tags.trim() == "*" || tags.split(',').map(str::trim).any(matches)
    }
}

/// The value of a field whose lines form a list.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

/// Selects one range of bytes. Anything else, including several ranges, selects the whole file, as RFC 9110, 14.2
/// allows.
fn select_range(range: &str, length: u64) -> Selected {
    let Some((unit, range)) = range.split_once('=') else { return Selected::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() && first < length => Selected::Part(first..length),
        (Some(first), Some(last)) if first <= last && first < length => {
            Selected::Part(first..last.saturating_add(1).min(length))
        }
        (None, Some(count)) if first.is_empty() && count > 0 && length > 0 => {
            Selected::Part(length.saturating_sub(count)..length)
        }
        (Some(first), Some(last)) if first <= last => Selected::NotSatisfiable,
        (Some(_), None) if last.is_empty() => Selected::NotSatisfiable,
        (None, Some(_)) if first.is_empty() => Selected::NotSatisfiable,
        _ => Selected::Whole,
    }
}

/// A number of digits only. One that is too large counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Selected::{NotModified, NotSatisfiable, Part, PreconditionFailed, Whole};

    /// The selection for these fields from a file of 100 bytes with the tag `"64-…"`, changed at second 1,000.
    fn select(fields: &[(&'static str, &str)]) -> Selected {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let version = Version::new(100, at(1000), at(2000));
        assert_eq!(version.tag, "\"64-e8d4a51000\"");
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        version.select(&headers, 100)
    }

    #[test]
    fn a_range_selects_bytes_that_exist() {
        for (range, expected) in [
            ("bytes=0-9", Part(0..10)),
            ("bytes=90-", Part(90..100)),
            ("bytes=90-1000", Part(90..100)),
            ("bytes=-10", Part(90..100)),
            ("bytes=-1000", Part(0..100)),
            ("BYTES = 0-0", Part(0..1)),
            ("bytes=99-99999999999999999999999", Part(99..100)),
            ("bytes=100-", NotSatisfiable),
            ("bytes=100-200", NotSatisfiable),
            ("bytes=-0", NotSatisfiable),
            ("bytes=99999999999999999999999-", NotSatisfiable),
            ("bytes=9-0", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=a-b", Whole),
            ("bytes=-", Whole),
            ("bytes", Whole),
            ("lines=0-9", Whole),
            ("bytes=+1-2", Whole),
        ] {
            assert_eq!(select(&[("range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn a_precondition_decides_before_a_range() {
        let tag = "\"64-e8d4a51000\"";
        let (at, before) = ("Thu, 01 Jan 1970 00:16:40 GMT", "Thu, 01 Jan 1970 00:16:39 GMT");
        let range = ("range", "bytes=0-9");
        for (field, value, expected) in [
            ("if-none-match", tag, NotModified),
            ("if-none-match", "\"x\", W/\"64-e8d4a51000\"", NotModified),
            ("if-none-match", "*", NotModified),
            ("if-none-match", "\"x\"", Part(0..10)),
            ("if-modified-since", at, NotModified),
            ("if-modified-since", before, Part(0..10)),
            ("if-modified-since", "yesterday", Part(0..10)),
            ("if-match", tag, Part(0..10)),
            ("if-match", "\"x\"", PreconditionFailed),
            ("if-match", "W/\"64-e8d4a51000\"", PreconditionFailed),
            ("if-unmodified-since", before, PreconditionFailed),
            ("if-unmodified-since", at, Part(0..10)),
            ("if-range", tag, Part(0..10)),
            ("if-range", "\"x\"", Whole),
            ("if-range", at, Part(0..10)),
            ("if-range", before, Whole),
        ] {
            assert_eq!(select(&[range, (field, value)]), expected, "{field}: {value}");
        }
        // A tag is more precise than a date, so the date beside it is ignored.
        assert_eq!(select(&[("if-none-match", "\"x\""), ("if-modified-since", at)]), Whole);
    }

    #[test]
    fn a_file_that_was_just_changed_has_a_weak_tag() {
        let version = Version::new(1, UNIX_EPOCH + Duration::from_secs(5), UNIX_EPOCH + Duration::from_millis(5900));
        assert!(version.tag.starts_with("W/\""));
        let mut headers = HeaderMap::new();
        headers.insert("range", "bytes=0-".parse().unwrap());
        headers.insert("if-range", version.tag.parse().unwrap());
        assert_eq!(version.select(&headers, 1), Whole);
    }
}
