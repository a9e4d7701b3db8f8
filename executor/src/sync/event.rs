//! [`Event`]: a flag that tasks wait for.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

/// A flag that tasks wait for. It stays set until it is cleared.
///
/// ```
/// use executor::{spawn, sync::Event};
/// use std::sync::Arc;
///
/// executor::block_on(async {
///     let ready = Arc::new(Event::new());
///     let waits = spawn({ let ready = ready.clone(); async move { ready.wait().await } });
///     ready.set();
///     waits.await.unwrap();
///     ready.wait().await; // at once: it is still set
/// });
/// ```
pub struct Event(Monitor<Flag>);

#[derive(Default)]
struct Flag {
    is_set: bool,
    /// Waiters up to this ticket came before the flag was last set. They proceed even if it has been cleared since.
    released: u64,
    waiters: List<Set>,
}

enum Set {}

impl Rule for Set {
    type State = Flag;
    /// Its ticket.
    type Want = u64;
    type Got = ();
    const WAIT: &'static str = "wait for";

    fn waiters(state: &mut Flag) -> &mut List<Set> {
        &mut state.waiters
    }

    fn arrive(state: &mut Flag, _: &mut u64, _: &mut Wakes) -> Option<()> {
        state.is_set.then_some(())
    }

    fn waits(number: &mut u64, ticket: u64) {
        *number = ticket;
    }

    fn give_back(_: &mut Flag, _: &mut u64, _: ()) -> Option<()> {
        None
    }
}

impl State for Flag {
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && self.waiters.first().is_some_and(|number| *number <= self.released) {
            self.waiters.hand_over((), wakes);
        }
    }
}

impl Event {
    /// Creates an event that is not set.
    #[track_caller]
    pub fn new() -> Event {
        Event(Monitor::new("event", Flag::default()))
    }

    /// Sets the event and wakes all waiters, in the order in which they came. It stays set.
    pub fn set(&self) {
        self.0.change(|flag, _| {
            flag.is_set = true;
            flag.released = flag.waiters.last_ticket();
        });
    }

    /// Clears the event. Tasks that wait from now on are suspended; those that were waiting when it was set still
    /// proceed.
    pub fn clear(&self) {
        self.0.with(|flag| flag.is_set = false);
    }

    /// Whether the event is set now.
    pub fn is_set(&self) -> bool {
        self.0.with(|flag| flag.is_set)
    }

    /// Waits until the event is set. Returns at once if it is.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn wait(&self) {
        let set: Wait<'_, Set> = self.0.wait(0);
        set.await
    }
}

impl Default for Event {
    #[track_caller]
    fn default() -> Self {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, if self.is_set() { "set" } else { "not set" })
    }
}
