//! Counted permits, handed out in the order in which they were asked for: what [`Semaphore`](super::Semaphore),
//! [`Mutex`](super::Mutex) and [`RwLock`](super::RwLock) are made of.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

pub(super) struct Permits(Monitor<Counted>);

pub(super) struct Counted {
    available: usize,
    waiters: List<Acquire>,
}

/// Waits for so many permits at once.
pub(super) enum Acquire {}

impl Rule for Acquire {
    type State = Counted;
    type Want = usize;
    /// As many as it wanted.
    type Got = ();
    const WAIT: &'static str = "acquire on";

    fn waiters(state: &mut Counted) -> &mut List<Acquire> {
        &mut state.waiters
    }

    #[inline]
    fn arrive(state: &mut Counted, want: &mut usize, _: &mut Wakes) -> Option<()> {
        state.take(*want)
    }

    fn give_back(state: &mut Counted, want: &mut usize, _: ()) -> Option<()> {
        assert!(state.put(*want), "a semaphore was given more permits than can be counted");
        None
    }
}

impl Counted {
    /// Nobody overtakes: as long as somebody waits there is nothing to be had.
    #[inline]
    fn take(&mut self, want: usize) -> Option<()> {
        if want > self.available || !self.waiters.is_empty() {
            return None;
        }
        self.available -= want;
        Some(())
    }

    /// Adds permits. If there would be more than `usize::MAX`, returns `false`, and there are as many as before.
    #[inline]
    #[must_use]
    fn put(&mut self, permits: usize) -> bool {
        let more = self.available.checked_add(permits);
        self.available = more.unwrap_or(self.available);
        more.is_some()
    }
}

impl State for Counted {
    #[inline]
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut want) = self.waiters.first() else { return };
            if want > self.available {
                return; // and who wants less waits behind: otherwise who wants much would wait for ever
            }
            self.available -= want;
            self.waiters.serve((), wakes);
        }
    }
}

impl Permits {
    #[track_caller]
    pub(super) fn new(kind: &'static str, permits: usize) -> Permits {
        Permits(Monitor::new(kind, Counted { available: permits, waiters: List::default() }))
    }

    pub(super) fn acquire(&self, permits: usize) -> Wait<'_, Acquire> {
        self.0.wait(permits)
    }

    pub(super) fn try_acquire(&self, permits: usize) -> bool {
        self.0.look(|state| state.take(permits)).is_some()
    }

    /// # Panics
    /// When there would be more than `usize::MAX`.
    #[inline]
    #[track_caller]
    pub(super) fn release(&self, permits: usize) {
        if !self.0.change(|state, _| state.put(permits)) {
            self.overflow();
        }
    }

    #[cold]
    #[track_caller]
    fn overflow(&self) -> ! {
        panic!("{} was given more permits than can be counted", self.0);
    }

    pub(super) fn available(&self) -> usize {
        self.0.look(|state| state.available)
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} available)", self.0, self.available())
    }
}
