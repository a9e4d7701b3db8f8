//! The timing wheel compared with a sorted list.

use super::{DAY, SECOND, TICK, count_timers, wheel};
use executor::time::{Duration, Instant, Sleep, sleep, sleep_until};
use proptest::prelude::{Strategy, TestCaseError, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use reactor::Reactor;
use reactor::backend::{Backend, Event, Simulation, Token};
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tests::{Log, poll_with, waker_fn};

/// An operation of a user. The test maps each number to a timer that exists.
#[derive(Clone, Debug)]
enum Action {
    Set(Duration),
    /// At the deadline of an earlier timer, so that many are equal.
    SetAsAnother(usize),
    Cancel(usize),
    Reset(usize, Duration),
    /// Polls again with another waker, which replaces the first.
    PollAgain(usize),
    Advance(Duration),
    AdvanceToNext,
}

/// From zero to 300 days, all magnitudes equally often.
fn time() -> impl Strategy<Value = Duration> {
    let magnitude = |(bits, value): (u32, u64)| Duration::from_micros(value % (1 << bits)).min(300 * DAY);
    prop_oneof![
        4 => (0..45u32, any::<u64>()).prop_map(magnitude),
        1 => (0..300u32).prop_map(|days| days * DAY),
        1 => (0..100_000u32).prop_map(|ticks| ticks * TICK),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let which = || any::<usize>();
    prop_oneof![
        6 => time().prop_map(Action::Set),
        3 => which().prop_map(Action::SetAsAnother),
        2 => which().prop_map(Action::Cancel),
        2 => (which(), time()).prop_map(|(n, time)| Action::Reset(n, time)),
        1 => which().prop_map(Action::PollAgain),
        3 => time().prop_map(Action::Advance),
        1 => proptest::strategy::Just(Action::AdvanceToNext),
    ]
}

struct Timer {
    sleep: Sleep,
    deadline: Duration,
    /// Its position in the order of setting.
    set: usize,
    /// The name of the waker that it calls. The waker may change while the timer stays.
    name: usize,
}

/// A virtual clock that claims to be the system's, so that the wheel has the same ticks.
struct Coarse(Simulation);

impl Backend for Coarse {
    fn now(&self) -> Instant {
        self.0.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the contract is the same.
        unsafe { self.0.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }
}

/// The wheel and its model, a sorted list.
struct Both {
    reactor: Reactor,
    start: Instant,
    tick: Duration,
    timers: Vec<Timer>,
    fired: Log<usize>,
    names: usize,
    sets: usize,
}

impl Both {
    fn now(&self) -> Duration {
        self.reactor.handle().now() - self.start
    }

    /// The tick at which a timer is due.
    fn due(&self, timer: &Timer) -> u128 {
        timer.deadline.as_nanos().div_ceil(self.tick.as_nanos())
    }

    fn next_due(&self) -> Option<u128> {
        self.timers.iter().map(|timer| self.due(timer)).min()
    }

    fn name(&mut self) -> (usize, Waker) {
        self.names += 1;
        let (name, fired) = (self.names, self.fired.clone());
        (name, waker_fn(move || fired.push(name)))
    }

    /// Sets a timer, or marks it as fired if its deadline has passed.
    fn poll_new(&mut self, mut sleep: Sleep) -> Result<(), TestCaseError> {
        let deadline = sleep.deadline().unwrap() - self.start;
        let (name, waker) = self.name();
        match poll_with(&waker, &mut sleep) {
            Poll::Ready(()) => prop_assert!(deadline <= self.now(), "ready before its time"),
            Poll::Pending => {
                self.sets += 1;
                self.timers.push(Timer { sleep, deadline, set: self.sets, name });
            }
        }
        Ok(())
    }

    /// Moves a timer. It keeps its waker, and counts as set just now.
    fn reset(&mut self, n: usize, time: Duration) -> Result<(), TestCaseError> {
        let mut timer = self.timers.remove(n);
        timer.deadline = self.now() + time;
        timer.sleep.reset(self.start + timer.deadline);
        if !self.fired.is_empty() {
            prop_assert_eq!(self.fired.take(), [timer.name]);
            prop_assert!(timer.deadline <= self.now(), "woken before its time");
            prop_assert!(poll_with(Waker::noop(), &mut timer.sleep).is_ready());
            return Ok(());
        }
        self.sets += 1;
        timer.set = self.sets;
        self.timers.push(timer);
        Ok(())
    }

    fn advance(&mut self, until: Duration) -> Result<(), TestCaseError> {
        while self.now() < until {
            let earliest = self.next_due();
            let turned = self.reactor.turn(Some(until - self.now())).unwrap();
            let now = self.now().as_nanos() / self.tick.as_nanos();
            prop_assert!(
                earliest.is_none_or(|earliest| now <= earliest),
                "slept from before {:?} until {}",
                earliest,
                now
            );
            let is_due = |timer: &mut Timer| timer.deadline.as_nanos().div_ceil(self.tick.as_nanos()) <= now;
            let mut due: Vec<Timer> = self.timers.extract_if(.., is_due).collect();
            due.sort_by_key(|timer| (self.due(timer), timer.set));
            let expected: Vec<usize> = due.iter().map(|timer| timer.name).collect();
            prop_assert_eq!(self.fired.take(), expected, "at {}", now);
            prop_assert_eq!(turned, due.len());
            for timer in &mut due {
                prop_assert!(poll_with(Waker::noop(), &mut timer.sleep).is_ready());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(count_timers(&self.reactor.handle()), self.timers.len());
        prop_assert_eq!(self.fired.len(), 0);
        Ok(())
    }
}

#[test]
fn the_timer_queue_behaves_like_a_sorted_list() {
    compare_with_the_model(|| Box::new(Coarse(Simulation::new())), TICK);
}

#[test]
fn the_timer_queue_of_a_virtual_clock_behaves_like_a_sorted_list() {
    compare_with_the_model(|| Box::new(Simulation::new()), Duration::from_nanos(1));
}

fn compare_with_the_model(backend: impl Fn() -> Box<dyn Backend>, tick: Duration) {
    let config = Config { cases: 400, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let actions = proptest::collection::vec(action(), 1..80);
    let compare = |actions: Vec<Action>| {
        let reactor = Reactor::with(backend(), None);
        let (_entered, start) = (reactor.handle().enter(), reactor.handle().now());
        let mut both = Both { reactor, start, tick, timers: Vec::new(), fired: Log::new(), names: 0, sets: 0 };
        for action in actions {
            let count = both.timers.len();
            match action {
                Action::Set(time) => both.poll_new(sleep(time))?,
                Action::Advance(time) => both.advance(both.now() + time)?,
                _ if count == 0 => {}
                Action::SetAsAnother(n) => both.poll_new(sleep_until(start + both.timers[n % count].deadline))?,
                Action::Cancel(n) => drop(both.timers.remove(n % count)),
                Action::Reset(n, time) => both.reset(n % count, time)?,
                Action::PollAgain(n) => {
                    let (name, waker) = both.name();
                    let timer = &mut both.timers[n % count];
                    timer.name = name;
                    prop_assert!(
                        Pin::new(&mut timer.sleep).poll(&mut std::task::Context::from_waker(&waker)).is_pending()
                    );
                }
                Action::AdvanceToNext => {
                    let next = both.next_due().unwrap() * tick.as_nanos();
                    both.advance(Duration::from_nanos(u64::try_from(next).unwrap()))?;
                }
            }
            both.check()?;
        }
        both.advance(both.now() + 301 * DAY)?;
        prop_assert_eq!(both.timers.len(), 0);
        both.check()
    };
    TestRunner::new(config).run(&actions, compare).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_timer_can_be_dropped_after_its_reactor() {
    // The drop after the reactor must not touch freed memory, which Miri and the sanitizers check.
    let (reactor, entered) = wheel();
    let sleep: Arc<Mutex<Sleep>> = Arc::new(Mutex::new(sleep(SECOND)));
    assert!(poll_with(Waker::noop(), &mut *sleep.lock().unwrap()).is_pending());
    let handle = reactor.handle();
    drop((entered, reactor));
    drop(sleep);
    drop(handle);
}
