//! The links of CSS: `url()`, `src()`, `image-set()` and `@import`. Used by `mod.rs` for stylesheets, by `html.rs` and
//! `xml.rs` for `<style>`, and by `attributes.rs` for `style`.
//!
//! cssparser makes the tokens. It expects the whole stylesheet in memory, and recurses into blocks. To avoid both, this
//! file reads a piece at a time and starts a new parser after each token that opens a block, which makes the blocks a
//! flat sequence. Memory is bounded by [`LONGEST`], and nested blocks use no stack.

use super::collect::Collector;
use super::places::{Places, Text};
use cssparser::{Parser, Token};
use encoding_rs::{Decoder, UTF_8};
use std::io::{self, Read};
use std::ops::Range;

/// Number of bytes of text to collect before parsing them.
const PIECE: usize = 64 * 1024;
/// The longest token that is kept, in bytes. Only `data:` URLs and comments are longer.
const LONGEST: usize = 1024 * 1024;
/// A token that ends within this many bytes of the end of the known text may be incomplete, or part of another token.
const LOOKAHEAD: usize = 8;
/// The deepest nesting of blocks that is followed.
const DEEPEST: usize = 1024;

/// Adds the links of a stylesheet, which is UTF-8.
///
/// # Errors
/// Fails if reading the stylesheet does.
pub fn search(body: &mut dyn Read, to: &mut Collector) -> io::Result<()> {
    let mut css = Css::default();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match body.read(&mut piece)? {
            0 => break,
            read => {
                css.feed(&piece[..read], at..at + read as u64, to);
                at += read as u64;
            }
        }
    }
    css.finish(to);
    Ok(())
}

/// Adds the links of a `style` attribute.
pub fn in_attribute(style: Text<'_>, to: &mut Collector) {
    if style.contains(&b'(') {
        let mut css = Css::default();
        style.pieces().for_each(|(piece, place)| css.feed(piece, place, to));
        css.finish(to);
    }
}

/// A stylesheet that is being read.
pub struct Css {
    decoder: Decoder,
    /// Text that has not been parsed.
    text: String,
    /// Where `text` begins in the whole stylesheet, and the places of its bytes.
    at: u64,
    places: Places,
    /// The length of `text` at which it is worth parsing.
    parse_at: usize,
    blocks: Vec<Block>,
    expected: Expected,
    /// Whether the text begins with a token whose middle has been removed.
    is_cut: bool,
}

/// An open block.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Block {
    end: End,
    /// Whether a string in it is a URL.
    has_urls: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Parenthesis,
    Bracket,
    Brace,
}

/// What the previous tokens say about the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    /// After `@import`: a string is a URL.
    Import,
    /// After `@namespace`: a URL is a name, and is not fetched.
    Namespace,
}

impl Default for Css {
    fn default() -> Css {
        Css {
            decoder: UTF_8.new_decoder_without_bom_handling(),
            text: String::new(),
            at: 0,
            places: Places::default(),
            parse_at: PIECE,
            blocks: Vec::new(),
            expected: Expected::Anything,
            is_cut: false,
        }
    }
}

impl Css {
    /// Reads a piece of the stylesheet, which is at `place` in the body. It may be cut anywhere, even within a
    /// character.
    pub fn feed(&mut self, piece: &[u8], place: Range<u64>, to: &mut Collector) {
        let is_copy = place.end - place.start == piece.len() as u64;
        let mut at = place.start;
        for part in piece.chunks(PIECE) {
            let end = if is_copy { at + part.len() as u64 } else { place.end };
            self.decode(part, at..end);
            at = end;
            if self.text.len() >= self.parse_at {
                self.parse(false, to);
            }
        }
    }

    /// Reads the end of the stylesheet.
    pub fn finish(mut self, to: &mut Collector) {
        self.append(&[], true);
        self.parse(true, to);
    }

    fn decode(&mut self, piece: &[u8], place: Range<u64>) {
        let is_copy = place.end - place.start == piece.len() as u64;
        if !is_copy || std::str::from_utf8(piece).is_ok() {
            return self.decode_placed(piece, place);
        }
        // Invalid UTF-8 becomes longer when decoded. So each invalid byte gets its own run, and so does the character
        // after it, which completes the replacement.
        let mut at = place.start;
        let mut place = |part: &[u8]| {
            self.decode_placed(part, at..at + part.len() as u64);
            at += part.len() as u64;
        };
        for chunk in piece.utf8_chunks() {
            let first = chunk.valid().chars().next().map_or(0, char::len_utf8);
            place(&chunk.valid().as_bytes()[..first]);
            place(&chunk.valid().as_bytes()[first..]);
            chunk.invalid().chunks(1).for_each(&mut place);
        }
    }

    fn decode_placed(&mut self, piece: &[u8], place: Range<u64>) {
        let before = self.text.len();
        self.append(piece, false);
        self.places.push(self.text.len() - before, place);
    }

