//! Names for a download into one directory: what a server suggests in `Content-Disposition` (RFC 6266), made safe, or
//! the end of the URL.

use super::names::is_device;
use percent_encoding::percent_decode;
use std::borrow::Cow;
use url::Url;

/// Maximum number of bytes of a name. The lowest limit of file systems in use is 143 (eCryptfs).
const LENGTH: usize = 140;

/// The safe name in a `Content-Disposition` field: that of `filename*`, or else that of `filename`. `None` if it has
/// none.
pub fn suggested_name(field: &[u8]) -> Option<String> {
    let parameters = parameters(field);
    let value = |wanted: &str| {
        let mut matching = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        matching.next().map(|(_, value)| &**value)
    };
    let extended = value("filename*").and_then(extended_value).and_then(|name| safe_name(name.as_bytes()));
    extended.or_else(|| safe_name(value("filename")?))
}

/// Makes a name of one component that every system accepts from any bytes. `None` if none of them can be used.
pub fn safe_name(suggested: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(suggested);
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let allowed = |char: char| !char.is_control() && !is_invisible(char) && !":*?\"<>|\u{fffd}".contains(char);
    let mut name: String = last.chars().map(|char| if allowed(char) { char } else { '_' }).collect();
    name = name.trim().trim_end_matches(['.', ' ']).to_owned();
    if name.starts_with('.') || is_device(&name) {
        name.insert(0, '_'); // so that it is neither hidden nor a device
    }
    if name.len() > LENGTH {
        let extension = name.rsplit_once('.').map_or(0, |(_, extension)| extension.len() + 1);
        let extension = if extension <= 16 { name.split_off(name.len() - extension) } else { String::new() };
        let end = (0..=LENGTH - extension.len()).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or_default());
        name = name.trim_end_matches(['.', ' ']).to_owned() + &extension;
    }
    name.chars().any(|char| char != '_').then_some(name)
}

/// A file name for a URL, for a download into one directory. Different URLs may have the same.
pub fn file_name(url: &Url) -> String {
    let segment = url.path().rsplit('/').next().unwrap_or_default();
    let mut name: Vec<u8> =
        percent_decode(if segment.is_empty() { b"index.html" } else { segment.as_bytes() }).collect();
    if let Some(query) = url.query() {
        name.push(b'@');
        name.extend(query.bytes().map(|byte| if byte == b'/' { b'_' } else { byte }));
    }
    safe_name(&name).unwrap_or_else(|| "index.html".to_owned())
}

/// Whether a character changes how others are displayed, so that `gpj.exe` could look like `exe.jpg`.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The parameters after the disposition's type.
fn parameters(field: &[u8]) -> Vec<(&[u8], Cow<'_, [u8]>)> {
    let mut found = Vec::new();
    let mut rest = after(field, b';');
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let name = rest[..end].trim_ascii();
        if rest.get(end) != Some(&b'=') {
            rest = after(rest, b';');
            continue;
        }
        rest = rest[end + 1..].trim_ascii_start();
        let value = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (value, after_quote) = unquoted(quoted);
                rest = after(after_quote, b';');
                Cow::Owned(value)
            }
            None => {
                let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
                let value = rest[..end].trim_ascii();
                rest = after(rest, b';');
                Cow::Borrowed(value)
            }
        };
        found.push((name, value));
    }
    found
}

fn after(bytes: &[u8], separator: u8) -> &[u8] {
    bytes.iter().position(|byte| *byte == separator).map_or(&[], |at| &bytes[at + 1..])
}

/// The text of a quoted string whose first quote is removed, and what follows it. A backslash quotes only itself and a
/// quote: servers on Windows send whole paths.
fn unquoted(quoted: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut text, mut at) = (Vec::new(), 0);
    while at < quoted.len() {
        match (quoted[at], quoted.get(at + 1)) {
            (b'"', _) => return (text, &quoted[at + 1..]),
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                text.push(*next);
                at += 1;
            }
            (byte, _) => text.push(byte),
        }
        at += 1;
    }
    (text, &[])
}

