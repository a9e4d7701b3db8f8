//! A page to fetch, and what is known of one that waits for another attempt.

use crate::engine::output::Record;
use executor::time::Instant;
use std::rc::Rc;
use url::Url;

/// Why a page is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It was given on the command line, or a page links to it.
    #[default]
    Page,
    /// A page needs it to be displayed.
    Requisite,
    /// robots.txt names it as a sitemap.
    Sitemap,
    /// It is the usual URL of a sitemap, which may not exist.
    Guess,
}

/// A page to fetch.
pub struct Job {
    pub url: Url,
    /// Number of links from the first page.
    pub depth: u32,
    /// Its number in the order in which pages became known.
    pub number: u32,
    pub purpose: Purpose,
    /// The page that linked to it first.
    pub referrer: Option<Rc<str>>,
    /// What earlier attempts left, if there were any.
    pub unfinished: Option<Box<Unfinished>>,
}

/// What the attempts at a page leave for the next one.
pub struct Unfinished {
    /// Its line of the report. It has the error of the last attempt.
    pub record: Record,
    /// The URLs that were requested: the page's, and the targets of redirects.
    pub visited: Vec<Url>,
    /// The time of the first attempt.
    pub start: Instant,
    /// The number of retries.
    pub retries: u32,
}

impl Job {
    /// The URL of the next request: the page's, or the target of the last redirect.
    pub fn next_url(&self) -> &Url {
        self.unfinished.as_ref().and_then(|unfinished| unfinished.visited.last()).unwrap_or(&self.url)
    }

    /// Whether the user gave this page, on the command line or in a list, so that it is fetched regardless of
    /// robots.txt.
    pub fn is_given(&self) -> bool {
        is_given(self.depth, self.purpose)
    }
}

/// Whether the user gave a page, on the command line or in a list.
pub fn is_given(depth: u32, purpose: Purpose) -> bool {
    depth == 0 && purpose == Purpose::Page
}
