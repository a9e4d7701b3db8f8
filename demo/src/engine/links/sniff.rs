//! Detects from the `Content-Type` and the first bytes whether a body can be searched for links, and in which format.
//! Follows the MIME Sniffing standard. Used by the code that receives a body.

use super::media_type::essence;
use url::Url;

/// The bytes at the beginning of a body that [`Kind::of`] may need.
pub const SNIFFED: usize = 1445;

/// A kind of body that can be searched for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTML.
    Html,
    /// A stylesheet.
    Css,
    /// XHTML, SVG, a feed (RSS, Atom), a sitemap, or other XML.
    Xml,
    /// A sitemap that is text, or compressed by gzip: its content decides.
    Sitemap,
}

impl Kind {
    /// The kind of the body of `url`. `head` is the beginning of the body: [`SNIFFED`] bytes, or all if it is shorter.
    /// `nosniff` is set by `X-Content-Type-Options: nosniff`.
    ///
    /// Where the standard knows only text, this goes two steps further, so that no page is lost: a byte order mark may
    /// precede the tag that identifies HTML, and text without a `Content-Type` has the kind of its URL's extension.
    pub fn of(content_type: Option<&str>, nosniff: bool, url: &Url, head: &[u8]) -> Option<Kind> {
        let essence = content_type.and_then(essence);
        let extension = extension(url);
        match essence.as_deref() {
            None | Some("unknown/unknown" | "application/unknown" | "*/*") if nosniff => None,
            None | Some("unknown/unknown" | "application/unknown" | "*/*") => {
                Self::unknown(head).or_else(|| Self::by_extension(&extension, head))
            }
            Some("text/html") if nosniff || !is_feed(head) => Some(Kind::Html),
            Some("text/html") => Some(Kind::Xml),
            Some("text/css") => Some(Kind::Css),
            Some("text/xml" | "application/xml") => Some(Kind::Xml),
            Some(essence) if essence.ends_with("+xml") => Some(Kind::Xml),
            Some("text/plain") if extension == "txt" && is_sitemap(url) => Some(Kind::Sitemap),
            Some("application/gzip" | "application/x-gzip" | "application/octet-stream")
                if extension == "gz" && is_sitemap(url) && head.starts_with(GZIP) =>
            {
                Some(Kind::Sitemap)
            }
            Some(_) => None,
        }
    }

    /// The kind of a saved file whose `Content-Type` was not kept. Unless its extension gives its kind, text with a tag
    /// is searched as HTML, and text without a tag as a stylesheet.
    pub fn of_saved(url: &Url, head: &[u8]) -> Option<Kind> {
        let text = as_ascii(head);
        let is_tag = |pair: &[u8]| pair[0] == b'<' && (pair[1].is_ascii_alphabetic() || matches!(pair[1], b'!' | b'/'));
        match &*extension(url) {
            _ if text.iter().any(|byte| is_binary(*byte)) => None,
            "js" | "mjs" | "json" | "txt" | "md" | "csv" => None,
            "css" => Some(Kind::Css),
            "xml" | "svg" | "rss" | "atom" | "xhtml" => Some(Kind::Xml),
            _ if text.windows(2).any(is_tag) => Some(Kind::Html),
            _ => Some(Kind::Css),
        }
    }

    /// The kind of a body without a `Content-Type`.
    fn unknown(head: &[u8]) -> Option<Kind> {
        let text = as_ascii(head);
        let text = text.trim_ascii_start();
        if starts_with(text, b"<?xml") {
            return Some(Kind::Xml);
        }
        let ends = |tag: &&[u8]| matches!(text.get(tag.len()), Some(b' ' | b'>'));
        let tag = TAGS.iter().any(|tag| starts_with(text, tag) && ends(tag));
        (tag || text.starts_with(b"<!--")).then_some(Kind::Html)
    }

    fn by_extension(extension: &str, head: &[u8]) -> Option<Kind> {
        match extension {
            _ if as_ascii(head).iter().any(|byte| is_binary(*byte)) => None,
            "html" | "htm" | "xhtml" | "xht" => Some(Kind::Html),
            "css" => Some(Kind::Css),
            "xml" | "svg" | "rss" | "atom" => Some(Kind::Xml),
            _ => None,
        }
    }
}

/// The first bytes of a gzip file.
pub const GZIP: &[u8] = b"\x1f\x8b";

/// Tags that identify HTML, if a space or `>` follows.
const TAGS: [&[u8]; 16] = [
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<script",
    b"<iframe",
    b"<h1",
    b"<div",
    b"<font",
    b"<table",
    b"<a",
    b"<style",
    b"<title",
    b"<b",
    b"<body",
    b"<br",
    b"<p",
];

fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The text without its byte order mark; UTF-16 is decoded as far as it is ASCII.
fn as_ascii(head: &[u8]) -> Vec<u8> {
    let pairs = |decode: fn([u8; 2]) -> u16| {
        let units = head[2..].chunks_exact(2).map(|pair| decode([pair[0], pair[1]]));
        units.map(|unit| u8::try_from(unit).unwrap_or(b'?')).collect()
    };
    match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        [0xff, 0xfe, ..] => pairs(u16::from_le_bytes),
        [0xfe, 0xff, ..] => pairs(u16::from_be_bytes),
        _ => head.to_vec(),
    }
}

/// Whether a byte occurs in no text ("binary data byte").
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

