//! Encodings: where they are declared, and what they mean for links.

use super::*;

/// `text` in UTF-16.
fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_page_is_read_in_its_encoding() {
    let link = "<a href='/é?é'>";
    let latin: &[u8] = b"<a href='/\xe9?\xe9'>";
    let meta = |meta: &str, link: &[u8]| [meta.as_bytes(), link].concat();
    let (in_utf8, in_latin) = ("/%C3%A9?%C3%A9", "/%C3%A9?%E9");
    let html = Some("text/html");
    for (content_type, body, expected) in [
        (html, link.as_bytes().to_vec(), in_utf8),
        (html, latin.to_vec(), in_latin), // declares nothing
        (Some("text/html; charset=iso-8859-1"), latin.to_vec(), in_latin),
        (Some("text/html; charset=\"ISO-8859-1\""), meta("<meta charset=utf-8>", latin), in_latin),
        (Some("text/html; charset=unheard-of"), meta("<meta charset=latin1>", latin), in_latin),
        (html, meta("<meta charset=iso-8859-1>", latin), in_latin),
        (html, meta("<META\nCHARSET = 'iso-8859-1' />", latin), in_latin),
        (html, meta("<meta http-equiv='Content-Type' content='text/html; charset=iso-8859-1'>", latin), in_latin),
        (html, meta("<meta content='text/html; charset = \"latin1\"' http-equiv=content-type>", latin), in_latin),
        (html, meta("<!-- <meta charset=utf-8> --><title><meta charset=latin1></title>", latin), in_latin),
        (html, meta("<meta charset=utf-16>", link.as_bytes()), in_utf8),
        (html, meta("<meta charset=x-user-defined>", latin), in_latin),
        (html, meta("<meta content='charset=utf-7'><meta charset=latin1>", latin), in_latin),
        (html, meta("<?xml version='1.0' encoding='latin1'?>", latin), in_latin),
        (html, [b"\xef\xbb\xbf".as_slice(), &meta("<meta charset=latin1>", link.as_bytes())].concat(), in_utf8),
        (html, utf16(&format!("\u{feff}{link}"), u16::to_le_bytes), in_utf8),
        (html, utf16(&format!("\u{feff}{link}"), u16::to_be_bytes), in_utf8),
        (Some("text/html; charset=utf-16"), utf16(link, u16::to_le_bytes), in_utf8),
        (Some("text/html; charset=utf-16be"), utf16(link, u16::to_be_bytes), in_utf8),
        (Some("text/html; charset=iso-8859-1"), utf16(&format!("\u{feff}{link}"), u16::to_le_bytes), in_utf8),
        (Some("text/html; charset=shift_jis"), b"<a href='/\x83\\?\x83\\'>".to_vec(), "/%E3%82%BD?%83\\"),
        (Some("text/html; charset=windows-1251"), b"<a href='/\xe9?\xe9'>".to_vec(), "/%D0%B9?%E9"),
        (Some("text/html; charset=iso-8859-1"), b"<a href='?&#x4e00;'>".to_vec(), "/d/page?%26%2319968%3B"),
    ] {
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(shown(found(Kind::Html, content_type, body)), [expected], "{content_type:?} {text}");
    }
}

#[test]
fn a_charset_after_the_first_1024_bytes_is_ignored() {
    let page = |filler: usize| {
        let start = format!("<!--{}--><meta charset=windows-1251>", "x".repeat(filler));
        [start.as_bytes(), b"<a href='/\xe9'>"].concat()
    };
    assert_eq!(links(Kind::Html, page(900)), ["/%D0%B9"]);
    assert_eq!(links(Kind::Html, page(1100)), ["/%C3%A9"]);
}

#[test]
fn xml_and_css_declare_their_encoding_in_their_own_way() {
    let latin = b"<?xml version='1.0' encoding=\"iso-8859-1\"?><x><a href='/\xe9?\xe9'/></x>";
    assert_eq!(links(Kind::Xml, latin), ["/%C3%A9?%E9"]);
    let utf16 = utf16("<?xml version='1.0' encoding='utf-16'?><x><a href='/é'/></x>", u16::to_be_bytes);
    assert_eq!(links(Kind::Xml, utf16), ["/%C3%A9"]);
    let css = b"@charset \"iso-8859-1\";p { x: url(/\xe9?\xe9) }";
    assert_eq!(links(Kind::Css, css), ["/%C3%A9?%C3%A9"], "queries of stylesheets are UTF-8");
    assert_eq!(links(Kind::Css, b"@charset 'iso-8859-1';p { x: url(/\xe9) }"), ["/%EF%BF%BD"]);
    let style = b"<meta charset=latin1><style>p { x: url(/\xe9?\xe9) }</style>";
    assert_eq!(links(Kind::Html, style), ["/%C3%A9?%C3%A9"]);
}
