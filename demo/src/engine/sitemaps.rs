//! `--sitemaps`: queues the sitemaps of the first servers. These are the sitemaps that robots.txt names, and
//! `/sitemap.xml`, which most sites have even if robots.txt does not name it. `links/` reads them, and their pages are
//! followed as links of a first page.

use super::frontier::Purpose;
use super::shared::Engine;
use super::skipped::Skipped;
use super::urls::{is_web, normalize};
use url::Url;

/// Queues the sitemap at the usual place of each server of the first pages. A missing sitemap is not an error.
pub fn guess(engine: &Engine, starts: &[Url]) {
    if !engine.scope.borrow().has_sitemaps() {
        return;
    }
    for start in starts {
        if let Ok(sitemap) = start.join("/sitemap.xml") {
            let start = normalize(start.clone());
            engine.ledger.link(&engine.frontier, None, Purpose::Guess, normalize(sitemap), 0, start.as_str());
        }
    }
}

/// Queues the sitemaps that the robots.txt of this URL's server names.
pub fn follow(engine: &Engine, url: &Url, named: &[String]) {
    let Some(robots) = url.join("/robots.txt").ok().filter(|_| engine.scope.borrow().has_sitemaps()) else { return };
    for named in named {
        match robots.join(named.trim()).map(normalize) {
            Ok(url) if !is_web(&url) => engine.skip_link(Skipped::Scheme(url.scheme().to_owned()), named),
            Ok(url) if !engine.scope.borrow().has_server(&url) => engine.skip_link(Skipped::OtherHost, url.as_str()),
            Ok(url) => engine.ledger.link(&engine.frontier, None, Purpose::Sitemap, url, 0, robots.as_str()),
            Err(_) => engine.skip_link(Skipped::NotAUrl, named),
        }
    }
}
