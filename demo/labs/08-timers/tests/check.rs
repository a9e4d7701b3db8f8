//! The tests of lab 8, the easiest first. Most drive the timer queue by hand: they set the current tick themselves, so
//! no test waits for a clock. The last three sleep on a simulated clock.

#[allow(dead_code)] // the runtime uses more of it than these tests
#[path = "../../../../reactor/src/time/queue.rs"]
mod queue;
#[allow(dead_code)]
#[path = "../../../../reactor/src/time/ticks.rs"]
mod ticks;

/// In place of the reactor's module of this name: all that the queue needs of it.
mod observer {
    pub(crate) use reactor::observer::TimerId;
}

use executor::Runtime;
use executor::time::{Duration, Instant, now, sleep, timeout};
use observer::TimerId;
use queue::{TimerQueue, slot_from};
use reactor::backend::{Backend, Event, Simulation, Token};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::task::Waker;
use tests::kit::{Counting, Dice, Log};
use ticks::Ticks;

/// A queue, and a plain list of the timers that it must contain.
struct Wheels {
    queue: TimerQueue,
    timers: Vec<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Timer {
    id: TimerId,
    tick: u64,
    key: u32,
}

impl Wheels {
    /// An empty queue at the tick `elapsed`.
    fn at(elapsed: u64) -> Wheels {
        let mut queue = TimerQueue::new(Ticks::exact(Instant::now())); // the tests count in ticks, never in instants
        queue.elapsed = elapsed;
        Wheels { queue, timers: Vec::new() }
    }

    /// Sets a timer for a tick that has not passed.
    fn set(&mut self, tick: u64) -> Timer {
        let Ok((key, id)) = self.queue.insert(tick, Waker::noop().clone()) else {
            panic!("tick {tick} is later than the current tick {}, and `insert` set no timer", self.queue.elapsed);
        };
        let timer = Timer { id, tick, key };
        self.timers.push(timer);
        timer
    }

    /// Sets a timer for each of these ticks, in this order.
    fn set_all(&mut self, ticks: impl IntoIterator<Item = u64>) {
        ticks.into_iter().for_each(|tick| _ = self.set(tick));
    }

    /// Cancels a timer that has not fired.
    fn cancel(&mut self, timer: Timer) {
        let cancelled = self.queue.cancel(timer.key, timer.tick).map(|fired| fired.timer);
        assert!(
            cancelled == Some(timer.id),
            "{:?} of tick {} was cancelled; `cancel` must return it, and returned {cancelled:?}",
            timer.id,
            timer.tick
        );
        self.timers.retain(|other| *other != timer);
    }

    /// Moves the current tick. Returns the ticks of the timers that fired, in this order.
    fn advance(&mut self, now: u64) -> Vec<u64> {
        self.fire(now).into_iter().map(|timer| timer.tick).collect()
    }

    fn fire(&mut self, now: u64) -> Vec<Timer> {
        let mut fired = Vec::new();
        self.queue.advance(now, &mut fired);
        let known = |id| self.timers.iter().find(|timer| timer.id == id);
        let fired: Vec<Timer> = fired
            .iter()
            .map(|fired| *known(fired.timer).unwrap_or_else(|| panic!("{:?} fired, and was not set", fired.timer)))
            .collect();
        self.timers.retain(|timer| !fired.contains(timer));
        fired
    }

    fn earliest(&self) -> Option<u64> {
        self.timers.iter().map(|timer| timer.tick).min()
    }

