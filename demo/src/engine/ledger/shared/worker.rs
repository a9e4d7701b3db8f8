//! [`SharedFrontier`]: this worker's part of a job. Used by the ledger and by `feed.rs`.

use super::error::SharedError;
use super::job::{Ask, DonePage, Job};
use super::leases::{Leases, host_of};
use super::options::SharedOptions;
use super::purpose::written;
use super::settings::Settings;
use crate::engine::frontier::{Frontier, Job as Page, Limits, PER_HOST, PER_LOOPBACK, Purpose};
use crate::engine::output::{JobCounts, Record};
use crate::redis::Client;
use executor::sync::Event;
use executor::time::{Duration, sleep, timeout};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use url::Url;

/// How long to wait for Redis at the end of a crawl, to return pages or to count them.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// How long to wait for some lines of the report at the end of a crawl.
const LONGEST_REPORT: Duration = Duration::from_secs(30);
/// The maximum number of leased pages for each page that a worker fetches at once. The others wait for a robots.txt or
/// a pause.
const AHEAD: usize = 4;

/// A frontier that many processes share.
pub struct SharedFrontier {
    pub job: Job,
    settings: Settings,
    /// How long Redis leaves a page to a worker that does not renew its lease.
    pub lease: Duration,
    limits: Limits,
    pub leases: Leases,
    /// URLs that became part of the scope and were not sent yet.
    scope: RefCell<Vec<String>>,
    /// The number of URLs that Redis has added to the scope so far.
    pub known_scope: Cell<usize>,
    /// Sitemaps that were not sent yet: the depth, the page that names them, and the URL with its purpose.
    named: RefCell<VecDeque<(u32, String, String)>>,
    /// Hosts that other workers must slow down for too.
    slowed: RefCell<VecDeque<Slowed>>,
    /// By host, the number of the last page that Redis leased before the delay of the host was known.
    undelayed: RefCell<HashMap<String, u32>>,
    /// Set when there may be room for pages, or something to send.
    pub changed: Event,
    /// The error that ends the crawl, if it occurred in an operation that cannot return it.
    failure: RefCell<Option<SharedError>>,
    failing: Event,
}

/// A host to slow down.
struct Slowed {
    url: String,
    pause: Duration,
    delay: Duration,
}

impl SharedFrontier {
    /// Connects to Redis. Returns `None` if the options do not name a shared crawl. `say` prints messages. `limits` are
    /// those of the command line.
    ///
    /// # Errors
    /// Fails if the address is wrong, or if Redis is not reachable.
    pub async fn connect(
        options: &SharedOptions,
        settings: Settings,
        limits: Limits,
        say: Rc<dyn Fn(&str)>,
    ) -> Result<Option<SharedFrontier>, SharedError> {
        let (Some(address), Some(name)) = (&options.frontier, &options.job) else { return Ok(None) };
        let client = Client::connect(address.0.parse()?, say).await?;
        Ok(Some(SharedFrontier {
            job: Job::new(client, name.clone()),
            settings,
            lease: options.lease,
            limits,
            leases: Leases::default(),
            scope: RefCell::default(),
            known_scope: Cell::new(0),
            named: RefCell::default(),
            slowed: RefCell::default(),
            undelayed: RefCell::default(),
            changed: Event::new(),
            failure: RefCell::default(),
            failing: Event::new(),
        }))
    }

    /// Joins the job, or creates it with these first pages. The frontier is fed from now on. If the job is complete
    /// already, returns a message for the user instead.
    pub async fn open(&self, frontier: &Frontier, starts: &[Url]) -> Result<Option<String>, SharedError> {
        if !self.job.open(starts, &self.settings, self.lease, self.limits.delay).await? {
            frontier.begin_feed();
            return Ok(None);
        }
        let (name, removal) = (self.job.name(), self.job.removal());
        Ok(Some(format!(
            "the job \"{name}\" is complete; to crawl again, choose another --job or remove this one: {removal}"
        )))
    }

    /// The error that an operation could not return.
    pub async fn failed(&self) -> SharedError {
        loop {
            self.failing.wait().await;
            self.failing.clear();
            if let Some(error) = self.failure.borrow_mut().take() {
                return error;
            }
        }
    }

    /// Adds a link of a page in progress, which is sent when the page is done; or a sitemap, without a page.
    pub fn link(&self, page: Option<&Page>, purpose: Purpose, link: &Url, depth: u32, referrer: &str) {
        let link = written(purpose, link);
        match page {
            Some(page) => self.leases.link(page.number, link),
            None => {
                self.named.borrow_mut().push_back((depth, referrer.to_owned(), link));
                self.changed.set();
            }
        }
    }

    /// Adds the server of a URL to the scope of all workers.
    pub fn extend_scope(&self, to: &Url) {
        self.scope.borrow_mut().push(to.to_string());
    }

