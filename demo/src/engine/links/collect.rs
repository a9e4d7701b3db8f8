//! Turns references into links: resolves each one against the base of the page, in the page's encoding, and keeps each
//! URL once. Used by all searches in this directory. For a rewrite, it passes each reference on instead.

use super::encoding::Charset;
use super::found::{Found, Link, LinkKind, Unusable};
use super::places::Text;
use super::rewrite::{Reference, Rewrite, Syntax};
use crate::engine::urls::normalize;
use encoding_rs::{EncoderResult, Encoding, UTF_8, WINDOWS_1252};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::ops::Range;
use url::Url;

/// The longest reference that is resolved, in bytes.
const LONGEST: usize = 64 * 1024;
/// Maximum number of references to remember by their spelling.
const REMEMBERED: usize = 64 * 1024;
/// Maximum number of bytes to keep of an unusable reference.
const SHOWN: usize = 1024;

/// Collects the references of one body.
pub struct Collector {
    base: Url,
    charset: Charset,
    anchors: bool,
    found: Found,
    /// References by their spelling, with the index of their link. Most links of a page occur several times, and
    /// finding one here is ten times as fast as parsing a URL. Valid for the current base only.
    spelled: HashMap<Box<[u8]>, Option<u32>>,
    /// The indexes of the links, by URL.
    indexes: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Receives the references, if they are not collected.
    rewrite: Option<Rewrite>,
}

impl Collector {
    /// A collector for the body of `base`. It keeps fragments and anchors if `anchors` is set.
    pub fn new(base: Url, charset: Charset, anchors: bool) -> Collector {
        Collector {
            base,
            charset,
            anchors,
            found: Found::default(),
            spelled: HashMap::new(),
            indexes: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            rewrite: None,
        }
    }

    /// A collector for the body of `base` that passes references on to be rewritten, instead of collecting them.
    pub fn rewriting(base: Url, charset: Charset, rewrite: Rewrite) -> Collector {
        Collector { rewrite: Some(rewrite), ..Collector::new(base, charset, false) }
    }

    /// The rewrite that references are passed on to, if they are not collected.
    pub fn rewrite(&mut self) -> Option<&mut Rewrite> {
        self.rewrite.as_mut()
    }

    /// Adds a reference to another page.
    pub fn page(&mut self, reference: Text<'_>, nofollow: bool) {
        self.page_of(reference, nofollow, Syntax::Attribute);
    }

    /// Adds the reference of a refresh.
    pub fn refresh(&mut self, reference: Text<'_>) {
        self.page_of(reference, false, Syntax::Refresh);
    }

    fn page_of(&mut self, reference: Text<'_>, nofollow: bool, syntax: Syntax) {
        match self.rewrite.is_some() {
            true => self.pass_on(&reference, |part| reference.part(part).place(), syntax, LinkKind::Page),
            false => self.add(&reference, LinkKind::Page, nofollow),
        }
    }

    /// Adds a reference that is a whole text, for example in a feed or a sitemap. It is not rewritten.
    pub fn page_in_text(&mut self, reference: &[u8]) {
        if self.rewrite.is_none() {
            self.add(reference, LinkKind::Page, false);
        }
    }

    /// As [`page_in_text`](Collector::page_in_text), for a part of the page.
    pub fn requisite_in_text(&mut self, reference: &[u8]) {
        if self.rewrite.is_none() && !means_the_page(reference) {
            self.add(reference, LinkKind::Requisite, false);
        }
    }

    /// Adds a reference to a part of the page. A reference that is empty or only a fragment means the page itself, and
    /// is not added.
    pub fn requisite(&mut self, reference: Text<'_>) {
        match self.rewrite.is_some() {
            _ if means_the_page(&reference) => {}
            true => {
                let place = |part: &[u8]| reference.part(part).place();
                self.pass_on(&reference, place, Syntax::Attribute, LinkKind::Requisite);
            }
            false => self.add(&reference, LinkKind::Requisite, false),
        }
    }

    /// Adds a reference of a stylesheet, whose queries are always UTF-8. `place` is where it is written, perhaps with
    /// escapes.
    pub fn of_style(&mut self, reference: &str, place: impl FnOnce() -> Option<Range<u64>>) {
        let charset = std::mem::replace(&mut self.charset, Charset::declared(UTF_8));
        let bytes = reference.as_bytes();
        match self.rewrite.is_some() {
            _ if means_the_page(bytes) => {}
            true => self.pass_on(bytes, |_| place(), Syntax::Style, LinkKind::Requisite),
            false => self.add(bytes, LinkKind::Requisite, false),
        }
        self.charset = charset;
    }

