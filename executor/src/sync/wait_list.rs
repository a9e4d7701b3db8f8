//! The wait list under everything in `sync`: who waits, in what order, and how a waiter gets what it waits for.
//!
//! A [`Monitor`] is a state under a lock, with lists of waiters in it. A [`Rule`] describes one kind of waiter: what it
//! wants, what it gets, and when. Three ideas make the list fair and keep it from losing anything:
//!
//! - **Handed over, not announced.** A task that makes something available hands it over to the first waiter, under the
//!   lock, before any other task can take it. A waiter that wakes already has what it waited for.
//! - **No allocation.** A waiter's entry in the list is a [`Node`] inside its own future.
//! - **A dropped waiter gives back.** A waiter that is dropped leaves the list. If something was handed over to it that
//!   it had not taken yet, it gives that back, and the next waiter gets it.
//!
//! ```text
//!            arrive: must wait             hand_over: gets it, its waker is called
//!      IDLE ────────────────────► WAITING ──────────────────────────────► HANDED_OVER
//!       ▲  └─ arrive: gets it at once  │ dropped: leaves the list               │ dropped: gives it back
//!       └──────────────────────────────┴────────────────────────────────────────┘ polled: takes it
//! ```
//!
//! An idle node that is polled when the poll's budget is spent does not arrive; it is DEFERRED to a later poll. A node
//! that is WAITING or HANDED_OVER was pending in an earlier poll and does not check the budget, so a sibling
//! that always spends the budget first cannot starve it.
//!
//! Who may touch a node: a WAITING node is in a list, and all of it belongs to the thread that holds the lock. In any
//! other stage (IDLE, DEFERRED or HANDED_OVER) it belongs to its future. The store of HANDED_OVER is the last access
//! that `hand_over` makes to a node. Until the future sees that value, it touches only the stage without the lock; from
//! then on it may be dropped at any time.
//!
//! No foreign code runs under the lock, except the clone of a waker. Wakers are called, and wakers and users' values
//! are dropped, after the lock is released.
//!
//! After C. A. R. Hoare, "Monitors: An Operating System Structuring Concept", 1974, whose signals hand over too. Used
//! by the files beside it.

use super::handover::{self, HandingOver, Handover};
use crate::shim::{AtomicUsize, Mutex, MutexGuard, Ordering, UnsafeCell, budget};
use arrayvec::ArrayVec;
use reactor::leaf;
use reactor::panics::{self, FirstPanic};
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker, ready};
use std::thread;

/// A state under a lock, and the waiters for changes of it.
pub(super) struct Monitor<S> {
    state: Mutex<S>,
    /// What it is called in messages: "semaphore", "channel", …
    kind: &'static str,
    made_at: &'static Location<'static>,
}

/// A state that tasks can wait for.
pub(super) trait State {
    /// Hands over what is available to the waiters, in their order. Stops when nothing is available, when no waiter is
    /// left, or when `wakes` is full; in the last case it is called again.
    fn hand_over(&mut self, wakes: &mut Wakes);
}

/// One kind of waiter: what it wants, what it gets, and when.
pub(super) trait Rule: Sized {
    type State: State;
    /// What a waiter wants.
    type Want;
    /// What a waiter gets.
    type Got;
    /// How an await chain describes the wait: "acquire on", which is followed by "the semaphore made at …".
    const WAIT: &'static str;

    /// The list of these waiters.
    fn waiters(state: &mut Self::State) -> &mut List<Self>;
    /// Called when a waiter arrives. Returns what it gets, or `None` if it has to wait.
    fn arrive(state: &mut Self::State, want: &mut Self::Want, wakes: &mut Wakes) -> Option<Self::Got>;
    /// Called when a waiter enters the list. `ticket` is its number there.
    fn waits(_want: &mut Self::Want, _ticket: u64) {}
    /// Called when a waiter has left the list without getting anything.
    fn left(_state: &mut Self::State, _want: &mut Self::Want) {}
    /// Called when a waiter is dropped that was handed `got` and had not taken it. Returns what no other waiter can
    /// use; it is dropped after the lock is released.
    fn give_back(state: &mut Self::State, want: &mut Self::Want, got: Self::Got) -> Option<Self::Got>;
}

/// The wakers to call after the lock is released.
pub(super) struct Wakes(ArrayVec<Waker, 16>);

impl Wakes {
    #[inline]
    fn new() -> Wakes {
        Wakes(ArrayVec::new())
    }

