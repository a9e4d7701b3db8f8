//! What the tests of `sync` share: futures polled by hand, three who stand in line, a crowd.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock};
use std::task::{Context, Poll, Waker};
use std::thread;
use tests::{Counting, waker_fn};

pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is polled by hand. When it is done or dropped, nobody may have its waker any more.
pub struct Hand<'a, T> {
    future: Option<Pin<Box<dyn Future<Output = T> + 'a>>>,
    counting: Arc<Counting>,
    seen: usize,
}

pub fn hand<'a, T>(future: impl Future<Output = T> + 'a) -> Hand<'a, T> {
    Hand { future: Some(Box::pin(future)), counting: Counting::new(), seen: 0 }
}

/// A future that was polled once, and now waits.
#[track_caller]
pub fn waiting<'a, T>(future: impl Future<Output = T> + 'a) -> Hand<'a, T> {
    let mut hand = hand(future);
    assert!(hand.poll().is_pending(), "it was to wait");
    hand
}

/// What a future is that needn't wait.
#[track_caller]
pub fn at_once<'a, T>(future: impl Future<Output = T> + 'a) -> T {
    hand(future).ready()
}

impl<T> Hand<'_, T> {
    /// Polls it, as an executor would that has just turned to this task.
    #[track_caller]
    pub fn poll(&mut self) -> Poll<T> {
        reactor::budget::reset();
        self.seen = self.counting.wakes();
        let future = self.future.as_mut().expect("it was done");
        let polled = future.as_mut().poll(&mut Context::from_waker(&self.counting.waker()));
        if polled.is_ready() {
            self.future = None;
            assert_eq!(self.counting.wakers(1), 0, "it is done, and somebody still has its waker");
        }
        polled
    }

    #[track_caller]
    pub fn ready(&mut self) -> T {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it was to be ready"),
        }
    }

    /// What it is, after it was woken for it, once.
    #[track_caller]
    pub fn served(&mut self) -> T {
        assert_eq!(self.counting.wakes() - self.seen, 1, "it was to be woken once");
        self.ready()
    }

    /// Whether it was woken since it was last polled.
    pub fn was_woken(&self) -> bool {
        self.counting.wakes() > self.seen
    }

    /// Polls it again, with another waker. Only that one is kept.
    #[track_caller]
    pub fn renew(&mut self) {
        let before = std::mem::replace(&mut self.counting, Counting::new());
        assert!(self.poll().is_pending(), "it was to wait");
        assert_eq!(before.wakers(1), 0, "a waker that was replaced was not dropped");
        assert_eq!(self.counting.wakers(1), 1, "one waker is enough");
    }

    /// Drops it, although what it waited with stays and keeps the waker: a stream's `next`.
    pub fn leave_in_line(mut self) {
        self.future = None;
        self.counting = Counting::new();
    }

    /// Polls it as if its task had done all it may do in one turn.
    #[track_caller]
    pub fn poll_without_budget(&mut self) {
        reactor::budget::reset();
        (0..reactor::budget::OPERATIONS).for_each(|_| reactor::budget::spend());
        let future = self.future.as_mut().expect("it was done");
        let polled = future.as_mut().poll(&mut Context::from_waker(&self.counting.waker()));
        assert!(polled.is_pending() && self.was_woken(), "it was to let others run, and to be polled again");
    }
}

impl<T> Drop for Hand<'_, T> {
    fn drop(&mut self) {
        self.future = None;
        if !thread::panicking() {
            assert_eq!(self.counting.wakers(1), 0, "it is gone, and somebody still has its waker");
        }
    }
}

/// How far a wait has come when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    NotPolled,
    OutOfBudget,
    Waiting,
    PolledAgain,
    WakerReplaced,
    Served,
    ReplacedAndServed,
}

/// Something that waiters stand in line for, and that is given to one after the other.
pub struct Line<T> {
    /// A wait for one.
    pub join: Box<dyn Fn() -> Boxed<T>>,
    /// Gives the one with this number.
    pub give: Box<dyn Fn(usize)>,
    /// Those that nobody has; takes them away.
    pub left: Box<dyn Fn() -> Vec<T>>,
}

