//! The type of a body according to its response, and the search of the body by that type.

use crate::engine::links::{Found, Kind, SNIFFED, Search, find};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use url::Url;

/// What the response says about the type of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether there is `X-Content-Type-Options: nosniff`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nosniff: bool,
}

impl Media {
    /// The kind of a body that begins with `head`.
    pub fn kind(&self, url: &Url, head: &[u8]) -> Option<Kind> {
        Kind::of(self.content_type.as_deref(), self.nosniff, url, head)
    }

    /// The extension that a file of this kind needs on the disk, if its path has none that a browser recognizes.
    pub fn missing_extension(&self, kind: Option<Kind>, path: &str) -> Option<&'static str> {
        let essence = self.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let (extension, known): (_, &[&str]) = match kind? {
            Kind::Html => ("html", &["html", "htm", "xhtml", "xht"]),
            Kind::Css => ("css", &["css"]),
            Kind::Xml if essence.eq_ignore_ascii_case("image/svg+xml") => ("svg", &["svg"]),
            Kind::Xml if essence.eq_ignore_ascii_case("application/xhtml+xml") => ("xhtml", &["xhtml", "xht"]),
            Kind::Xml | Kind::Sitemap => return None,
        };
        let is_known = |has: &str| known.iter().any(|known| known.eq_ignore_ascii_case(has));
        (!path.rsplit_once('.').is_some_and(|(_, has)| is_known(has))).then_some(extension)
    }

    /// The kind of a saved file. If its type is not known, the kind is guessed from its content.
    pub fn kind_of_saved(&self, url: &Url, head: &[u8]) -> Option<Kind> {
        match self.content_type {
            Some(_) => self.kind(url, head),
            None => self.kind(url, head).or_else(|| Kind::of_saved(url, head)),
        }
    }

    /// The beginning of a body, which determines its kind. Blocks.
    pub fn head(body: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(SNIFFED);
        body.take(SNIFFED as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Searches a body of this kind that begins with `head`; `rest` is what follows. Blocks.
    pub fn search_from(
        &self,
        what: Search,
        kind: Option<Kind>,
        head: &[u8],
        rest: impl Read,
        base: &Url,
    ) -> io::Result<Found> {
        match kind {
            Some(kind) => find(what, kind, self.content_type.as_deref(), head.chain(rest), base),
            None => Ok(Found::default()),
        }
    }

    /// Searches the saved file of `url`, whose references are relative to `base`. Blocks.
    pub fn search_saved(&self, what: Search, mut file: impl Read, url: &Url, base: &Url) -> io::Result<Found> {
        let head = Media::head(&mut file)?;
        self.search_from(what, self.kind_of_saved(url, &head), &head, file, base)
    }
}
