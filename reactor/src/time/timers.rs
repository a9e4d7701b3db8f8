//! The timers of a reactor: the timer queue under a lock, with copies of what is read without it.
//!
//! [`Sleep`](super::Sleep) sets and cancels timers here, on any thread. The reactor parks until the next one and takes
//! out those that are due.

use super::queue::{Fired, TimerQueue, slot_from};
use super::ticks::Ticks;
use crate::lock;
use crate::observer::{Detail, TimerId, WheelSlot};
use crate::source::{FOREVER, Registry};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

/// `elapsed` after the reactor was dropped.
const CLOSED: u64 = u64::MAX;

pub(crate) struct Timers {
    registry: Arc<Registry>,
    /// A copy of the queue's clock.
    ticks: Ticks,
    queue: Mutex<TimerQueue>,
    /// A copy of the queue's length.
    count: AtomicUsize,
    /// A copy of the queue's current tick: all timers up to it have fired.
    elapsed: AtomicU64,
}

impl Timers {
    pub(crate) fn new(registry: Arc<Registry>) -> Timers {
        let backend = &registry.backend;
        let ticks = if backend.is_simulated() { Ticks::exact } else { Ticks::coarse }(backend.now());
        let queue = Mutex::new(TimerQueue::new(ticks));
        Timers { registry, ticks, queue, count: AtomicUsize::new(0), elapsed: AtomicU64::new(0) }
    }

    /// How many are set.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The tick at which a timer with this deadline fires.
    pub(crate) fn tick(&self, deadline: Instant) -> u64 {
        self.ticks.due(deadline)
    }

    /// Whether the timers of this tick have fired.
    #[inline]
    pub(crate) fn has_fired(&self, tick: u64) -> bool {
        let elapsed = self.elapsed.load(Ordering::Acquire);
        tick <= elapsed && elapsed != CLOSED
    }

    /// Whether the reactor was dropped, so that no timer fires any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.elapsed.load(Ordering::Acquire) == CLOSED
    }

    /// Sets a timer; `None` if it is due already. See [`TimerQueue::insert`].
    pub(crate) fn set(
        &self,
        tick: u64,
        deadline: Instant,
        waker: Waker,
        location: &'static Location<'static>,
    ) -> Option<u32> {
        let mut queue = lock(&self.queue);
        let set = queue.insert(tick, waker);
        let elapsed = queue.elapsed;
        self.count.store(queue.len(), Ordering::Relaxed);
        let interrupt = tick < self.registry.parked_until.load(Ordering::SeqCst);
        drop(queue);
        let (key, timer) = set.ok()?; // a waker that came back is dropped outside of the lock
        if interrupt {
            self.registry.notify();
        }
        self.show_set(timer, deadline, location, elapsed, tick);
        Some(key)
    }

    /// Moves a timer that has not fired to another deadline, with the waker that it has. Returns its new key; and if
    /// the new deadline has passed, its waker, which the caller must call. `None` if the timer has fired, or will not
    /// fire because the reactor was dropped.
    pub(crate) fn reset(
        &self,
        key: u32,
        tick: u64,
        deadline: Instant,
        location: &'static Location<'static>,
    ) -> Option<(u32, Option<Waker>)> {
        if self.has_fired(tick) {
            return None;
        }
        let new_tick = self.tick(deadline);
        let mut queue = lock(&self.queue);
        let Fired { timer: before, waker } = queue.cancel(key, tick)?;
        let set = queue.insert(new_tick, waker);
        let elapsed = queue.elapsed;
        self.count.store(queue.len(), Ordering::Relaxed);
        let interrupt = set.is_ok() && new_tick < self.registry.parked_until.load(Ordering::SeqCst);
        drop(queue);
        if interrupt {
            self.registry.notify();
        }
        self.registry.observe(|observer| observer.timer_cancelled(before));
        match set {
            Ok((key, timer)) => {
                self.show_set(timer, deadline, location, elapsed, new_tick);
                Some((key, None))
            }
            Err(waker) => Some((key, Some(waker))), // the key is not used again: the tick has passed
        }
    }

    /// Shows the observer that a timer was set, and its slot in the wheels as they were at the tick `elapsed`.
    #[inline]
    fn show_set(
        &self,
        timer: TimerId,
        deadline: Instant,
        location: &'static Location<'static>,
        elapsed: u64,
        tick: u64,
    ) {
        self.registry.observe(|observer| {
            let (wheel, slot) = slot_from(elapsed, tick);
            let slot = WheelSlot { wheel: wheel as u8, slot: slot as u8 };
            Detail::Slot(slot).during(|| observer.timer_set(timer, deadline, location));
        });
    }

    /// Changes the waker of a timer; `false` if the timer has fired meanwhile.
    pub(crate) fn update(&self, key: u32, tick: u64, waker: &Waker) -> bool {
        let mut queue = lock(&self.queue);
        match queue.get(key, tick) {
            None => return false,
            Some(current) if current.will_wake(waker) => return true,
            Some(_) => drop(queue),
        }
        let mut new = Some(waker.clone()); // cloned and dropped outside of the lock
        let mut queue = lock(&self.queue);
        let current = queue.get(key, tick);
        let found = current.is_some();
        if let Some(current) = current {
            new = new.map(|waker| std::mem::replace(current, waker));
        }
        drop(queue);
        drop(new);
        found
    }

    /// Cancels a timer that may have fired.
    pub(crate) fn cancel(&self, key: u32, tick: u64) {
        if self.has_fired(tick) {
            return;
        }
        let mut queue = lock(&self.queue);
        let cancelled = queue.cancel(key, tick);
        self.count.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        if let Some(Fired { timer, waker }) = cancelled {
            drop(waker);
            self.registry.observe(|observer| observer.timer_cancelled(timer));
        }
    }

    /// For the reactor, before it waits: announces that it parks until the next timer, and returns when that is.
    pub(crate) fn announce_park(&self) -> Option<Instant> {
        let queue = lock(&self.queue);
        let next = queue.next();
        self.registry.parked_until.store(next.unwrap_or(FOREVER), Ordering::SeqCst);
        drop(queue);
        next.map(|tick| self.ticks.instant(tick))
    }

    /// For the reactor, after it waited: takes out the timers that are due.
    pub(crate) fn take_due(&self, fired: &mut Vec<Fired>) {
        if self.count() == 0 {
            return;
        }
        let now = self.ticks.passed(self.registry.backend.now());
        let mut queue = lock(&self.queue);
        queue.advance(now, fired);
        self.elapsed.store(queue.elapsed, Ordering::Release);
        self.count.store(queue.len(), Ordering::Relaxed);
    }

    /// From now on no timer fires, and awaiting one is an error.
    pub(crate) fn close(&self) {
        self.elapsed.store(CLOSED, Ordering::Release);
    }

    /// After [`close`](Timers::close): takes out all timers.
    pub(crate) fn take_all(&self) -> Vec<Fired> {
        lock(&self.queue).close()
    }
}