/// Three stand in line; one of them goes, from each place and at each moment. Always the two others get the first
/// two gifts, in the order in which they came, and the rest is left.
///
/// `keep` says whether a gift that nobody waits for stays.
#[track_caller]
pub fn each_may_go<T: PartialEq + fmt::Debug>(line: impl Fn() -> Line<T>, gift: impl Fn(usize) -> T, keep: bool) {
    use When::*;
    for place in 0..3 {
        for when in [NotPolled, OutOfBudget, Waiting, PolledAgain, WakerReplaced, Served, ReplacedAndServed] {
            let which = format!("the one at {place} went when it was {when:?}");
            let line = line();
            let mut three: Vec<_> = (0..3).map(|_| hand((line.join)())).collect();
            for (at, wait) in three.iter_mut().enumerate() {
                match when {
                    NotPolled if at == place => {}
                    OutOfBudget if at == place => wait.poll_without_budget(),
                    _ => assert!(wait.poll().is_pending(), "{which}"),
                }
            }
            let mut given = 0;
            match when {
                PolledAgain => assert!(three[place].poll().is_pending(), "{which}"),
                WakerReplaced | ReplacedAndServed => three[place].renew(),
                _ => {}
            }
            if let Served | ReplacedAndServed = when {
                (0..=place).for_each(|number| (line.give)(number));
                given = place + 1;
                assert!(three[place].was_woken(), "{which}: but it was not served");
            }
            drop(three.remove(place));
            (given..2).for_each(|number| (line.give)(number));
            for (number, wait) in three.iter_mut().enumerate() {
                assert!(wait.was_woken(), "{which}: number {number} of the rest was not woken");
                assert_eq!(wait.ready(), gift(number), "{which}: number {number} of the rest");
            }
            let over = if keep { given.saturating_sub(2) } else { 0 };
            let left: Vec<_> = (2..2 + over).map(&gift).collect();
            assert_eq!((line.left)(), left, "{which}: what is left");
        }
    }
}

type OnWake<T> = dyn Fn(&Arc<Crowd<T>>, usize) + Send + Sync;

/// Many who wait, and something that happens whenever one of them is woken.
pub struct Crowd<T> {
    members: Vec<Lock<Option<Boxed<T>>>>,
    wakes: Vec<AtomicUsize>,
    on_wake: Box<OnWake<T>>,
}

impl<T: 'static> Crowd<T> {
    /// So many, each of whom waits.
    #[track_caller]
    pub fn gather(
        size: usize,
        wait: impl Fn(usize) -> Boxed<T>,
        on_wake: impl Fn(&Arc<Crowd<T>>, usize) + Send + Sync + 'static,
    ) -> Arc<Crowd<T>> {
        let members = (0..size).map(|at| Lock::new(Some(wait(at)))).collect();
        let wakes = (0..size).map(|_| AtomicUsize::new(0)).collect();
        let crowd = Arc::new(Crowd { members, wakes, on_wake: Box::new(on_wake) });
        for at in 0..size {
            assert!(crowd.poll(at).is_some_and(|polled| polled.is_pending()), "member {at} was to wait");
        }
        crowd
    }

    /// Polls one; `None` if it is not there any more.
    pub fn poll(self: &Arc<Self>, at: usize) -> Option<Poll<T>> {
        reactor::budget::reset();
        let mut future = self.members[at].lock().unwrap().take()?;
        let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker(at)));
        if polled.is_pending() {
            *self.members[at].lock().unwrap() = Some(future);
        }
        Some(polled)
    }

    fn waker(self: &Arc<Self>, at: usize) -> Waker {
        let crowd = Arc::downgrade(self);
        waker_fn(move || {
            let Some(crowd) = crowd.upgrade() else { return };
            crowd.wakes[at].fetch_add(1, Ordering::SeqCst);
            (crowd.on_wake)(&crowd, at);
        })
    }

    /// One goes.
    pub fn drop_one(&self, at: usize) {
        let gone = self.members[at].lock().unwrap().take();
        drop(gone);
    }

    pub fn wakes(&self, at: usize) -> usize {
        self.wakes[at].load(Ordering::SeqCst)
    }

    /// All who are there are done, and were woken once for it.
    #[track_caller]
    pub fn all_done(self: &Arc<Self>) -> Vec<(usize, T)> {
        let polled = (0..self.members.len()).filter_map(|at| self.poll(at).map(|polled| (at, polled)));
        polled
            .map(|(at, polled)| match polled {
                Poll::Ready(output) => {
                    assert_eq!(self.wakes(at), 1, "member {at} was to be woken once");
                    (at, output)
                }
                Poll::Pending => panic!("member {at} still waits, and was woken {} times", self.wakes(at)),
            })
            .collect()
    }
}

/// Numbers that look random, the same in each run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One of so many.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What a panic said.
#[track_caller]
pub fn panic_text<R>(body: impl FnOnce() -> R) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(body())));
    let payload = caught.expect_err("it was to panic");
    let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

/// Counts how many there are of it, and how many were dropped.
#[derive(Clone, Default)]
pub struct Alive(Arc<()>, Arc<AtomicUsize>);

/// A message that must not be lost.
#[derive(Debug)]
pub struct Token(pub usize, #[allow(dead_code)] Arc<()>, Arc<AtomicUsize>);

impl Alive {
    pub fn token(&self, number: usize) -> Token {
        Token(number, self.0.clone(), self.1.clone())
    }

    pub fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    pub fn drops(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.2.fetch_add(1, Ordering::SeqCst);
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.0 == other.0
    }
}
