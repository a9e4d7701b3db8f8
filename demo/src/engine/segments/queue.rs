//! The queue of a body that is received in segments: which ranges no connection has taken yet, and the state that the
//! connections share. Used by `stream.rs`.

use executor::sync::Event;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;

/// Which ranges are left, and how many connections are active.
pub struct Queue {
    /// The ranges that no connection has taken, sorted.
    left: RefCell<VecDeque<Range<u64>>>,
    /// The number of active connections.
    working: Cell<usize>,
    /// The number of requests without an answer.
    asking: Cell<usize>,
    /// Whether the first response covers all of the rest, and is being received.
    pub whole: Cell<bool>,
    /// Whether the server does not send the ranges that were requested. If so, only the first response, which covers
    /// the rest, is useful.
    is_refused: Cell<bool>,
    /// Notified when a condition that a connection waits for may have changed.
    changed: Event,
}

impl Queue {
    /// A queue of these ranges, which are sorted.
    pub fn new(ranges: Vec<Range<u64>>) -> Queue {
        Queue {
            left: RefCell::new(ranges.into()),
            working: Cell::new(0),
            asking: Cell::new(0),
            whole: Cell::new(false),
            is_refused: Cell::new(false),
            changed: Event::new(),
        }
    }

    /// Takes the first range that is left.
    pub fn take(&self) -> Option<Range<u64>> {
        let taken = self.left.borrow_mut().pop_front();
        self.changed.set();
        taken
    }

    /// Takes the range that begins at this position, if it is left.
    pub fn take_at(&self, at: u64) -> Option<Range<u64>> {
        if self.has(at) { self.take_from(at) } else { None }
    }

    /// Takes the first range that begins at this position or later.
    pub fn take_from(&self, at: u64) -> Option<Range<u64>> {
        let index = self.left.borrow().iter().position(|range| range.start >= at)?;
        let taken = self.left.borrow_mut().remove(index);
        self.changed.set();
        taken
    }

    /// Whether a range is left that begins at this position.
    pub fn has(&self, at: u64) -> bool {
        self.left.borrow().iter().any(|range| range.start == at)
    }

    /// Gives a range back, for another connection.
    pub fn give_back(&self, range: Range<u64>) {
        if !range.is_empty() {
            let mut left = self.left.borrow_mut();
            let at = left.partition_point(|known| known.start < range.start);
            left.insert(at, range);
        }
        self.changed.set();
    }

    /// Notes that the server does not send the ranges that are requested.
    pub fn refuse(&self) {
        self.is_refused.set(true);
        self.changed.set();
    }

    /// Whether a further connection would be useless.
    pub fn is_over(&self) -> bool {
        self.is_refused.get() || self.left.borrow().is_empty()
    }

    /// Whether the server does not send ranges.
    pub fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// Whether a connection besides the caller's is active.
    pub fn has_others(&self) -> bool {
        self.working.get() > 1
    }

    /// Whether a request waits for its answer.
    pub fn is_asking(&self) -> bool {
        self.asking.get() > 0
    }

    /// Counts a connection as active until the guard is dropped.
    pub fn work(&self) -> Counted<'_> {
        Counted::new(self, &self.working)
    }

    /// Counts a request as without an answer until the guard is dropped.
    pub fn ask(&self) -> Counted<'_> {
        Counted::new(self, &self.asking)
    }

    /// Waits until `is_right` returns true. It is called after each change.
    pub async fn until(&self, is_right: impl Fn(&Queue) -> bool) {
        while !is_right(self) {
            self.changed.clear();
            self.changed.wait().await;
        }
    }
}

/// Keeps a count one higher until it is dropped. Made by [`Queue::work`] and [`Queue::ask`].
pub struct Counted<'a> {
    queue: &'a Queue,
    count: &'a Cell<usize>,
}

impl<'a> Counted<'a> {
    fn new(queue: &'a Queue, count: &'a Cell<usize>) -> Counted<'a> {
        count.set(count.get() + 1);
        Counted { queue, count }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.queue.changed.set();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_given_back_is_sorted_by_position() {
        let queue = Queue::new(vec![10..20, 30..40]);
        assert_eq!(queue.take(), Some(10..20));
        queue.give_back(15..20);
        queue.give_back(5..5);
        assert_eq!(queue.take_at(10), None);
        assert_eq!(queue.take_at(30), Some(30..40));
        assert_eq!((queue.take(), queue.take()), (Some(15..20), None));
        assert!(queue.is_over());
    }

    #[test]
    fn a_waiting_connection_checks_its_condition_after_each_change() {
        executor::block_on(async {
            let queue = Queue::new(vec![0..1, 1..2]);
            let asking = queue.ask();
            let waits = queue.until(|queue| queue.is_over() && !queue.is_asking());
            let changes = async {
                queue.take();
                queue.take();
                executor::yield_now().await;
                drop(asking);
            };
            futures_lite::future::zip(waits, changes).await;
        });
    }
}
