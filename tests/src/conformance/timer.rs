//! The suite for a timer: its sleeps are never early, and can be reset and dropped.

use super::threads::on_threads;
use super::{FOR_EVER, Progress, Steps, limited, under_seeds};
use crate::kit::{Dice, Hand, hand};
use executor::time::{Duration, Instant, Sleep, now, sleep, timeout};
use executor::{join_all, named, yield_now};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How much later than its accuracy a timer may be by the system's clock, because a busy machine delays threads.
const BUSY: Duration = Duration::from_secs(10);

const HOUR: Duration = Duration::from_secs(3600);

/// The invariants, as the messages name them.
const EARLY: &str = "a timer is never early";
const FIRES: &str = "a timer wakes its task when its time has come";
const READY: &str = "a timer that has woken its task is ready";
const SPINS: &str = "a wait does not wake itself";
const LEAVES: &str = "a wait that is over leaves no waker behind";

/// A timer to be checked by [`timer()`].
///
/// ```
/// use executor::time::{self, Duration};
/// use std::pin::Pin;
/// use tests::conformance;
///
/// // A timer that does nothing but call the executor's: put your own in its place.
/// struct Own;
///
/// impl conformance::Timer for Own {
///     type Sleep = time::Sleep;
///
///     fn sleep(&self, time: Duration) -> time::Sleep {
///         time::sleep(time)
///     }
///
///     fn reset(&self, mut sleep: Pin<&mut time::Sleep>, time: Duration) {
///         sleep.reset(time::now() + time);
///     }
/// }
///
/// # if false {
/// // In a #[test]:
/// conformance::timer(|| Own);
/// # }
/// # let _ = Own;
/// ```
pub trait Timer: 'static {
    /// The future of a sleep. If its type has no name, as that of an async fn: `Pin<Box<dyn Future<Output = ()>>>`.
    type Sleep: Future<Output = ()> + 'static;

    /// How late a sleep may be.
    const ACCURACY: Duration = Duration::from_millis(1);

    /// Whether sleeps can be reset. If not, `reset` is not called.
    const RESETS: bool = true;

    /// Whether it goes by the clock of the runtime, [`executor::time::now`], which may be simulated. A timer with a
    /// thread or a clock of its own does not; it is checked by the system's clock alone, where it may be late by
    /// seconds, because its thread may have to wait for a processor.
    const VIRTUAL: bool = true;

    /// Whether a wait may be dropped, polled without a wake, and polled with another waker, as `select` and `timeout` do.
    const CANCEL_SAFE: bool = true;

    /// Waits for `time`, counted from this call.
    fn sleep(&self, time: Duration) -> Self::Sleep;

    /// Moves the end of a sleep to `time` from now, whether it is over or not. The suite polls the sleep after that.
    fn reset(&self, sleep: Pin<&mut Self::Sleep>, time: Duration);
}

/// The executor's own sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sleeps;

impl Timer for Sleeps {
    type Sleep = Sleep;

    fn sleep(&self, time: Duration) -> Sleep {
        sleep(time)
    }

    fn reset(&self, mut sleep: Pin<&mut Sleep>, time: Duration) {
        sleep.reset(now() + time);
    }
}

/// Checks a timer; `make` makes one. It is called inside of a runtime, so it may spawn the task that drives the timer, and
/// it is called for each run.
///
/// # What it must guarantee
/// - A sleep is never early: it returns `Poll::Ready` when its time has come, and not before, however often it is polled.
/// - When its time has come, the waker of its last poll is called, within its [`ACCURACY`](Timer::ACCURACY), and the next
///   poll is ready. That holds for a time of zero, too. A time too long for the clock does not cause a panic.
/// - A sleep that is reset, to sooner or later, before or after its end, goes by its new time alone.
/// - A wait does not wake itself: nothing spins.
/// - A sleep that is over or was dropped leaves no waker behind.
///
/// # Panics
/// If an invariant is broken. The message has the invariant, the seed and the recording.
///
/// ```
/// tests::conformance::timer(|| tests::conformance::Sleeps);
/// ```
pub fn timer<T: Timer>(make: impl Fn() -> T + Send + Sync + 'static) {
    limited("timer", move |progress| {
        if T::VIRTUAL {
            under_seeds(("timer", FIRES), progress, 100, |dice| tasks(make(), dice, Progress::default(), 5));
            for (runs, length) in [(200, 6), (200, 30)] {
                under_seeds(("timer", FIRES), progress, runs, |dice| Script::run(make(), dice, Duration::ZERO, length));
            }
        }
        let make = Arc::new(make);
        on_threads("timer", progress, 2, |_| {
            let make = make.clone();
            move |_, mut dice, progress| {
                let make = make.clone();
                async move {
                    tasks(make(), Dice::new(dice.roll(u64::MAX)), progress.clone(), 20).await;
                    for _ in 0..3 {
                        progress.tick();
                        Script::run(make(), Dice::new(dice.roll(u64::MAX)), BUSY, 12).await;
                    }
                }
            }
        });
    });
}

