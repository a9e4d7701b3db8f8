//! The one wait list under everything in `sync`: who waits, in what order, and how they are served.
//!
//! A [`Monitor`] is a state under a lock, with lists of waiters in it. What a waiter waits for is a [`Rule`]:
//! what it wants, what it gets, and when. Three ideas make it fair and lose nothing:
//!
//! - **Handed over, not announced.** Whoever makes something available gives it to the first waiter, under
//!   the lock, before anybody else can come and take it. A waiter that wakes has what it waited for.
//! - **No allocation.** A waiter's place in the list is a [`Node`] inside of its own future.
//! - **Going away is an event.** A waiter that is dropped leaves the list; one that was given something
//!   and had not taken it gives it back, and the next one gets it.
//!
//! ```text
//!            arrive: not to be had at once       serve: got it, its waker is called
//!      IDLE ────────────────────────────► WAITING ─────────────────────────► SERVED
//!       ▲  └─ arrive: got it at once, done    │ dropped: leaves the list        │ dropped: gives it back
//!       └───────────────────────────────────────────────────────────────────────┘ polled: takes it
//! ```
//!
//! An idle node that is polled when the budget of the poll is spent is DEFERRED to a later poll instead of arriving. One
//! that waits, or was served, was pending before and need not ask: so no wait starves beside a sibling that always
//! spends the budget first.
//!
//! Who may touch a node: while it is WAITING it is in a list, and all of it belongs to whoever holds the
//! lock; otherwise, idle, deferred or served, it belongs to its future. The last thing that the one who serves does to a node is to
//! store SERVED, without which its future does not look at it: after that the future may be gone.
//!
//! No foreign code runs under the lock, but for the clone of a waker: wakers are called, and they and
//! whatever users have put in are dropped, after it was released.
//!
//! After C. A. R. Hoare, "Monitors: An Operating System Structuring Concept", 1974, whose signals hand over
//! too. Used by the files beside it.

use super::handover::{self, Giving, Handover};
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

/// A state under a lock, and those who wait for it to change.
pub(super) struct Monitor<S> {
    state: Mutex<S>,
    /// For whoever prints it: "semaphore", "channel", …
    kind: &'static str,
    made_at: &'static Location<'static>,
}

/// What can be waited at.
pub(super) trait State {
    /// Gives out what there is to those who wait, in their order, until there is nothing to give or nobody
    /// to take it, or `wakes` is full: then it is called again.
    fn serve(&mut self, wakes: &mut Wakes);
}

/// What one kind of waiter waits for.
pub(super) trait Rule: Sized {
    type State: State;
    /// What it comes with.
    type Want;
    /// What it goes with.
    type Got;
    /// For whoever asks where a task stands: "acquire on", to be followed by "the semaphore made at …".
    const WAIT: &'static str;

    /// Where those wait.
    fn waiters(state: &mut Self::State) -> &mut List<Self>;
    /// Somebody comes: what it gets, if it needn't wait.
    fn arrive(state: &mut Self::State, want: &mut Self::Want, wakes: &mut Wakes) -> Option<Self::Got>;
    /// It has to wait, as the one with this number.
    fn waits(_want: &mut Self::Want, _ticket: u64) {}
    /// Somebody went that had waited.
    fn left(_state: &mut Self::State, _want: &mut Self::Want) {}
    /// Somebody went who was given this and had not taken it. What nobody else can use is returned, and
    /// dropped when the lock is released.
    fn give_back(state: &mut Self::State, want: &mut Self::Want, got: Self::Got) -> Option<Self::Got>;
}

