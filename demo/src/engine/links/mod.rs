//! Finds the links of a body, in memory that does not depend on the body's size. Uses only `urls.rs` of the engine.
//!
//! [`Kind::of`] says whether a body can be searched, and [`find`] searches it.
//!
//! | file | what it holds |
//! |---|---|
//! | `media_type.rs`, `sniff.rs` | the value of a `Content-Type`; what a body is |
//! | `encoding.rs` | the encoding of a body, and reading it as UTF-8 |
//! | `found.rs` | what a search finds |
//! | `places.rs`, `rewrite.rs` | the position of each text in the body; rewriting links there |
//! | `collect.rs` | from references to links: bases, queries, each URL once |
//! | `srcset.rs`, `refresh.rs` | the grammars of two attributes |
//! | `css.rs` | stylesheets |
//! | `tag.rs`, `reader.rs`, `tags.rs` | a tag; reading plain tags; the tags of HTML and XML |
//! | `attributes.rs` | which attributes hold links |
//! | `foreign.rs`, `html.rs` | where HTML contains SVG; HTML |
//! | `xml.rs`, `sitemap.rs` | XHTML, SVG, feeds; sitemaps |

mod attributes;
mod collect;
mod css;
mod encoding;
mod foreign;
mod found;
mod html;
mod media_type;
mod places;
mod reader;
mod refresh;
mod rewrite;
mod sitemap;
mod sniff;
mod srcset;
mod tag;
mod tags;
mod xml;

pub use found::{Found, Link, LinkKind, Unusable};
pub use refresh::url as refresh_url;
pub use rewrite::{Rewriter, Target};
pub use sniff::{Kind, SNIFFED};
pub use srcset::urls as srcset_urls;

use collect::Collector;
use encoding::{Charset, Utf8};
use encoding_rs::Encoding;
use rewrite::Rewrite;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use url::Url;

/// What to search a body for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Nothing.
    Nothing,
    /// Links.
    #[default]
    Links,
    /// Links, each with its fragment, and the anchors that fragments refer to.
    LinksAndAnchors,
}

/// Searches the body of `url`. Blocks while it reads the body.
///
/// # Errors
/// Fails if reading the body does.
pub fn find(what: Search, kind: Kind, content_type: Option<&str>, mut body: impl Read, url: &Url) -> io::Result<Found> {
    if what == Search::Nothing {
        return Ok(Found::default());
    }
    let mut head = Vec::with_capacity(SNIFFED);
    body.by_ref().take(SNIFFED as u64).read_to_end(&mut head)?;
    let (charset, bom) = Charset::of(kind, content_type, &head);
    let mut collector = Collector::new(url.clone(), charset, what == Search::LinksAndAnchors);
    search(kind, Cursor::new(&head[bom..]).chain(body), charset, &mut collector)?;
    Ok(Found { has_anchors: what == Search::LinksAndAnchors, ..collector.finish() })
}

fn search(kind: Kind, mut body: impl Read, charset: Charset, to: &mut Collector) -> io::Result<()> {
    let mut body = Utf8::new(&mut body, charset.encoding);
    match kind {
        Kind::Html => html::search(&mut body, to),
        Kind::Xml => xml::search(&mut body, to),
        Kind::Css => css::search(&mut body, to),
        Kind::Sitemap => sitemap::search(&mut body, to),
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// The length of its byte order mark.
    pub mark: usize,
    charset: Charset,
}

impl Encoded {
    /// How a body that begins with `head` is encoded. `head` is [`SNIFFED`] bytes, or all of the body.
    pub fn of(kind: Kind, content_type: Option<&str>, head: &[u8]) -> Encoded {
        let (charset, mark) = Charset::of(kind, content_type, head);
        Encoded { encoding: charset.encoding, mark, charset }
    }
}

/// Passes the references of the body of `url` to `rewriter`, to be rewritten. Reads the body twice, because its base
/// may follow links that it applies to. Blocks.
///
/// # Errors
/// Fails if reading the body does.
pub fn rewrite(
    kind: Kind,
    encoded: Encoded,
    body: &mut (impl Read + Seek),
    url: &Url,
    rewriter: Box<dyn Rewriter>,
) -> io::Result<()> {
    let mut read = |rewrite| {
        body.seek(SeekFrom::Start(encoded.mark as u64))?;
        let mut collector = Collector::rewriting(url.clone(), encoded.charset, rewrite);
        search(kind, &mut *body, encoded.charset, &mut collector).map(|()| collector)
    };
    let mut base_of_pages = None;
    if kind == Kind::Html {
        let mut searched = read(Rewrite::default())?;
        let has_base = searched.rewrite().is_some_and(|rewrite| rewrite.has_base());
        base_of_pages = has_base.then(|| searched.base().clone());
    }
    read(Rewrite::new(rewriter, base_of_pages)).map(drop)
}

#[cfg(test)]
mod tests;