/// Runs several tasks that sleep. Some sleeps are dropped before they are over.
async fn tasks<T: Timer>(timer: T, mut dice: Dice, progress: Progress, rounds: u64) {
    let timer = Rc::new(timer);
    let tasks = (0..2 + dice.roll(4)).map(|number| {
        let (timer, progress, mut dice) = (timer.clone(), progress.clone(), Dice::new(dice.roll(u64::MAX)));
        named(format!("sleeps {number}")).spawn_local(async move {
            for _ in 0..rounds {
                progress.tick();
                let time = Duration::from_micros(dice.roll(4000));
                let (begun, sleep) = (now(), super::patient("timer", SPINS, timer.sleep(time)));
                if T::CANCEL_SAFE && dice.once_in(4) {
                    let _gone = timeout(Duration::from_micros(dice.roll(4000)), sleep).await;
                    continue;
                }
                sleep.await;
                if now() < begun + time {
                    super::broken("timer", EARLY, format_args!("a sleep of {time:?} took {:?}", now() - begun));
                }
            }
        })
    });
    match timeout(FOR_EVER, join_all(tasks)).await {
        Ok(joined) => joined.into_iter().for_each(super::permits::expect_end),
        Err(_) => super::broken("timer", FIRES, "tasks sleep for milliseconds, and after a day they were not woken"),
    }
}

// ---- by hand ----

/// A sleep that is polled by hand and that its timer can reset meanwhile.
struct Sleeping<T: Timer> {
    number: usize,
    begun: Instant,
    time: Duration,
    /// Whether it was reset after it was over.
    is_again: bool,
    sleep: Rc<RefCell<Pin<Box<T::Sleep>>>>,
    hand: Hand<'static, ()>,
    /// Whether it was polled since it was made or reset.
    is_set: bool,
}

impl<T: Timer> Sleeping<T> {
    fn new(timer: &T, number: usize, time: Duration) -> Sleeping<T> {
        let begun = now(); // before the timer reads its clock
        let sleep = Rc::new(RefCell::new(Box::pin(timer.sleep(time))));
        let hand = polls::<T>(&sleep);
        Sleeping { number, begun, time, is_again: false, sleep, hand, is_set: false }
    }

    /// Whether its time has come at this instant.
    fn is_due(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.begun) >= self.time
    }
}

