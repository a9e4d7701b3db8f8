//! The value of a `Content-Type`: its type and its charset, as the MIME Sniffing standard parses them. Used by
//! `sniff.rs` and `encoding.rs`.

/// A media type, in lower case, without parameters.
///
/// Returns `None` if the value is not a media type, for example `html`: such a `Content-Type` counts as missing.
pub fn essence(content_type: &str) -> Option<String> {
    let essence = content_type.split(';').next().unwrap_or_default().trim_matches(is_space);
    let (kind, subtype) = essence.split_once('/')?;
    let valid = |part: &str| !part.is_empty() && part.bytes().all(is_token);
    (valid(kind) && valid(subtype) || essence == "*/*").then(|| essence.to_ascii_lowercase())
}

/// The value of the first `charset` parameter, without its quotes.
pub fn charset(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, after) = match rest.find(['=', ';']) {
            Some(at) if rest.as_bytes()[at] == b';' => {
                rest = &rest[at + 1..]; // a parameter without a value
                continue;
            }
            Some(at) => (rest[..at].trim_matches(is_space), &rest[at + 1..]),
            None => return None,
        };
        let (value, next) = value(after);
        if name.eq_ignore_ascii_case("charset") && !value.is_empty() {
            return Some(value);
        }
        rest = next?;
    }
}

/// A parameter's value, and what follows its semicolon.
fn value(text: &str) -> (String, Option<&str>) {
    let text = text.trim_start_matches(is_space);
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, next) = text.split_once(';').map_or((text, None), |(value, next)| (value, Some(next)));
        return (value.trim_matches(is_space).to_owned(), next);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, quoted[at..].split_once(';').map(|(_, next)| next)),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(char),
        }
    }
    (value, None)
}

fn is_space(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' ')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_recognized_or_counts_as_missing() {
        for (value, expected) in [
            ("text/html", Some("text/html")),
            (" Text/HTML ; charset=x", Some("text/html")),
            ("image/svg+xml", Some("image/svg+xml")),
            ("*/*", Some("*/*")),
            ("html", None),
            ("", None),
            ("text/", None),
            ("/html", None),
            ("text html/x", None),
            ("text/html, text/plain", None),
        ] {
            assert_eq!(essence(value).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_charset_is_found_in_each_spelling() {
        for (value, expected) in [
            ("text/html", None),
            ("text/html;charset=utf-8", Some("utf-8")),
            ("text/html; CharSet = \"utf-8\" ; x=y", Some("utf-8")),
            ("text/html; charset=\"ut\\f-8\"", Some("utf-8")),
            ("text/html; charset=\"utf-8", Some("utf-8")),
            ("text/html; x; charset=latin1", Some("latin1")),
            ("text/html; x=\"; charset=no\"; charset=yes", Some("yes")),
            ("text/html; charset=; charset=b", Some("b")),
            ("text/html; charset=a; charset=b", Some("a")),
            ("text/html; charset=\"", None),
        ] {
            assert_eq!(charset(value).as_deref(), expected, "{value:?}");
        }
    }
}
