//! Searches HTML. Used by `mod.rs`.

use super::attributes;
use super::collect::Collector;
use super::css::Css;
use super::foreign::Languages;
use super::tag::{Content, Key, Sink, Tag};
use super::tags::read_tags;
use std::io::{self, Read};
use std::ops::Range;

/// The deepest nesting of `srcdoc`s that is searched.
const DEEPEST: u32 = 8;

/// Adds the links of an HTML page, which is UTF-8.
///
/// # Errors
/// Fails if reading the page does.
pub fn search(body: &mut dyn Read, to: &mut Collector) -> io::Result<()> {
    search_nested(body, to, 0)
}

fn search_nested(body: &mut dyn Read, to: &mut Collector, depth: u32) -> io::Result<()> {
    let mut page = Page {
        to,
        depth,
        has_base: false,
        in_noscript: false,
        templates: 0,
        languages: Languages::default(),
        style: None,
    };
    read_tags(body, &mut page)?;
    page.end_style();
    Ok(())
}

struct Page<'c> {
    to: &'c mut Collector,
    depth: u32,
    has_base: bool,
    in_noscript: bool,
    /// The number of open `<template>`s.
    templates: u32,
    languages: Languages,
    /// The stylesheet whose text is being read.
    style: Option<Css>,
}

impl Sink for Page<'_> {
    #[inline]
    fn start(&mut self, tag: &Tag) -> Content {
        let name = tag.name();
        let is_foreign = self.languages.start(name, tag.is_self_closing());
        if name == b"base" && !is_foreign && self.templates == 0 {
            self.base(tag);
        }
        attributes::links(name, tag, is_foreign, self.to);
        match name {
            b"iframe" if !is_foreign => self.srcdoc(tag),
            b"style" => self.begin_style(tag, is_foreign),
            b"noscript" => self.in_noscript = true,
            b"template" if !is_foreign => self.templates += 1,
            _ => {}
        }
        // With scripts, `</noscript>` ends its content whatever is open in it. So an `<iframe>` must not hide that tag.
        let is_markup = is_foreign || (self.in_noscript && name == b"iframe");
        if is_markup { Content::Markup } else { content(name) }
    }

    fn end(&mut self, name: &[u8]) {
        self.languages.end(name);
        match name {
            b"style" => self.end_style(),
            b"noscript" => self.in_noscript = false,
            b"template" => self.templates = self.templates.saturating_sub(1),
            _ => {}
        }
    }

    #[inline]
    fn wants_text(&self) -> bool {
        self.style.is_some()
    }

    fn text(&mut self, piece: &[u8], place: Range<u64>) {
        if let Some(style) = &mut self.style {
            style.feed(piece, place, self.to);
        }
    }

    fn has_cdata(&self) -> bool {
        self.languages.is_foreign()
    }
}

/// How the content of an HTML element is read. `<noscript>` is markup, since scripts are not run.
pub(super) fn content(name: &[u8]) -> Content {
    match name {
        b"style" | b"iframe" | b"noembed" | b"noframes" | b"xmp" => Content::Text,
        b"textarea" | b"title" => Content::EscapableText,
        b"script" => Content::Script,
        b"plaintext" => Content::PlainText,
        _ => Content::Markup,
    }
}

impl Page<'_> {
    /// The first `<base>` with an `href` counts, even if its `href` cannot be a base. One in a `<template>` is not part
    /// of the page.
    fn base(&mut self, tag: &Tag) {
        if let Some(href) = tag.value(Key::Href).filter(|_| !self.has_base) {
            self.has_base = true;
            let Some(base) = self.to.base_of(&href) else { return };
            self.to.rewrite_base(href);
            match self.depth {
                0 => self.to.set_base_of_page(base),
                _ => drop(self.to.set_base(base)),
            }
        }
    }

    /// An `<iframe srcdoc>` is a page of its own, which begins with the base of this one.
    fn srcdoc(&mut self, tag: &Tag) {
        if let Some(page) = tag.value(Key::Srcdoc).filter(|_| self.depth < DEEPEST) {
            let base = self.to.base().clone();
            if let Some(rewrite) = self.to.rewrite() {
                rewrite.enter(page.places(), true);
            }
            // It is in memory, so reading it can't fail.
            let _ = search_nested(&mut page.bytes(), self.to, self.depth + 1);
            if let Some(rewrite) = self.to.rewrite() {
                rewrite.leave();
            }
            self.to.set_base(base);
        }
    }

    fn begin_style(&mut self, tag: &Tag, is_foreign: bool) {
        self.end_style();
        let is_css = tag.value(Key::Type).is_none_or(|kind| kind.is_empty() || kind.eq_ignore_ascii_case(b"text/css"));
        if is_css && !(is_foreign && tag.is_self_closing()) {
            self.style = Some(Css::default());
        }
    }

    fn end_style(&mut self) {
        if let Some(style) = self.style.take() {
            style.finish(self.to);
        }
    }
}
