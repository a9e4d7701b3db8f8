//! The tags of HTML and XML, read by html5gum's tokenizer. Used by `html.rs`, `xml.rs` and `encoding.rs`.
//!
//! html5gum calls an [`Emitter`] for each piece of a token. This emitter keeps the attributes that this directory
//! knows, in buffers that are reused for each tag; everything else, which is most of a page, is neither copied nor
//! kept. So memory is bounded, whatever the body's size.
//!
//! XML is read by the same tokenizer. It accepts every well-formed document, and unlike a strict parser it continues
//! after an error; many feeds contain errors. The sink handles what differs from HTML (no raw text, CDATA sections,
//! prefixes).
//!
//! html5gum reports how far it has read (`move_position`), so each text comes with its places in the body.

use super::places::{Placed, Places, Text};
use super::reader::{BodyReader, Shared};
use super::tag::{Content, Sink, Tag, push};
use html5gum::{Emitter, Error, State, Tokenizer};
use std::convert::Infallible;
use std::io::{self, Read};

/// Maximum number of bytes to keep of an instruction (`<?xml-stylesheet href="a.css"?>`).
const INSTRUCTION: usize = 8 * 1024;

/// Reads a body, which is UTF-8, to its end.
///
/// # Errors
/// Fails if reading does.
pub fn read_tags(body: &mut dyn Read, sink: &mut dyn Sink) -> io::Result<()> {
    let shared = Shared::new(sink);
    shared.update();
    Tokenizer::new_with_emitter(BodyReader::new(body, &shared), TagEmitter::new(&shared)).finish()
}

struct TagEmitter<'s> {
    tag: Tag,
    /// The name of the last start tag: the end tag of raw text has the same.
    last_start: Vec<u8>,
    comment: Vec<u8>,
    comment_places: Places,
    /// How far the body has been read.
    at: u64,
    placed: Placed,
    shared: &'s Shared<'s>,
}

impl<'s> TagEmitter<'s> {
    fn new(shared: &'s Shared<'s>) -> TagEmitter<'s> {
        TagEmitter {
            tag: Tag::default(),
            last_start: Vec::new(),
            comment: Vec::new(),
            comment_places: Places::default(),
            at: 0,
            placed: Placed::default(),
            shared,
        }
    }

    /// Ends the current text: what was read so far is not part of the next one.
    #[inline]
    fn end_text(&mut self) {
        self.shared.line_feed.set(false);
        self.placed.skip(self.at);
    }
}

