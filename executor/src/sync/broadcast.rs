//! [`broadcast()`]: messages, each to all receivers.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use super::{BroadcastError, SendError};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A channel whose every message reaches every receiver there is when it is sent.
///
/// It keeps the last `capacity` messages. Sending never waits: a receiver that is further behind than that
/// misses the older ones, and is told how many.
///
/// # Panics
/// On a capacity of 0, with which nobody would ever receive anything.
///
/// ```
/// use executor::sync::{BroadcastError, broadcast};
///
/// executor::block_on(async {
///     let (tx, mut fast) = broadcast(2);
///     let mut slow = tx.subscribe();
///     for n in 1..=3 {
///         tx.send(n).unwrap();
///         assert_eq!(fast.recv().await, Ok(n));
///     }
///     assert_eq!(slow.recv().await, Err(BroadcastError::Missed(1)));
///     assert_eq!(slow.recv().await, Ok(2));
/// });
/// ```
#[track_caller]
pub fn broadcast<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast without room for a message could never be received: give at least 1");
    let state =
        Log { messages: VecDeque::new(), capacity, sent: 0, senders: 1, receivers: 1, waiters: List::default() };
    let log = Arc::new(Monitor::new("broadcast channel", state));
    (Sender { log: log.clone() }, Receiver { log, received: 0 })
}

/// A message, which each receiver clones. Not under the lock of the channel, as the clone is the user's code; but under one of
/// its own, as a message that is `Send` and not `Sync` must not be cloned on two threads at once.
type Message<T> = Arc<Mutex<T>>;

struct Log<T> {
    /// The last ones that were sent.
    messages: VecDeque<Message<T>>,
    capacity: usize,
    /// How many messages were ever sent.
    sent: u64,
    senders: usize,
    receivers: usize,
    waiters: List<News<T>>,
}

impl<T> Log<T> {
    /// What comes after so many messages.
    fn after(&self, received: u64) -> Option<Result<Message<T>, BroadcastError>> {
        let oldest = self.sent - self.messages.len() as u64;
        match () {
            () if received < oldest => Some(Err(BroadcastError::Missed(oldest - received))),
            () if received < self.sent => Some(Ok(self.messages[(received - oldest) as usize].clone())),
            () if self.senders == 0 => Some(Err(BroadcastError::Closed)),
            () => None,
        }
    }
}

impl<T> State for Log<T> {
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut received) = self.waiters.first() else { return };
            let Some(next) = self.after(received) else { return }; // all who wait have received all
            self.waiters.serve(next, wakes);
        }
    }
}

/// Waits for a message.
struct News<T>(T);

impl<T> Rule for News<T> {
    type State = Log<T>;
    /// How many messages it has received.
    type Want = u64;
    type Got = Result<Message<T>, BroadcastError>;
    const WAIT: &'static str = "receive on";

    fn waiters(state: &mut Log<T>) -> &mut List<Self> {
        &mut state.waiters
    }

    fn arrive(state: &mut Log<T>, received: &mut u64, _: &mut Wakes) -> Option<Self::Got> {
        state.after(*received)
    }

    /// It is still in the log, or counts as missed.
    fn give_back(_: &mut Log<T>, _: &mut u64, got: Self::Got) -> Option<Self::Got> {
        Some(got)
    }
}

/// The end of a [`broadcast()`] that messages go in at.
pub struct Sender<T> {
    log: Arc<Monitor<Log<T>>>,
}

impl<T> Sender<T> {
    /// Sends a message to all receivers there are, and says how many. It never waits.
    ///
    /// # Errors
    /// When there is none. The message comes back in the error.
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let mut forgotten = None; // and dropped when the lock is released
        self.log.change(|log, _| {
            if log.receivers == 0 {
                return Err(SendError(message));
            }
            if log.messages.len() == log.capacity {
                forgotten = log.messages.pop_front();
            }
            log.messages.push_back(Arc::new(Mutex::new(message)));
            log.sent += 1;
            Ok(log.receivers)
        })
    }

    /// Another receiver, of what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let received = self.log.look(|log| {
            log.receivers += 1;
            log.sent
        });
        Receiver { log: self.log.clone(), received }
    }

    /// How many receivers there are now.
    pub fn receivers(&self) -> usize {
        self.log.look(|log| log.receivers)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.log.look(|log| log.senders += 1);
        Sender { log: self.log.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.log.change(|log, _| log.senders -= 1);
    }
}

/// The end of a [`broadcast()`] that messages come out of.
pub struct Receiver<T> {
    log: Arc<Monitor<Log<T>>>,
    received: u64,
}

impl<T: Clone> Receiver<T> {
    /// The next message, as soon as it was sent.
    ///
    /// # Errors
    /// When messages were missed, and when there are no more and the last sender is gone.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn recv(&mut self) -> Result<T, BroadcastError> {
        let news: Wait<'_, News<T>> = self.log.wait(self.received);
        let got = news.await;
        self.received += match &got {
            Ok(_) => 1,
            Err(BroadcastError::Missed(messages)) => *messages,
            Err(BroadcastError::Closed) => 0,
        };
        got.map(|message| match Arc::try_unwrap(message) {
            Ok(message) => message.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(message) => message.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = self.log.look(|log| {
            log.receivers -= 1;
            (log.receivers == 0).then(|| std::mem::take(&mut log.messages))
        });
        drop(left);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender of {}", self.log)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver of {}", self.log)
    }
}