    /// Of few timers, `next` must name the earliest.
    #[track_caller]
    fn check_next(&self) {
        let ticks: Vec<u64> = self.timers.iter().map(|timer| timer.tick).collect();
        let (next, earliest) = (self.queue.next(), self.earliest());
        assert!(
            next == earliest,
            "timers are set for the ticks {ticks:?}; `next` must be {earliest:?}, and is {next:?}"
        );
    }
}

#[test]
fn a_tick_belongs_into_one_slot() {
    const KNOWN: [(u64, u64, usize, usize); 10] = [
        (0, 1, 0, 1),
        (0, 63, 0, 63),
        (0, 64, 1, 1),
        (0, 4095, 1, 63),
        (0, 4096, 2, 1),
        (70, 127, 0, 63),
        (60, 70, 1, 1),     // ten ticks away, but in the next turn of wheel 0
        (4095, 4096, 2, 1), // one tick away, but in the next turn of wheels 0 and 1
        (10_000, 10_100, 1, 29),
        (0, u64::MAX - 1, 10, 15),
    ];
    for (elapsed, tick, wheel, slot) in KNOWN {
        let found = slot_from(elapsed, tick);
        assert!(
            found == (wheel, slot),
            "seen from tick {elapsed}, tick {tick} belongs into wheel {wheel}, slot {slot}: wheel {wheel} has the \
             highest group of six bits in which the two differ; `slot_from` returned wheel {}, slot {}",
            found.0,
            found.1
        );
    }
}

#[test]
fn a_deadline_that_has_passed_sets_no_timer() {
    for tick in [50, 100] {
        let mut wheels = Wheels::at(100);
        let waker = Counting::new();
        let set = wheels.queue.insert(tick, waker.waker());
        assert!(set.is_err(), "the current tick is 100, so tick {tick} has passed; `insert` must return the waker");
        let (wakers, len) = (waker.wakers(1), wheels.queue.len());
        assert!(wakers == 1, "`insert` must return the one waker that it was given; {wakers} wakers exist");
        assert!(len == 0, "tick {tick} has passed, so no timer must be set; the queue has {len}");
    }
}

#[test]
fn the_next_deadline_is_the_earliest() {
    let mut wheels = Wheels::at(0);
    for tick in [5000, 100, 70, 300_000, 80, 7, 9, 2] {
        wheels.set(tick);
        wheels.check_next();
    }
}

#[test]
fn the_next_deadline_is_not_before_the_current_tick() {
    let mut wheels = Wheels::at(10_000);
    wheels.set_all(10_081..10_101); // so many in one slot that `next` may name the beginning of the slot
    let next = wheels.queue.next().expect("timers are set");
    assert!(
        next > 10_000,
        "the current tick is 10000, and 20 timers are set for the ticks 10081 to 10100; `next` is {next}, which has \
         passed: the thread would look for due timers again and again, and find none"
    );
    assert!(next <= 10_081, "a timer is set for tick 10081; `next` is {next}, so that timer would fire late");
}

#[test]
fn of_many_timers_in_a_slot_the_next_deadline_is_the_beginning_of_the_slot() {
    let mut wheels = Wheels::at(0);
    wheels.set_all((71..79).rev()); // slot 1 of wheel 1 has as many as `LOOKED_AT`
    wheels.check_next();
    wheels.set(70);
    let next = wheels.queue.next();
    assert!(
        next == Some(64),
        "9 timers are set for ticks of one slot, which begins at tick 64; `next` must be Some(64), and is {next:?}: to \
         compare more than 8 timers takes too long"
    );
}

#[test]
fn the_next_deadline_is_found_in_the_top_wheel() {
    for elapsed in [0, 1 << 63] {
        let mut wheels = Wheels::at(elapsed);
        wheels.set(u64::MAX - 1);
        wheels.check_next();
    }
}

#[test]
fn no_timer_fires_early() {
    let mut wheels = Wheels::at(0);
    wheels.set_all([100, 5000]);
    for (now, due) in [(63, &[] as &[u64]), (64, &[]), (99, &[]), (100, &[100]), (4999, &[]), (5000, &[5000])] {
        let fired = wheels.advance(now);
        assert!(fired == due, "the current tick is {now}: the timers of ticks {due:?} must fire, and {fired:?} fired");
        wheels.check_next();
    }
}

#[test]
fn the_current_tick_moves_when_no_timer_is_due() {
    let mut wheels = Wheels::at(0);
    wheels.set(5000);
    let fired = wheels.advance(1000);
    assert!(fired.is_empty(), "no timer is due until tick 1000, and those of the ticks {fired:?} fired");
    let elapsed = wheels.queue.elapsed;
    assert!(elapsed == 1000, "`advance` moved the time to tick 1000; the queue's current tick is {elapsed}");
    let set = wheels.queue.insert(900, Waker::noop().clone());
    assert!(set.is_err(), "tick 900 has passed, and `insert` set a timer for it");
}

#[test]
fn the_current_tick_never_goes_back() {
    let mut wheels = Wheels::at(1000);
    wheels.set(1001);
    let fired = wheels.advance(500);
    assert!(fired.is_empty(), "no timer is due until tick 500, and those of the ticks {fired:?} fired");
    let elapsed = wheels.queue.elapsed;
    assert!(
        elapsed == 1000,
        "the current tick was 1000, and `advance` was called with tick 500; the queue's current tick is {elapsed}; it \
         must stay 1000"
    );
}

#[test]
fn timers_fire_in_the_order_of_their_ticks() {
    let mut wheels = Wheels::at(0);
    wheels.set_all([900, 100, 70, 5000, 800, 6001]);
    let fired = wheels.advance(6000);
    assert!(
        fired == [70, 100, 800, 900, 5000],
        "the time moved from tick 0 to tick 6000 at once: the timers of ticks 70, 100, 800, 900 and 5000 must fire, in \
         this order; those of {fired:?} fired"
    );
    wheels.check_next();
}

#[test]
fn a_cancelled_timer_is_gone() {
    let mut wheels = Wheels::at(0);
    let waker = Counting::new();
    let Ok((key, id)) = wheels.queue.insert(100, waker.waker()) else { panic!("tick 100 is not later than tick 0") };
    let cancelled = wheels.queue.cancel(key, 100).map(|fired| fired.timer);
    assert!(cancelled == Some(id), "{id:?} was cancelled; `cancel` must return it, and returned {cancelled:?}");
    let (wakers, len, next) = (waker.wakers(1), wheels.queue.len(), wheels.queue.next());
    assert!(wakers == 0, "the timer was cancelled and its waker dropped; {wakers} of its wakers exist, and none must");
    assert!(len == 0, "the only timer was cancelled; the queue must have 0 timers, and has {len}");
    assert!(next.is_none(), "the only timer was cancelled; `next` must be None, and is {next:?}");
    let again = wheels.queue.cancel(key, 100).map(|fired| fired.timer);
    assert!(
        again.is_none(),
        "no timer has this key, and its tick has not passed; a second `cancel` must return None, and returned {again:?}"
    );

    let timer = wheels.set(200);
    wheels.advance(200);
    assert!(wheels.queue.cancel(timer.key, 200).is_none(), "a timer that has fired was cancelled");
}

#[test]
fn a_slot_without_timers_hides_no_other() {
    let mut wheels = Wheels::at(0);
    let first = wheels.set(5);
    wheels.set(10);
    wheels.cancel(first);
    wheels.check_next();
}

#[test]
fn a_cancel_removes_its_own_timer() {
    let mut wheels = Wheels::at(0);
    wheels.set(80); // both are in slot 1 of wheel 1
    let second = wheels.set(70);
    wheels.cancel(second);
    wheels.check_next();
}

#[test]
fn a_timer_that_fills_a_gap_is_found_there() {
    let mut wheels = Wheels::at(0);
    let first = wheels.set(80); // all are in slot 1 of wheel 1
    wheels.set_all([90, 100]);
    let last = wheels.set(70);
    wheels.cancel(first); // `last` fills the gap
    wheels.set(110); // and is replaced at the end of the slot
    wheels.cancel(last);
    wheels.check_next();
}

#[test]
fn timers_of_one_tick_fire_in_the_order_in_which_they_were_set() {
    let mut wheels = Wheels::at(0);
    let timers: Vec<Timer> = (0..6).map(|_| wheels.set(5000)).collect();
    wheels.cancel(timers[1]);
    wheels.advance(4100);
    wheels.set(5000);
    let fired: Vec<u64> = wheels.fire(5000).into_iter().map(|timer| timer.id.0).collect();
    assert!(
        fired == [1, 3, 4, 5, 6, 7],
        "the timers 1 to 7 were set for one tick, in this order, and timer 2 was cancelled; they fired in the order \
         {fired:?}"
    );
}

/// Runs a random script of `steps` operations, and compares the queue with the list after each.
fn compare(seed: u64, steps: usize) {
    let mut dice = Dice::new(seed);
    let mut wheels = Wheels::at(dice.roll(100_000));
    let mut script = vec![format!("begin at tick {}", wheels.queue.elapsed)];
    for _ in 0..steps {
        let now = wheels.queue.elapsed;
        let far = 1 << dice.roll(20);
        let later = now + 1 + dice.roll(far); // all magnitudes are equally likely
        let mut fired = (Vec::new(), Vec::new());
        match dice.roll(8) {
            0..=3 => {
                script.push(format!("set a timer for tick {later}"));
                wheels.set(later);
            }
            4 if !wheels.timers.is_empty() => {
                let timer = wheels.timers[dice.index(wheels.timers.len())];
                script.push(format!("set another timer for tick {}", timer.tick));
                wheels.set(timer.tick);
            }
            5 if !wheels.timers.is_empty() => {
                let timer = wheels.timers[dice.index(wheels.timers.len())];
                script.push(format!("cancel timer {} of tick {}", timer.id.0, timer.tick));
                wheels.cancel(timer);
            }
            _ => {
                script.push(format!("advance to tick {later}"));
                let mut due: Vec<Timer> = wheels.timers.iter().filter(|timer| timer.tick <= later).copied().collect();
                due.sort_by_key(|timer| (timer.tick, timer.id));
                fired = (due, wheels.fire(later));
            }
        }
        let (due, fired) = fired;
        let script = || script.join("; ");
        assert!(due == fired, "after the steps: {}: due are {due:?}, and {fired:?} fired", script());
        let (len, count) = (wheels.queue.len(), wheels.timers.len());
        assert!(len == count, "after the steps: {}: {count} timers are set, and the queue has {len}", script());
        let (next, earliest) = (wheels.queue.next(), wheels.earliest());
        let is_right = match earliest {
            Some(earliest) => next.is_some_and(|next| wheels.queue.elapsed < next && next <= earliest),
            None => next.is_none(),
        };
        assert!(is_right, "after the steps: {}: the earliest timer is {earliest:?}, and `next` is {next:?}", script());
    }
}

#[test]
fn the_queue_behaves_like_a_sorted_list() {
    // Short scripts first, so that a failure shows a short one.
    for steps in 1..50 {
        (0..12).for_each(|seed| compare(seed * 100 + steps as u64, steps));
    }
}

/// A simulated clock on which a thread that parks without a limit fails, because it would hang: in these tests, nothing
/// but a timer wakes a task.
struct Limited(Simulation);

impl Backend for Limited {
    fn now(&self) -> Instant {
        self.0.now()
    }

