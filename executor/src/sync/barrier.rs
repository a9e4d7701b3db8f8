//! [`Barrier`]: tasks wait until all of them have arrived.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

/// Makes a fixed number of tasks wait for each other. It can be used again afterwards.
///
/// ```
/// use executor::{join_all, sync::Barrier};
///
/// executor::block_on(async {
///     let barrier = Barrier::new(3);
///     let leaders = join_all((0..3).map(|_| barrier.wait())).await;
///     assert_eq!(leaders, [false, false, true]); // `true` for the last one
/// });
/// ```
pub struct Barrier(Monitor<Gate>);

struct Gate {
    size: usize,
    /// The number of tasks that wait for the rest.
    arrived: usize,
    /// Waiters up to this ticket proceed.
    released: u64,
    waiters: List<All>,
}

enum All {}

impl Rule for All {
    type State = Gate;
    /// Its ticket.
    type Want = u64;
    /// Whether it arrived last.
    type Got = bool;
    const WAIT: &'static str = "wait for the others at";

    fn waiters(state: &mut Gate) -> &mut List<All> {
        &mut state.waiters
    }

    fn arrive(state: &mut Gate, _: &mut u64, _: &mut Wakes) -> Option<bool> {
        if state.arrived + 1 < state.size {
            state.arrived += 1;
            return None;
        }
        state.arrived = 0;
        state.released = state.waiters.last_ticket();
        Some(true)
    }

    fn waits(number: &mut u64, ticket: u64) {
        *number = ticket;
    }

    fn left(state: &mut Gate, number: &mut u64) {
        if *number > state.released {
            state.arrived -= 1;
        }
    }

    /// All had arrived, this one included. The others have proceeded, which cannot be undone.
    fn give_back(_: &mut Gate, _: &mut u64, _: bool) -> Option<bool> {
        None
    }
}

impl State for Gate {
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && self.waiters.first().is_some_and(|number| *number <= self.released) {
            self.waiters.hand_over(false, wakes);
        }
    }
}

impl Barrier {
    /// Creates a barrier for `size` tasks. With a size of 0 or 1, no task waits.
    #[track_caller]
    pub fn new(size: usize) -> Barrier {
        Barrier(Monitor::new("barrier", Gate { size, arrived: 0, released: 0, waiters: List::default() }))
    }

    /// Waits until all tasks have arrived. Returns `true` for the one that arrived last.
    ///
    /// # Cancel safety
    /// A wait that is dropped before all have arrived does not count as arrived.
    pub async fn wait(&self) -> bool {
        let all: Wait<'_, All> = self.0.wait(0);
        all.await
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arrived, size) = self.0.with(|gate| (gate.arrived, gate.size));
        write!(f, "{} ({arrived} of {size} have arrived)", self.0)
    }
}
