//! What the suites for a mutex and for a semaphore share: permits that tasks acquire and release.

use super::threads::on_threads;
use super::{
    FOR_EVER, OnPurpose, Progress, Steps, broken, by_hand, give_up_after, limited, patient, pause, under_seeds,
};
use crate::kit::{Dice, Hand, OnDrop, hand};
use executor::time::{Duration, timeout};
use executor::{JoinError, join_all, named};
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

/// The invariants, as the messages name them.
const AT_MOST: &str = "there are never more holders than permits";
const AT_ONCE: &str = "a free permit is acquired at the first poll";
const WAKES: &str = "a release wakes a waiter";
const NEXT: &str = "if a woken waiter is dropped, the next one is woken";
const SPINS: &str = "a wait does not wake itself";
const LEAVES: &str = "a wait that is over leaves no waker behind";
const FAIR: &str = "the waiter that has waited longest is first (FAIR)";
const LOST: &str = "no permit is lost";
const READS: &str = "a holder reads what the last one wrote";

/// What the messages call a primitive, and what it promises.
pub(super) struct Kind {
    pub(super) noun: &'static str,
    pub(super) acquire: &'static str,
    pub(super) release: &'static str,
    pub(super) cancel_safe: bool,
    pub(super) fair: bool,
}

pub(super) trait Permits: 'static {
    type Permit<'a>
    where
        Self: 'a;

    const KIND: Kind;

    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>>;

    /// The number that the permit guards, if it guards one.
    fn value<'g>(_: &'g mut Self::Permit<'_>) -> Option<&'g mut u64> {
        None
    }
}

pub(super) fn check<P: Permits + Send + Sync>(
    make: impl Fn(usize) -> P + Send + Sync + 'static,
    permits: &'static [usize],
) {
    limited(P::KIND.noun, move |progress| {
        local_parts(progress, &make, permits);
        let noun = P::KIND.noun;
        on_threads(noun, progress, 6, |dice| {
            let crowd = Arc::new(Crowd::new(
                &make,
                permits[dice.index(permits.len())],
                super::threads::THREADS,
                P::KIND.cancel_safe,
            ));
            move |_, dice, progress| program(crowd.clone(), dice, progress, 30)
        });
    });
}

pub(super) fn check_local<P: Permits>(make: impl Fn(usize) -> P + Send + 'static, permits: &'static [usize]) {
    limited(P::KIND.noun, move |progress| local_parts(progress, &make, permits));
}

/// Runs the tasks without dropped waits first: such a failure has the clearest recording. Then the scripts: their steps
/// show a failure with dropped waits more clearly than a recording does.
fn local_parts<P: Permits>(progress: &Progress, make: &impl Fn(usize) -> P, permits: &[usize]) {
    let names = (P::KIND.noun, WAKES);
    let tasks = |runs, cancels| {
        under_seeds(names, progress, runs, |mut dice| {
            let crowd = Arc::new(Crowd::new(make, permits[dice.index(permits.len())], 1, cancels));
            program(crowd, dice, progress.clone(), 3)
        });
    };
    tasks(100, false);
    by_hand(names, progress, |dice, length| {
        let permits = permits[dice.index(permits.len())];
        Script::new(&make(permits), permits).run(dice, length);
    });
    tasks(200, P::KIND.cancel_safe);
}

// ---- tasks ----

/// The tasks that use one primitive.
struct Crowd<P> {
    line: P,
    permits: usize,
    /// Whether waits are dropped, too.
    cancels: bool,
    held: AtomicUsize,
    waiting: AtomicUsize,
    /// The number of critical sections that have changed the value.
    changes: AtomicU64,
    /// The number of programs that are not over.
    programs: AtomicUsize,
}

impl<P: Permits> Crowd<P> {
    fn new(make: &impl Fn(usize) -> P, permits: usize, programs: usize, cancels: bool) -> Crowd<P> {
        let (held, waiting, changes) = Default::default();
        Crowd { line: make(permits), permits, cancels, held, waiting, changes, programs: AtomicUsize::new(programs) }
    }

