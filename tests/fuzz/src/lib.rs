//! Fuzz targets: each is a function that parses any bytes with a parser of the downloader, and panics if the result
//! breaks a rule. `tests/fuzz.sh` runs them with libFuzzer; `tests/corpus.rs` runs each on the inputs that are kept in
//! `corpus/`, in every `cargo test`.
//!
//! | file | what it holds |
//! |---|---|
//! | `messages.rs` | heads, bodies, content codings, requests |
//! | `fields.rs` | fields of responses: cookies, dates, ranges, redirects |
//! | `names.rs` | URLs and suggested names as file names |
//! | `pages.rs` | links, sitemaps, robots.txt |
//! | `files.rs` | files on this machine: sidecars of parts, options, logins, cookies |

mod fields;
mod files;
mod messages;
mod names;
mod pages;

/// A fuzz target: panics if its parser breaks a rule on these bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 18] = [
    ("head", messages::head),
    ("response", messages::response),
    ("chunks", messages::chunks),
    ("codings", messages::codings),
    ("request", messages::request),
    ("cookies", fields::cookies),
    ("retry_after", fields::retry_after),
    ("ranges", fields::ranges),
    ("location", fields::location),
    ("disposition", names::disposition),
    ("url", names::url),
    ("html", pages::html),
    ("xml", pages::xml),
    ("css", pages::css),
    ("attributes", pages::attributes),
    ("sitemap", pages::sitemap),
    ("robots", pages::robots),
    ("files", files::files),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
