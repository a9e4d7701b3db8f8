//! [`Event`]: something that happens once, until it is cleared.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

/// A flag that tasks wait for.
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
    /// Waiters up to this number have seen it set, also if it was cleared since.
    released: u64,
    waiters: List<Set>,
}

enum Set {}

impl Rule for Set {
    type State = Flag;
    /// Its number.
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
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && self.waiters.first().is_some_and(|number| *number <= self.released) {
            self.waiters.serve((), wakes);
        }
    }
}

impl Event {
    /// One that is not set.
    #[track_caller]
    pub fn new() -> Event {
        Event(Monitor::new("event", Flag::default()))
    }

    /// Sets it and wakes all who wait, in the order in which they came. It stays set.
    pub fn set(&self) {
        self.0.change(|flag, _| {
            flag.is_set = true;
            flag.released = flag.waiters.last_ticket();
        });
    }

    /// Who comes from now on waits; who was waiting when it was set does not.
    pub fn clear(&self) {
        self.0.look(|flag| flag.is_set = false);
    }

    /// Whether it is set now.
    pub fn is_set(&self) -> bool {
        self.0.look(|flag| flag.is_set)
    }

    /// Waits until it is set, or not at all if it is.
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