    #[inline]
    fn wake<S>(&mut self, monitor: &Monitor<S>) {
        match () {
            () if self.0.is_empty() => {}
            () if handover::is_enabled() => monitor.wake_with_handover(self),
            () => self.wake_all(),
        }
    }

    fn wake_all(&mut self) {
        match self.0.len() == 1 && !thread::panicking() {
            true => self.0.pop().into_iter().for_each(Waker::wake), // if the only waker panics, none is skipped
            false => panics::wake_all(self.0.drain(..)),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

impl<S: State> Monitor<S> {
    #[track_caller]
    pub(super) fn new(kind: &'static str, state: S) -> Monitor<S> {
        Monitor { state: Mutex::new(state), kind, made_at: Location::caller() }
    }

    /// Calls `f` with the state and hands nothing over afterwards. If `f` makes something available to waiters, use
    /// [`change`](Monitor::change).
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.lock())
    }

    /// Calls `f` to change the state, then hands over what is available and calls the wakers.
    pub(super) fn change<R>(&self, f: impl FnOnce(&mut S, &mut Wakes) -> R) -> R {
        let (mut state, mut wakes) = (self.lock(), Wakes::new());
        let result = f(&mut state, &mut wakes);
        self.settle(state, &mut wakes);
        result
    }

    /// A wait for what the rule `R` describes.
    pub(super) fn wait<R: Rule<State = S>>(&self, want: R::Want) -> Wait<'_, R> {
        Wait { monitor: self, node: Node::new(want) }
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        // Poisoning is ignored: under the lock, nothing but an allocation that is too large can interrupt a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline(always)] // out of line, a message through a channel takes a sixth more instructions
    fn settle<'a>(&'a self, mut state: MutexGuard<'a, S>, wakes: &mut Wakes) {
        state.hand_over(wakes);
        drop(state);
        match wakes.is_full() {
            false => wakes.wake(self),
            true => self.settle_rest(wakes),
        }
    }

    /// Continues when more waiters can proceed than `wakes` has room for. A waker that panics must not keep the rest
    /// from being woken.
    #[cold]
    fn settle_rest(&self, wakes: &mut Wakes) {
        let mut calls = FirstPanic::default();
        loop {
            let all = !wakes.is_full();
            calls.catch(|| wakes.wake(self));
            if all {
                break;
            }
            self.lock().hand_over(wakes);
        }
    }
}

impl<S> Monitor<S> {
    /// Calls the wakers, and records this monitor as what handed over.
    #[cold]
    fn wake_with_handover(&self, wakes: &mut Wakes) {
        let _handing_over = HandingOver::begin(self.handover());
        wakes.wake_all();
    }

    /// This monitor, as messages and events describe it.
    fn handover(&self) -> Handover {
        Handover { kind: self.kind, made_at: self.made_at }
    }
}

impl<S> fmt::Display for Monitor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handover().fmt(f)
    }
}

/// The waiters, in the order in which they came.
pub(super) struct List<R: Rule> {
    first: Option<NonNull<Node<R>>>,
    last: Option<NonNull<Node<R>>>,
    /// The number of waiters that ever entered the list, which is also the ticket of the last one.
    tickets: u64,
}

// SAFETY: a list points to nodes, and moves what waiters want and get between threads; both are Send.
unsafe impl<R: Rule<Want: Send, Got: Send>> Send for List<R> {}

impl<R: Rule> Default for List<R> {
    fn default() -> Self {
        List { first: None, last: None, tickets: 0 }
    }
}

impl<R: Rule> List<R> {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The ticket of the last waiter. No waiter in the list has a higher one.
    pub(super) fn last_ticket(&self) -> u64 {
        self.tickets
    }

    /// What the first waiter wants.
    pub(super) fn first(&mut self) -> Option<&mut R::Want> {
        // SAFETY: nodes in a list are alive and belong to the thread that holds the lock, and the caller holds it.
        self.first.map(|node| unsafe { node.as_ref().body.with_mut(|body| &mut (*body).want) })
    }

    /// Hands `got` over to the first waiter, if there is one.
    #[inline]
    pub(super) fn hand_over(&mut self, got: R::Got, wakes: &mut Wakes) {
        let Some(node) = self.first else { return };
        // SAFETY: as above. The node is not touched after the store.
        unsafe {
            self.unlink(node);
            let node = node.as_ref();
            let waker = node.body.with_mut(|body| {
                (*body).got = Some(got);
                (*body).waker.take()
            });
            node.stage.store(HANDED_OVER, Ordering::Release);
            wakes.0.extend(waker);
        }
    }