    /// Acquires a permit. Returns `None` if the wait was given up.
    async fn acquire(&self, dice: &mut Dice) -> Option<P::Permit<'_>> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waits = OnDrop::new(|| _ = self.waiting.fetch_sub(1, Ordering::SeqCst));
        let acquire = patient(P::KIND.noun, SPINS, self.line.acquire());
        match dice.roll(6) {
            0 if self.cancels => timeout(Duration::from_micros(dice.roll(3000)), acquire).await.ok(),
            1 if self.cancels => give_up_after(dice.roll(4), acquire).await,
            _ => Some(acquire.await),
        }
    }

    /// Counts a holder until the result is dropped, and checks that there are not more holders than permits.
    fn enter(&self) -> OnDrop<impl FnOnce()> {
        let held = self.held.fetch_add(1, Ordering::SeqCst) + 1;
        let leave = OnDrop::new(|| _ = self.held.fetch_sub(1, Ordering::SeqCst));
        if held > self.permits {
            broken(P::KIND.noun, AT_MOST, format_args!("{held} tasks hold it, and it was made for {}", self.permits));
        }
        leave
    }

    /// Checks, after all tasks, that no permit is lost and that the value is right.
    fn check_end(&self) {
        let noun = P::KIND.noun;
        let mut permits = Vec::new();
        while permits.len() < self.permits {
            let Poll::Ready(permit) = hand(self.line.acquire()).lenient().poll() else {
                let what = format!("of {} permits, {} are there after all tasks are over", self.permits, permits.len());
                broken(noun, LOST, what);
            };
            permits.push(permit);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let value = permits.first_mut().and_then(P::value).map(|value| *value);
        if value.is_some_and(|value| value != changes) {
            broken(
                noun,
                READS,
                format_args!("{changes} tasks added 1 to a value, and it is {}", value.unwrap_or_default()),
            );
        }
    }
}

/// Runs several tasks that acquire permits, a few times each.
async fn program<P: Permits>(crowd: Arc<Crowd<P>>, mut dice: Dice, progress: Progress, rounds: u64) {
    let tasks = 2 + dice.index(4);
    let members: Vec<_> = (0..tasks)
        .map(|number| {
            let dice = Dice::new(dice.roll(u64::MAX));
            let rounds = 1 + dice.clone().roll(rounds);
            let name = format!("{} {number}", P::KIND.acquire);
            named(name).spawn_local(member(crowd.clone(), dice, progress.clone(), rounds))
        })
        .collect();
    if crowd.cancels && dice.once_in(2) {
        pause(&mut dice).await;
        members[dice.index(tasks)].cancel();
    }
    match timeout(FOR_EVER, join_all(members)).await {
        Ok(joined) => joined.into_iter().for_each(expect_end),
        Err(_) => {
            let [held, waiting] = [&crowd.held, &crowd.waiting].map(|count| count.load(Ordering::SeqCst));
            let what =
                format!("waiting: {waiting} tasks; held: {held} of {} permits; no task was woken", crowd.permits);
            broken(P::KIND.noun, WAKES, what);
        }
    }
    if crowd.programs.fetch_sub(1, Ordering::SeqCst) == 1 {
        crowd.check_end();
    }
}

/// Accepts a task that was cancelled or panicked on purpose. Passes on any other panic.
pub(super) fn expect_end<T>(joined: Result<T, JoinError>) {
    if let Err(JoinError::Panicked(panic)) = joined {
        let panic = panic.into_inner();
        if !panic.is::<OnPurpose>() {
            resume_unwind(panic);
        }
    }
}

