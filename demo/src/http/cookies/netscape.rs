//! Reads a file of cookies in Netscape's format, which curl, wget and browser extensions write. Used by `options.rs`.

use super::Jar;
use cookie_store::RawCookie;
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;

/// Adds the cookies of a file to a jar. Expired ones are left out.
///
/// # Errors
/// The error says what is wrong and in which line, without any value of the file.
pub fn read(text: &str, jar: &Jar) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    for (number, line) in text.lines().enumerate() {
        let (line, http_only) = match line.strip_prefix("#HttpOnly_") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("line {}: {what}", number + 1);
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, subdomains, path, secure, expires, name, rest @ ..] = &fields[..] else {
            return Err(wrong("a cookie has seven fields, separated by tabs, as in Netscape's cookies.txt"));
        };
        let value = match rest {
            [] => "", // some programs leave out an empty value and its tab
            [value] => value,
            _ => return Err(wrong("more than seven fields")),
        };
        let secure = secure.eq_ignore_ascii_case("TRUE");
        let host = domain.trim_start_matches('.');
        let scheme = if secure { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong("the first field is not a domain"))?;
        // Browsers may write fractions of a second.
        let expires: f64 = expires.parse().map_err(|_| wrong("the fifth field is not a time in seconds"))?;
        let left = expires as u64;
        if left > 0 && left <= now {
            continue;
        }
        let mut text = format!("{name}={value}; Path={path}");
        if subdomains.eq_ignore_ascii_case("TRUE") {
            text.push_str(&format!("; Domain={host}"));
        }
        if left > 0 {
            text.push_str(&format!("; Max-Age={}", left - now));
        }
        text.push_str(if secure { "; Secure" } else { "" });
        text.push_str(if http_only { "; HttpOnly" } else { "" });
        let cookie = RawCookie::parse(text).map_err(|_| wrong("not a valid cookie"))?;
        jar.add(&url, cookie);
    }
    Ok(())
}
