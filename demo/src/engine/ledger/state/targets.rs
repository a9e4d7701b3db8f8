//! The targets of redirects of pages in progress. They count as seen, so a link to one adds no page; but if the process
//! is killed, the page may be redirected elsewhere in the next run, and the link would be lost. So the file queues a
//! target to which another page links, until the page that is redirected is done.

use std::cell::RefCell;
use std::collections::HashMap;
use url::Url;

/// The targets of redirects of pages in progress, each with its number in the file's queue if a page links to it.
#[derive(Default)]
pub struct Targets(RefCell<HashMap<Url, Option<u32>>>);

impl Targets {
    /// Adds a target.
    pub fn add(&self, url: &Url) {
        self.0.borrow_mut().insert(url.clone(), None);
    }

    /// Whether it is a target to which no page has linked yet.
    pub fn needs_link(&self, url: &Url) -> bool {
        matches!(self.0.borrow().get(url), Some(None))
    }

    /// Notes that the file queues a target under this number.
    pub fn linked(&self, url: &Url, number: u32) {
        self.0.borrow_mut().insert(url.clone(), Some(number));
    }

    /// Removes a target. Returns its number in the file's queue.
    pub fn remove(&self, url: &Url) -> Option<u32> {
        self.0.borrow_mut().remove(url).flatten()
    }
}
