//! `Retry-After`: how long to wait before the next request to a host (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

/// The wait that a `Retry-After` field gives as a number of seconds or as a date. `None` if it is neither.
///
/// A date counts from the response's own `Date`, so that a wrong clock on either side does not matter; without one it
/// counts from `now`. A date in the past means no wait.
pub fn retry_after(field: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let field = field.trim();
    if !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(field).ok()?;
    let from = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(now);
    Some(until.duration_since(from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_understood() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        let other = Some("Sun, 06 Nov 1994 08:48:37 GMT");
        for (field, date, seconds) in [
            ("0", None, Some(0)),
            ("120", None, Some(120)),
            (" 2 ", None, Some(2)),
            ("99999999999999999999999", None, Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None, Some(7)),
            ("Sun Nov  6 08:49:37 1994", None, Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", other, Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some("yesterday"), Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, Some(0)),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            assert_eq!(retry_after(field, date, now), seconds.map(Duration::from_secs), "{field:?} {date:?}");
        }
    }
}