    /// # Safety
    /// The node is the caller's, pinned, and not in a list. Its owner takes it out of the list before dropping it.
    unsafe fn push(&mut self, node: NonNull<Node<R>>) {
        self.tickets += 1;
        // SAFETY: the node is the caller's; `last` is in the list, and the caller holds the lock.
        unsafe {
            node.as_ref().body.with_mut(|body| {
                ((*body).previous, (*body).next) = (self.last, None);
                R::waits(&mut (*body).want, self.tickets);
            });
            match self.last.replace(node) {
                None => self.first = Some(node),
                Some(last) => last.as_ref().body.with_mut(|body| (*body).next = Some(node)),
            }
        }
    }

    /// # Safety
    /// The node is in this list.
    unsafe fn unlink(&mut self, node: NonNull<Node<R>>) {
        // SAFETY: its neighbours are in the list too, and the caller holds the lock.
        unsafe {
            let (previous, next) = node.as_ref().body.with(|body| ((*body).previous, (*body).next));
            match previous {
                None => self.first = next,
                Some(previous) => previous.as_ref().body.with_mut(|body| (*body).next = next),
            }
            match next {
                None => self.last = previous,
                Some(next) => next.as_ref().body.with_mut(|body| (*body).previous = previous),
            }
        }
    }
}

/// The node is in no list and holds nothing.
const IDLE: usize = 0;
/// The node is in the list.
const WAITING: usize = 1;
/// The node is out of the list, and holds what it got until a poll takes it.
const HANDED_OVER: usize = 2;
// Any other stage is DEFERRED: the node is in no list, and the budget deferred it. The word is then the bits of a
// `budget::Deferral`, of which the two lowest are set.

/// A waiter's entry in a list.
pub(super) struct Node<R: Rule> {
    stage: AtomicUsize,
    body: UnsafeCell<Body<R>>,
    _stays: PhantomPinned,
}

// A node changes under its monitor's lock, and no panic interrupts a change there: see `Monitor::lock`.
impl<R: Rule> UnwindSafe for Node<R> {}
impl<R: Rule> RefUnwindSafe for Node<R> {}

struct Body<R: Rule> {
    previous: Option<NonNull<Node<R>>>,
    next: Option<NonNull<Node<R>>>,
    waker: Option<Waker>,
    want: R::Want,
    got: Option<R::Got>,
}

// SAFETY: a node owns what is in it, which is Send. Its neighbours are only reached under the lock.
unsafe impl<R: Rule<Want: Send, Got: Send>> Send for Node<R> {}
// SAFETY: a `&Node` gives access to its contents only through unsafe methods, which only its one owner calls.
unsafe impl<R: Rule<Want: Send, Got: Send>> Sync for Node<R> {}

impl<R: Rule> Node<R> {
    pub(super) fn new(want: R::Want) -> Node<R> {
        let body = Body { previous: None, next: None, waker: None, want, got: None };
        Node { stage: AtomicUsize::new(IDLE), body: UnsafeCell::new(body), _stays: PhantomPinned }
    }