async fn member<P: Permits>(crowd: Arc<Crowd<P>>, mut dice: Dice, progress: Progress, rounds: u64) {
    for _ in 0..rounds {
        progress.tick();
        pause(&mut dice).await;
        let Some(mut permit) = crowd.acquire(&mut dice).await else { continue };
        let held = crowd.enter();
        let before = P::value(&mut permit).map(|value| *value);
        if dice.once_in(12) {
            resume_unwind(Box::new(OnPurpose)); // which must release the permit
        }
        pause(&mut dice).await;
        if let Some((value, before)) = P::value(&mut permit).zip(before) {
            if *value != before {
                broken(P::KIND.noun, AT_MOST, "a value changed while a task held the guard");
            }
            *value = before + 1;
            crowd.changes.fetch_add(1, Ordering::SeqCst);
        }
        drop(held); // before the permit, which another task may acquire at once
        drop(permit);
    }
}

// ---- by hand ----

/// A random script of single steps.
struct Script<'a, P: Permits> {
    line: &'a P,
    permits: usize,
    steps: Steps,
    /// The waits that have been polled, in the order in which they came.
    waiting: Vec<(usize, Hand<'a, P::Permit<'a>>)>,
    held: Vec<(usize, P::Permit<'a>)>,
    arrived: usize,
    /// Whether the last step dropped a wait.
    was_dropped: bool,
}