impl Emitter for TagEmitter<'_> {
    type Token = Infallible;

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_error(&mut self, _: Error) {}

    #[inline]
    fn pop_token(&mut self) -> Option<Infallible> {
        None
    }

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start.clear();
        self.last_start.extend(name.unwrap_or_default());
    }

    fn emit_eof(&mut self) {}

    #[inline]
    fn move_position(&mut self, offset: isize) {
        self.at = self.at.wrapping_add_signed(offset as i64);
    }

    #[inline]
    fn emit_string(&mut self, piece: &[u8]) {
        let mut sink = self.shared.sink();
        if sink.wants_text() {
            let place = self.placed.piece(self.shared.line_feed.take(), self.at);
            sink.text(piece, place);
        }
    }

    #[inline]
    fn init_start_tag(&mut self) {
        self.tag.begin(false);
    }

    #[inline]
    fn init_end_tag(&mut self) {
        self.tag.begin(true);
    }

    #[inline]
    fn push_tag_name(&mut self, piece: &[u8]) {
        self.tag.push_name(piece);
    }

    fn set_self_closing(&mut self) {
        self.tag.set_self_closing();
    }

    #[inline]
    fn init_attribute(&mut self) {
        self.tag.begin_attribute(self.at.saturating_sub(1)); // its first character has been read
    }

    #[inline]
    fn init_attribute_value(&mut self) {
        self.tag.begin_value();
        self.tag.push_value(b"", self.at..self.at);
        self.end_text();
    }

    #[inline]
    fn push_attribute_name(&mut self, piece: &[u8]) {
        self.tag.push_attribute_name(piece);
    }

    #[inline]
    fn push_attribute_value(&mut self, piece: &[u8]) {
        let place = self.placed.piece(self.shared.line_feed.take(), self.at);
        self.tag.push_value(piece, place);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.end_text();
        self.tag.begin_value();
        if self.tag.is_end() {
            self.shared.sink().end(self.tag.name());
            self.shared.update();
            return None;
        }
        let content = self.shared.sink().start(&self.tag);
        match content {
            Content::Markup => self.shared.update(),
            // What looks like a tag here is text, and the end tag may be inside it.
            _ => self.shared.passes_over.set(false),
        }
        self.tag.swap_name(&mut self.last_start);
        match content {
            Content::Markup => None,
            Content::Text => Some(State::RawText),
            Content::EscapableText => Some(State::RcData),
            Content::Script => Some(State::ScriptData),
            Content::PlainText => Some(State::PlainText),
        }
    }

    #[inline]
    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag.is_end() && self.tag.name() == self.last_start
    }

    /// Called after `<![CDATA[`.
    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.end_text();
        self.shared.sink().has_cdata()
    }

    fn init_comment(&mut self) {
        self.comment.clear();
        self.comment_places.clear();
        self.end_text();
    }

    #[inline]
    fn push_comment(&mut self, piece: &[u8]) {
        let place = self.placed.piece(self.shared.line_feed.take(), self.at);
        push(&mut self.comment, piece, INSTRUCTION);
        if self.comment.len() < INSTRUCTION {
            self.comment_places.push(piece.len(), place);
        }
    }

    /// The tokenizer of HTML takes an instruction for a comment.
    fn emit_current_comment(&mut self) {
        self.end_text();
        if let Some(instruction) = self.comment.strip_prefix(b"?") {
            self.shared.sink().instruction(Text::new(instruction, &self.comment_places, 1));
        }
    }

    // A document type declaration holds no links.
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_force_quirks(&mut self) {}
    fn emit_current_doctype(&mut self) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::super::{foreign::Languages, html::content, reader::is_plain};
    use super::*;
    use html5gum::IoReader;
    use proptest::prelude::*;
    use std::ops::Range;

    /// Records what a sink for HTML sees, except for the tags that the reader may leave out.
    #[derive(Default)]
    struct Recorder {
        languages: Languages,
        in_style: bool,
        seen: Vec<String>,
    }

    impl Sink for Recorder {
        fn start(&mut self, tag: &Tag) -> Content {
            let is_foreign = self.languages.start(tag.name(), tag.is_self_closing());
            let attributes: Vec<_> = tag
                .attributes()
                .map(|(key, value)| (key, value.to_vec(), value.place(), tag.name_place(key)))
                .collect();
            if is_foreign || !is_plain(tag.name()) || !attributes.is_empty() {
                self.seen.push(format!("{is_foreign} {} {attributes:?}", tag.name().escape_ascii()));
            }
            self.in_style |= tag.name() == b"style";
            if is_foreign { Content::Markup } else { content(tag.name()) }
        }

        fn end(&mut self, name: &[u8]) {
            self.languages.end(name);
            self.in_style &= name != b"style";
            if !is_plain(name) {
                self.seen.push(format!("/{}", name.escape_ascii()));
            }
        }

        fn wants_text(&self) -> bool {
            self.in_style
        }

        fn text(&mut self, piece: &[u8], _: Range<u64>) {
            let text = piece.escape_ascii().to_string();
            match self.seen.last_mut().filter(|last| last.starts_with('"')) {
                Some(last) => last.push_str(&text),
                None => self.seen.push(format!("\"{text}")),
            }
        }

        fn has_cdata(&self) -> bool {
            self.languages.is_foreign()
        }
    }

    /// What the sink sees if each tag is read as a token.
    fn every_token(body: &[u8]) -> Vec<String> {
        let mut sink = Recorder::default();
        let shared = Shared::new(&mut sink);
        Tokenizer::new_with_emitter(IoReader::new(body), TagEmitter::new(&shared)).finish().unwrap();
        sink.seen
    }

    /// A body in pieces of a few bytes.
    struct Pieces<'b>(&'b [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            self.0.read(&mut buffer[..length])
        }
    }

    const FRAGMENTS: [&str; 72] = [
        "text",
        " ",
        "<",
        ">",
        "/",
        "\"",
        "'",
        "=",
        "&",
        "&lt;",
        "&amp",
        "\0",
        "\r",
        "\r\n",
        "<p>",
        "</p>",
        "<P>",
        "</P >",
        "<p",
        "<span class=\"x\">",
        "<span class=\"a>b\">",
        "<span class='x'>",
        "<span class=\"x\" id=\"i\">",
        "<span class=\"x",
        "<div id=\"i\">",
        "</div title=\">\">",
        "<br/>",
        "<br class=\"x\"/>",
        "<a href=\"u\">",
        "<a class=\"x\" href=u>",
        "</a>",
        "<base href=\"b\">",
        "<svg>",
        "</svg>",
        "<math>",
        "<mi>",
        "</mi>",
        "<desc>",
        "</desc>",
        "<b>",
        "<img src=\"s\">",
        "<style>",
        "</style>",
        "<title>",
        "</title>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<textarea>",
        "</textarea>",
        "<iframe>",
        "</iframe>",
        "<plaintext>",
        "<details open>",
        "<p title=\"<a>\" class=\"x\">",
        "<p title=\"x\"",
        " class=\"",
        " href=\"u\"",
        "<a href=\"u&amp;v\">",
        "<a href=\"u\r\nv\" id=\"i\">",
        "<a rel=\"nofollow\" href=\"u\" id=\"i\">",
        "<a href=\"1\" href=\"2\">",
        "<a HREF=\"u\">",
        "<a href>",
        "<img alt=\"a&b\" src=\"s\" />",
        "<link href=\"u\" rel=\"icon\"/>",
        "<meta name=\"robots\" content=\"none\">",
        "<p ='x\" href=\"u\">",
        "<p data-x-y=\"&\" xml:id=\"i\">",
    ];

    proptest! {
        #[test]
        fn passing_over_content_changes_nothing(
            fragments in prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..40),
            piece in 1_usize..50,
        ) {
            let body = fragments.concat();
            let mut sink = Recorder::default();
            read_tags(&mut Pieces(body.as_bytes(), piece), &mut sink).unwrap();
            prop_assert_eq!(sink.seen, every_token(body.as_bytes()), "{:?}", body);
        }
    }

    #[test]
    fn text_like_a_tag_in_a_title_hides_no_end_tag() {
        for name in ["title", "textarea"] {
            let body = format!("<{name}><span class=\"x</{name}><a href=u>\">");
            let mut sink = Recorder::default();
            read_tags(&mut body.as_bytes(), &mut sink).unwrap();
            assert_eq!(sink.seen, every_token(body.as_bytes()), "{body}");
            assert_eq!(sink.seen.len(), 3, "{:?}", sink.seen);
        }
    }

    /// The end of the buffer falls on each position within a tag.
    #[test]
    fn a_long_page_is_read_to_its_end() {
        let tags = "<p>text</p><span class=\"a\">&amp;</span><a href=\"u\">u</a><em>\r\n</em>".repeat(5_000);
        for before in 0..70 {
            let body = format!("{}{tags}", "x".repeat(before));
            let mut sink = Recorder::default();
            read_tags(&mut body.as_bytes(), &mut sink).unwrap();
            assert_eq!(sink.seen.len(), 5_000, "after {before} bytes");
        }
    }
}
