//! The pages that this worker has: the token of each lease, and the links that were found so far.
//!
//! The key is the number that the local frontier gave a page. A lease can expire while its page is in progress, and the
//! page can be leased again. Then it has two entries here, and only the second has a valid lease.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// The pages that this worker has.
#[derive(Default)]
pub struct Leases(RefCell<BTreeMap<u32, Lease>>);

struct Lease {
    url: String,
    token: String,
    links: Vec<String>,
}

impl Leases {
    /// Adds a page.
    pub fn add(&self, number: u32, url: String, token: String) {
        self.0.borrow_mut().insert(number, Lease { url, token, links: Vec::new() });
    }

    /// The token of a page, if this worker has it.
    pub fn token(&self, number: u32) -> Option<String> {
        self.0.borrow().get(&number).map(|lease| lease.token.clone())
    }

    /// Adds a link that was found on a page.
    pub fn link(&self, number: u32, link: String) {
        if let Some(lease) = self.0.borrow_mut().get_mut(&number) {
            lease.links.push(link);
        }
    }

    /// The links that were found on a page.
    pub fn take_links(&self, number: u32) -> Vec<String> {
        self.0.borrow_mut().get_mut(&number).map(|lease| std::mem::take(&mut lease.links)).unwrap_or_default()
    }

    /// Removes a page: it is done, or its lease has expired.
    pub fn remove(&self, number: u32) {
        self.0.borrow_mut().remove(&number);
    }

    /// Removes the page with this token.
    pub fn remove_token(&self, token: &str) {
        self.0.borrow_mut().retain(|_, lease| lease.token != token);
    }

    /// The URLs and tokens of all pages.
    pub fn all(&self) -> Vec<(String, String)> {
        self.0.borrow().values().map(|lease| (lease.url.clone(), lease.token.clone())).collect()
    }

    /// The number of the last page that was added and is not done.
    pub fn last(&self) -> Option<u32> {
        self.0.borrow().keys().next_back().copied()
    }

    /// The number of pages.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The number of pages by host.
    pub fn by_host(&self) -> BTreeMap<String, usize> {
        let mut hosts = BTreeMap::new();
        for lease in self.0.borrow().values() {
            *hosts.entry(host_of(&lease.url).to_owned()).or_default() += 1;
        }
        hosts
    }
}

/// The scheme, name and port of a URL, as the scripts extract them.
pub fn host_of(url: &str) -> &str {
    let name = url.find("://").map_or(0, |at| at + 3);
    let end = url[name..].find(['/', '?', '#']).map_or(url.len(), |at| name + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_earlier_lease_keeps_the_later_lease_of_the_page() {
        let leases = Leases::default();
        for (number, token) in [(1, "first"), (2, "second")] {
            leases.add(number, "http://h/".to_owned(), token.to_owned());
            leases.link(number, format!("http://h/{number}"));
        }
        leases.remove_token("first");
        assert_eq!((leases.token(1), leases.take_links(1)), (None, Vec::new()));
        assert_eq!((leases.token(2).as_deref(), leases.take_links(2)), (Some("second"), vec!["http://h/2".to_owned()]));
    }

    #[test]
    fn pages_are_counted_by_scheme_name_and_port() {
        let leases = Leases::default();
        let urls = ["http://h/", "http://h?x", "http://h/x#y", "https://h/", "http://h:81/", "http://[::1]:81/x"];
        for (number, url) in urls.iter().enumerate() {
            leases.add(number as u32, (*url).to_owned(), String::new());
        }
        let hosts = leases.by_host();
        let hosts: Vec<_> = hosts.iter().map(|(host, count)| (host.as_str(), *count)).collect();
        assert_eq!(hosts, [("http://[::1]:81", 1), ("http://h", 3), ("http://h:81", 1), ("https://h", 1)]);
    }
}
