//! The frontier: the pages to fetch, each URL once. It decides how many are fetched at once, and when each may begin.
//!
//! It is used on one thread. Hosts take turns, and a paused or slowed host does not delay the others.
//!
//! | file | what it holds |
//! |---|---|
//! | `job.rs` | a page to fetch |
//! | `host.rs` | one host: its pages, its limit and its pauses |
//! | `state.rs` | all pages and hosts: which page is next, and when |
//! | `line.rs`, `next.rs` | the workers that wait; the leaf future in which they wait |
//! | `room.rs` | further exchanges for a page that is in progress |

mod host;
mod job;
mod line;
mod next;
mod room;
mod state;
#[cfg(test)]
mod tests;

pub use job::{Job, Purpose, Unfinished};
pub use room::Room;
pub use state::{Limits, PER_HOST, PER_LOOPBACK};

use super::output::HostState;
use executor::sync::Event;
use executor::time::{Duration, Instant, now, sleep_until};
use futures_lite::FutureExt;
use host::{Gate, Queued, Taken};
use line::Line;
use next::Next;
use state::{HostId, State};
use std::cell::RefCell;
use std::task::Waker;
use url::Url;

pub struct Frontier {
    state: RefCell<State>,
    line: RefCell<Line>,
    /// Waiters for room at a host. All are woken when an exchange ends, and check again.
    rooms: RefCell<Vec<Waker>>,
    stop: Event,
}

impl Frontier {
    /// An empty frontier.
    pub fn new(limits: Limits) -> Frontier {
        let (state, line, rooms) = (RefCell::new(State::new(limits)), RefCell::default(), RefCell::default());
        Frontier { state, line, rooms, stop: Event::new() }
    }

    /// Queues a page, unless its URL was seen before. Returns its number if it is new.
    pub fn add(&self, url: Url, depth: u32, referrer: Option<&str>) -> Option<u32> {
        self.add_for(Purpose::Page, url, depth, referrer)
    }

    /// As [`add`](Frontier::add), for another purpose.
    pub fn add_for(&self, purpose: Purpose, url: Url, depth: u32, referrer: Option<&str>) -> Option<u32> {
        let number = self.state.borrow().next_number;
        self.queue(number, purpose, url, depth, referrer).then_some(number)
    }

    /// Queues a page that an earlier run gave this number, unless its URL was seen before. Returns whether it is new.
    pub fn add_numbered(&self, number: u32, url: Url, depth: u32, referrer: Option<&str>) -> bool {
        self.queue(number, Purpose::Page, url, depth, referrer)
    }

    fn queue(&self, number: u32, purpose: Purpose, url: Url, depth: u32, referrer: Option<&str>) -> bool {
        self.change(|state| {
            let Some(text) = state.see(&url) else { return false };
            let referrer = referrer.map(|referrer| state.seen(referrer).cloned().unwrap_or_else(|| referrer.into()));
            state.next_number = state.next_number.max(number + 1);
            state.push(url, Queued { url: text, referrer, depth, number, purpose });
            true
        })
    }

    /// Queues a page from another frontier, even if its URL was seen before. Returns its number.
    pub fn feed(&self, purpose: Purpose, url: Url, depth: u32, referrer: Option<&str>) -> u32 {
        let number = self.take_number();
        let page = Queued { url: url.as_str().into(), referrer: referrer.map(Into::into), depth, number, purpose };
        self.change(|state| state.push(url, page));
        number
    }

    /// Keeps the crawl running when no page is left, because more pages will be fed.
    pub fn begin_feed(&self) {
        self.change(|state| state.is_fed = true);
    }

    /// Ends the feed: the crawl ends when the known pages are done.
    pub fn end_feed(&self) {
        self.change(|state| state.is_fed = false);
    }

    /// The number of further pages that could begin now if they were fed.
    pub fn room(&self) -> usize {
        self.state.borrow().room()
    }

    /// Marks a page that an earlier run fetched as done. It counts towards the limit on pages.
    pub fn add_done(&self, number: u32, url: &Url) {
        self.change(|state| {
            state.see(url);
            state.next_number = state.next_number.max(number + 1);
            state.begun_before();
        });
    }

    /// Takes a number that no other page will get.
    pub fn take_number(&self) -> u32 {
        let mut state = self.state.borrow_mut();
        state.next_number += 1;
        state.next_number - 1
    }

    /// Whether a URL was seen.
    pub fn has_seen(&self, url: &Url) -> bool {
        self.state.borrow().seen(url.as_str()).is_some()
    }

    /// Marks a URL as seen. Returns `false` if it was seen before.
    pub fn see(&self, url: &Url) -> bool {
        self.state.borrow_mut().see(url).is_some()
    }

    /// Marks a URL as not seen.
    pub fn forget(&self, url: &Url) {
        self.state.borrow_mut().forget(url);
    }

