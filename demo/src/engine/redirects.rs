//! The redirects that were seen, to find cycles. Used by `redirect.rs`.
//!
//! The answer for a URL may depend on the cookies of the request. So each redirect belongs to a URL and the cookies
//! that the request carried.

use std::cell::RefCell;
use std::collections::HashMap;
use url::Url;

/// The targets of a URL, each with the cookies of the request.
type Targets = Vec<(Option<String>, Url)>;

/// The target of each redirect, by the URL and the cookies of the request.
#[derive(Default)]
pub struct Redirects(RefCell<HashMap<Url, Targets>>);

impl Redirects {
    /// Notes a redirect.
    pub fn note(&self, from: Url, cookies: Option<String>, to: Url) {
        let mut redirects = self.0.borrow_mut();
        let known = redirects.entry(from).or_default();
        known.retain(|(with, _)| *with != cookies);
        known.push((cookies, to));
    }

    /// The last target of each URL, whatever the cookies.
    pub fn last_targets(&self) -> Vec<(String, String)> {
        let redirects = self.0.borrow();
        let last = redirects.iter().filter_map(|(from, known)| Some((from, &known.last()?.1)));
        last.map(|(from, to)| (from.to_string(), to.to_string())).collect()
    }

    /// Whether at most `most` redirects lead from one URL to another, for requests with the cookies that `cookies`
    /// returns for each URL.
    pub fn lead(&self, from: &Url, to: &Url, most: u32, cookies: impl Fn(&Url) -> Option<String>) -> bool {
        let with = |url: &Url, known: &[(Option<String>, Url)]| {
            let cookies = cookies(url);
            known.iter().find(|(with, _)| *with == cookies).map(|(_, to)| to.clone())
        };
        self.leads(from, to, most, with)
    }

    /// As [`lead`](Redirects::lead), for the requests that were sent last, whatever their cookies.
    pub fn led(&self, from: &Url, to: &Url, most: u32) -> bool {
        self.leads(from, to, most, |_, known| known.last().map(|(_, to)| to.clone()))
    }

    fn leads(
        &self,
        from: &Url,
        to: &Url,
        most: u32,
        next: impl Fn(&Url, &[(Option<String>, Url)]) -> Option<Url>,
    ) -> bool {
        let redirects = self.0.borrow();
        let mut at = from.clone();
        for _ in 0..=most {
            match redirects.get(&at).and_then(|known| next(&at, known)) {
                Some(next) if next == *to => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_holds_only_for_the_cookies_of_its_request() {
        let [a, b, c] = ["http://h/a", "http://h/b", "http://h/c"].map(|url| Url::parse(url).unwrap());
        let redirects = Redirects::default();
        redirects.note(a.clone(), None, b.clone());
        redirects.note(b.clone(), Some("x=1".to_owned()), c.clone());
        let none = |_: &Url| None;
        let one = |url: &Url| (*url == b).then(|| "x=1".to_owned());
        assert!(redirects.lead(&a, &b, 10, none) && !redirects.lead(&a, &c, 10, none));
        assert!(redirects.lead(&a, &c, 10, one) && !redirects.lead(&a, &c, 0, one));
        assert!(redirects.led(&a, &c, 10) && !redirects.led(&c, &a, 10));
        redirects.note(c.clone(), None, a.clone());
        assert!(!redirects.lead(&a, &Url::parse("http://h/d").unwrap(), 10, one), "a cycle ends");
    }
}
