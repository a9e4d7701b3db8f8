//! The pages and hosts of the frontier: which page is next, and when. Plain data, without wakers.
//!
//! Each host is listed in one of three ways: `ready` has the hosts with a page that may begin, in turn; `timed` has
//! those that must wait for a time; the others wait for a page to end, or have none. After each change of a host,
//! `list` puts it where it belongs.

use super::host::{Gate, Host, Listed, Queued, Taken};
use super::job::Job;
use crate::engine::output::HostState;
use executor::time::{Duration, Instant, now};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use url::{Host as Name, Url};

/// A position in `State::hosts`.
pub type HostId = usize;

/// The limits of a crawl.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of pages at once.
    pub jobs: usize,
    /// Maximum number of pages at once from a host. The default is larger for this machine.
    pub per_host: Option<usize>,
    /// Minimum time between the starts of two requests to a host.
    pub delay: Duration,
    /// Maximum number of pages in the whole crawl.
    pub max_pages: Option<u64>,
    /// Whether robots.txt is requested for the first linked page of a host before others begin.
    pub robots: bool,
}

/// The default limit on pages at once from a host. Browsers and polite crawlers have similar limits.
pub const PER_HOST: usize = 4;
/// The default limit on pages at once from this machine.
pub const PER_LOOPBACK: usize = 16;

pub struct State {
    seen: HashSet<Rc<str>>,
    by_server: HashMap<String, HostId>,
    hosts: Vec<Host>,
    ready: VecDeque<HostId>,
    timed: BTreeSet<(Instant, HostId)>,
    /// The next page's number.
    pub next_number: u32,
    /// Pages that were not begun.
    queued: usize,
    /// Pages that wait for another attempt.
    again: usize,
    /// Number of pages that have waited for another attempt so far. It numbers the next one.
    numbered: u64,
    pub active: usize,
    /// The limit on pages at once.
    pub limit: usize,
    /// Pages that may still be begun.
    pages_left: u64,
    pub stopped: bool,
    /// Whether further pages will be fed.
    pub is_fed: bool,
    limits: Limits,
}

impl State {
    pub fn new(limits: Limits) -> State {
        State {
            seen: HashSet::new(),
            by_server: HashMap::new(),
            hosts: Vec::new(),
            ready: VecDeque::new(),
            timed: BTreeSet::new(),
            next_number: 0,
            queued: 0,
            again: 0,
            numbered: 0,
            active: 0,
            limit: limits.jobs,
            pages_left: limits.max_pages.unwrap_or(u64::MAX),
            stopped: false,
            is_fed: false,
            limits,
        }
    }

    /// The text of a URL that was seen.
    pub fn seen(&self, url: &str) -> Option<&Rc<str>> {
        self.seen.get(url)
    }

    /// Marks a URL as seen. Returns its text, or `None` if it was seen before.
    pub fn see(&mut self, url: &Url) -> Option<Rc<str>> {
        if self.seen.contains(url.as_str()) {
            return None;
        }
        let text: Rc<str> = url.as_str().into();
        self.seen.insert(text.clone());
        Some(text)
    }

    pub fn forget(&mut self, url: &Url) {
        self.seen.remove(url.as_str());
    }

    /// The host of a URL.
    pub fn host(&mut self, url: &Url) -> HostId {
        let server = crate::engine::urls::server(url);
        if let Some(id) = self.by_server.get(&server) {
            return *id;
        }
        let default = if is_loopback(url) { PER_LOOPBACK } else { PER_HOST };
        let gate = if self.limits.robots { Gate::Closed } else { Gate::Open };
        self.hosts.push(Host::new(gate, self.limits.per_host.unwrap_or(default), self.limits.delay));
        self.by_server.insert(server, self.hosts.len() - 1);
        self.hosts.len() - 1
    }

    /// The hosts that are known, in the order in which they were found.
    pub fn hosts(&self) -> Vec<HostState> {
        let mut servers: Vec<_> = self.by_server.iter().map(|(server, id)| (*id, server)).collect();
        servers.sort_unstable();
        let now = now();
        let state = |(id, server): (HostId, &String)| {
            let host = &self.hosts[id];
            HostState {
                server: server.clone(),
                active: host.active,
                queued: host.queue.len() + host.again.len(),
                delay: host.delay.max(host.flow.delay()),
                pause: host.paused.and_then(|paused| paused.checked_duration_since(now)).filter(|left| !left.is_zero()),
            }
        };
        servers.into_iter().map(state).collect()
    }

    /// Changes a host, and lists it where it then belongs.
    pub fn change<R>(&mut self, id: HostId, change: impl FnOnce(&mut Host) -> R) -> R {
        let result = change(&mut self.hosts[id]);
        self.list(id, now());
        result
    }

