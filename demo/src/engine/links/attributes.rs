//! Which attributes of which elements hold links. Used by `html.rs` and `xml.rs`.
//!
//! The elements are those of the HTML standard, with the obsolete ones that `wget -r` follows, so that the two find the
//! same pages. `ping` and `formaction` are not links: a browser sends data there.

use super::collect::Collector;
use super::css;
use super::places::Text;
use super::tag::{Key, Tag};
use super::{refresh, srcset};
use url::Url;

/// Adds the links of a start tag. `name` is its name without a prefix; `is_foreign` says that the element is not HTML,
/// but SVG or other XML, where each `href` is a link.
pub fn links(name: &[u8], tag: &Tag, is_foreign: bool, to: &mut Collector) {
    tag.cut_values().for_each(|value| to.too_long(value));
    let files = to.rewrite().map(|rewrite| rewrite.files());
    match name {
        b"link" => link(tag, to),
        b"meta" => meta(tag, to),
        b"object" | b"applet" => object(tag, to),
        _ => {}
    }
    for (attribute, value) in tag.attributes() {
        match (attribute, name) {
            (Key::Href, b"a" | b"area") => to.page(value, has_nofollow(tag)),
            (Key::XlinkHref, b"a") if is_foreign => to.page(value, false),
            (Key::Href | Key::XlinkHref, b"base" | b"link") => {}
            (Key::Href | Key::XlinkHref, _) if is_foreign => to.requisite(value),
            (Key::Href, b"embed") => to.requisite(value),
            (Key::Src, _) if is_source(name) => to.requisite(value),
            (Key::Lowsrc, b"img") | (Key::Poster, b"video") | (Key::Manifest, b"html") => to.requisite(value),
            (Key::Background, b"body" | b"table" | b"thead" | b"tbody" | b"tfoot" | b"tr" | b"td" | b"th") => {
                to.requisite(value)
            }
            (Key::Srcset, b"img" | b"source") => candidates(value, to),
            (Key::Style | Key::Presentation, _) => css::in_attribute(value, to),
            (Key::Id, _) | (Key::Name, b"a") => to.anchor(&value),
            _ => {}
        }
    }
    if let Some(rewrite) = to.rewrite().filter(|rewrite| files.is_some_and(|files| files < rewrite.files())) {
        // The converted file may not match the hash, and a page opened from disk cannot make cross-origin requests.
        let places = [Key::Integrity, Key::Crossorigin].into_iter().filter_map(|key| tag.name_place(key));
        places.for_each(|place| rewrite.disable(place));
    }
}

fn candidates(srcset: Text<'_>, to: &mut Collector) {
    srcset::urls(srcset.bytes()).for_each(|url| to.requisite(srcset.part(url)));
}

/// Whether the `src` of an element is part of the page. `image` is how a browser reads `img` in HTML.
fn is_source(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 13] = [
        b"audio", b"bgsound", b"embed", b"frame", b"iframe", b"image", b"img", b"input", b"layer", b"script",
        b"source", b"track", b"video",
    ];
    NAMES.contains(&name)
}

/// The words of a `rel`.
fn relations(tag: &Tag) -> impl Iterator<Item = &[u8]> {
    let words = tag.value(Key::Rel).unwrap_or_default().bytes().split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty())
}

fn has_nofollow(tag: &Tag) -> bool {
    relations(tag).any(|relation| relation.eq_ignore_ascii_case(b"nofollow"))
}

/// Relations to what a page needs. `icon` is also in `shortcut icon`.
const REQUISITES: [&[u8]; 11] = [
    b"apple-touch-icon",
    b"apple-touch-icon-precomposed",
    b"apple-touch-startup-image",
    b"fluid-icon",
    b"icon",
    b"manifest",
    b"mask-icon",
    b"modulepreload",
    b"prefetch",
    b"preload",
    b"stylesheet",
];

/// Relations to a server rather than to something that can be fetched.
const ENDPOINTS: [&[u8]; 4] = [b"dns-prefetch", b"pingback", b"preconnect", b"webmention"];

fn link(tag: &Tag, to: &mut Collector) {
    let is_one_of = |relation: &[u8], known: &[&[u8]]| known.iter().any(|known| relation.eq_ignore_ascii_case(known));
    let href = tag.value(Key::Href).or_else(|| tag.value(Key::XlinkHref)).unwrap_or_default();
    if relations(tag).any(|relation| relation.eq_ignore_ascii_case(b"canonical")) {
        to.canonical(&href);
    }
    if relations(tag).any(|relation| is_one_of(relation, &REQUISITES)) {
        to.requisite(href);
        candidates(tag.value(Key::ImageSrcset).unwrap_or_default(), to);
    } else if !href.is_empty() && !relations(tag).any(|relation| is_one_of(relation, &ENDPOINTS)) {
        to.page(href, has_nofollow(tag));
    }
}

fn meta(tag: &Tag, to: &mut Collector) {
    let content = tag.value(Key::Content).unwrap_or_default();
    let is = |name, word: &[u8]| tag.value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    if is(Key::HttpEquiv, b"refresh")
        && let Some(url) = refresh::url(content.bytes())
    {
        to.refresh(content.part(url));
    }
    let mut words = content.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if is(Key::Name, b"robots")
        && words.any(|word| word.eq_ignore_ascii_case(b"nofollow") || word.eq_ignore_ascii_case(b"none"))
    {
        to.nofollow();
    }
}

/// `<object data>`, `<applet code archive>`: HTML 4 resolves them against the element's `codebase`.
fn object(tag: &Tag, to: &mut Collector) {
    let codebase: Option<Url> = tag.value(Key::Codebase).and_then(|codebase| {
        let base = to.base_of(&codebase)?;
        to.rewrite_base(codebase);
        Some(base)
    });
    let outer = codebase.map(|codebase| to.set_base(codebase));
    if let Some(data) = tag.value(Key::Data) {
        to.requisite(data);
    }
    if tag.name() == b"applet" {
        tag.value(Key::Code).into_iter().for_each(|code| to.requisite(code));
    }
    let archives = tag.value(Key::Archive).unwrap_or_default();
    let parts = archives.bytes().split(|byte| *byte == b',' || byte.is_ascii_whitespace());
    parts.for_each(|part| to.requisite(archives.part(part)));
    if let Some(outer) = outer {
        to.set_base(outer);
    }
}
