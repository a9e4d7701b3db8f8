//! Which URLs belong to the crawl.

use super::urls;
use url::Url;

/// The servers on which the crawl began, and with `--no-parent` the directories.
pub struct Scope {
    places: Vec<Place>,
    no_parent: bool,
}

struct Place {
    server: String,
    directory: String,
}

impl Scope {
    /// That of a crawl that begins at these URLs.
    pub fn new(starts: &[Url], no_parent: bool) -> Scope {
        let mut scope = Scope { places: Vec::new(), no_parent };
        starts.iter().for_each(|url| scope.add(url));
        scope
    }

    /// Widens it by the place of a URL: where a first page was redirected to.
    pub fn add(&mut self, url: &Url) {
        let directory = url.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        self.places.push(Place { server: urls::server(url), directory: format!("{directory}/") });
    }

    /// Whether a URL is to be followed.
    pub fn contains(&self, url: &Url) -> bool {
        url.scheme() == "http"
            && self.places.iter().any(|place| {
                place.server == urls::server(url) && (!self.no_parent || url.path().starts_with(&place.directory))
            })
    }
}
