//! What a crawler must guarantee, and the site that it crawls: the rules that [`crawler_suite`](crate::crawler_suite)
//! checks.

use executor::time::{Duration, sleep};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

/// A crawler: fetches the pages of a site, beginning with one, and follows their links.
///
/// 1. **All, once.** It fetches each page that links lead to from the first one, and fetches none twice.
/// 2. **At most.** At most `at_most` fetches are under way at once. Fewer are allowed.
/// 3. **The end.** It is ready when all fetches are over, and not before.
/// 4. **Failures.** If a page fails, it is reported as failed, and the crawl goes on.
/// 5. **Drops.** If the crawl is dropped, no fetch begins after that, and those that are under way are dropped, at the
///    latest when the tasks that are queued at that moment have run.
pub trait Crawler {
    /// Crawls a site.
    fn crawl(&self, site: &Site, first: &'static str, at_most: usize) -> impl Future<Output = Report>;
}

/// The pages that a crawl has fetched, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The pages that the site has.
    pub pages: Vec<&'static str>,
    /// The pages whose fetch failed.
    pub failed: Vec<&'static str>,
}

/// The page could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// How long the fetch of a page takes.
type Latency = Box<dyn Fn(&str) -> Duration>;

/// A site: pages with links. It records how it was crawled. A clone is the same site.
///
/// ```
/// use executor::time::Duration;
/// use lab_11::{Failed, Site};
///
/// let site = Site::new(&[("/", &["/a", "/missing"]), ("/a", &["/"])]).with_latency(|_| Duration::from_millis(5));
/// executor::block_on(async {
///     assert_eq!(site.fetch("/").await, Ok(vec!["/a", "/missing"]));
///     assert_eq!(site.fetch("/missing").await, Err(Failed));
/// });
/// assert_eq!(site.fetches(), ["/", "/missing"]);
/// assert_eq!((site.most_at_once(), site.under_way()), (1, 0));
/// ```
#[derive(Clone)]
pub struct Site(Rc<Shared>);

struct Shared {
    pages: BTreeMap<&'static str, Vec<&'static str>>,
    latency: RefCell<Latency>,
    fetches: RefCell<Vec<&'static str>>,
    under_way: Cell<usize>,
    most_at_once: Cell<usize>,
}

impl Site {
    /// A site with these pages and their links. A link that leads to no page fails when it is fetched. Each fetch takes
    /// ten milliseconds.
    pub fn new(pages: &[(&'static str, &[&'static str])]) -> Site {
        let pages = pages.iter().map(|(page, links)| (*page, links.to_vec())).collect();
        let latency: Latency = Box::new(|_| Duration::from_millis(10));
        Site(Rc::new(Shared {
            pages,
            latency: RefCell::new(latency),
            fetches: RefCell::default(),
            under_way: Cell::new(0),
            most_at_once: Cell::new(0),
        }))
    }

    /// The same site, whose fetches take as long as `latency` says.
    pub fn with_latency(self, latency: impl Fn(&str) -> Duration + 'static) -> Site {
        *self.0.latency.borrow_mut() = Box::new(latency);
        self
    }

    /// Fetches a page and returns its links.
    ///
    /// # Errors
    /// If the site has no such page.
    pub async fn fetch(&self, page: &'static str) -> Result<Vec<&'static str>, Failed> {
        /// A fetch that is under way. Dropping this ends it, also if the fetch itself is dropped.
        struct UnderWay<'a>(&'a Cell<usize>);
        impl Drop for UnderWay<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }

        let shared = &*self.0;
        shared.fetches.borrow_mut().push(page);
        shared.under_way.set(shared.under_way.get() + 1);
        shared.most_at_once.set(shared.most_at_once.get().max(shared.under_way.get()));
        let _under_way = UnderWay(&shared.under_way);
        let latency = (*shared.latency.borrow())(page);
        sleep(latency).await;
        shared.pages.get(page).cloned().ok_or(Failed)
    }

    /// The fetches that have begun, in their order.
    pub fn fetches(&self) -> Vec<&'static str> {
        self.0.fetches.borrow().clone()
    }

    /// The number of fetches that have begun and are not over.
    pub fn under_way(&self) -> usize {
        self.0.under_way.get()
    }

    /// The largest number of fetches that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.0.most_at_once.get()
    }
}
