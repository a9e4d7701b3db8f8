//! The scope: which URLs belong to the crawl.

use super::urls;
use std::collections::HashMap;
use url::Url;

/// The servers of the first pages, and with `--no-parent` their directories.
pub struct Scope {
    /// The directories of each server.
    directories: HashMap<String, Vec<String>>,
    no_parent: bool,
}

impl Scope {
    /// The scope of a crawl that begins at these URLs.
    pub fn new(starts: &[Url], no_parent: bool) -> Scope {
        let mut scope = Scope { directories: HashMap::new(), no_parent };
        starts.iter().for_each(|url| scope.add(url));
        scope
    }

    /// Adds the server and the directory of a URL: a first page was redirected to it.
    pub fn add(&mut self, url: &Url) {
        let directory = url.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        self.directories.entry(urls::server(url)).or_default().push(format!("{directory}/"));
    }

    /// Whether a URL is in scope.
    pub fn contains(&self, url: &Url) -> bool {
        let directories = self.directories.get(&urls::server(url)).filter(|_| url.scheme() == "http");
        directories.is_some_and(|directories| {
            !self.no_parent || directories.iter().any(|directory| url.path().starts_with(directory))
        })
    }
}
