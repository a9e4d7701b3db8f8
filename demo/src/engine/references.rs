//! Which pages link to which URLs, and which anchors the pages contain. `check` keeps them, to say where a broken link
//! is.

use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use url::Url;

/// Maximum number of pages to keep for each URL. A menu links to the same URL from each page of a site.
const PAGES: usize = 20;

/// A URL and a fragment.
type Anchor = (String, String);
/// The first pages that contain a link.
type Pages = Vec<Rc<str>>;

/// Which pages link to which URLs, and which anchors the pages contain.
#[derive(Debug, Default)]
pub struct References {
    pages: RefCell<HashMap<String, Pages>>,
    /// Links to an anchor, as the URL and the fragment.
    to_anchors: RefCell<BTreeMap<Anchor, Pages>>,
    /// The anchors of each page that was searched.
    anchors: RefCell<HashMap<String, BTreeSet<String>>>,
    /// Where the redirects of a page end.
    redirects: RefCell<HashMap<String, String>>,
}

/// A link to an anchor that its target does not contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenAnchor {
    /// The target, with its fragment.
    pub url: String,
    /// The pages with the link.
    pub pages: Vec<Rc<str>>,
}

impl References {
    /// Notes that a page links to a URL.
    pub fn link(&self, page: &Rc<str>, to: &Url, fragment: Option<&str>) {
        note(self.pages.borrow_mut().entry(to.as_str().to_owned()).or_default(), page);
        if let Some(fragment) = fragment.filter(|fragment| names_an_anchor(fragment)) {
            let target = (to.as_str().to_owned(), fragment.to_owned());
            note(self.to_anchors.borrow_mut().entry(target).or_default(), page);
        }
    }

    /// Notes the anchors of a page that was searched.
    pub fn page(&self, url: &str, anchors: BTreeSet<String>) {
        self.anchors.borrow_mut().insert(url.to_owned(), anchors);
    }

    /// Notes where the redirects of a page end.
    pub fn redirect(&self, from: &str, to: &str) {
        self.redirects.borrow_mut().insert(from.to_owned(), to.to_owned());
    }

    /// The first pages that link to a URL.
    pub fn pages(&self, url: &str) -> Vec<Rc<str>> {
        self.pages.borrow().get(url).cloned().unwrap_or_default()
    }

    /// The links to anchors that their targets do not contain. Targets that were not searched are left out.
    pub fn broken_anchors(&self) -> Vec<BrokenAnchor> {
        let (anchors, redirects) = (self.anchors.borrow(), self.redirects.borrow());
        let to_anchors = self.to_anchors.borrow();
        let is_broken = |url: &str, fragment: &str| {
            let page = redirects.get(url).map_or(url, String::as_str);
            anchors.get(page).is_some_and(|anchors| !contains(anchors, fragment))
        };
        let broken = to_anchors.iter().filter(|((url, fragment), _)| is_broken(url, fragment));
        broken
            .map(|((url, fragment), pages)| BrokenAnchor { url: format!("{url}#{fragment}"), pages: pages.clone() })
            .collect()
    }
}

fn note(pages: &mut Vec<Rc<str>>, page: &Rc<str>) {
    if pages.len() < PAGES && pages.last() != Some(page) {
        pages.push(page.clone());
    }
}

/// Whether a fragment names an element. The empty one and `top` are the top of any page, and `:~:` begins instructions
/// for the browser, such as a text to scroll to.
fn names_an_anchor(fragment: &str) -> bool {
    !fragment.is_empty() && !fragment.eq_ignore_ascii_case("top") && !fragment.starts_with(":~:")
}

/// Whether a page has the anchor: as it is, or decoded (HTML, "select the indicated part").
fn contains(anchors: &BTreeSet<String>, fragment: &str) -> bool {
    let fragment = fragment.split(":~:").next().unwrap_or_default();
    anchors.contains(fragment) || anchors.contains(&*percent_decode_str(fragment).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_broken_if_the_page_was_searched_and_lacks_it() {
        let (references, page) = (References::default(), Rc::from("http://h/"));
        let url = |path: &str| Url::parse(&format!("http://h/{path}")).unwrap();
        for fragment in ["a", "%C3%BC", "missing", "top", "", ":~:text=x", "a:~:text=x"] {
            references.link(&page, &url("x"), Some(fragment));
        }
        references.link(&page, &url("old"), Some("missing"));
        references.link(&page, &url("image.png"), Some("missing"));
        references.page("http://h/x", BTreeSet::from(["a".to_owned(), "ü".to_owned()]));
        references.redirect("http://h/old", "http://h/x");
        let broken: Vec<_> = references.broken_anchors().into_iter().map(|broken| broken.url).collect();
        assert_eq!(broken, ["http://h/old#missing", "http://h/x#missing"]);
        assert_eq!(references.pages("http://h/x"), [page]);
    }
}
