//! The ends of redirect chains, regardless of cookies, and the pages that are copies of others. Used at the end of a
//! crawl, by `duplicates.rs` and `convert/`.

use std::collections::HashMap;
use std::path::PathBuf;
use url::Url;

/// Maximum number of steps to follow. This limit ends cycles.
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

/// Where each URL leads: to the target of its redirect, or to its canonical page.
#[derive(Clone, Debug, Default)]
pub struct Chains(HashMap<String, String>);

impl Chains {
    /// Notes where a URL leads.
    pub fn insert(&mut self, from: String, to: String) {
        self.0.insert(from, to);
    }

    /// The first URL in the chain from `url`, including `url` itself, for which `is_end` returns true.
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