    /// Returns what was handed over, or what is available on arrival; otherwise registers the waker. The node can be
    /// used again afterwards.
    ///
    /// # Safety
    /// The caller is the node's only owner, and always passes the same monitor.
    #[inline]
    pub(super) unsafe fn poll(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Poll<R::Got> {
        // SAFETY: as promised.
        let got = unsafe {
            match self.stage.load(Ordering::Acquire) {
                HANDED_OVER => Some(self.take_got()),
                WAITING => self.renew(monitor, cx),
                idle => {
                    if idle != IDLE || budget::is_spent() {
                        ready!(self.poll_deferred(idle, cx));
                    }
                    self.arrive(monitor, cx)
                }
            }
        };
        match got {
            Some(got) => {
                budget::spend();
                Poll::Ready(got)
            }
            None => {
                leaf::pending(|| format!("{} {monitor}", R::WAIT));
                Poll::Pending
            }
        }
    }

    /// Called for a node that does not wait, if the budget of this poll is spent or an earlier poll deferred the node.
    /// Returns `Ready` if the node may arrive now; then it is IDLE.
    #[cold]
    fn poll_deferred(&self, stage: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut deferral = budget::Deferral::from_bits(stage as u32);
        let proceeds = deferral.poll_proceed(cx);
        self.stage.store(deferral.bits() as usize, Ordering::Relaxed);
        proceeds
    }

    /// # Safety
    /// As for [`poll`](Node::poll), and the node is IDLE.
    #[inline]
    unsafe fn arrive(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Option<R::Got> {
        let (mut state, mut wakes) = (monitor.lock(), Wakes::new());
        // SAFETY: an IDLE node belongs to its owner. It is pinned, and its owner calls `leave` before dropping it.
        unsafe {
            let got = self.body.with_mut(|body| R::arrive(&mut state, &mut (*body).want, &mut wakes));
            if got.is_some() {
                monitor.settle(state, &mut wakes);
                return got;
            }
            let waker = cx.waker().clone();
            self.body.with_mut(|body| (*body).waker = Some(waker));
            self.stage.store(WAITING, Ordering::Relaxed);
            R::waiters(&mut state).push(NonNull::from(self.get_ref()));
        }
        None
    }

    /// Polls a node that waits. Replaces its waker if this poll has a different one.
    ///
    /// # Safety
    /// As for [`poll`](Node::poll).
    #[cold]
    unsafe fn renew(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Option<R::Got> {
        let state = monitor.lock();
        if self.stage.load(Ordering::Acquire) == HANDED_OVER {
            drop(state);
            // SAFETY: a node that is HANDED_OVER belongs to its owner.
            return Some(unsafe { self.take_got() });
        }
        // SAFETY: the node is in the list, and this thread holds the lock.
        let replaced = self.body.with_mut(|body| unsafe {
            let waker = &mut (*body).waker;
            let same = waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            (!same).then(|| waker.replace(cx.waker().clone()))
        });
        drop(state);
        drop(replaced);
        None
    }

    /// # Safety
    /// The node is HANDED_OVER, and the caller is its owner.
    #[inline]
    unsafe fn take_got(&self) -> R::Got {
        self.stage.store(IDLE, Ordering::Relaxed);
        // SAFETY: a node that was HANDED_OVER belongs to its owner, which is the caller.
        self.body.with_mut(|body| unsafe { (*body).got.take() }).expect("a node that is HANDED_OVER holds what it got")
    }

    /// Ends the wait, if there is one. The node can be used again afterwards.
    ///
    /// # Safety
    /// The node is not polled meanwhile, and the caller always passes the same monitor. Other threads may call this
    /// too.
    #[inline]
    pub(super) unsafe fn leave(&self, monitor: &Monitor<R::State>) {
        if self.stage.load(Ordering::Acquire) != IDLE {
            // SAFETY: as promised.
            unsafe { self.leave_list(monitor) };
        }
    }

    /// # Safety
    /// As for [`leave`](Node::leave).
    #[cold]
    unsafe fn leave_list(&self, monitor: &Monitor<R::State>) {
        let mut state = monitor.lock();
        // SAFETY: under the lock, a WAITING node is in the list. A HANDED_OVER node belongs to its owner; if several
        // threads call `leave` at once, it belongs to the first one, which leaves it IDLE for the others.
        let (left, waker) = unsafe {
            match self.stage.load(Ordering::Acquire) {
                HANDED_OVER => {
                    let got = self.take_got();
                    (self.body.with_mut(|body| R::give_back(&mut state, &mut (*body).want, got)), None)
                }
                WAITING => {
                    R::waiters(&mut state).unlink(NonNull::from(self));
                    self.stage.store(IDLE, Ordering::Relaxed);
                    self.body.with_mut(|body| {
                        R::left(&mut state, &mut (*body).want);
                        (None, (*body).waker.take())
                    })
                }
                idle => return budget::Deferral::from_bits(idle as u32).end(),
            }
        };
        monitor.settle(state, &mut Wakes::new());
        drop((left, waker));
    }
}

/// A wait at a monitor. Dropping it ends the wait.
pub(super) struct Wait<'a, R: Rule> {
    monitor: &'a Monitor<R::State>,
    node: Node<R>,
}

impl<R: Rule> Wait<'_, R> {
    /// Enters the list, for a rule whose waiters never get anything on arrival.
    pub(super) fn begin(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_ref();
        // SAFETY: as in `poll`. No poll came before, so the node is IDLE.
        let got = unsafe { this.map_unchecked(|this| &this.node).arrive(this.get_ref().monitor, cx) };
        debug_assert!(got.is_none());
        Poll::Ready(())
    }
}

impl<R: Rule> Future for Wait<'_, R> {
    type Output = R::Got;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Got> {
        let this = self.as_ref();
        // SAFETY: the node is pinned because its wait is; the wait is its only owner and has one monitor.
        unsafe { this.map_unchecked(|this| &this.node).poll(this.get_ref().monitor, cx) }
    }
}

impl<R: Rule> Drop for Wait<'_, R> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `poll`.
        unsafe { self.node.leave(self.monitor) };
    }
}