/// A wait for the sleep, which stays where the timer can reset it.
fn polls<T: Timer>(sleep: &Rc<RefCell<Pin<Box<T::Sleep>>>>) -> Hand<'static, ()> {
    let sleep = sleep.clone();
    hand(poll_fn(move |cx: &mut Context<'_>| sleep.borrow_mut().as_mut().poll(cx))).lenient()
}

/// A random script of single steps.
struct Script<T: Timer> {
    timer: T,
    steps: Steps,
    start: Instant,
    /// How much later than its accuracy a sleep may be.
    patience: Duration,
    sleeping: Vec<Sleeping<T>>,
    made: usize,
}

impl<T: Timer> Script<T> {
    async fn run(timer: T, mut dice: Dice, patience: Duration, length: u64) {
        yield_now().await; // so that a task that drives the timer begins
        let (steps, sleeping, made) = Default::default();
        let mut script = Script { timer, steps, start: now(), patience, sleeping, made };
        for _ in 0..3 + dice.roll(length) {
            script.step(&mut dice).await;
        }
        script.sleeping.retain(|sleeping| sleeping.time < Duration::from_secs(1));
        for at in (0..script.sleeping.len()).rev().filter(|at| !script.sleeping[*at].is_set).collect::<Vec<_>>() {
            script.push(format!("#{} is polled", script.sleeping[at].number));
            script.poll(at);
        }
        while !script.sleeping.is_empty() {
            script.advance(Duration::from_millis(5)).await;
        }
    }

    async fn step(&mut self, dice: &mut Dice) {
        let count = self.sleeping.len();
        match dice.roll(10) {
            0..=3 if count < 5 => self.sleep(time(dice)),
            4 if T::CANCEL_SAFE && count > 0 => {
                let gone = self.sleeping.swap_remove(dice.index(count));
                self.push(format!("#{} is dropped", gone.number));
                self.expect_no_wakers(gone);
            }
            5 if T::CANCEL_SAFE && count > 0 => {
                let at = dice.index(count);
                self.push(format!("#{} is polled without a wake", self.sleeping[at].number));
                self.poll(at);
            }
            6 if T::CANCEL_SAFE && count > 0 => {
                let at = dice.index(count);
                self.push(format!("#{} is polled with another waker", self.sleeping[at].number));
                self.sleeping[at].hand.replace_waker();
                self.poll(at);
            }
            7 if T::RESETS && count > 0 => self.reset(dice.index(count), time(dice).min(HOUR), !dice.once_in(4)),
            _ => self.advance(Duration::from_micros(dice.roll(4000))).await,
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.made += 1;
        match time {
            Duration::MAX => self.push(format!("#{} sleeps for ever", self.made)),
            _ => self.push(format!("#{} sleeps for {time:?}", self.made)),
        }
        self.sleeping.push(Sleeping::new(&self.timer, self.made, time));
        self.poll(self.sleeping.len() - 1);
    }

    /// Resets a sleep. Until it is polled, no waker need be called.
    fn reset(&mut self, at: usize, time: Duration, polls: bool) {
        let sleeping = &mut self.sleeping[at];
        (sleeping.begun, sleeping.time, sleeping.is_set) = (now(), time, false);
        self.timer.reset(sleeping.sleep.borrow_mut().as_mut(), time);
        self.push(format!("#{} is reset to {time:?}", self.sleeping[at].number));
        if polls {
            self.poll(at);
        }
    }

    fn poll(&mut self, at: usize) {
        let polled = self.sleeping[at].hand.poll();
        let sleeping = &mut self.sleeping[at];
        sleeping.is_set = true;
        match polled {
            Poll::Pending => {
                self.steps.came(": waits");
                if sleeping.hand.was_woken() && !sleeping.is_due(now()) {
                    let what = format!("#{} waits and was woken by its own poll", sleeping.number);
                    self.broken(SPINS, what);
                }
            }
            Poll::Ready(()) => {
                self.steps.came(": ready");
                let slept = now() - sleeping.begun;
                if slept < sleeping.time {
                    let what = format!("#{} was ready after {slept:?} of {:?}", sleeping.number, sleeping.time);
                    self.broken(EARLY, what);
                }
                self.is_over(at);
            }
        }
    }

    /// Checks that a sleep that is over leaves no waker behind. Every third one is then reset and awaited again.
    fn is_over(&mut self, at: usize) {
        let over = self.sleeping.swap_remove(at);
        let again =
            (T::RESETS && over.number.is_multiple_of(3) && !over.is_again).then(|| (over.number, over.sleep.clone()));
        self.expect_no_wakers(over);
        if let Some((number, sleep)) = again {
            let hand = polls::<T>(&sleep);
            let again = Sleeping { number, begun: now(), time: HOUR, is_again: true, sleep, hand, is_set: false };
            self.sleeping.push(again);
            self.reset(self.sleeping.len() - 1, Duration::from_millis(2), true);
        }
    }

    /// Lets time pass, then checks which waiters were woken.
    async fn advance(&mut self, by: Duration) {
        self.push(format!("{by:?} pass"));
        sleep(by).await;
        self.poll_woken();
        // A sleep that is due by now must have woken its task after the time that it may be late.
        let due = now();
        sleep(T::ACCURACY).await;
        loop {
            for _ in 0..3 {
                yield_now().await; // a task that drives the timer may run in the same pass, after this one
            }
            self.poll_woken();
            let is_lost = |sleeping: &&Sleeping<T>| sleeping.is_set && sleeping.is_due(due);
            let Some(lost) = self.sleeping.iter().find(is_lost) else { return };
            if now() - due > T::ACCURACY + self.patience {
                let late = now() - lost.begun - lost.time;
                self.broken(FIRES, format!("#{} is late by {late:?} and was not woken", lost.number));
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Polls the sleeps that were woken: they are ready if their time has come.
    fn poll_woken(&mut self) {
        for number in self.sleeping.iter().map(|sleeping| sleeping.number).collect::<Vec<_>>() {
            let Some(at) = self.sleeping.iter().position(|sleeping| sleeping.number == number) else { continue };
            let sleeping = &self.sleeping[at];
            if !sleeping.hand.was_woken() || !sleeping.is_set {
                continue;
            }
            let is_due = sleeping.is_due(now());
            self.push(format!("#{number}, which was woken, is polled"));
            self.poll(at);
            if is_due && self.sleeping.iter().any(|sleeping| sleeping.number == number && sleeping.is_due(now())) {
                self.broken(READY, format!("#{number} was woken when its time had come, and it waits"));
            }
        }
    }

    fn expect_no_wakers(&self, over: Sleeping<T>) {
        let Sleeping { number, sleep, hand, .. } = over;
        drop(sleep); // the hand has the other reference
        let wakers = hand.cancel();
        if wakers > 0 {
            self.broken(LEAVES, format!("#{number} is over, and {wakers} of its wakers are kept"));
        }
    }

    fn push(&self, step: String) {
        self.steps.push(format!("{:.1?}: {step}", now() - self.start));
    }

    fn broken(&self, invariant: &str, what: String) -> ! {
        let hint = "\n(how late it may be: const ACCURACY; what it can't do: RESETS, CANCEL_SAFE, VIRTUAL)";
        self.steps.broken("timer", invariant, format_args!("{what}{hint}"));
    }
}

/// A random time: some milliseconds, and sometimes zero or for ever.
fn time(dice: &mut Dice) -> Duration {
    match dice.roll(12) {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        _ => Duration::from_micros(dice.roll(6000)),
    }
}
