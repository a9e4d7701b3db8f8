//! [`Barrier`]: nobody goes on before all are there.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use std::fmt;

/// A place where so many tasks wait for each other; then it can be used again.
///
/// ```
/// use executor::{join_all, sync::Barrier};
///
/// executor::block_on(async {
///     let barrier = Barrier::new(3);
///     let leaders = join_all((0..3).map(|_| barrier.wait())).await;
///     assert_eq!(leaders, [false, false, true]); // the one who came last
/// });
/// ```
pub struct Barrier(Monitor<Gate>);

struct Gate {
    size: usize,
    /// How many wait for the rest.
    arrived: usize,
    /// Waiters up to this number go on.
    released: u64,
    waiters: List<All>,
}

enum All {}

impl Rule for All {
    type State = Gate;
    /// Its number.
    type Want = u64;
    /// Whether it came last.
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

    /// It was there when all were; that the rest went on is not undone.
    fn give_back(_: &mut Gate, _: &mut u64, _: bool) -> Option<bool> {
        None
    }
}

impl State for Gate {
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && self.waiters.first().is_some_and(|number| *number <= self.released) {
            self.waiters.serve(false, wakes);
        }
    }
}

impl Barrier {
    /// A barrier for so many; at none and at one nobody waits.
    #[track_caller]
    pub fn new(size: usize) -> Barrier {
        Barrier(Monitor::new("barrier", Gate { size, arrived: 0, released: 0, waiters: List::default() }))
    }

    /// Waits until so many are there. One of them, who came last, gets `true`.
    ///
    /// # Cancel safety
    /// Who is dropped before all are there is not one of them.
    pub async fn wait(&self) -> bool {
        let all: Wait<'_, All> = self.0.wait(0);
        all.await
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arrived, size) = self.0.look(|gate| (gate.arrived, gate.size));
        write!(f, "{} ({arrived} of {size} are there)", self.0)
    }
}
