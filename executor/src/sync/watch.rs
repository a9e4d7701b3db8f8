//! [`watch()`]: a value that changes, and those who want to know.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use super::{RecvError, SendError};
use crate::shim::budget;
use std::fmt;
use std::sync::Arc;

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
    (Sender { newest: newest.clone() }, Receiver { newest, seen: 0 })
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
    fn newer(&self, seen: u64) -> Option<Result<u64, RecvError>> {
        match () {
            () if self.version > seen => Some(Ok(self.version)),
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
    type Got = Result<u64, RecvError>;
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
        Receiver { newest: self.newest.clone(), seen }
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
    seen: u64,
}

impl<T> Receiver<T> {
    /// The present value. [`changed`](Receiver::changed) then waits for a newer one only if this was it that it
    /// had announced.
    pub fn get(&self) -> Arc<T> {
        self.newest.look(|newest| newest.value.clone())
    }

    /// Waits until there is a value that this receiver was not told of.
    ///
    /// # Errors
    /// When there will be none, as the sender is gone.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let changed: Wait<'_, Changed<T>> = self.newest.wait(self.seen);
        self.seen = changed.await?;
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
            let (value, version) = self.newest.look(|newest| (newest.value.clone(), newest.version));
            if is_right(&value) {
                self.seen = version;
                return Ok(value);
            }
            self.seen = version;
            drop(value);
            self.changed().await?;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.newest.look(|newest| newest.receivers += 1);
        Receiver { newest: self.newest.clone(), seen: self.seen }
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
