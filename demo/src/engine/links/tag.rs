//! A tag with its attributes, and the trait [`Sink`], which receives tags. `reader.rs` and `tags.rs` read tags;
//! `html.rs`, `xml.rs` and `encoding.rs` implement `Sink`.

use super::places::{Places, Text};
use std::ops::Range;

/// Maximum number of bytes to keep of a tag's values.
const LONGEST: usize = 1024 * 1024;
/// Number of bytes to keep of a value that is too long.
const BEGINNING: usize = 1024;
/// Maximum number of bytes to keep of a name. No known name is longer.
const NAME: usize = 64;
/// Maximum number of attributes to keep of a tag. There are fewer known names.
const ATTRIBUTES: usize = 48;

/// Receives the tags of a body. In HTML, plain tags without known attributes are left out: see
/// `reader.rs`.
pub trait Sink {
    /// A start tag. Returns how its content is read.
    fn start(&mut self, tag: &Tag) -> Content;

    /// An end tag.
    fn end(&mut self, _name: &[u8]) {}

    /// Whether text is to be reported.
    fn wants_text(&self) -> bool {
        false
    }

    /// A piece of text, and its place in the body. It may be cut anywhere, even within a character.
    fn text(&mut self, _piece: &[u8], _place: Range<u64>) {}

    /// A processing instruction of XML, without `<?` and `>`.
    fn instruction(&mut self, _instruction: Text<'_>) {}

    /// Whether `<![CDATA[` begins text here. In HTML, it begins a comment.
    fn has_cdata(&self) -> bool {
        false
    }
}

/// How the content of an element is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// As tags and text.
    Markup,
    /// As text until the element's end tag.
    Text,
    /// As text until the element's end tag, where `&amp;` is a reference.
    EscapableText,
    /// As a script.
    Script,
    /// As text until the end of the body.
    PlainText,
}

/// The attributes that are kept, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Archive,
    Background,
    Charset,
    Code,
    Codebase,
    Content,
    Crossorigin,
    Data,
    Href,
    HttpEquiv,
    Id,
    ImageSrcset,
    Integrity,
    IsPermaLink,
    Lowsrc,
    Manifest,
    Name,
    Poster,
    /// An attribute of SVG that may hold a `url()`, such as `fill`.
    Presentation,
    Rel,
    Src,
    Srcdoc,
    Srcset,
    Style,
    Type,
    Url,
    XlinkHref,
    XmlBase,
}

impl Key {
    /// The attribute of a name in lower case.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Key> {
        Some(match name {
            b"archive" => Key::Archive,
            b"background" => Key::Background,
            b"charset" => Key::Charset,
            b"code" => Key::Code,
            b"codebase" => Key::Codebase,
            b"content" => Key::Content,
            b"crossorigin" => Key::Crossorigin,
            b"data" => Key::Data,
            b"href" => Key::Href,
            b"http-equiv" => Key::HttpEquiv,
            b"id" | b"xml:id" => Key::Id,
            b"imagesrcset" => Key::ImageSrcset,
            b"integrity" => Key::Integrity,
            b"ispermalink" => Key::IsPermaLink,
            b"lowsrc" => Key::Lowsrc,
            b"manifest" => Key::Manifest,
            b"name" => Key::Name,
            b"poster" => Key::Poster,
            b"clip-path" | b"cursor" | b"fill" | b"filter" | b"marker-end" | b"marker-mid" | b"marker-start"
            | b"mask" | b"stroke" => Key::Presentation,
            b"rel" => Key::Rel,
            b"src" => Key::Src,
            b"srcdoc" => Key::Srcdoc,
            b"srcset" => Key::Srcset,
            b"style" => Key::Style,
            b"type" => Key::Type,
            b"url" => Key::Url,
            b"xlink:href" => Key::XlinkHref,
            b"xml:base" => Key::XmlBase,
            _ => return None,
        })
    }
}

/// A start tag or an end tag.
#[derive(Debug, Default)]
pub struct Tag {
    name: Vec<u8>,
    is_end: bool,
    self_closing: bool,
    attributes: Vec<Attribute>,
    values: Vec<u8>,
    places: Places,
    /// The name of the attribute that is being read, and where it begins.
    attribute_name: Vec<u8>,
    name_at: u64,
    reading: Reading,
}

/// The part of an attribute that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Nothing,
    Name,
    /// The value of the last of the attributes.
    Value,
    /// The value of an attribute that is not kept.
    OtherValue,
}

#[derive(Debug)]
struct Attribute {
    name: Key,
    name_at: u64,
    value: Range<usize>,
    is_cut: bool,
}

impl Tag {
    /// The name, in lower case.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it ends with `/>`.
    pub fn is_self_closing(&self) -> bool {
        self.self_closing
    }

