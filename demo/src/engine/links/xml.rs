//! Searches XML: XHTML, SVG, feeds (RSS, Atom) and sitemaps. Used by `mod.rs` and `sitemap.rs`.
//!
//! Prefixes are ignored, so `<atom:link>` is a `<link>`. No other element in use has the same local name.

use super::attributes;
use super::collect::Collector;
use super::css::Css;
use super::places::{Places, Text};
use super::tag::{Content, Key, Sink, Tag};
use super::tags::read_tags;
use std::io::{self, Read};
use std::ops::Range;

/// The longest text that can be a URL, in bytes.
const LONGEST: usize = 64 * 1024;

/// Adds the links of an XML document, which is UTF-8.
///
/// # Errors
/// Fails if reading the document does.
pub fn search(body: &mut dyn Read, to: &mut Collector) -> io::Result<()> {
    let mut document = Document { to, language: None, has_base: false, content: Holds::Other };
    read_tags(body, &mut document)?;
    document.end_text();
    Ok(())
}

struct Document<'c> {
    to: &'c mut Collector,
    /// The language, by the name of the first element.
    language: Option<Language>,
    has_base: bool,
    content: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Sitemap,
    /// RSS 0.9 to 2.0 and Atom.
    Feed,
    /// XHTML, SVG, or another language in which links are attributes.
    Other,
}

/// What the text of the current element is.
enum Holds {
    /// A URL: of a page, or of a part of it.
    Url {
        text: Vec<u8>,
        is_page: bool,
    },
    Style(Css),
    Other,
}

impl Sink for Document<'_> {
    fn start(&mut self, tag: &Tag) -> Content {
        self.end_text();
        let (prefix, name) = split(tag.name());
        let language = *self.language.get_or_insert(match name {
            b"urlset" | b"sitemapindex" => Language::Sitemap,
            b"rss" | b"feed" | b"rdf" => Language::Feed,
            _ => Language::Other,
        });
        if language != Language::Other && self.to.rewrite().is_some() {
            return Content::Markup; // a reader of a feed or a sitemap does not know the URL of its file
        }
        self.base(name, tag);
        match (language, name) {
            (Language::Sitemap, b"loc") => self.begin_url(prefix.is_empty()),
            (Language::Feed, b"link" | b"comments") if tag.value(Key::Href).is_none() => self.begin_url(true),
            (Language::Feed, b"guid")
                if !tag.value(Key::IsPermaLink).is_some_and(|value| value.eq_ignore_ascii_case(b"false")) =>
            {
                self.begin_url(true);
            }
            (Language::Feed, b"url" | b"icon" | b"logo") => self.begin_url(false),
            (Language::Feed, b"enclosure" | b"content" | b"thumbnail" | b"source") => {
                tag.value(Key::Url).into_iter().for_each(|url| self.to.requisite(url));
                tag.value(Key::Src).into_iter().for_each(|url| self.to.requisite(url));
            }
            (Language::Other, b"style") => self.content = Holds::Style(Css::default()),
            _ => {}
        }
        attributes::links(name, tag, true, self.to);
        if tag.is_self_closing() {
            self.end_text();
        }
        Content::Markup
    }

    fn end(&mut self, _: &[u8]) {
        self.end_text();
    }

    fn wants_text(&self) -> bool {
        !matches!(self.content, Holds::Other)
    }

    fn text(&mut self, piece: &[u8], place: Range<u64>) {
        match &mut self.content {
            Holds::Url { text, .. } => {
                let room = LONGEST.saturating_sub(text.len()).min(piece.len());
                text.extend_from_slice(&piece[..room]);
            }
            Holds::Style(css) => css.feed(piece, place, self.to),
            Holds::Other => {}
        }
    }

    /// `<?xml-stylesheet href="a.css"?>` has attributes like a tag, so it is read as one.
    fn instruction(&mut self, instruction: Text<'_>) {
        let Some(attributes) = instruction.bytes().strip_prefix(b"xml-stylesheet") else { return };
        let attributes = attributes.strip_suffix(b"?").unwrap_or(attributes);
        let tag = [b"<i", attributes, b">"].concat();
        if let Some(rewrite) = self.to.rewrite() {
            let mut places = Places::default();
            places.push(2, 0..0); // `<i` has no place
            instruction.part(attributes).pieces().for_each(|(piece, place)| places.push(piece.len(), place));
            rewrite.enter(places, false);
        }
        // It is in memory, so reading it can't fail.
        let _ = read_tags(&mut &*tag, &mut Stylesheet { to: self.to });
        if let Some(rewrite) = self.to.rewrite() {
            rewrite.leave();
        }
    }

    fn has_cdata(&self) -> bool {
        true
    }
}

impl Document<'_> {
    /// `<base href>` of XHTML, and `xml:base` of the first element that has one.
    fn base(&mut self, name: &[u8], tag: &Tag) {
        let href = tag.value(Key::Href).filter(|_| name == b"base").or_else(|| tag.value(Key::XmlBase));
        if let Some(href) = href.filter(|_| !self.has_base) {
            self.has_base = true;
            if let Some(base) = self.to.base_of(&href) {
                self.to.rewrite_base(href);
                self.to.set_base(base);
            }
        }
    }

    fn begin_url(&mut self, is_page: bool) {
        self.content = Holds::Url { text: Vec::new(), is_page };
    }

    fn end_text(&mut self) {
        match std::mem::replace(&mut self.content, Holds::Other) {
            Holds::Url { text, is_page: true } if !text.trim_ascii().is_empty() => self.to.page_in_text(&text),
            Holds::Url { text, is_page: false } => self.to.requisite_in_text(&text),
            Holds::Style(css) => css.finish(self.to),
            Holds::Url { .. } | Holds::Other => {}
        }
    }
}

/// The prefix and the local part of a name.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|byte| *byte == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (b"", name),
    }
}

struct Stylesheet<'c> {
    to: &'c mut Collector,
}

impl Sink for Stylesheet<'_> {
    fn start(&mut self, tag: &Tag) -> Content {
        tag.value(Key::Href).into_iter().for_each(|href| self.to.requisite(href));
        Content::Markup
    }
}
