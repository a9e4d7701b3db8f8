//! What a search finds: the links, and the references that cannot be followed. Filled by `collect.rs`, read by the
//! caller of `find`.

use std::collections::BTreeSet;
use url::Url;

/// What a body contains.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The links, in order of first appearance. Each URL occurs once; with anchors, each URL with each of its
    /// fragments.
    pub links: Vec<Link>,
    /// Whether the body was searched for links and anchors, rather than only for links or not at all.
    pub has_anchors: bool,
    /// The `id`s, and the `name`s of `<a>`, if anchors were searched for.
    pub anchors: BTreeSet<String>,
    /// The references that cannot be fetched, each spelling once. References to `data:`, which hold their content
    /// themselves, do not count.
    pub unusable: Vec<(Unusable, String)>,
    /// The URL of `<link rel=canonical>`.
    pub canonical: Option<Url>,
    /// Whether `<meta name=robots>` marks the links as nofollow.
    pub nofollow: bool,
}

/// A link to a URL that can be fetched: http or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Normalized, without the fragment.
    pub url: Url,
    /// The fragment, as it is spelled in the URL. Only with anchors; otherwise `None`.
    pub fragment: Option<String>,
    /// What the page needs it for.
    pub kind: LinkKind,
    /// Whether each reference to it has `rel=nofollow`.
    pub nofollow: bool,
}

/// What a page needs a link for. A link that occurs as both is a requisite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// Part of the page: an image, a stylesheet, a script, a font, a frame.
    Requisite,
    /// Another page, to which a reader may go.
    Page,
}

/// Why a reference cannot be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Its scheme is neither http nor https, as in `mailto:`.
    Scheme(String),
    /// It is not a URL, for example `http://[/`.
    Invalid,
    /// It is longer than any server accepts.
    TooLong,
}
