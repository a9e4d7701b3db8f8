//! Counted permits, handed out in the order in which tasks request them. [`Semaphore`](super::Semaphore),
//! [`Mutex`](super::Mutex) and [`RwLock`](super::RwLock) are built on them.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

pub(super) struct Permits(Monitor<Counted>);

pub(super) struct Counted {
    available: usize,
    waiters: List<Acquire>,
}

/// Waits for a number of permits, all at once.
pub(super) enum Acquire {}

impl Rule for Acquire {
    type State = Counted;
    type Want = usize;
    /// Nothing: a waiter gets exactly the permits that it requested.
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
        assert!(state.put(*want), "a semaphore would exceed the maximum number of permits");
        None
    }
}

impl Counted {
    /// Takes `want` permits. A newcomer never overtakes: while there are waiters, nothing is available to it.
    #[inline]
    fn take(&mut self, want: usize) -> Option<()> {
        if want > self.available || !self.waiters.is_empty() {
            return None;
        }
        self.available -= want;
        Some(())
    }

    /// Adds permits. If the sum would exceed `usize::MAX`, adds none and returns `false`.
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
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut want) = self.waiters.first() else { return };
            if want > self.available {
                return; // later waiters that want less wait too, or this one could starve
            }
            self.available -= want;
            self.waiters.hand_over((), wakes);
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
        self.0.with(|state| state.take(permits)).is_some()
    }

    /// # Panics
    /// When the sum would exceed `usize::MAX`.
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
        panic!("{} would exceed the maximum number of permits", self.0);
    }

    pub(super) fn available(&self) -> usize {
        self.0.with(|state| state.available)
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} available)", self.0, self.available())
    }
}