/// Whether a body that is served as HTML is a feed: its first tag is that of RSS, Atom or RDF.
fn is_feed(head: &[u8]) -> bool {
    let mut text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    loop {
        let Some(markup) = text.trim_ascii_start().strip_prefix(b"<") else { return false };
        let end: &[u8] = match markup {
            _ if markup.starts_with(b"!--") => b"-->",
            [b'!', ..] => b">",
            [b'?', ..] => b"?>",
            _ => {
                let rdf = markup.starts_with(b"rdf:RDF") && contains(markup, b"http://purl.org/rss/1.0/");
                return markup.starts_with(b"rss") || markup.starts_with(b"feed") || rdf;
            }
        };
        let Some(at) = find(markup, end) else { return false };
        text = &markup[at + end.len()..];
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The last segment of a URL's path, in lower case.
fn file_name(url: &Url) -> String {
    url.path().rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// The extension of a URL's path, in lower case.
fn extension(url: &Url) -> String {
    file_name(url).rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_owned())
}

fn is_sitemap(url: &Url) -> bool {
    file_name(url).contains("sitemap")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content_type: Option<&str>, path: &str, head: &[u8]) -> Option<Kind> {
        Kind::of(content_type, false, &Url::parse("http://h/").unwrap().join(path).unwrap(), head)
    }

    #[test]
    fn a_declared_type_is_used() {
        for (content_type, expected) in [
            ("text/html", Some(Kind::Html)),
            ("TEXT/HTML;charset=x", Some(Kind::Html)),
            ("application/xhtml+xml", Some(Kind::Xml)),
            ("text/css", Some(Kind::Css)),
            ("image/svg+xml", Some(Kind::Xml)),
            ("application/rss+xml", Some(Kind::Xml)),
            ("text/xml", Some(Kind::Xml)),
            ("text/plain", None),
            ("text/plain; charset=ISO-8859-1", None),
            ("application/octet-stream", None),
            ("application/json", None),
        ] {
            assert_eq!(kind(Some(content_type), "x.html", b"<html>"), expected, "{content_type}");
        }
    }

    #[test]
    fn a_body_without_a_type_is_sniffed() {
        for (head, expected) in [
            (&b"<!DOCTYPE HTML>"[..], Some(Kind::Html)),
            (b" \r\n\t<html >", Some(Kind::Html)),
            (b"<a href=x>", Some(Kind::Html)),
            (b"<!-- x", Some(Kind::Html)),
            (b"<BODY>", Some(Kind::Html)),
            (b"<article>", None),
            (b"<html\n>", None),
            (b"<?xml version='1.0'?>", Some(Kind::Xml)),
            (b"\xef\xbb\xbf<html>", Some(Kind::Html)),
            (b"\xff\xfe<\0h\0t\0m\0l\0>\0", Some(Kind::Html)),
            (b"\xfe\xff\0<\0h\0t\0m\0l\0>", Some(Kind::Html)),
            (b"plain", None),
            (b"", None),
        ] {
            for content_type in [None, Some(""), Some("html"), Some("unknown/unknown"), Some("*/*")] {
                assert_eq!(kind(content_type, "x", head), expected, "{content_type:?} {head:?}");
            }
        }
    }

    #[test]
    fn the_extension_gives_the_kind_of_text_without_a_type() {
        assert_eq!(kind(None, "x.HTML", b"<nav><a href=x>"), Some(Kind::Html));
        assert_eq!(kind(None, "x.html", b"GIF89a\0\0"), None);
        assert_eq!(kind(None, "x.css", b"@import 'a'"), Some(Kind::Css));
        assert_eq!(kind(None, "x", b"@import 'a'"), None);
    }

    #[test]
    fn nosniff_forbids_guessing_html() {
        let url = Url::parse("http://h/x.html").unwrap();
        assert_eq!(Kind::of(None, true, &url, b"<html>"), None);
        assert_eq!(Kind::of(None, true, &url, b"<?xml?>"), None);
        assert_eq!(Kind::of(Some("text/html"), true, &url, b"<rss>"), Some(Kind::Html));
    }

    #[test]
    fn a_feed_that_is_served_as_html_is_searched_as_xml() {
        for head in [
            "<rss>",
            "<?xml version='1.0'?>\n<!-- <html> --><!DOCTYPE x><feed xmlns=''>",
            "\u{feff} <?xml?><rss version='2.0'>",
        ] {
            assert_eq!(kind(Some("text/html"), "", head.as_bytes()), Some(Kind::Xml), "{head}");
        }
        let rdf = b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>";
        assert_eq!(kind(Some("text/html"), "", rdf), Some(Kind::Xml));
        for head in ["<html>", "x<rss>", "<!-- ", "<rdf:RDF>", ""] {
            assert_eq!(kind(Some("text/html"), "", head.as_bytes()), Some(Kind::Html), "{head}");
        }
    }

    #[test]
    fn a_sitemap_may_be_text_or_compressed() {
        assert_eq!(kind(Some("text/plain"), "sitemap.txt", b"http://h/"), Some(Kind::Sitemap));
        assert_eq!(kind(Some("text/plain"), "notes.txt", b"http://h/"), None);
        assert_eq!(kind(Some("application/gzip"), "sitemap-1.xml.gz", b"\x1f\x8b\x08"), Some(Kind::Sitemap));
        assert_eq!(kind(Some("application/gzip"), "source.tar.gz", b"\x1f\x8b\x08"), None);
    }
}
