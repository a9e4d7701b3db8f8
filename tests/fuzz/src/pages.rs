//! Pages, stylesheets, sitemaps and robots.txt.

use demo::engine::parsers::{Kind, Rules, Search, find, refresh_url, srcset_urls};
use demo::engine::urls::{is_web, normalize};
use std::collections::BTreeSet;
use std::io::Read;
use url::Url;

/// HTML.
pub fn html(bytes: &[u8]) {
    search(Kind::Html, bytes);
}

/// XHTML, SVG, feeds, sitemaps.
pub fn xml(bytes: &[u8]) {
    search(Kind::Xml, bytes);
}

/// Stylesheets.
pub fn css(bytes: &[u8]) {
    search(Kind::Css, bytes);
}

/// Sitemaps that are text, or compressed.
pub fn sitemap(bytes: &[u8]) {
    search(Kind::Sitemap, bytes);
}

/// A reader of a body that arrives in pieces of this many bytes.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(to.len());
        self.0.read(&mut to[..count])
    }
}

/// Searches a body at once and in pieces, which finds the same links: normalized, of http and https, each once.
fn search(kind: Kind, bytes: &[u8]) {
    let Some(([charset, size], body)) = bytes.split_first_chunk() else { return };
    let types = [None, Some("text/html"), Some("text/html; charset=shift_jis"), Some("text/plain; charset=utf-16le")];
    let content_type = types[usize::from(charset % 4)];
    let what = if *charset < 128 { Search::Links } else { Search::LinksAndAnchors };
    let url = Url::parse("http://h.example/d/page?q").expect("it is valid");
    let search = |size| find(what, kind, content_type, Pieces(body, size), &url);
    let (whole, pieces) = (search(body.len().max(1)), search(usize::from(*size) + 1));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "in pieces of {size}");
    let Ok(found) = whole else { return };
    let mut seen = BTreeSet::new();
    for link in &found.links {
        assert!(is_web(&link.url) && normalize(link.url.clone()) == link.url, "{link:?}");
        assert!(seen.insert((&link.url, &link.fragment)), "twice: {link:?}");
    }
}

/// The values of `srcset` and of a refresh: each result is a part of them.
pub fn attributes(bytes: &[u8]) {
    let is_part = |found: &[u8]| bytes.as_ptr_range().contains(&found.as_ptr()) && !found.is_empty();
    for url in srcset_urls(bytes) {
        assert!(is_part(url) && !url.ends_with(b",") && !url.iter().any(u8::is_ascii_whitespace), "{url:?}");
    }
    assert!(refresh_url(bytes).is_none_or(is_part));
}

/// Any robots.txt can be parsed, in a time that its size limits, and always allows itself.
pub fn robots(bytes: &[u8]) {
    let rules = Rules::parse(bytes);
    let _any_time_at_all = rules.delay();
    for path in ["", "a/b.html?c=d", "%C3%BC*$", "robots.txt"] {
        let url = Url::parse("http://h.example/").and_then(|base| base.join(path)).expect("it is valid");
        let is_allowed = rules.allows(&url);
        assert!(is_allowed || path != "robots.txt", "robots.txt forbids itself");
    }
}
