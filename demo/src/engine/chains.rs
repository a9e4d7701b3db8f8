//! Where chains of redirects end, whatever cookies they depended on, and the pages that are copies of others. Used when a
//! crawl is over, by `duplicates.rs` and `convert/`.

use std::collections::HashMap;
use std::path::PathBuf;
use url::Url;

/// The most steps that are followed. This limit ends cycles.
const STEPS: usize = 100;

/// A saved page that says it is a copy of another one.
#[derive(Clone, Debug)]
pub struct Duplicate {
    pub url: Url,
    /// Its file, relative to the output directory.
    pub path: PathBuf,
    /// The page that it is a copy of.
    pub canonical: Url,
}

/// Where URLs lead.
#[derive(Clone, Debug, Default)]
pub struct Chains(HashMap<String, String>);

impl Chains {
    /// Notes where a URL leads.
    pub fn insert(&mut self, from: String, to: String) {
        self.0.insert(from, to);
    }

    /// The first URL on the way from `url`, itself included, for which `is_end` holds.
    pub fn end<'r>(&'r self, url: &'r str, is_end: impl Fn(&str) -> bool) -> Option<&'r str> {
        let ways = std::iter::successors(Some(url), |at| self.0.get(*at).map(String::as_str));
        ways.take(STEPS).find(|at| is_end(at))
    }
}

impl FromIterator<(String, String)> for Chains {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Chains {
        Chains(pairs.into_iter().collect())
    }
}