    /// Passes a reference on to be rewritten. `place` returns the place of a part of it.
    fn pass_on(
        &mut self,
        reference: &[u8],
        place: impl FnOnce(&[u8]) -> Option<Range<u64>>,
        syntax: Syntax,
        kind: LinkKind,
    ) {
        let Some(mut rewrite) = self.rewrite.take() else { return };
        let trimmed = trim(reference);
        let (kept, fragment) = trimmed.split_at(without_fragment(trimmed).len());
        // Without a base, an empty reference or a fragment alone means the page itself, whatever the name of its file.
        let is_of_page = kept.is_empty() && !rewrite.has_base();
        let is_usable = !rewrite.is_idle() && !is_of_page && !is_data(trimmed) && trimmed.len() <= LONGEST;
        let base = rewrite.base_of_pages().filter(|_| kind == LinkKind::Page).unwrap_or(&self.base);
        if is_usable
            && let Ok(url) = self.resolve_against(base, trimmed)
            && is_fetched(&url)
            && let Some(place) = place(kept)
        {
            // In an attribute the fragment stays where it is. In CSS, its place is not known.
            let fragment = if syntax == Syntax::Style { self.text(fragment).0 } else { "".into() };
            let reference = Reference { url, fragment: &fragment, is_absolute: is_absolute(trimmed), syntax };
            rewrite.reference(place, &reference);
        }
        self.rewrite = Some(rewrite);
    }

    /// Adds a reference of which only the beginning is known, because it is too long.
    pub fn too_long(&mut self, beginning: &[u8]) {
        if !is_data(trim(beginning)) {
            self.unusable(Unusable::TooLong, beginning);
        }
    }

    /// Sets the URL of `<link rel=canonical>`, if there was none.
    pub fn canonical(&mut self, reference: &[u8]) {
        if self.found.canonical.is_none() {
            self.found.canonical = self.resolve(trim(reference)).ok().filter(is_fetched).map(normalize);
        }
    }

    /// Records that the page marks its links as nofollow.
    pub fn nofollow(&mut self) {
        self.found.nofollow = true;
    }

    /// Adds an `id` or a `name`.
    pub fn anchor(&mut self, name: &[u8]) {
        if self.anchors && !name.is_empty() {
            self.found.anchors.insert(self.text(name).0.into_owned());
        }
    }

    /// The base that references are resolved against.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Rewrites a base, if bases are rewritten.
    pub fn rewrite_base(&mut self, href: Text<'_>) {
        if let (Some(rewrite), Some(place)) = (&mut self.rewrite, href.place()) {
            rewrite.base(place);
        }
    }

    /// Resolves the `href` of a `<base>`. Returns `None` if it cannot be a base.
    pub fn base_of(&self, href: &[u8]) -> Option<Url> {
        self.resolve(trim(href)).ok().filter(|base| !matches!(base.scheme(), "data" | "javascript"))
    }

    /// Changes the base. Returns the previous one.
    pub fn set_base(&mut self, base: Url) -> Url {
        self.spelled.clear();
        std::mem::replace(&mut self.base, base)
    }

    /// Changes the base for the whole page. Links to pages that were found before are resolved again, as a browser does
    /// when they are followed. Requisites keep their URLs, because a browser has fetched them by then.
    pub fn set_base_of_page(&mut self, base: Url) {
        let spelled = std::mem::take(&mut self.spelled);
        let mut spellings: HashMap<u32, Box<[u8]>> =
            spelled.into_iter().filter_map(|(spelling, index)| Some((index?, spelling))).collect();
        self.indexes.clear();
        self.base = base;
        for (index, link) in (0..).zip(std::mem::take(&mut self.found.links)) {
            match spellings.remove(&index).filter(|_| link.kind == LinkKind::Page) {
                Some(spelling) => self.add(&spelling, link.kind, link.nofollow),
                None => {
                    self.insert(link);
                }
            }
        }
    }

    /// What was found.
    pub fn finish(self) -> Found {
        self.found
    }

    fn add(&mut self, reference: &[u8], kind: LinkKind, nofollow: bool) {
        let reference = trim(reference);
        if is_data(reference) {
            return; // it holds its content itself, so there is nothing to fetch
        }
        // A space before the fragment is part of the URL; at the end, it would not be.
        let shorter = without_fragment(reference);
        let reference =
            if self.anchors || shorter.last().is_some_and(|last| *last <= b' ') { reference } else { shorter };
        let index = match self.spelled.get(reference) {
            Some(index) => *index,
            None => {
                let index = self.link(reference, kind);
                // A reference that is not ASCII may mean another URL in a stylesheet.
                if self.spelled.len() < REMEMBERED && reference.is_ascii() {
                    self.spelled.insert(reference.into(), index);
                }
                index
            }
        };
        if let Some(index) = index {
            let link = &mut self.found.links[index as usize];
            link.kind = link.kind.min(kind);
            link.nofollow &= nofollow;
        }
    }

