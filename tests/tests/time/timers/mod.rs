//! Timers, through the public API: invariants 8 (never early, accurate to a millisecond, a cancelled timer costs
//! nothing later) and 5 (a dropped one leaves nothing behind).
//!
//! Most tests run on a virtual clock. `clock.rs` measures on the system's clock how late timers are.

mod clock;
mod combinators;
mod model;
mod order;
mod reset;

use executor::Runtime;
use executor::time::Duration;
use reactor::backend::Simulation;
use reactor::{Handle, Reactor};
use std::future::Future;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// On the system's clock, timers are due at whole ticks.
const TICK: Duration = Duration::from_micros(250);

/// Runs a future on a virtual clock.
fn on_virtual_clock<F: Future>(future: F) -> F::Output {
    Runtime::builder().virtual_clock().build().unwrap().block_on(future)
}

/// How many timers the reactor of this thread keeps.
fn timers() -> usize {
    count_timers(&Handle::current().expect("inside of a runtime"))
}

fn count_timers(reactor: &Handle) -> usize {
    let text = format!("{reactor:?}");
    let count = text.split("timers: ").nth(1).and_then(|rest| rest.split(',').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count of timers in {text}"))
}

fn wheel() -> (Reactor, reactor::Entered) {
    let reactor = Reactor::with(Box::new(Simulation::new()), None);
    let entered = reactor.handle().enter();
    (reactor, entered)
}