    unsafe fn add(&self, _: BorrowedFd<'_>, _: Token) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        assert!(timeout.is_some(), "a task sleeps, and the thread parks without a limit: `next` has found no timer");
        self.0.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

/// Runs a future on a simulated clock. A program that would hang fails at once.
fn simulate<F: Future>(future: F) -> F::Output {
    let runtime = Runtime::builder().backend(Box::new(Limited(Simulation::new()))).detect_deadlock(true).build();
    runtime.expect("a simulation needs no system").block_on(future)
}

#[test]
fn a_sleep_ends_at_its_nanosecond() {
    simulate(async {
        let start = now();
        let mut dice = Dice::new(8);
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let time = Duration::from_nanos(1 + dice.roll(10_000_000_000));
                executor::spawn(async move {
                    sleep(time).await;
                    (time, now() - start)
                })
            })
            .collect();
        for task in tasks {
            let (wanted, ended) = task.await.expect("it does not panic");
            assert!(wanted == ended, "a sleep of {wanted:?} ended after {ended:?}");
        }
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let log = Log::new();
    let ended = log.clone();
    simulate(async move {
        let tasks = [40, 10, 30, 10, 20_000, 20].map(|millis| {
            let ended = ended.clone();
            executor::spawn(async move {
                sleep(Duration::from_millis(millis)).await;
                ended.push(millis);
            })
        });
        for task in tasks {
            task.await.expect("it does not panic");
        }
    });
    let ended = log.take();
    assert!(ended == [10, 10, 20, 30, 40, 20_000], "sleeps of these milliseconds ended, in this order: {ended:?}");
}

#[test]
fn a_deadline_that_was_not_needed_wakes_no_task() {
    simulate(async {
        let start = now();
        let polls = Cell::new(0);
        let mut work = pin!(async {
            let server = sleep(Duration::from_millis(20));
            timeout(Duration::from_millis(50), server).await.expect("20 ms are less than 50 ms");
            sleep(Duration::from_millis(60)).await;
        });
        std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            work.as_mut().poll(cx)
        })
        .await;
        let took = now() - start;
        assert!(took == Duration::from_millis(80), "the two sleeps must take 80 ms together, and took {took:?}");
        let polls = polls.get();
        assert!(
            polls == 3,
            "the task was polled {polls} times; it must be polled at the beginning, after 20 ms and after 80 ms, and \
             not at the deadline of 50 ms, which was dropped"
        );
    });
}
