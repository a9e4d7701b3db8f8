//! What the tests of `sync` share besides `tests::kit`: three waiters in line, and a crowd.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock};
use std::task::{Context, Poll, Waker};
pub use tests::kit::{Dice, Hand, at_once, hand, waiting};
use tests::waker_fn;

pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The stage in which a wait is dropped.
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

/// A primitive that hands what it has to one waiter after the other.
pub struct Line<T> {
    /// Makes a wait.
    pub join: Box<dyn Fn() -> Boxed<T>>,
    /// Makes the permit or message of this number available.
    pub give: Box<dyn Fn(usize)>,
    /// Takes what is available and was not handed to a waiter.
    pub left: Box<dyn Fn() -> Vec<T>>,
}

/// Puts three waits in line and drops one of them: each of the three, in each stage. Checks that the other two get the
/// first two permits or messages, in order, and that the rest is left.
///
/// `keep`: whether the primitive keeps what no waiter takes.
#[track_caller]
pub fn each_may_be_dropped<T: PartialEq + fmt::Debug>(
    line: impl Fn() -> Line<T>,
    item: impl Fn(usize) -> T,
    keep: bool,
) {
    use When::*;
    for place in 0..3 {
        for when in [NotPolled, OutOfBudget, Waiting, PolledAgain, WakerReplaced, Served, ReplacedAndServed] {
            let which = format!("wait {place} was dropped when it was {when:?}");
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
                assert!(three[place].was_woken(), "{which}: it was not woken");
            }
            drop(three.remove(place));
            (given..2).for_each(|number| (line.give)(number));
            for (number, wait) in three.iter_mut().enumerate() {
                assert!(wait.was_woken(), "{which}: number {number} of the rest was not woken");
                assert_eq!(wait.ready(), item(number), "{which}: number {number} of the rest");
            }
            let over = if keep { given.saturating_sub(2) } else { 0 };
            let left: Vec<_> = (2..2 + over).map(&item).collect();
            assert_eq!((line.left)(), left, "{which}: what is left");
        }
    }
}

type OnWake<T> = dyn Fn(&Arc<Crowd<T>>, usize) + Send + Sync;

/// Many waits, and a closure that is called whenever one of them is woken.
pub struct Crowd<T> {
    members: Vec<Lock<Option<Boxed<T>>>>,
    wakes: Vec<AtomicUsize>,
    on_wake: Box<OnWake<T>>,
}

impl<T: 'static> Crowd<T> {
    /// Makes `size` waits and polls each once.
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
            assert!(crowd.poll(at).is_some_and(|polled| polled.is_pending()), "wait {at} did not wait");
        }
        crowd
    }

    /// Polls a wait. Returns `None` if it has completed or was dropped.
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

    /// Drops a wait.
    pub fn drop_wait(&self, at: usize) {
        let gone = self.members[at].lock().unwrap().take();
        drop(gone);
    }

    pub fn wakes(&self, at: usize) -> usize {
        self.wakes[at].load(Ordering::SeqCst)
    }

    /// Checks that all waits that were not dropped complete, each after one wake. Returns their outputs.
    #[track_caller]
    pub fn all_done(self: &Arc<Self>) -> Vec<(usize, T)> {
        let polled = (0..self.members.len()).filter_map(|at| self.poll(at).map(|polled| (at, polled)));
        polled
            .map(|(at, polled)| match polled {
                Poll::Ready(output) => {
                    assert_eq!(self.wakes(at), 1, "wakes of wait {at}");
                    (at, output)
                }
                Poll::Pending => panic!("wait {at} is still pending, and was woken {} times", self.wakes(at)),
            })
            .collect()
    }
}

/// The message of a panic.
#[track_caller]
pub fn panic_text<R>(body: impl FnOnce() -> R) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(body())));
    let payload = caught.expect_err("there was no panic");
    let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

/// Counts tokens: how many exist, and how many were dropped.
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
