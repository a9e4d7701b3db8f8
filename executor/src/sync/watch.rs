//! [`watch()`]: a value that changes, and receivers that follow it.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use super::{RecvError, SendError};
use crate::shim::budget;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Creates a value of which only the newest version matters, such as settings or a state that other tasks follow.
///
/// ```
/// use executor::sync::watch;
///
/// executor::block_on(async {
///     let (tx, mut rx) = watch("starting");
///     assert_eq!(*rx.get(), "starting");
///     tx.send("loading").unwrap();
///     tx.send("running").unwrap();
///     rx.changed().await.unwrap();
///     assert_eq!(*rx.get(), "running");
/// });
/// ```
#[track_caller]
pub fn watch<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let state = Newest { value: Arc::new(value), version: 0, has_sender: true, receivers: 1, waiters: List::default() };
    let newest = Arc::new(Monitor::new("watched value", state));
    (Sender { newest: newest.clone() }, Receiver { newest, seen: AtomicU64::new(0), follows: false })
}

struct Newest<T> {
    value: Arc<T>,
    /// How often the value was changed.
    version: u64,
    has_sender: bool,
    receivers: usize,
    waiters: List<Changed<T>>,
}

impl<T> Newest<T> {
    fn newer(&self, seen: u64) -> Option<Result<(), RecvError>> {
        match () {
            () if self.version > seen => Some(Ok(())),
            () if !self.has_sender => Some(Err(RecvError)),
            () => None,
        }
    }

    /// Replaces the current value, and returns it.
    fn replace(&mut self, value: Arc<T>) -> Arc<T> {
        self.version += 1;
        std::mem::replace(&mut self.value, value)
    }
}

impl<T> State for Newest<T> {
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut seen) = self.waiters.first() else { return };
            let Some(newer) = self.newer(seen) else { return }; // all waiters have seen the newest value
            self.waiters.hand_over(newer, wakes);
        }
    }
}

/// Waits for a newer version than the one it has seen.
struct Changed<T>(T);

impl<T> Rule for Changed<T> {
    type State = Newest<T>;
    type Want = u64;
    type Got = Result<(), RecvError>;
    const WAIT: &'static str = "wait for a change of";

    fn waiters(state: &mut Newest<T>) -> &mut List<Self> {
        &mut state.waiters
    }

    fn arrive(state: &mut Newest<T>, seen: &mut u64, _: &mut Wakes) -> Option<Self::Got> {
        state.newer(*seen)
    }

    fn give_back(_: &mut Newest<T>, _: &mut u64, _: Self::Got) -> Option<Self::Got> {
        None
    }
}

/// Changes a watched value. See [`watch()`].
pub struct Sender<T> {
    newest: Arc<Monitor<Newest<T>>>,
}

impl<T> Sender<T> {
    /// Changes the value and wakes all receivers that wait for a change.
    ///
    /// # Errors
    /// When there is no receiver. The error contains the value.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = Arc::new(value);
        let replaced = self.newest.change(|newest, _| match newest.receivers {
            0 => Err(value),
            _ => Ok(newest.replace(value)),
        });
        match replaced {
            Ok(_before) => Ok(()),
            Err(value) => Err(SendError(Arc::into_inner(value).expect("an unsent value has one reference"))),
        }
    }

    /// Changes the value by changing a clone of it.
    ///
    /// If another thread changes the value meanwhile, `change` is called again, with a clone of the new value.
    ///
    /// ```
    /// let (tx, rx) = executor::sync::watch(vec![1]);
    /// tx.modify(|list| list.push(2));
    /// assert_eq!(*rx.get(), [1, 2]);
    /// ```
    pub fn modify(&self, mut change: impl FnMut(&mut T))
    where
        T: Clone,
    {
        loop {
            let (before, version) = self.newest.with(|newest| (newest.value.clone(), newest.version));
            let mut value = T::clone(&before);
            change(&mut value);
            let mut value = Some(Arc::new(value)); // dropped outside the lock if it is not needed
            let replaced = self.newest.change(|newest, _| match newest.version == version {
                true => value.take().map(|value| newest.replace(value)),
                false => None,
            });
            if replaced.is_some() {
                return;
            }
        }
    }

    /// The current value.
    pub fn get(&self) -> Arc<T> {
        self.newest.with(|newest| newest.value.clone())
    }

    /// Creates another receiver, which has seen the current value.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.newest.with(|newest| {
            newest.receivers += 1;
            newest.version
        });
        Receiver { newest: self.newest.clone(), seen: seen.into(), follows: false }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.newest.change(|newest, _| newest.has_sender = false);
    }
}