    /// The next page; `None` when all pages are done or the crawl was stopped.
    pub fn next(&self) -> Next<'_> {
        Next::new(self)
    }

    /// Waits until another request to the host of `url` may begin, for example to the target of a redirect, or until
    /// the crawl is stopped.
    ///
    /// # Cancel safety
    /// The host stays reserved for the time of one delay.
    pub async fn turn(&self, url: &Url) {
        let slot = self.change_host(url, |host| host.request(now()));
        loop {
            // The host may have paused meanwhile.
            let start = self.change_host(url, |host| host.paused.map_or(slot, |paused| slot.max(paused)));
            if start <= now() || self.is_stopped() {
                return;
            }
            sleep_until(start).or(self.stopped()).await;
        }
    }

    /// Pauses a host: no page of it begins before `until`.
    pub fn pause(&self, url: &Url, until: Instant) {
        self.change_host(url, |host| host.paused = host.paused.max(Some(until)));
    }

    /// Slows down a host that refused the request for a page begun at `begun`, and pauses it until `until`. Returns the
    /// new limit on its pages at once, unless the host was already slowed down since the page was begun.
    pub fn refused(&self, url: &Url, begun: Instant, until: Option<Instant>) -> Option<usize> {
        self.change_host(url, |host| {
            host.paused = host.paused.max(until);
            host.flow.refused(begun, now()).then(|| host.flow.limit())
        })
    }

    /// Lets the linked pages of a host begin, now that its robots.txt is known, with this delay between two requests.
    pub fn open(&self, url: &Url, delay: Duration) {
        self.change_host(url, |host| {
            host.gate = Gate::Open;
            host.delay = host.delay.max(delay);
            // The last request may have been a moment ago.
            host.slot = (host.delay > Duration::ZERO).then(|| now() + host.delay).max(host.slot);
        });
    }

    /// Stops the crawl: no further page is begun.
    pub fn stop(&self) {
        self.change(|state| state.stopped = true);
        self.stop.set();
    }

    /// Waits until the crawl is stopped.
    pub async fn stopped(&self) {
        self.stop.wait().await;
    }

    /// Whether the crawl was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// The number of pages that are queued or wait for another attempt.
    pub fn queued(&self) -> usize {
        self.state.borrow().waiting()
    }

    /// The hosts that are known.
    pub fn hosts(&self) -> Vec<HostState> {
        self.state.borrow().hosts()
    }

    /// The number of pages in progress.
    pub fn active(&self) -> usize {
        self.state.borrow().active
    }

    /// Removes the pages that wait for another attempt. For the end of a crawl that was stopped.
    pub fn take_unfinished(&self) -> Vec<Job> {
        self.state.borrow_mut().take_again()
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

    fn change_host<R>(&self, url: &Url, change: impl FnOnce(&mut host::Host) -> R) -> R {
        self.change(|state| {
            let id = state.host(url);
            state.change(id, change)
        })
    }

    /// Changes the state, and wakes the workers that the change is for.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.borrow_mut());
        self.wake();
        result
    }

    /// Wakes the first worker in the line if it can take a page or must wait for an earlier time. At the end of the
    /// crawl, wakes all workers.
    fn wake(&self) {
        let (state, mut line) = (self.state.borrow(), self.line.borrow_mut());
        let wakers = if state.is_over() {
            line.all()
        } else {
            let is_earlier = |start| line.timer.is_none_or(|timer| start < timer);
            let wakes = state.can_take() || state.next_start().is_some_and(is_earlier);
            if wakes { line.first().into_iter().collect() } else { Vec::new() }
        };
        drop((state, line)); // a waker may run arbitrary code
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wake_rooms(&self) {
        let wakers = self.rooms.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A page in progress. Dropping it marks the page as done.
pub struct Claim<'a> {
    pub job: Job,
    /// Whether it is the first linked page of its host: its worker requests robots.txt before the others begin.
    pub asks: bool,
    /// When it was begun.
    pub begun: Instant,
    host: HostId,
    frontier: &'a Frontier,
}

impl<'a> Claim<'a> {
    fn new(frontier: &'a Frontier, (host, Taken { job, asks, .. }): (HostId, Taken)) -> Claim<'a> {
        Claim { job, asks, begun: now(), host, frontier }
    }

    /// Queues the page as if it had not been taken, because it was not fetched.
    pub fn put_back(self) {
        let Job { url, depth, number, purpose, referrer, .. } = &self.job;
        let mut state = self.frontier.state.borrow_mut();
        let text = state.seen(url.as_str()).cloned().unwrap_or_else(|| url.as_str().into());
        let (depth, number, purpose, referrer) = (*depth, *number, *purpose, referrer.clone());
        state.put_back(self.host, Queued { url: text, referrer, depth, number, purpose });
    }

    /// Queues the page for another attempt at the time `at`.
    pub fn again(mut self, at: Instant) {
        let unfinished = self.job.unfinished.take();
        let Job { url, depth, number, purpose, referrer, .. } = &self.job;
        let (depth, number, purpose, referrer) = (*depth, *number, *purpose, referrer.clone());
        let job = Job { url: url.clone(), depth, number, purpose, referrer, unfinished };
        self.frontier.state.borrow_mut().again(job, at);
    }

    /// Ends a page that was not fetched. It does not count towards the limit on pages.
    pub fn skip(self) {
        self.frontier.state.borrow_mut().may_begin(1);
    }

    /// Notes that the host served the page.
    pub fn succeeded(&self) {
        self.frontier.state.borrow_mut().change(self.host, |host| host.flow.succeeded());
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.frontier.change(|state| {
            state.active -= 1;
            state.change(self.host, |host| {
                host.active -= 1;
                if self.asks && host.gate == Gate::Asking {
                    host.gate = Gate::Closed; // the worker of the next page requests robots.txt
                }
            });
        });
        self.frontier.wake_rooms();
    }
}