/// `UTF-8'en'%e2%82%ac.txt` (RFC 8187).
fn extended_value(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(text).collect();
    match &*charset.to_ascii_lowercase() {
        b"utf-8" => String::from_utf8(bytes).ok(),
        b"iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_name_is_one_component() {
        let long = "x".repeat(300);
        for (suggested, expected) in [
            (&b"report.pdf"[..], Some("report.pdf")),
            (b"../../etc/passwd", Some("passwd")),
            (b"/etc/passwd", Some("passwd")),
            (b"C:\\windows\\win.ini", Some("win.ini")),
            (b"..\\..\\x.txt", Some("x.txt")),
            (b"C:x.txt", Some("C_x.txt")),
            (b"CON", Some("_CON")),
            (b"nul.txt", Some("_nul.txt")),
            (b".bashrc", Some("_.bashrc")),
            (b"a\0b\n.txt", Some("a_b_.txt")),
            (b"name. . ", Some("name")),
            (b"  name  ", Some("name")),
            (b"caf\xe9.txt", Some("caf_.txt")),
            ("caf\u{e9}.txt".as_bytes(), Some("caf\u{e9}.txt")),
            ("exe.\u{202e}gpj".as_bytes(), Some("exe._gpj")),
            (b"~1", Some("~1")),
            (b"", None),
            (b".", None),
            (b"..", None),
            (b"...", None),
            (b"/", None),
            (b"a/", None),
            (b"a/..", None),
            (b"\xff\xfe", None),
            (b" ", None),
        ] {
            assert_eq!(safe_name(suggested).as_deref(), expected, "{:?}", String::from_utf8_lossy(suggested));
        }
        let name = safe_name(format!("{long}.tar.gz").as_bytes()).unwrap();
        assert!(name.len() <= 143 && name.ends_with("x.gz"), "{name}");
        assert!(safe_name(format!("x.{long}").as_bytes()).unwrap().len() <= 143);
        assert!(safe_name("\u{fc}".repeat(300).as_bytes()).unwrap().len() <= 143);
    }

    #[test]
    fn a_url_gives_the_name_of_a_single_download() {
        for (url, expected) in [
            ("http://h/d/a.tar.gz", "a.tar.gz"),
            ("http://h/d/LICENSE", "LICENSE"),
            ("http://h/d/", "index.html"),
            ("http://h/a%20b.txt", "a b.txt"),
            ("http://h/..%2F..%2Fetc%2Fpasswd", "passwd"),
            ("http://h/x?a=/etc/passwd", "x@a=_etc_passwd"),
            ("http://h/%2F", "index.html"),
        ] {
            assert_eq!(file_name(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn the_field_is_read_as_rfc_6266_says() {
        for (field, expected) in [
            (&b"attachment; filename=\"a b.txt\""[..], Some("a b.txt")),
            (b"attachment; filename=a.txt", Some("a.txt")),
            (b"attachment;filename=a.txt;size=5", Some("a.txt")),
            (b"INLINE; FILENAME = \"a.txt\"", Some("a.txt")),
            (b"attachment; filename=\"a;b.txt\"; x=y", Some("a;b.txt")),
            (b"attachment; filename=\"a\\\"b.txt\"", Some("a_b.txt")),
            (b"attachment; filename=\"C:\\dir\\x.txt\"", Some("x.txt")),
            (b"attachment; filename=\"not closed.txt", Some("not closed.txt")),
            (b"attachment; filename=\"x.txt\"; filename*=UTF-8''%e2%82%ac%20rates.txt", Some("\u{20ac} rates.txt")),
            (b"attachment; filename*=utf-8'en'a.txt; filename=x.txt", Some("a.txt")),
            (b"attachment; filename*=ISO-8859-1''caf%E9.txt", Some("caf\u{e9}.txt")),
            (b"attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%2fetc%2fpasswd", Some("passwd")),
            (b"attachment; filename=x.txt; filename*=UTF-8''%ff", Some("x.txt")),
            (b"attachment; filename=x.txt; filename*=KOI8-R''%c1", Some("x.txt")),
            (b"attachment; filename=x.txt; filename*=nonsense", Some("x.txt")),
            (b"attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            (b"attachment; myfilename=x.txt", None),
            (b"attachment; filename", None),
            (b"attachment; filename=", None),
            (b"attachment", None),
            (b"", None),
            (b";;;=;\"", None),
        ] {
            assert_eq!(suggested_name(field).as_deref(), expected, "{}", String::from_utf8_lossy(field));
        }
    }
}