impl<'a, P: Permits> Script<'a, P> {
    fn new(line: &'a P, permits: usize) -> Script<'a, P> {
        let (steps, waiting, held, arrived, was_dropped) = Default::default();
        Script { line, permits, steps, waiting, held, arrived, was_dropped }
    }

    fn run(mut self, dice: &mut Dice, length: u64) {
        for _ in 0..3 + dice.roll(length) {
            self.step(dice);
            self.check_wakes();
        }
        self.finish(dice);
    }

    fn step(&mut self, dice: &mut Dice) {
        let (waiting, held, cancels) = (self.waiting.len(), self.held.len(), P::KIND.cancel_safe);
        self.was_dropped = false;
        match dice.roll(10) {
            0..=3 if waiting < 5 => self.arrive(),
            4 if cancels && waiting > 0 => self.cancel(dice.index(waiting)),
            5 if cancels && waiting > 0 => {
                let at = dice.index(waiting);
                self.steps.push(format!("#{} is polled without a wake", self.waiting[at].0));
                self.poll(at);
            }
            6 if cancels && waiting > 0 => {
                let at = dice.index(waiting);
                self.steps.push(format!("#{} is polled with another waker", self.waiting[at].0));
                self.waiting[at].1.replace_waker();
                self.poll(at);
            }
            7 if cancels => drop(self.line.acquire()), // without a poll
            8.. if held > 0 => self.release(dice.index(held)),
            _ => _ = self.poll_woken(dice),
        }
    }

    fn arrive(&mut self) {
        self.arrived += 1;
        self.steps.push(format!("#{} {}", self.arrived, P::KIND.acquire));
        self.waiting.push((self.arrived, hand(self.line.acquire()).lenient()));
        self.poll(self.waiting.len() - 1);
    }

    /// Polls a wait that was woken. Returns `false` if there is none.
    fn poll_woken(&mut self, dice: &mut Dice) -> bool {
        let woken: Vec<_> = (0..self.waiting.len()).filter(|at| self.waiting[*at].1.was_woken()).collect();
        if woken.is_empty() {
            return false;
        }
        let at = woken[dice.index(woken.len())];
        self.steps.push(format!("#{}, which was woken, is polled", self.waiting[at].0));
        self.poll(at);
        true
    }

    fn poll(&mut self, at: usize) {
        let polled = self.waiting[at].1.poll();
        match polled {
            Poll::Ready(permit) => self.holds(at, permit),
            Poll::Pending => self.waits(at),
        }
    }

    fn holds(&mut self, at: usize, permit: P::Permit<'a>) {
        self.steps.came(": has it");
        let (number, wait) = self.waiting.remove(at);
        self.held.push((number, permit));
        if self.held.len() > self.permits {
            let holders: Vec<_> = self.held.iter().map(|(number, _)| format!("#{number}")).collect();
            self.broken(AT_MOST, format!("{} hold it, and it was made for {}", holders.join(", "), self.permits));
        }
        // Earlier waiters may have been handed permits already. All of them and the holders need one each.
        if P::KIND.fair && self.held.len() + at > self.permits {
            let first = self.waiting[0].0;
            self.broken(FAIR, format!("#{number} has it, and #{first} has waited longer"));
        }
        self.expect_no_wakers(number, wait.cancel());
    }

    fn waits(&mut self, at: usize) {
        self.steps.came(": waits");
        let (number, wait) = &self.waiting[at];
        if self.held.len() + self.waiting.len() <= self.permits {
            let free = self.permits - self.held.len();
            self.broken(
                AT_ONCE,
                format!("#{number} waits, and there are {free} permits for {} waiters", self.waiting.len()),
            );
        }
        if wait.was_woken() && self.held.len() == self.permits {
            self.broken(SPINS, format!("#{number} waits and was woken by its own poll, with no permit free"));
        }
    }

    fn cancel(&mut self, at: usize) {
        let (number, wait) = self.waiting.remove(at);
        let woken = if wait.was_woken() { ", which was woken," } else { "" };
        self.steps.push(format!("#{number}{woken} is dropped"));
        self.was_dropped = true;
        self.expect_no_wakers(number, wait.cancel());
        // Without a waiter, only a new acquire shows whether the dropped wait left its permit behind.
        if self.waiting.is_empty()
            && self.held.len() < self.permits
            && hand(self.line.acquire()).lenient().poll().is_pending()
        {
            let free = self.permits - self.held.len();
            self.broken(NEXT, format!("{free} of {} permits are free, and a new one waits", self.permits));
        }
    }

    fn release(&mut self, at: usize) {
        let (number, permit) = self.held.remove(at);
        self.steps.push(format!("#{number} {}", P::KIND.release));
        drop(permit);
    }

    fn expect_no_wakers(&self, number: usize, wakers: usize) {
        if wakers > 0 {
            self.broken(LEAVES, format!("the wait of #{number} is over, and {wakers} of its wakers are kept"));
        }
    }

    /// Checks that a waiter was woken if a permit is free and tasks wait.
    fn check_wakes(&self) {
        let (held, permits) = (self.held.len(), self.permits);
        if held < permits && !self.waiting.is_empty() && !self.waiting.iter().any(|(_, wait)| wait.was_woken()) {
            let waiting: Vec<_> = self.waiting.iter().map(|(number, _)| format!("#{number}")).collect();
            let (free, invariant) = (permits - held, if self.was_dropped { NEXT } else { WAKES });
            self.broken(
                invariant,
                format!(
                    "{free} of {permits} permits are free, {} wait, and none of them was woken",
                    waiting.join(", ")
                ),
            );
        }
    }

    /// Ends all waits, and checks that all permits can be acquired again.
    fn finish(mut self, dice: &mut Dice) {
        for _ in 0..1000 {
            match self.poll_woken(dice) {
                true => {}
                false if self.held.is_empty() => break,
                false => self.release(dice.index(self.held.len())),
            }
            self.check_wakes();
        }
        if !self.waiting.is_empty() {
            self.broken(WAKES, "waiters are woken again and again, and never get it".to_owned());
        }
        while self.held.len() < self.permits {
            self.arrive();
        }
        self.arrive(); // one too many: it waits
        while !self.held.is_empty() {
            self.release(0);
        }
        self.check_wakes();
    }

    fn broken(&self, invariant: &str, what: String) -> ! {
        let hint = match invariant {
            FAIR => "\nif it does not promise an order, say so: const FAIR: bool = false",
            _ if !P::KIND.cancel_safe => "",
            _ => {
                "\n(steps that drop a wait or poll it without a wake are left out with const CANCEL_SAFE: bool = false)"
            }
        };
        self.steps.broken(P::KIND.noun, invariant, format_args!("{what}{hint}"));
    }
}
