//! Fields of a response that the downloader acts on.

use demo::engine::parsers::{Answer, Origin, Verdict, judge, retry_after as parse};
use demo::engine::urls::normalize;
use demo::http::parsers::{Jar, parse_head};
use http::HeaderMap;
use http::header::SET_COOKIE;
use std::time::{Duration, UNIX_EPOCH};
use url::Url;

/// The fields of a head with these lines, if it is valid.
fn headers(lines: &[u8]) -> Option<(http::StatusCode, HeaderMap)> {
    let head = [b"HTTP/1.1 ", lines, b"\r\n\r\n"].concat();
    let (_, (status, headers, _)) = parse_head(&head).ok()??;
    Some((status, headers))
}

/// Whether the value of a field can be sent. A tab is as good as a space (RFC 9110, 5.5).
fn is_valid(value: &str) -> bool {
    !value.contains(|char: char| char.is_control() && char != '\t')
}

/// Lines with `Set-Cookie`, each for two responses. The `Cookie` field is valid, and no cookie is sent to another site
/// or from https to http.
pub fn cookies(bytes: &[u8]) {
    let urls = ["http://a.example.org/x/y", "https://b.example.org/", "http://other.example.com/", "http://127.0.0.1/"];
    let urls = urls.map(|url| Url::parse(url).expect("it is valid"));
    let jar = Jar::default();
    let mut lines = bytes.splitn(2, |byte| *byte == 0xff);
    for (url, value) in urls.iter().zip(lines.by_ref()) {
        let mut fields = HeaderMap::new();
        for line in value.split(|byte| *byte == b'\n') {
            fields.extend(http::HeaderValue::from_bytes(line).ok().map(|value| (SET_COOKIE, value)));
        }
        jar.store(url, &fields);
    }
    for url in &urls {
        let Some(field) = jar.field(url) else { continue };
        assert!(!field.is_empty() && field.len() <= 8000 && is_valid(&field), "{field:?}");
    }
    assert!(urls[2..].iter().all(|url| jar.field(url).is_none()), "a cookie left its site");
}

/// A number or a date gives a wait; nothing panics.
pub fn retry_after(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (field, date) = text.split_once('\n').map_or((&*text, None), |(field, date)| (field, Some(date)));
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let wait = parse(field, date, now);
    let is_number = !field.trim().is_empty() && field.trim().bytes().all(|byte| byte.is_ascii_digit());
    assert!(!is_number || wait.is_some());
    assert!(!field.trim().starts_with('-') || wait.is_none());
}

/// The head of a response that is interrupted, and that of the answer to the request for its rest.
pub fn ranges(bytes: &[u8]) {
    let Some((received, heads)) = bytes.split_first() else { return };
    let (received, mut heads) = (u64::from(*received) + 1, heads.splitn(2, |byte| *byte == 0xff));
    let mut head = || headers(heads.next()?);
    let (Some((status, fields)), Some((answered, answer))) = (head(), head()) else { return };
    let Some(origin) = Origin::of("http://h/x", status, &fields) else { return };
    let asked = origin.fields(received, None);
    assert!(asked.iter().all(|(_, value)| is_valid(value)), "{asked:?}");
    match origin.verdict(received, None, answered, &answer) {
        Verdict::Continues { end, total } => {
            assert!(end > received && total.is_none_or(|total| total >= end), "{end} of {total:?}");
            assert!(origin.total.is_none() || origin.total == total, "{origin:?} is not {total:?}");
        }
        Verdict::IsComplete => assert!(origin.total.is_none_or(|total| total == received)),
        Verdict::Whole | Verdict::AskAgain | Verdict::Other => {}
    }
}

/// A redirect leads to a normalized URL.
pub fn location(bytes: &[u8]) {
    let Some((status, fields)) = headers(bytes) else { return };
    let from = Url::parse("http://h/a/b?c").expect("it is valid");
    match judge(&from, status, &fields) {
        Ok(Answer::Redirect(to)) => {
            assert!(to.fragment().is_none(), "{to}");
            assert_eq!(normalize(to.clone()), to);
        }
        Ok(Answer::Page(_)) => assert!(status.is_success()),
        Ok(Answer::Nowhere) => assert!(status.is_redirection()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