    /// Marks the target of a redirect as seen. Returns `false` if it was seen before, except as part of the same page.
    pub async fn see(&self, page: &Url, target: &Url) -> bool {
        match self.job.see(target, page).await {
            Ok(is_ours) => is_ours,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Waits until a request that does not begin a page may begin: for a redirect, a retry or a robots.txt.
    pub async fn turn(&self, url: &Url) {
        let turn = async {
            self.send_notes().await?;
            self.job.turn(url).await
        };
        match turn.await {
            Ok(wait) => sleep(wait).await,
            Err(error) => self.fail(error),
        }
    }

    /// Pauses a host for all workers, and keeps a delay between two requests to it.
    pub fn slow(&self, url: &Url, pause: Duration, delay: Duration) {
        if let Some(last) = self.leases.last().filter(|_| delay > Duration::ZERO) {
            self.undelayed.borrow_mut().insert(host_of(url.as_str()).to_owned(), last);
        }
        self.slowed.borrow_mut().push_back(Slowed { url: url.to_string(), pause, delay });
        self.changed.set();
    }

    /// Sends what other workers must know: slowed hosts, and sitemaps. Also called before a page is done, so that the
    /// job is not complete without them.
    pub async fn send_notes(&self) -> Result<(), SharedError> {
        while let Some(slowed) = next(&self.slowed) {
            self.job.slow(&slowed.url, slowed.pause, slowed.delay).await?;
        }
        while let Some((depth, referrer, link)) = next(&self.named) {
            self.job.add(depth, referrer, link).await?;
        }
        Ok(())
    }

    /// Whether Redis leased a page before the delay of its host was known, so that its time is not reserved.
    pub fn needs_turn(&self, page: &Page) -> bool {
        self.undelayed.borrow().get(host_of(page.url.as_str())).is_some_and(|last| page.number <= *last)
    }

    /// Whether this worker still has a page.
    pub fn has(&self, page: &Page) -> bool {
        self.leases.token(page.number).is_some()
    }

    /// Notes that a page is done, with its links. Returns `false` if its lease had expired, so that the page is not
    /// counted.
    pub async fn done(&self, page: &Page, record: &Record) -> Result<bool, SharedError> {
        let line = serde_json::to_string(record).expect("a record is JSON");
        self.finish(page, Some(line), record).await
    }

    /// Notes that a page is not fetched and not counted.
    pub async fn skip(&self, page: &Page) -> Result<(), SharedError> {
        self.finish(page, None, &Record::default()).await.map(drop)
    }

    async fn finish(&self, page: &Page, line: Option<String>, record: &Record) -> Result<bool, SharedError> {
        let (url, number) = (page.url.as_str(), page.number);
        self.send_notes().await?;
        let Some(token) = self.leases.token(number) else { return Ok(false) };
        let scope = self.scope.borrow().clone();
        let is_done = self.job.done(DonePage {
            url,
            token: &token,
            line,
            has_failed: record.error.is_some(),
            final_url: record.final_url.as_deref().unwrap_or(url),
            links_depth: page.depth.saturating_add(1),
            links: self.leases.take_links(number),
            scope: scope.clone(),
        });
        let is_done = is_done.await?;
        if is_done {
            self.scope.borrow_mut().retain(|url| !scope.contains(url));
        }
        self.leases.remove(number);
        self.changed.set();
        Ok(is_done)
    }

    /// Returns the pages that are not done to their queues.
    pub async fn end(&self) -> Result<(), SharedError> {
        let returning = async {
            let lost = self.job.lost_reply().await?.pages.into_iter().map(|page| (page.url, page.token));
            let leases: Vec<_> = self.leases.all().into_iter().chain(lost).collect();
            if leases.is_empty() { Ok(()) } else { self.job.release(&leases).await }
        };
        timeout(LAST_REQUESTS, returning).await.unwrap_or(Ok(())) // they return when their leases expire
    }

    /// The counts of the job; `None` if Redis does not answer.
    pub async fn counts(&self) -> Option<JobCounts> {
        timeout(LAST_REQUESTS, self.job.counts()).await.ok()?.ok()
    }

    /// The next lines of the job's report, from this position on. Empty at the end of the report.
    pub async fn report(&self, from: usize) -> Result<Vec<String>, SharedError> {
        timeout(LONGEST_REPORT, self.job.report(from)).await.unwrap_or(Err(SharedError::Silent))
    }

    /// The number of pages that there is room for.
    pub fn room(&self, frontier: &Frontier) -> usize {
        frontier.room().min((AHEAD * self.limits.jobs).saturating_sub(self.leases.count()))
    }

    /// The request for that many pages.
    pub fn ask(&self, room: usize) -> Ask {
        Ask {
            room,
            max_pages: self.limits.max_pages,
            own_limit: self.limits.per_host,
            common_limits: [PER_HOST, PER_LOOPBACK],
            known_scope: self.known_scope.get(),
            held: self.leases.by_host().into_iter().collect(),
        }
    }

    fn fail(&self, error: SharedError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.failing.set();
    }
}

/// Removes and returns the first entry of a queue.
fn next<T>(queue: &RefCell<VecDeque<T>>) -> Option<T> {
    queue.borrow_mut().pop_front()
}
