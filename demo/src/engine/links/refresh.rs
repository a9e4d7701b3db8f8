//! The URL of a `<meta http-equiv=refresh>`, as the HTML standard parses it ("shared declarative refresh steps"). Used
//! by `attributes.rs`.

/// The URL in the `content` of a refresh. Returns `None` if it is invalid, or only reloads the page.
pub fn url(content: &[u8]) -> Option<&[u8]> {
    let rest = skip_spaces(content);
    let digits = count(rest, |byte| byte.is_ascii_digit());
    if digits == 0 && rest.first() != Some(&b'.') {
        return None;
    }
    let rest = &rest[digits..];
    let rest = &rest[count(rest, |byte| byte.is_ascii_digit() || byte == b'.')..];
    let separated = skip_spaces(rest);
    let rest = match separated {
        [b';' | b',', after @ ..] => skip_spaces(after),
        _ if separated.len() < rest.len() => separated,
        _ => return None, // nothing follows the time, or something that makes it invalid
    };
    let rest = without_name(rest);
    let url = match rest {
        [quote @ (b'"' | b'\''), quoted @ ..] => &quoted[..count(quoted, |byte| byte != *quote)],
        _ => rest,
    };
    (!url.is_empty()).then_some(url)
}

/// The text after `url=`, or all of the text if it does not begin with that.
fn without_name(text: &[u8]) -> &[u8] {
    match text.get(..3) {
        Some(name) if name.eq_ignore_ascii_case(b"url") => match skip_spaces(&text[3..]) {
            [b'=', value @ ..] => skip_spaces(value),
            _ => text,
        },
        _ => text,
    }
}

fn count(text: &[u8], matches: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| matches(**byte)).count()
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    &text[count(text, |byte| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' '))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_refresh_is_read() {
        for (content, expected) in [
            ("0; URL=\n/a", Some("/a")),
            ("0;url = /b", Some("/b")),
            ("0,url=/c", Some("/c")),
            ("0 url=/d", Some("/d")),
            ("0;/e", Some("/e")),
            ("3; url='/f' ", Some("/f")),
            ("0;url=\"/g\"junk", Some("/g")),
            ("0;url='/h", Some("/h")),
            (" 1.5 ; url=/i", Some("/i")),
            (".5;url=/j", Some("/j")),
            ("0;'/k'", Some("/k")),
            ("0;url/l", Some("url/l")),
            ("0 /m", Some("/m")),
            ("0;uRL=url=/n", Some("url=/n")),
            ("0", None),
            ("0;", None),
            ("0; url=", None),
            ("5x;url=/no", None),
            ("0url=/no", None),
            (";url=/no", None),
            ("url=/no", None),
            ("-1;url=/no", None),
            ("", None),
        ] {
            let found = url(content.as_bytes()).map(|url| std::str::from_utf8(url).unwrap());
            assert_eq!(found, expected, "{content:?}");
        }
    }
}