    /// Whether a host may have another exchange that is not for a page, because no page of it could begin instead.
    pub fn has_room(&self, id: HostId) -> bool {
        let host = &self.hosts[id];
        let is_for_page = self.active < self.limit && !host.queue.is_empty();
        host.active < host.flow.limit() && !is_for_page
    }

    pub fn push(&mut self, url: Url, page: Queued) {
        let id = self.host(&url);
        self.queued += 1;
        self.change(id, |host| host.queue.push_back(page));
    }

    /// Puts a page that was taken but not fetched back at the front of its queue.
    pub fn put_back(&mut self, id: HostId, page: Queued) {
        self.queued += 1;
        self.change(id, |host| host.queue.push_front(page));
        self.may_begin(1);
    }

    /// Queues a page for another attempt at the time `at`.
    pub fn again(&mut self, job: Job, at: Instant) {
        let id = self.host(job.next_url());
        self.again += 1;
        self.numbered += 1;
        let key = (at, self.numbered);
        self.change(id, |host| host.again.insert(key, job));
    }

    /// Removes the pages that wait for another attempt.
    pub fn take_again(&mut self) -> Vec<Job> {
        self.again = 0;
        self.hosts.iter_mut().flat_map(|host| std::mem::take(&mut host.again).into_values()).collect()
    }

    /// Takes a page that may begin now, from the host whose turn it is.
    pub fn take(&mut self) -> Option<(HostId, Taken)> {
        while self.active < self.limit {
            let (now, new) = (now(), self.pages_left > 0);
            let id = self.ready.pop_front()?;
            self.hosts[id].listed = Listed::No;
            let taken = self.hosts[id].take(now, new);
            self.list(id, now);
            let Some(taken) = taken else { continue };
            self.active += 1;
            match taken.again {
                true => self.again -= 1,
                false => {
                    self.queued -= 1;
                    self.pages_left -= 1;
                    if self.pages_left == 0 {
                        self.list_all();
                    }
                }
            }
            return Some((id, taken));
        }
        None
    }

    /// Counts a page that an earlier run began.
    pub fn begun_before(&mut self) {
        self.pages_left = self.pages_left.saturating_sub(1);
        if self.pages_left == 0 {
            self.list_all();
        }
    }

    /// Allows further pages to be begun.
    pub fn may_begin(&mut self, pages: u64) {
        self.pages_left += pages;
        if self.pages_left == pages {
            self.list_all();
        }
    }

    /// Whether a page may begin now.
    pub fn can_take(&self) -> bool {
        self.active < self.limit && !self.ready.is_empty()
    }

    /// When a page may begin, if none may now.
    pub fn next_start(&self) -> Option<Instant> {
        self.timed.first().filter(|_| self.active < self.limit).map(|(at, _)| *at)
    }

    /// Makes those hosts ready whose time has come.
    pub fn advance(&mut self) {
        let now = now();
        while let Some((at, id)) = self.timed.first().copied()
            && at <= now
        {
            self.list(id, now);
        }
    }

    /// The number of pages that are queued or wait for another attempt.
    pub fn waiting(&self) -> usize {
        self.queued + self.again
    }

    /// Whether no further page will begin, except one that is in progress and is put back: its worker takes it again.
    pub fn is_over(&self) -> bool {
        self.stopped
            || (!self.is_fed && self.again == 0 && (self.pages_left == 0 || (self.queued == 0 && self.active == 0)))
    }

    /// The number of pages that could begin now, in addition to the queued pages that may begin.
    pub fn room(&self) -> usize {
        let ready: usize = self.ready.iter().map(|id| self.hosts[*id].queue.len()).sum();
        self.limit.saturating_sub(self.active + ready)
    }

    fn list(&mut self, id: HostId, now: Instant) {
        let host = &mut self.hosts[id];
        let (is, was) = (host.listing(now, self.pages_left > 0), host.listed);
        if is == was {
            return;
        }
        host.listed = is;
        match was {
            Listed::No => {}
            Listed::Ready => self.ready.retain(|listed| *listed != id), // rare: it was paused, or slowed down
            Listed::At(time) => _ = self.timed.remove(&(time, id)),
        }
        match is {
            Listed::No => {}
            Listed::Ready => self.ready.push_back(id),
            Listed::At(time) => _ = self.timed.insert((time, id)),
        }
    }

    fn list_all(&mut self) {
        let now = now();
        (0..self.hosts.len()).for_each(|id| self.list(id, now));
    }
}

/// Whether a URL is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Name::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Name::Ipv4(address)) => address.is_loopback(),
        Some(Name::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
