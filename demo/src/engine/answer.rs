//! What the status and the fields of a response mean for its page. No I/O. Used by `exchange.rs`.

use super::error::PageError;
use super::urls::normalize;
use crate::http::{Error, hide_login};
use http::{HeaderMap, StatusCode, header};
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

/// What a response means for its page.
#[derive(Debug)]
pub enum Answer {
    /// The body is the page. Holds its size if a `Content-Range` gives it; otherwise the framing may give it.
    Page(Option<u64>),
    /// The page is at another URL.
    Redirect(Url),
    /// A redirect without a target.
    Nowhere,
}

/// What the response to a request without a range and without a condition means.
///
/// # Errors
/// There is no page, or not all of it.
pub fn judge(url: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Answer, PageError> {
    match (status.as_u16(), location(headers)) {
        (206, _) => whole_in_a_part(headers).map(|size| Answer::Page(Some(size))),
        (200..300, _) => Ok(Answer::Page(None)),
        (300..=303 | 307 | 308, Some(to)) => match url.join(&to) {
            Ok(to) => Ok(Answer::Redirect(normalize(to))),
            Err(_) => Err(PageError::BadLocation(hide_login(&to))),
        },
        (304 | 412 | 416, _) => Err(PageError::Unasked(status)),
        (300..400, _) => Ok(Answer::Nowhere),
        _ => Err(PageError::Status(status)),
    }
}

/// The first `Location` that is not empty. Bytes beyond ASCII are escaped one by one, whatever their encoding, as curl
/// and Chrome do (`HttpResponseHeaders::IsRedirect`). Parsing escapes the rest.
fn location(headers: &HeaderMap) -> Option<String> {
    const NONE: &AsciiSet = &AsciiSet::EMPTY;
    let mut fields = headers.get_all(header::LOCATION).iter().map(|field| field.as_bytes().trim_ascii());
    fields.find(|field| !field.is_empty()).map(|field| percent_encode(field, NONE).to_string())
}

/// The size of the page, if a partial response (206) that was not requested contains all of it.
fn whole_in_a_part(headers: &HeaderMap) -> Result<u64, PageError> {
    let range = headers.get(header::CONTENT_RANGE).map(|field| String::from_utf8_lossy(field.as_bytes()));
    let size = range.as_deref().and_then(|range| {
        let (unit, range) = range.trim().split_once([' ', '='])?;
        let (first_last, size) = range.trim().split_once('/')?;
        let (first, last) = first_last.split_once('-')?;
        let size = size.trim().parse::<u64>().ok()?;
        let is_all = first.trim() == "0" && last.trim().parse::<u64>().ok()?.checked_add(1)? == size;
        (unit.eq_ignore_ascii_case("bytes") && is_all).then_some(size)
    });
    let what = range.map_or("without Content-Range".to_owned(), |range| format!("`{range}`"));
    let part = format!("with a part of the page (206, {what}), though the request had no range");
    size.ok_or(PageError::Http(Error::Incomplete(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, fields: &[(&str, &[u8])]) -> Result<Answer, PageError> {
        let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.to_vec().try_into().unwrap()));
        judge(&Url::parse("http://x/a/b?c").unwrap(), StatusCode::from_u16(status).unwrap(), &fields.collect())
    }

    fn redirect(location: &[u8]) -> String {
        match judged(302, &[("location", location)]) {
            Ok(Answer::Redirect(to)) => to.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_location_is_any_reference_in_any_encoding() {
        for (location, expected) in [
            (&b"c"[..], "http://x/a/c"),
            (b"/c#fragment", "http://x/c"),
            (b"?q", "http://x/a/b?q"),
            (b"//y/c", "http://y/c"),
            (b"https://y:444/c", "https://y:444/c"),
            (b"  /c  ", "http://x/c"),
            (b"/a b c", "http://x/a%20b%20c"),
            (b"/a%20b", "http://x/a%20b"),
            ("/schön?ö=ü".as_bytes(), "http://x/sch%C3%B6n?%C3%B6=%C3%BC"),
            (b"/sch\xf6n?\xf6", "http://x/sch%F6n?%F6"),
            (b"/\xff\xfe", "http://x/%FF%FE"),
            ("http://bücher.example/".as_bytes(), "http://xn--bcher-kva.example/"),
            (b"/a\\b", "http://x/a/b"),
            (b"#top", "http://x/a/b?c"),
        ] {
            assert_eq!(redirect(location), expected, "{:?}", String::from_utf8_lossy(location));
        }
        for bad in [&b"http://"[..], b"http://a b/", b"http://[::1", b"http://\xff/"] {
            assert!(matches!(judged(302, &[("location", bad)]), Err(PageError::BadLocation(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_first_location_that_is_not_empty_is_used() {
        let two = [("location", &b"/1"[..]), ("location", b"/2")];
        assert!(matches!(judged(301, &two), Ok(Answer::Redirect(to)) if to.path() == "/1"));
        let empty = [("location", &b""[..]), ("location", b"/2")];
        assert!(matches!(judged(301, &empty), Ok(Answer::Redirect(to)) if to.path() == "/2"));
    }

    #[test]
    fn statuses_mean_what_rfc_9110_says() {
        let to: &[(&str, &[u8])] = &[("location", b"/c")];
        for status in [300, 301, 302, 303, 307, 308] {
            assert!(matches!(judged(status, to), Ok(Answer::Redirect(_))), "{status}");
            assert!(matches!(judged(status, &[]), Ok(Answer::Nowhere)), "{status}");
            assert!(matches!(judged(status, &[("location", b" ")]), Ok(Answer::Nowhere)), "{status}");
        }
        for status in [305, 306, 399] {
            assert!(matches!(judged(status, to), Ok(Answer::Nowhere)), "{status}");
        }
        for status in [304, 412, 416] {
            assert!(matches!(judged(status, to), Err(PageError::Unasked(_))), "{status}");
        }
        for status in [400, 404, 500, 503, 999] {
            assert!(matches!(judged(status, to), Err(PageError::Status(_))), "{status}");
        }
        for status in [200, 201, 203, 204, 299] {
            assert!(matches!(judged(status, to), Ok(Answer::Page(None))), "{status}");
        }
        // `Content-Range` has no meaning in a 200 (RFC 9110, 14.4).
        assert!(matches!(judged(200, &[("content-range", b"bytes 0-4/10")]), Ok(Answer::Page(None))));
    }

    #[test]
    fn a_partial_response_is_the_page_only_if_it_contains_all_of_it() {
        for range in ["bytes 0-9/10", "Bytes 0-9/10", "bytes=0-9/10", "bytes  0-9 / 10"] {
            let judged = judged(206, &[("content-range", range.as_bytes())]);
            assert!(matches!(judged, Ok(Answer::Page(Some(10)))), "{range}: {judged:?}");
        }
        for range in [
            "bytes 0-4/10",
            "bytes 1-9/10",
            "bytes 0-9/*",
            "bytes */10",
            "bytes 0-9",
            "items 0-9/10",
            "bytes 0-18446744073709551615/0",
            "bytes -9/10",
            "0-9/10",
            "",
        ] {
            let judged = judged(206, &[("content-range", range.as_bytes())]);
            assert!(matches!(judged, Err(PageError::Http(Error::Incomplete(_)))), "{range}: {judged:?}");
        }
        assert!(matches!(judged(206, &[]), Err(PageError::Http(Error::Incomplete(_)))));
    }
}
