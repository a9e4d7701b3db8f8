//! Parses URLs, and gives each one spelling.

use crate::Failure;
use percent_encoding::percent_decode_str;
use url::Url;

/// The URLs of the command line.
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
    match Url::parse(text) {
        Ok(url) if url.scheme() == "http" && has_scheme => Ok(normalize(url)),
        Ok(url) if url.scheme() == "https" => Err(format!("`{text}`: https is not supported, only http")),
        Ok(url) if has_scheme => Err(format!("`{text}`: cannot download from `{}:`, only from http:", url.scheme())),
        Ok(url) if url.scheme() == "http" => Err(format!("`{text}` lacks a slash: write {url}")),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
            Err(format!("`{text}` is not a URL: write it with its scheme, as http://{}", text.trim_start_matches('/')))
        }
        Err(error) => Err(format!("`{text}` is not a URL: {error}")),
    }
}

/// Normalizes a URL (RFC 3986, 6.2.2): no fragment, no empty query, no needless escapes, and escapes in capitals. The
/// `url` crate has already normalized case, default ports and dots.
pub fn normalize(mut url: Url) -> Url {
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

fn normalize_escapes(text: &str) -> String {
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
            Some(char) if char.is_ascii_alphanumeric() || "-._~".contains(char) => normal.push(char),
            _ => normal.push_str(&escape),
        }
        normal.push_str(&part[2..]);
    }
    normal
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
    fn what_differs_stays_different() {
        let base = Url::parse("http://example.org/").unwrap();
        for (a, b) in [("/a", "/a/"), ("/x?1", "/x?2"), ("/a%2Fb", "/a/b"), ("/a", "/A"), ("/x", "/x?y")] {
            let [a, b] = [a, b].map(|url| normalize(base.join(url).unwrap()));
            assert_ne!(a, b);
        }
        assert_eq!(normalize(base.join("/a%2fb").unwrap()).path(), "/a%2Fb");
        assert_eq!(normalize(base.join("/100%").unwrap()).path(), "/100%");
    }

    #[test]
    fn a_wrong_url_says_what_to_write() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert!(wrong("localhost:8080/x").contains("http://localhost:8080/x"));
        assert!(wrong("/x").contains("http://x"));
        assert!(wrong("ftp://x/").contains("ftp:"));
        assert!(wrong("https://x/").contains("https is not supported"));
        assert!(wrong("http://").contains("host"));
    }
}
