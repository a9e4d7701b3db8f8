//! Parses URLs, and gives each one spelling.

use crate::Failure;
use crate::http::{hide_login, remove_login};
use percent_encoding::percent_decode_str;
use url::Url;

/// The URLs of the command line. They keep their userinfo, so they must not be printed.
///
/// # Errors
/// Fails with a message for each invalid URL.
pub fn parse_all(given: &[String]) -> Result<Vec<Url>, Failure> {
    let mut wrong = Vec::new();
    let mut parsed = Vec::new();
    for text in given {
        match parse(text) {
            Ok(url) => parsed.push(url),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() { Ok(parsed) } else { Err(Failure::Urls(wrong)) }
}

fn parse(text: &str) -> Result<Url, String> {
    // `localhost:8080/x` would parse, as a URL of the scheme `localhost`.
    let has_scheme = text.contains("://");
    let shown = hide_login(text);
    match Url::parse(text) {
        Ok(url) if is_web(&url) && has_scheme => Ok(respell(url)),
        Ok(url) if has_scheme => {
            Err(format!("`{shown}`: cannot download from `{}:`, only from http: and https:", url.scheme()))
        }
        Ok(mut url) if is_web(&url) => {
            remove_login(&mut url);
            Err(format!("`{shown}` lacks a slash: write {url}"))
        }
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => Err(format!(
            "`{shown}` is not a URL: write it with its scheme, as http://{}",
            shown.trim_start_matches('/')
        )),
        Err(error) => Err(format!("`{shown}` is not a URL: {error}")),
    }
}

/// Whether the scheme is http or https.
pub fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Normalizes a URL that a server sent. Also removes userinfo: a page must not choose the user's login, and a password
/// must not get into the report or into file names.
pub fn normalize(mut url: Url) -> Url {
    remove_login(&mut url);
    respell(url)
}

/// Normalizes the spelling of a URL (RFC 3986, 6.2.2): no fragment, no empty query, no needless escapes, and escapes in
/// capitals. The `url` crate has already normalized case, default ports and dots.
fn respell(mut url: Url) -> Url {
    url.set_fragment(None);
    if url.query() == Some("") {
        url.set_query(None);
    }
    if url.path().contains('%') {
        let path = normalize_escapes(url.path());
        url.set_path(&path);
    }
    url
}

/// Normalizes percent escapes: decodes those that are not needed, and writes the others in capitals. Normalizing the
/// result again changes nothing: the escape of a hexadecimal digit is kept if the decoded digit would form an escape with
/// a `%` before it, as in `%%32e` and `%2%65`.
pub fn normalize_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escape = part.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(escape) = escape else {
            normal.push('%');
            normal.push_str(part);
            continue;
        };
        let escape = format!("%{}", escape.to_ascii_uppercase());
        let decoded = percent_decode_str(&escape).next().map(char::from);
        match decoded {
            Some(char) if char.is_ascii_hexdigit() && ends_in_an_open_escape(&normal) => normal.push_str(&escape),
            Some(char) if char.is_ascii_alphanumeric() || "-._~".contains(char) => normal.push(char),
            _ => normal.push_str(&escape),
        }
        normal.push_str(&part[2..]);
    }
    normal
}

/// Whether a hexadecimal digit after `text` would belong to an escape.
fn ends_in_an_open_escape(text: &str) -> bool {
    let before_digit = text.strip_suffix(|char: char| char.is_ascii_hexdigit()).unwrap_or(text);
    before_digit.ends_with('%')
}

/// Scheme, host and port. URLs with the same server share connections and a limit.
pub fn server(url: &Url) -> String {
    format!("{}://{}:{}", url.scheme(), url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_spellings_are_one_url() {
        let base = Url::parse("http://Example.org/a/b").unwrap();
        let spellings = [
            "c",
            "./c",
            "../a/c",
            "/a/c",
            "//example.org/a/c",
            "HTTP://EXAMPLE.ORG/a/c",
            "http://example.org:80/a/c",
            "c#x",
            "c#",
            "c?",
            "c?#x",
            "%63",
            "/%61/c",
            "/a/./c",
            "/a/b/../c",
            "/x/../a/c",
            "./././c",
            "/a/%2e/c",
            "/a/b/%2E%2E/c",
            "http:c",
        ];
        for spelling in spellings {
            assert_eq!(normalize(base.join(spelling).unwrap()).as_str(), "http://example.org/a/c", "{spelling}");
        }
    }

    #[test]
    fn different_urls_stay_different() {
        let base = Url::parse("http://example.org/").unwrap();
        for (a, b) in [("/a", "/a/"), ("/x?1", "/x?2"), ("/a%2Fb", "/a/b"), ("/a", "/A"), ("/x", "/x?y")] {
            let [a, b] = [a, b].map(|url| normalize(base.join(url).unwrap()));
            assert_ne!(a, b);
        }
        assert_eq!(normalize(base.join("/a%2fb").unwrap()).path(), "/a%2Fb");
        assert_eq!(normalize(base.join("/100%").unwrap()).path(), "/100%");
    }

    #[test]
    fn normalizing_twice_equals_normalizing_once() {
        let normal = |text: &str| normalize(Url::parse("http://h/").unwrap().join(text).unwrap());
        // The tokens that can form an escape together, in every order.
        let tokens = ["%", "%3", "%32", "%25", "%2E", "2", "e", ".", "/"];
        for (a, b, c) in tokens
            .iter()
            .flat_map(|a| tokens.iter().map(move |b| (a, b)))
            .flat_map(|(a, b)| tokens.iter().map(move |c| (a, b, c)))
        {
            let once = normal(&format!("/x{a}{b}{c}"));
            assert_eq!(normal(once.as_str()), once, "{a}{b}{c}");
        }
        for (text, expected) in [("%%32e", "/%%32e"), ("%2%65", "/%2%65"), ("%2532", "/%2532"), ("%%41%%7a", "/%%41%z")]
        {
            assert_eq!(normal(text).path(), expected);
        }
    }

    #[test]
    fn userinfo_of_a_link_is_removed_and_that_of_the_command_line_is_kept() {
        let given = parse("https://us%65r:secret@example.org:443/%61#x").unwrap();
        assert_eq!(given.as_str(), "https://us%65r:secret@example.org/a");
        assert_eq!(normalize(given).as_str(), "https://example.org/a");
        for text in ["u:secret@h/x", "http://u:secret@h h/", "ftp://u:secret@h/", "http:u:secret@h/", "//u:secret@h"] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_error_for_a_wrong_url_says_what_to_write() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert!(wrong("localhost:8080/x").contains("http://localhost:8080/x"));
        assert!(wrong("/x").contains("http://x"));
        assert!(wrong("ftp://x/").contains("ftp:"));
        assert!(wrong("http:x/").contains("http://x/"));
        assert!(wrong("http://").contains("host"));
    }
}