    /// The index of the link that a reference means, which is added if it is new. Returns `None` if it is unusable.
    fn link(&mut self, reference: &[u8], kind: LinkKind) -> Option<u32> {
        if reference.len() > LONGEST {
            return self.unusable(Unusable::TooLong, reference);
        }
        let url = match self.resolve(reference) {
            Ok(url) if is_fetched(&url) => url,
            Ok(url) => return self.unusable(Unusable::Scheme(url.scheme().to_owned()), url.as_str().as_bytes()),
            Err(_) => return self.unusable(Unusable::Invalid, reference),
        };
        let fragment = url.fragment().filter(|_| self.anchors).map(str::to_owned);
        let url = normalize(url);
        self.insert(Link { url, fragment, kind, nofollow: true })
    }

    /// The index of a link, which is added if it is new.
    fn insert(&mut self, link: Link) -> Option<u32> {
        let links = &self.found.links;
        let hash_of = |link: &Link| self.hasher.hash_one((link.url.as_str(), &link.fragment));
        let is_same = |index: &u32| {
            let known = &links[*index as usize];
            known.url == link.url && known.fragment == link.fragment
        };
        let hash = hash_of(&link);
        if let Some(index) = self.indexes.find(hash, is_same) {
            return Some(*index);
        }
        let index = u32::try_from(links.len()).ok()?;
        self.indexes.insert_unique(hash, index, |index| hash_of(&links[*index as usize]));
        self.found.links.push(link);
        Some(index)
    }

    fn resolve(&self, reference: &[u8]) -> Result<Url, url::ParseError> {
        self.resolve_against(&self.base, reference)
    }

    fn resolve_against(&self, base: &Url, reference: &[u8]) -> Result<Url, url::ParseError> {
        let (text, encoding) = self.text(reference);
        let options = Url::options().base_url(Some(base));
        match encoding.output_encoding() {
            encoding if encoding == UTF_8 || text.is_ascii() => options.parse(&text),
            encoding => options.encoding_override(Some(&|query: &str| encode(query, encoding))).parse(&text),
        }
    }

    /// The text of some bytes of the body, which is UTF-8 by now, and the encoding of queries in it.
    ///
    /// In a page that declares no encoding, text that is not UTF-8 is decoded as windows-1252, as browsers do.
    fn text<'t>(&self, bytes: &'t [u8]) -> (Cow<'t, str>, &'static Encoding) {
        match std::str::from_utf8(bytes) {
            Ok(text) => (text.into(), self.charset.encoding),
            Err(_) if !self.charset.is_declared => (WINDOWS_1252.decode_without_bom_handling(bytes).0, WINDOWS_1252),
            Err(_) => (String::from_utf8_lossy(bytes), self.charset.encoding),
        }
    }

    fn unusable(&mut self, reason: Unusable, reference: &[u8]) -> Option<u32> {
        let shown = String::from_utf8_lossy(&reference[..reference.len().min(SHOWN)]).into_owned();
        self.found.unusable.push((reason, shown));
        None
    }
}

/// A query in an encoding. A character that the encoding lacks becomes a numeric character reference, percent-encoded.
fn encode<'q>(mut query: &'q str, encoding: &'static Encoding) -> Cow<'q, [u8]> {
    if query.is_ascii() {
        return query.as_bytes().into();
    }
    let mut encoder = encoding.new_encoder();
    let mut encoded = Vec::new();
    loop {
        let room = encoder.max_buffer_length_from_utf8_without_replacement(query.len()).unwrap_or(query.len());
        encoded.reserve(room);
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(query, &mut encoded, true);
        query = &query[read..];
        match result {
            EncoderResult::Unmappable(char) => encoded.extend(format!("%26%23{}%3B", u32::from(char)).bytes()),
            EncoderResult::OutputFull => {}
            EncoderResult::InputEmpty => return encoded.into(),
        }
    }
}

fn is_fetched(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Whether a reference to a part of the page means the page itself.
fn means_the_page(reference: &[u8]) -> bool {
    matches!(trim(reference).first(), None | Some(b'#'))
}

fn is_absolute(reference: &[u8]) -> bool {
    let begins = |prefix: &[u8]| reference.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    begins(b"http://") || begins(b"https://")
}

fn is_data(reference: &[u8]) -> bool {
    reference.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"))
}

/// Removes the spaces and control characters that the URL standard removes at both ends.
fn trim(reference: &[u8]) -> &[u8] {
    let start = reference.iter().position(|byte| *byte > b' ').unwrap_or(reference.len());
    let end = reference.iter().rposition(|byte| *byte > b' ').map_or(start, |last| last + 1);
    &reference[start..end]
}

fn without_fragment(reference: &[u8]) -> &[u8] {
    &reference[..reference.iter().position(|byte| *byte == b'#').unwrap_or(reference.len())]
}
