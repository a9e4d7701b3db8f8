//! The frontier: the pages to fetch, each URL once, and the limits on how many at once.
//!
//! [`Frontier::next`] is a leaf future: it is ready when a page may be begun, and when there will never be another. The
//! frontier is for one thread.

use super::urls;
use executor::leaf;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use url::Url;

/// A page to fetch.
#[derive(Clone, Debug)]
pub struct Job {
    pub url: Url,
    /// Number of links from the first page.
    pub depth: u32,
    /// The page that linked to it first.
    pub referrer: Option<String>,
}

pub struct Frontier {
    state: RefCell<State>,
}

struct State {
    seen: HashSet<String>,
    hosts: HashMap<String, Host>,
    /// The hosts with a page that may be begun, in turn.
    ready: VecDeque<String>,
    queued: usize,
    active: usize,
    limit: usize,
    host_limit: usize,
    /// Pages that may still be begun.
    pages_left: u64,
    stopped: bool,
    waiting: Vec<Waker>,
}

#[derive(Default)]
struct Host {
    queue: VecDeque<Job>,
    active: usize,
    /// Whether it is in `ready`.
    listed: bool,
}

impl Frontier {
    /// An empty frontier with limits on the pages at once, the pages at once from a host, and the pages in all.
    pub fn new(limit: usize, host_limit: usize, max_pages: Option<u64>) -> Frontier {
        Frontier {
            state: RefCell::new(State {
                seen: HashSet::new(),
                hosts: HashMap::new(),
                ready: VecDeque::new(),
                queued: 0,
                active: 0,
                limit,
                host_limit,
                pages_left: max_pages.unwrap_or(u64::MAX),
                stopped: false,
                waiting: Vec::new(),
            }),
        }
    }

    /// Queues a page, unless its URL was seen before.
    pub fn add(&self, url: Url, depth: u32, referrer: Option<&str>) {
        if self.see(&url) {
            self.push(Job { url, depth, referrer: referrer.map(str::to_owned) });
        }
    }

    /// Marks a URL as seen. Returns `false` if it was seen before.
    pub fn see(&self, url: &Url) -> bool {
        let mut state = self.state.borrow_mut();
        !state.seen.contains(url.as_str()) && state.seen.insert(url.as_str().to_owned())
    }

    /// Marks a URL as not seen.
    pub fn forget(&self, url: &Url) {
        self.state.borrow_mut().seen.remove(url.as_str());
    }

    /// The next page; `None` when all pages are done or the crawl was stopped.
    pub fn next(&self) -> Next<'_> {
        Next { frontier: self }
    }

    /// Stops the crawl: no further page is begun.
    pub fn stop(&self) {
        self.state.borrow_mut().stopped = true;
        self.wake_all();
    }

    /// Waits until the crawl is stopped.
    pub async fn stopped(&self) {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if state.stopped {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            leaf::pending(|| "the end of the crawl".into());
            Poll::Pending
        })
        .await;
    }

    /// Whether the crawl was stopped.
    pub fn is_stopped(&self) -> bool {
        self.state.borrow().stopped
    }

    /// The number of queued pages.
    pub fn queued(&self) -> usize {
        self.state.borrow().queued
    }

    /// The number of pages in progress.
    pub fn active(&self) -> usize {
        self.state.borrow().active
    }

    /// Halves the limit on pages at once, and returns it. Returns `None` while more pages than the limit are still in
    /// progress.
    pub fn lower_limit(&self) -> Option<usize> {
        let mut state = self.state.borrow_mut();
        if state.active > state.limit {
            return None;
        }
        state.limit = (state.active / 2).max(1);
        Some(state.limit)
    }

    fn push(&self, job: Job) {
        let mut state = self.state.borrow_mut();
        let key = urls::server(&job.url);
        state.hosts.entry(key.clone()).or_default().queue.push_back(job);
        state.queued += 1;
        state.list(key);
        drop(state);
        self.wake_all();
    }

    fn finished(&self, job: &Job) {
        let mut state = self.state.borrow_mut();
        let key = urls::server(&job.url);
        if let Some(host) = state.hosts.get_mut(&key) {
            host.active -= 1;
        }
        state.active -= 1;
        state.list(key);
        drop(state);
        self.wake_all();
    }

    /// Wakes all waiters. There are at most as many as pages at once, so choosing one is not worth it; and a wake cannot be
    /// lost with a chosen waiter that was dropped.
    fn wake_all(&self) {
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Queues a host if a page of it may be begun.
    fn list(&mut self, key: String) {
        let Some(host) = self.hosts.get_mut(&key) else { return };
        if !host.listed && !host.queue.is_empty() && host.active < self.host_limit {
            host.listed = true;
            self.ready.push_back(key);
        }
    }

    fn take(&mut self) -> Option<Job> {
        if self.active >= self.limit {
            return None;
        }
        let key = self.ready.pop_front()?;
        let host = self.hosts.get_mut(&key)?;
        host.listed = false;
        let job = host.queue.pop_front()?;
        host.active += 1;
        self.active += 1;
        self.queued -= 1;
        self.pages_left -= 1;
        self.list(key);
        Some(job)
    }

    fn is_over(&self) -> bool {
        self.stopped || self.pages_left == 0 || (self.queued == 0 && self.active == 0)
    }
}

/// Waits for a page. Made by [`Frontier::next`].
pub struct Next<'a> {
    frontier: &'a Frontier,
}

impl<'a> Future for Next<'a> {
    type Output = Option<Claim<'a>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let frontier = self.frontier;
        let mut state = frontier.state.borrow_mut();
        if state.is_over() {
            return Poll::Ready(None);
        }
        if let Some(job) = state.take() {
            return Poll::Ready(Some(Claim { job, frontier }));
        }
        state.waiting.push(cx.waker().clone());
        leaf::pending(|| "a page to fetch".into());
        Poll::Pending
    }
}

/// A page in progress. Dropping it marks the page as done.
pub struct Claim<'a> {
    pub job: Job,
    frontier: &'a Frontier,
}

impl Claim<'_> {
    /// Queues the page again, because it was not fetched.
    pub fn put_back(self) {
        self.frontier.state.borrow_mut().pages_left += 1;
        self.frontier.push(self.job.clone());
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.frontier.finished(&self.job);
    }
}
