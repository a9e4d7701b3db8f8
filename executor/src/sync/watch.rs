//! [`watch()`]: a value that changes, and those who want to know.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use super::{RecvError, SendError};
use crate::shim::budget;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value whose newest version is all that counts, as settings or a state that others follow.
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
    /// How often it was changed.
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

    /// Puts a value in the place of the present one, which is returned.
    fn replace(&mut self, value: Arc<T>) -> Arc<T> {
        self.version += 1;
        std::mem::replace(&mut self.value, value)
    }
}

impl<T> State for Newest<T> {
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut seen) = self.waiters.first() else { return };
            let Some(newer) = self.newer(seen) else { return }; // all who wait have seen the newest
            self.waiters.serve(newer, wakes);
        }
    }
}

/// Waits for another version than the one it has seen.
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
    /// Changes the value and tells all receivers.
    ///
    /// # Errors
    /// When there is none. The value comes back in the error.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = Arc::new(value);
        let replaced = self.newest.change(|newest, _| match newest.receivers {
            0 => Err(value),
            _ => Ok(newest.replace(value)),
        });
        match replaced {
            Ok(_before) => Ok(()),
            Err(value) => Err(SendError(Arc::into_inner(value).expect("nobody else has seen it"))),
        }
    }

    /// Changes the value by changing a copy of it.
    ///
    /// Of two changes at the same time on different threads one is made to the other's result.
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
            let (before, version) = self.newest.look(|newest| (newest.value.clone(), newest.version));
            let mut value = T::clone(&before);
            change(&mut value);
            let mut value = Some(Arc::new(value)); // dropped outside of the lock if it is of no use
            let replaced = self.newest.change(|newest, _| match newest.version == version {
                true => value.take().map(|value| newest.replace(value)),
                false => None,
            });
            if replaced.is_some() {
                return;
            }
        }
    }

    /// The present value.
    pub fn get(&self) -> Arc<T> {
        self.newest.look(|newest| newest.value.clone())
    }

    /// Another receiver, which has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.newest.look(|newest| {
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
    /// The newest version that was read or announced. Written under the lock alone, so that it never goes back.
    seen: AtomicU64,
    /// It has waited for a change.
    follows: bool,
}

impl<T> Receiver<T> {
    /// The present value. To a receiver that has waited for a change before, what it reads counts as announced:
    /// [`changed`](Receiver::changed) then waits for a newer one. Before its first wait this is only a look, and
    /// `changed` announces whatever came since the receiver was made.
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
        self.newest.look(|newest| {
            if self.follows {
                self.see(newest);
            }
            newest.value.clone()
        })
    }

    fn see(&self, newest: &Newest<T>) {
        self.seen.store(newest.version, Ordering::Relaxed);
    }

    /// Waits until there is a value that was not announced to this receiver. However often the value has changed until
    /// this returns, that is one change.
    ///
    /// # Errors
    /// When there will be none, as the sender is gone.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let changed: Wait<'_, Changed<T>> = self.newest.wait(*self.seen.get_mut());
        changed.await?;
        self.follows = true;
        // Further changes may have come between the wake and this poll: `get` gives their result, so they are seen as well.
        self.newest.look(|newest| self.see(newest));
        Ok(())
    }

    /// Waits until the value is as it should be, which it may be now.
    ///
    /// # Errors
    /// When it will never be, as the sender is gone.
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
        budget::take().await; // it may be right at once, again and again
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
        self.newest.look(|newest| newest.receivers += 1);
        let seen = self.seen.load(Ordering::Relaxed).into();
        Receiver { newest: self.newest.clone(), seen, follows: self.follows }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.newest.look(|newest| newest.receivers -= 1);
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
