//! Which URLs belong to the crawl.

use super::urls;
use std::collections::HashMap;
use url::Url;

/// The servers on which the crawl began, and with `--no-parent` the directories.
pub struct Scope {
    /// The directories of each server.
    places: HashMap<String, Vec<String>>,
    no_parent: bool,
}

impl Scope {
    /// That of a crawl that begins at these URLs.
    pub fn new(starts: &[Url], no_parent: bool) -> Scope {
        let mut scope = Scope { places: HashMap::new(), no_parent };
        starts.iter().for_each(|url| scope.add(url));
        scope
    }

    /// Widens it by the place of a URL: where a first page was redirected to.
    pub fn add(&mut self, url: &Url) {
        let directory = url.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        self.places.entry(urls::server(url)).or_default().push(format!("{directory}/"));
    }

    /// Whether a URL is to be followed.
    pub fn contains(&self, url: &Url) -> bool {
        let directories = self.places.get(&urls::server(url)).filter(|_| url.scheme() == "http");
        directories.is_some_and(|directories| {
            !self.no_parent || directories.iter().any(|directory| url.path().starts_with(directory))
        })
    }
}
