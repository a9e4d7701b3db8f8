//! One host: its pages, how many of them at once, and when the next may begin.

use super::job::{Job, Purpose, is_given};
use crate::engine::pace::Flow;
use executor::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use url::Url;

/// A queued page. It shares its strings with the set of seen URLs.
pub struct Queued {
    pub url: Rc<str>,
    pub referrer: Option<Rc<str>>,
    pub depth: u32,
    pub number: u32,
    pub purpose: Purpose,
}

/// Whether linked pages may begin. Pages that the user gave always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The first linked page may begin. Its worker requests robots.txt first.
    Closed,
    /// The worker of that page requests robots.txt, and the other pages wait.
    Asking,
    /// All pages may begin.
    Open,
}

/// Where the frontier lists a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// No page may begin until something else changes.
    No,
    /// A page may begin now.
    Ready,
    /// A page may begin at this time.
    At(Instant),
}

pub struct Host {
    pub queue: VecDeque<Queued>,
    /// Pages that were begun and wait for another attempt, by time and number.
    pub again: BTreeMap<(Instant, u64), Job>,
    /// Pages in progress.
    pub active: usize,
    pub listed: Listed,
    pub gate: Gate,
    pub flow: Flow,
    /// Minimum time between the starts of two requests.
    pub delay: Duration,
    /// The end of the delay after the last request.
    pub slot: Option<Instant>,
    /// The end of the pause: after a `Retry-After`, or after a failed request for robots.txt.
    pub paused: Option<Instant>,
}

/// A page that may begin.
pub struct Taken {
    pub job: Job,
    /// Whether its worker requests robots.txt first.
    pub asks: bool,
    /// Whether it was begun before.
    pub again: bool,
}

impl Host {
    pub fn new(gate: Gate, most: usize, delay: Duration) -> Host {
        Host {
            queue: VecDeque::new(),
            again: BTreeMap::new(),
            active: 0,
            listed: Listed::No,
            gate,
            flow: Flow::new(most),
            delay,
            slot: None,
            paused: None,
        }
    }

    /// Where to list the host at the time `now`. `new` is whether pages that were not begun before may begin.
    pub fn listing(&self, now: Instant, new: bool) -> Listed {
        if self.active >= self.flow.limit() {
            return Listed::No;
        }
        let again = self.first_again().map(|(time, _)| time);
        let start = if new && self.may_begin_new() { Some(now) } else { again };
        match start.map(|start| [self.slot, self.paused].into_iter().flatten().fold(start, Instant::max)) {
            None => Listed::No,
            Some(start) if start <= now => Listed::Ready,
            Some(start) => Listed::At(start),
        }
    }

    /// Takes the next page, if one may begin now: one that was begun before, or else the first of the queue.
    pub fn take(&mut self, now: Instant, new: bool) -> Option<Taken> {
        if self.listing(now, new) != Listed::Ready {
            return None;
        }
        let due = self.first_again().filter(|(time, _)| *time <= now).map(|(_, key)| key);
        let (job, again) = match due.and_then(|key| self.again.remove(&key)) {
            Some(job) => (job, true),
            None => (self.queue.pop_front()?.into_job(), false),
        };
        let asks = !job.is_given() && self.gate == Gate::Closed;
        if asks {
            self.gate = Gate::Asking;
        }
        self.active += 1;
        self.request(now);
        Some(Taken { job, asks, again })
    }

    /// Reserves the next time at which a request may begin.
    pub fn request(&mut self, now: Instant) -> Instant {
        let at = self.slot.map_or(now, |slot| slot.max(now));
        let delay = self.delay.max(self.flow.delay());
        self.slot = (delay > Duration::ZERO).then(|| at + delay);
        at
    }

    /// The first page that waits for another attempt and may pass the gate: its time and its key.
    fn first_again(&self) -> Option<(Instant, (Instant, u64))> {
        let mut again = self.again.iter().filter(|(_, job)| self.gate != Gate::Asking || job.is_given());
        again.next().map(|(key, _)| (key.0, *key))
    }

    fn may_begin_new(&self) -> bool {
        self.queue.front().is_some_and(|page| self.gate != Gate::Asking || is_given(page.depth, page.purpose))
    }
}

impl Queued {
    fn into_job(self) -> Job {
        let url = Url::parse(&self.url).expect("it is the text of a URL");
        let Queued { depth, number, purpose, referrer, .. } = self;
        Job { url, depth, number, purpose, referrer, unfinished: None }
    }
}