/// Follows a watched value. See [`watch()`].
pub struct Receiver<T> {
    newest: Arc<Monitor<Newest<T>>>,
    /// The newest version that was read or announced. Written only under the lock, so that it never decreases.
    seen: AtomicU64,
    /// It has waited for a change before.
    follows: bool,
}

impl<T> Receiver<T> {
    /// The current value.
    ///
    /// For a receiver that has waited for a change before, the value read here counts as announced:
    /// [`changed`](Receiver::changed) then waits for a newer one. Before its first wait, reading the value does not
    /// count, and `changed` announces any change since the receiver was created.
    ///
    /// ```
    /// use executor::sync::watch;
    ///
    /// executor::block_on(async {
    ///     let (tx, mut rx) = watch(0);
    ///     tx.send(1).unwrap();
    ///     rx.changed().await.unwrap();
    ///     tx.send(2).unwrap();
    ///     assert_eq!(*rx.get(), 2);
    ///     drop(tx);
    ///     assert!(rx.changed().await.is_err()); // 2 was read: nothing is left to announce
    /// });
    /// ```
    pub fn get(&self) -> Arc<T> {
        self.newest.with(|newest| {
            if self.follows {
                self.see(newest);
            }
            newest.value.clone()
        })
    }

    fn see(&self, newest: &Newest<T>) {
        self.seen.store(newest.version, Ordering::Relaxed);
    }

    /// Waits until there is a value that was not announced to this receiver. All changes until this returns count as
    /// one.
    ///
    /// # Errors
    /// When the sender was dropped, so that no change will come.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let changed: Wait<'_, Changed<T>> = self.newest.wait(*self.seen.get_mut());
        changed.await?;
        self.follows = true;
        // More changes may have come between the wake and this poll. `get` returns their result, so they count as seen
        // too.
        self.newest.with(|newest| self.see(newest));
        Ok(())
    }

    /// Waits until `is_right` returns `true` for the value. Returns at once if it does for the current one.
    ///
    /// # Errors
    /// When the sender was dropped, so that the value will not change.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    ///
    /// ```
    /// use executor::sync::watch;
    ///
    /// executor::block_on(async {
    ///     let (tx, mut rx) = watch(0);
    ///     let enough = executor::spawn(async move { rx.wait_for(|n| *n >= 10).await.map(|n| *n) });
    ///     for n in [3, 7, 12] {
    ///         tx.send(n).unwrap();
    ///         executor::yield_now().await;
    ///     }
    ///     assert_eq!(enough.await.unwrap(), Ok(12));
    /// });
    /// ```
    pub async fn wait_for(&mut self, mut is_right: impl FnMut(&T) -> bool) -> Result<Arc<T>, RecvError> {
        budget::take().await; // a loop of calls that never wait must end its poll, too
        loop {
            self.follows = true;
            let value = self.get();
            if is_right(&value) {
                return Ok(value);
            }
            drop(value);
            self.changed().await?;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.newest.with(|newest| newest.receivers += 1);
        let seen = self.seen.load(Ordering::Relaxed).into();
        Receiver { newest: self.newest.clone(), seen, follows: self.follows }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.newest.with(|newest| newest.receivers -= 1);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender of {}", self.newest)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver of {}", self.newest)
    }
}
