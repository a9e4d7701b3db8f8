//! What happens when no task can ever run again unless another thread wakes one.
//!
//! Used by the schedulers when they park.

use super::asking::dump;
use super::lost_wake::{self, Checks};
use super::monitor::{Deadlock, Monitored};
use std::time::{Duration, Instant};

/// How long a deadlock lasts before it is printed.
const PATIENCE: Duration = Duration::from_secs(1);

const WHAT: &str = "no task in this runtime can run: no timer is set, no registered source can become ready, no \
    blocking call is in progress. Only another thread can still wake one of its";

/// Parks when only a wake from another thread can unpark this one, and reports the deadlock as the run's settings say.
/// `park` waits for events, for a time if one is given; `is_alone` takes what other threads have pushed and returns
/// whether there is still nothing to run or wait for.
#[cold]
pub(crate) fn park_alone<S: Monitored, R>(
    scheduler: &S,
    reactor: &mut R,
    is_simulated: bool,
    park: impl Fn(&mut R, Option<Duration>),
    is_alone: impl Fn(&R) -> bool,
) {
    let deadlock = &scheduler.monitor().deadlock;
    match deadlock.get() {
        Deadlock::Printed => park(reactor, None),
        // A simulated clock would jump over `PATIENCE`.
        Deadlock::Print if is_simulated => park(reactor, None),
        Deadlock::Print => {
            let start = Instant::now();
            park(reactor, Some(PATIENCE));
            // A signal or a notification may have ended the wait before: then it begins again.
            if is_alone(reactor) && start.elapsed() >= PATIENCE {
                print(scheduler);
                scheduler.monitor().restart();
            }
        }
        Deadlock::Panic => {
            let unfinished = scheduler.tasks().len();
            let tasks = dump(scheduler, true);
            if let Some(failure) = scheduler.observers().checks.as_ref().and_then(Checks::take_failure) {
                panic!("{failure}\n{tasks}");
            }
            // The dump's poll may have completed a task that another thread was about to wake, or moved it on to wait
            // for something that will happen.
            if is_alone(reactor) && scheduler.tasks().len() == unfinished {
                panic!("deadlock: {WHAT} {tasks}");
            }
        }
    }
}

/// Prints the tasks whose wake was lost; their polls may have woken others. If there are none, prints all tasks, once.
fn print<S: Monitored>(scheduler: &S) {
    // No thread has woken a task for a second, so none is about to.
    let tasks = dump(scheduler, false);
    let mut lost = tasks.iter().filter(|task| task.lost_wake).peekable();
    if lost.peek().is_none() {
        scheduler.monitor().deadlock.set(Deadlock::Printed);
        eprintln!("executor: {WHAT} {tasks}");
    }
    lost.for_each(|task| eprintln!("executor: {}\n{task}", lost_wake::sentence(&task.task)));
}