    /// The value of an attribute.
    pub fn value(&self, name: Key) -> Option<Text<'_>> {
        self.attributes().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The known attributes, without those whose values are too long.
    pub fn attributes(&self) -> impl Iterator<Item = (Key, Text<'_>)> {
        let whole = self.attributes.iter().filter(|attribute| !attribute.is_cut);
        whole.map(|attribute| {
            let value = &self.values[attribute.value.clone()];
            (attribute.name, Text::new(value, &self.places, attribute.value.start as u64))
        })
    }

    /// Where the name of an attribute begins.
    pub fn name_place(&self, name: Key) -> Option<u64> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.name_at)
    }

    /// The beginnings of the values that are too long.
    pub fn cut_values(&self) -> impl Iterator<Item = &[u8]> {
        self.attributes.iter().filter(|attribute| attribute.is_cut).map(|cut| &self.values[cut.value.clone()])
    }

    /// Whether it is an end tag.
    pub fn is_end(&self) -> bool {
        self.is_end
    }

    /// Whether it has a known attribute.
    pub fn has_attributes(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Moves the name to `other` without copying it. The next tag overwrites the name that is left here.
    pub fn swap_name(&mut self, other: &mut Vec<u8>) {
        std::mem::swap(&mut self.name, other);
    }

    /// Begins the next tag.
    #[inline]
    pub fn begin(&mut self, is_end: bool) {
        self.name.clear();
        self.attributes.clear();
        self.values.clear();
        self.places.clear();
        self.is_end = is_end;
        self.self_closing = false;
        self.reading = Reading::Nothing;
    }

    /// Appends to the name.
    #[inline]
    pub fn push_name(&mut self, piece: &[u8]) {
        push(&mut self.name, piece, NAME);
    }

    /// Notes that the tag ends with `/>`.
    pub fn set_self_closing(&mut self) {
        self.self_closing = true;
    }

    /// Adds an attribute whose name begins at `name_at`.
    #[inline]
    pub fn add(&mut self, name: &[u8], name_at: u64, value: &[u8], place: Range<u64>) {
        self.begin_attribute(name_at);
        self.push_attribute_name(name);
        self.begin_value();
        self.push_value(value, place);
    }

    /// Begins the name of an attribute.
    #[inline]
    pub fn begin_attribute(&mut self, at: u64) {
        self.begin_value();
        self.attribute_name.clear();
        self.name_at = at;
        self.reading = Reading::Name;
    }

    /// Appends to the name of an attribute.
    #[inline]
    pub fn push_attribute_name(&mut self, piece: &[u8]) {
        push(&mut self.attribute_name, piece, NAME);
    }

    /// Ends the name of an attribute, and begins its value.
    #[inline]
    pub fn begin_value(&mut self) {
        if self.reading != Reading::Name {
            return;
        }
        let known = Key::of(&self.attribute_name).filter(|name| !self.is_end && self.has_room_for(*name));
        self.reading = match known {
            Some(name) => {
                // No two values begin at the same position, even if one is empty.
                self.values.push(0);
                self.places.separate();
                let value = self.values.len()..self.values.len();
                self.attributes.push(Attribute { name, name_at: self.name_at, value, is_cut: false });
                Reading::Value
            }
            None => Reading::OtherValue,
        };
    }

    /// Whether to keep an attribute of this name. The first of several with the same name counts. `Presentation` stands
    /// for several attributes, so it may occur more than once.
    fn has_room_for(&self, name: Key) -> bool {
        let is_new = || !self.attributes.iter().any(|attribute| attribute.name == name);
        self.attributes.len() < ATTRIBUTES && (name == Key::Presentation || is_new())
    }

    /// Appends to the value of an attribute. `place` is where the piece is in the body.
    #[inline]
    pub fn push_value(&mut self, piece: &[u8], place: Range<u64>) {
        if self.reading != Reading::Value {
            return;
        }
        let Some(attribute) = self.attributes.last_mut() else { return };
        if self.values.len() + piece.len() <= LONGEST {
            self.values.extend_from_slice(piece);
            self.places.push(piece.len(), place);
        } else {
            // The other attributes need the room.
            self.values.truncate(attribute.value.start + BEGINNING);
            self.places.truncate(self.values.len() as u64);
            attribute.is_cut = true;
            self.reading = Reading::OtherValue;
        }
        attribute.value.end = self.values.len();
    }
}

/// Appends as much as there is room for.
#[inline]
pub fn push(to: &mut Vec<u8>, piece: &[u8], limit: usize) {
    let room = limit.saturating_sub(to.len()).min(piece.len());
    to.extend_from_slice(&piece[..room]);
}