/// The wakers to be called when the lock is released.
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
            () if handover::is_wanted() => monitor.wake_and_tell(self),
            () => self.wake_all(),
        }
    }

    fn wake_all(&mut self) {
        match self.0.len() == 1 && !thread::panicking() {
            true => self.0.pop().into_iter().for_each(Waker::wake), // nothing is left that its panic could skip
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

    /// The state, to look at it. What was changed may be of use to others: then it is `change` that is needed.
    pub(super) fn look<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.lock())
    }

    /// The state, to change it; then all are served who can be.
    pub(super) fn change<R>(&self, f: impl FnOnce(&mut S, &mut Wakes) -> R) -> R {
        let (mut state, mut wakes) = (self.lock(), Wakes::new());
        let result = f(&mut state, &mut wakes);
        self.settle(state, &mut wakes);
        result
    }

    /// What is waited for by a rule.
    pub(super) fn wait<R: Rule<State = S>>(&self, want: R::Want) -> Wait<'_, R> {
        Wait { monitor: self, node: Node::new(want) }
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        // Nothing under it panics half way but an allocation that is too large.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline(always)] // out of line, a message through a channel takes a sixth more instructions
    fn settle<'a>(&'a self, mut state: MutexGuard<'a, S>, wakes: &mut Wakes) {
        state.serve(wakes);
        drop(state);
        match wakes.is_full() {
            false => wakes.wake(self),
            true => self.settle_rest(wakes),
        }
    }

    /// There are more to be served than are woken at once. A waker that panics must not keep the rest from it.
    #[cold]
    fn settle_rest(&self, wakes: &mut Wakes) {
        let mut calls = FirstPanic::default();
        loop {
            let all = !wakes.is_full();
            calls.catch(|| wakes.wake(self));
            if all {
                break;
            }
            self.lock().serve(wakes);
        }
    }
}

impl<S> Monitor<S> {
    /// Somebody wants to know at what they got what they waited for.
    #[cold]
    fn wake_and_tell(&self, wakes: &mut Wakes) {
        let _giving = Giving::begin(self.handover());
        wakes.wake_all();
    }

    /// For whoever prints it, or is woken by it.
    fn handover(&self) -> Handover {
        Handover { kind: self.kind, made_at: self.made_at }
    }
}

impl<S> fmt::Display for Monitor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handover().fmt(f)
    }
}

/// Those who wait, first come first served.
pub(super) struct List<R: Rule> {
    first: Option<NonNull<Node<R>>>,
    last: Option<NonNull<Node<R>>>,
    /// How many have ever waited, which is the number of the last.
    tickets: u64,
}

