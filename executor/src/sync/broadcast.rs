//! [`broadcast()`]: messages, each to all receivers.

use super::wait_list::{List, Monitor, Rule, State, Wait, Wakes};
use super::{BroadcastError, SendError};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Creates a channel in which each message reaches all receivers that exist when it is sent.
///
/// The channel keeps the last `capacity` messages. Sending never waits: a receiver that is further behind misses the
/// older messages, and [`recv`](Receiver::recv) returns how many.
///
/// # Panics
/// When `capacity` is 0: no message could ever be received.
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
    assert!(capacity > 0, "a broadcast channel with a capacity of 0 can never deliver a message: give at least 1");
    let state =
        Log { messages: VecDeque::new(), capacity, sent: 0, senders: 1, receivers: 1, waiters: List::default() };
    let log = Arc::new(Monitor::new("broadcast channel", state));
    (Sender { log: log.clone() }, Receiver { log, received: 0 })
}

/// A message, which each receiver clones. The clone runs the user's code, so it is made after the channel's lock is
/// released. It is made under the message's own lock, because a type that is `Send` but not `Sync` must not be cloned
/// on two threads at once.
type Message<T> = Arc<Mutex<T>>;

struct Log<T> {
    /// The last messages that were sent.
    messages: VecDeque<Message<T>>,
    capacity: usize,
    /// The number of messages that were ever sent.
    sent: u64,
    senders: usize,
    receivers: usize,
    waiters: List<News<T>>,
}

impl<T> Log<T> {
    /// What a receiver that has received `received` messages gets next.
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
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() {
            let Some(&mut received) = self.waiters.first() else { return };
            let Some(next) = self.after(received) else { return }; // all waiters have received all messages
            self.waiters.hand_over(next, wakes);
        }
    }
}

/// Waits for a message.
struct News<T>(T);

impl<T> Rule for News<T> {
    type State = Log<T>;
    /// The number of messages it has received.
    type Want = u64;
    type Got = Result<Message<T>, BroadcastError>;
    const WAIT: &'static str = "receive on";

    fn waiters(state: &mut Log<T>) -> &mut List<Self> {
        &mut state.waiters
    }

    fn arrive(state: &mut Log<T>, received: &mut u64, _: &mut Wakes) -> Option<Self::Got> {
        state.after(*received)
    }

    /// The message is still in the log, or counts as missed.
    fn give_back(_: &mut Log<T>, _: &mut u64, got: Self::Got) -> Option<Self::Got> {
        Some(got)
    }
}

/// The sending end of a [`broadcast()`].
pub struct Sender<T> {
    log: Arc<Monitor<Log<T>>>,
}

impl<T> Sender<T> {
    /// Sends a message to all receivers that exist now, and returns their number. It never waits.
    ///
    /// # Errors
    /// When there is no receiver. The error contains the message.
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let mut forgotten = None; // dropped after the lock is released
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

    /// Creates another receiver, for the messages that are sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let received = self.log.with(|log| {
            log.receivers += 1;
            log.sent
        });
        Receiver { log: self.log.clone(), received }
    }

    /// The number of receivers that exist now.
    pub fn receivers(&self) -> usize {
        self.log.with(|log| log.receivers)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.log.with(|log| log.senders += 1);
        Sender { log: self.log.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.log.change(|log, _| log.senders -= 1);
    }
}

/// The receiving end of a [`broadcast()`].
pub struct Receiver<T> {
    log: Arc<Monitor<Log<T>>>,
    received: u64,
}

impl<T: Clone> Receiver<T> {
    /// Receives the next message, as soon as it is sent.
    ///
    /// # Errors
    /// When messages were missed; and when all were received and the last sender was dropped.
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
        let left = self.log.with(|log| {
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