    fn append(&mut self, piece: &[u8], is_last: bool) {
        let needed = self.decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len());
        self.text.reserve(needed);
        let _all = self.decoder.decode_to_string(piece, &mut self.text, is_last);
    }

    /// Parses the text as far as its tokens are complete.
    fn parse(&mut self, is_last: bool, to: &mut Collector) {
        let text = std::mem::take(&mut self.text);
        let known = if is_last { text.len() } else { text.len().saturating_sub(LOOKAHEAD) };
        let mut done = 0;
        let mut unfinished = None;
        'blocks: loop {
            let rest = &text[done..];
            let mut parser = Parser::new(rest);
            let begin = done;
            while let Ok(token) = parser.next_including_whitespace_and_comments() {
                let opens = self.opened_by(token);
                let token = token.clone();
                let start = done;
                let end = begin + parser.position().byte_index();
                if end > known {
                    unfinished = (end == text.len()).then(|| beginning(&token, &text[done..]));
                    break 'blocks;
                }
                done = end;
                let is_cut = std::mem::take(&mut self.is_cut);
                if !is_cut && let Some(url) = self.url_of(&token) {
                    let written = written(&token, &text[start..end]);
                    let place = self.at + (start + written.start) as u64..self.at + (start + written.end) as u64;
                    to.of_style(url, || self.places.of(place));
                }
                if let Some(block) = opens {
                    if self.blocks.len() < DEEPEST {
                        self.blocks.push(block);
                    }
                    continue 'blocks;
                }
            }
            break;
        }
        self.text = text;
        self.text.drain(..done);
        self.at += done as u64;
        self.places.forget_before(self.at);
        if let Some(beginning) = unfinished.filter(|_| self.text.len() >= LONGEST) {
            self.cut(beginning);
        }
        self.parse_at = PIECE.max(self.text.len() * 2);
    }

    fn opened_by(&self, token: &Token<'_>) -> Option<Block> {
        let block = |end, has_urls| Some(Block { end, has_urls });
        match token {
            Token::Function(name) => {
                let names = ["url", "src", "image", "image-set", "-webkit-image-set"];
                let has_urls = names.iter().any(|known| name.eq_ignore_ascii_case(known));
                block(End::Parenthesis, has_urls && self.expected != Expected::Namespace)
            }
            Token::ParenthesisBlock => block(End::Parenthesis, false),
            Token::SquareBracketBlock => block(End::Bracket, false),
            Token::CurlyBracketBlock => block(End::Brace, false),
            _ => None,
        }
    }

    /// Updates the state for a token. Returns the URL that it holds, if any.
    fn url_of<'t>(&mut self, token: &'t Token<'_>) -> Option<&'t str> {
        let end = match token {
            Token::WhiteSpace(_) | Token::Comment(_) => return None,
            Token::UnquotedUrl(url) if self.expected != Expected::Namespace => {
                self.expected = Expected::Anything;
                return Some(url);
            }
            Token::QuotedString(url)
                if self.expected == Expected::Import || self.blocks.last().is_some_and(|block| block.has_urls) =>
            {
                self.expected = Expected::Anything;
                return Some(url);
            }
            Token::AtKeyword(name) => {
                self.expected = match () {
                    () if name.eq_ignore_ascii_case("import") => Expected::Import,
                    () if name.eq_ignore_ascii_case("namespace") => Expected::Namespace,
                    () => Expected::Anything,
                };
                return None;
            }
            // `@namespace` continues here: a prefix may precede its URL.
            Token::Ident(_) | Token::QuotedString(_) | Token::UnquotedUrl(_) | Token::Function(_)
                if self.expected == Expected::Namespace =>
            {
                return None;
            }
            Token::CloseParenthesis => Some(End::Parenthesis),
            Token::CloseSquareBracket => Some(End::Bracket),
            Token::CloseCurlyBracket => Some(End::Brace),
            _ => None,
        };
        self.expected = Expected::Anything;
        if self.blocks.last().is_some_and(|block| Some(block.end) == end) {
            self.blocks.pop();
        }
        None
    }

    /// Removes the middle of the token that fills the whole text, because it is too long to keep.
    fn cut(&mut self, beginning: &str) {
        let mut last = self.text.chars().rev();
        let last_char = last.next();
        let end = self.at + self.text.len() as u64;
        let is_escaped = beginning != COMMENT && last.take_while(|char| *char == '\\').count() % 2 == 1;
        self.text = beginning.to_owned();
        // The last character may belong to what follows, like the `*` of `*/` or a backslash. An escaped one does not.
        self.text.extend(last_char.filter(|_| !is_escaped));
        self.at = end - self.text.len() as u64; // so that the following text keeps its position
        self.places.forget_before(self.at);
        self.is_cut = true;
    }
}

const COMMENT: &str = "/*";

/// Where in the text of a token its URL is written, without quotes and without the name and parentheses of `url(x)`.
fn written(token: &Token<'_>, text: &str) -> Range<usize> {
    let (start, closing) = match token {
        Token::UnquotedUrl(_) => (text.find('(').map_or(0, |open| open + 1), ')'),
        _ => (1, text.chars().next().unwrap_or_default()),
    };
    // At the end of a stylesheet, the closing quote or parenthesis may be missing.
    let rest = text.get(start..).unwrap_or_default();
    let escapes = rest.strip_suffix(closing).map(|inner| inner.chars().rev().take_while(|char| *char == '\\').count());
    let is_closed = escapes.is_some_and(|count| count % 2 == 0);
    start..text.len() - usize::from(is_closed)
}

/// The beginning of a token that has the same type and ends in the same way.
fn beginning(token: &Token<'_>, text: &str) -> &'static str {
    match token {
        Token::Comment(_) => COMMENT,
        Token::WhiteSpace(_) => " ",
        Token::QuotedString(_) | Token::BadString(_) if text.starts_with('"') => "\"",
        Token::QuotedString(_) | Token::BadString(_) => "'",
        Token::UnquotedUrl(_) | Token::BadUrl(_) => "url(x",
        _ => "x",
    }
}