// SAFETY: it leads to nodes, through which what waiters want and get goes from thread to thread.
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

    /// The number of the one who came last: all who wait now have this one or a lower.
    pub(super) fn last_ticket(&self) -> u64 {
        self.tickets
    }

    /// What the first one wants.
    pub(super) fn first(&mut self) -> Option<&mut R::Want> {
        // SAFETY: nodes in a list are there, and belong to whoever holds the lock, as the caller does.
        self.first.map(|node| unsafe { node.as_ref().body.with_mut(|body| &mut (*body).want) })
    }

    /// Serves the first one, if there is one.
    #[inline]
    pub(super) fn serve(&mut self, got: R::Got, wakes: &mut Wakes) {
        let Some(node) = self.first else { return };
        // SAFETY: as above. After the store the node is not touched any more.
        unsafe {
            self.unlink(node);
            let node = node.as_ref();
            let waker = node.body.with_mut(|body| {
                (*body).got = Some(got);
                (*body).waker.take()
            });
            node.stage.store(SERVED, Ordering::Release);
            wakes.0.extend(waker);
        }
    }

    /// # Safety
    /// The node is the caller's, pinned, and not in a list; whoever owns it takes it out before it goes.
    unsafe fn push(&mut self, node: NonNull<Node<R>>) {
        self.tickets += 1;
        // SAFETY: the node is the caller's; the last one is in the list.
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
        // SAFETY: so are its neighbours.
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

/// Does not wait.
const IDLE: usize = 0;
/// Is in the list.
const WAITING: usize = 1;
/// Was served, and has not taken what it got.
const SERVED: usize = 2;
// Any other stage: does not wait, as the budget deferred it. The word is the bits of a `budget::Deferral`, the two lowest
// of which are set.

/// A waiter's place in a list.
pub(super) struct Node<R: Rule> {
    stage: AtomicUsize,
    body: UnsafeCell<Body<R>>,
    _stays: PhantomPinned,
}

// A node changes under its monitor's lock, where nothing panics half way.
impl<R: Rule> UnwindSafe for Node<R> {}
impl<R: Rule> RefUnwindSafe for Node<R> {}

struct Body<R: Rule> {
    previous: Option<NonNull<Node<R>>>,
    next: Option<NonNull<Node<R>>>,
    waker: Option<Waker>,
    want: R::Want,
    got: Option<R::Got>,
}

// SAFETY: whoever has a node has what is in it. Its neighbours are only reached under the lock.
unsafe impl<R: Rule<Want: Send, Got: Send>> Send for Node<R> {}
// SAFETY: a `&Node` leads to what is in it only through its unsafe methods, whose caller is its only owner.
unsafe impl<R: Rule<Want: Send, Got: Send>> Sync for Node<R> {}

impl<R: Rule> Node<R> {
    pub(super) fn new(want: R::Want) -> Node<R> {
        let body = Body { previous: None, next: None, waker: None, want, got: None };
        Node { stage: AtomicUsize::new(IDLE), body: UnsafeCell::new(body), _stays: PhantomPinned }
    }

    /// Whether it was served, or needn't have waited; else leaves the waker. Can be used again afterwards.
    ///
    /// # Safety
    /// The caller is the node's only owner, and always comes with the same monitor.
    #[inline]
    pub(super) unsafe fn poll(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Poll<R::Got> {
        // SAFETY: as promised.
        let got = unsafe {
            match self.stage.load(Ordering::Acquire) {
                SERVED => Some(self.take_got()),
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

    /// Whether a node that does not wait may arrive although the budget is, or was, spent. Then it is IDLE.
    #[cold]
    fn poll_deferred(&self, stage: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut deferral = budget::Deferral::from_bits(stage as u32);
        let proceeds = deferral.poll_proceed(cx);
        self.stage.store(deferral.bits() as usize, Ordering::Relaxed);
        proceeds
    }

    /// # Safety
    /// As for [`poll`](Node::poll); and it is IDLE.
    #[inline]
    unsafe fn arrive(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Option<R::Got> {
        let (mut state, mut wakes) = (monitor.lock(), Wakes::new());
        // SAFETY: an idle node is its owner's, and is pinned; `leave` takes it out of the list.
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

    /// Polled while it waits: whom to wake may have changed.
    ///
    /// # Safety
    /// As for [`poll`](Node::poll).
    #[cold]
    unsafe fn renew(self: Pin<&Self>, monitor: &Monitor<R::State>, cx: &mut Context<'_>) -> Option<R::Got> {
        let state = monitor.lock();
        if self.stage.load(Ordering::Acquire) == SERVED {
            drop(state);
            // SAFETY: it was served meanwhile, so it is its owner's.
            return Some(unsafe { self.take_got() });
        }
        // SAFETY: it is in the list, and this is who holds the lock.
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
    /// It is SERVED, and the caller its owner.
    #[inline]
    unsafe fn take_got(&self) -> R::Got {
        self.stage.store(IDLE, Ordering::Relaxed);
        // SAFETY: a node that was served is its owner's.
        self.body.with_mut(|body| unsafe { (*body).got.take() }).expect("a waiter that was served got something")
    }

    /// Ends the wait, if there is one. Can be used again afterwards.
    ///
    /// # Safety
    /// Nobody polls it meanwhile, and it always comes with the same monitor. Others may call this too.
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
        // SAFETY: under the lock, a node that waits is in the list; one that was served is its owner's, and of
        // those who leave together it is the first one's, after whom it is idle.
        let (left, waker) = unsafe {
            match self.stage.load(Ordering::Acquire) {
                SERVED => {
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
    /// Gets in line, for a rule by which nobody gets anything on arrival.
    pub(super) fn begin(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_ref();
        // SAFETY: as in `poll`. It is the first one, so the node is idle.
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
        // SAFETY: the node is pinned as its wait is, which is its only owner and has one monitor.
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
