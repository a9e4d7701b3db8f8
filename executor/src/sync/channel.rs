//! [`channel`] and [`unbounded`]: messages from many senders to many receivers, each to one of them.

use super::wait_list::{List, Monitor, Node, Rule, State, Wait, Wakes};
use super::{RecvError, SendError, TryRecvError, TrySendError};
use futures_lite::Stream;
use pin_project_lite::pin_project;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Creates a channel with room for `capacity` messages. With a capacity of 0, each message is handed from a waiting
/// sender to a waiting receiver: a rendezvous.
///
/// Both ends can be cloned, and moved to other tasks and threads. Messages arrive in the order in which they were sent,
/// each at one receiver. Receivers that wait for a message proceed in the order in which they came, and so do senders
/// that wait for room.
///
/// ```
/// use executor::{spawn, sync::channel};
///
/// executor::block_on(async {
///     let (tx, rx) = channel(2);
///     spawn(async move {
///         for n in 0..5 {
///             tx.send(n).await.unwrap(); // waits while the channel holds two
///         }
///     });
///     let mut all = Vec::new();
///     while let Ok(n) = rx.recv().await {
///         all.push(n);
///     }
///     assert_eq!(all, [0, 1, 2, 3, 4]);
/// });
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let monitor = Monitor::new("channel", Shared::new(capacity));
    let channel = Arc::new(Channel { monitor });
    (Sender { channel: channel.clone() }, Receiver { channel, next: None })
}

/// Creates a channel that always has room: sending never waits, and only memory limits it.
///
/// ```
/// use executor::sync::unbounded;
///
/// let (tx, rx) = unbounded();
/// tx.try_send("anywhere, also outside of a runtime").unwrap();
/// assert_eq!(executor::block_on(rx.recv()).unwrap(), "anywhere, also outside of a runtime");
/// ```
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

struct Channel<T> {
    monitor: Monitor<Shared<T>>,
}

/// A message and its number in the order of sending. The number restores its position in the queue if it is given back.
type Numbered<T> = (u64, T);

struct Shared<T> {
    queue: VecDeque<Numbered<T>>,
    /// The number of messages that were ever sent.
    sent: u64,
    capacity: usize,
    /// No message can be sent any more.
    closed: bool,
    senders: usize,
    receivers: usize,
    /// Senders that wait for room. This list or the next one is always empty.
    sending: List<Sending<T>>,
    /// Receivers that wait for a message.
    receiving: List<Receiving<T>>,
}

impl<T> Shared<T> {
    fn new(capacity: usize) -> Shared<T> {
        let (queue, sent, closed, sending, receiving) = Default::default();
        Shared { queue, sent, capacity, closed, senders: 1, receivers: 1, sending, receiving }
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity || !self.receiving.is_empty()
    }

    #[inline]
    fn number(&mut self, message: T) -> Numbered<T> {
        self.sent += 1;
        (self.sent, message)
    }

    #[inline]
    fn put(&mut self, message: T) {
        let message = self.number(message);
        self.queue.push_back(message);
    }

    /// Takes the message of the first waiting sender. `None` if the channel is closed: then the sender gets its message
    /// back.
    fn take_waiting(&mut self, wakes: &mut Wakes) -> Option<Numbered<T>> {
        if self.closed {
            return None;
        }
        let message = self.sending.first().and_then(Option::take)?;
        self.sending.hand_over(Ok(()), wakes);
        Some(self.number(message))
    }

    #[inline]
    fn receive(&mut self, wakes: &mut Wakes) -> Option<Numbered<T>> {
        self.queue.pop_front().or_else(|| self.take_waiting(wakes))
    }
}

impl<T> State for Shared<T> {
    #[inline]
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && !self.receiving.is_empty() {
            match self.queue.pop_front() {
                Some(message) => self.receiving.hand_over(Ok(message), wakes),
                None if self.closed => self.receiving.hand_over(Err(RecvError), wakes),
                None => break,
            }
        }
        while !wakes.is_full() && !self.sending.is_empty() {
            if self.closed {
                let message = self.sending.first().and_then(Option::take);
                let message = message.expect("a sender that waits has a message");
                self.sending.hand_over(Err(SendError(message)), wakes);
            } else if self.queue.len() < self.capacity {
                let message = self.take_waiting(wakes);
                self.queue.extend(message);
            } else {
                break;
            }
        }
    }
}

/// Waits for room.
struct Sending<T>(T);

impl<T> Rule for Sending<T> {
    type State = Shared<T>;
    /// The message, until it is sent.
    type Want = Option<T>;
    type Got = Result<(), SendError<T>>;
    const WAIT: &'static str = "send on";

    fn waiters(state: &mut Shared<T>) -> &mut List<Self> {
        &mut state.sending
    }

    #[inline]
    fn arrive(state: &mut Shared<T>, message: &mut Option<T>, _: &mut Wakes) -> Option<Self::Got> {
        if state.closed {
            let message = message.take().expect("a SendFuture was polled after it was ready");
            return Some(Err(SendError(message)));
        }
        if !state.has_room() {
            assert!(message.is_some(), "a SendFuture was polled after it was ready");
            return None;
        }
        state.put(message.take().expect("a SendFuture was polled after it was ready"));
        Some(Ok(()))
    }

    /// The message was sent, or it was handed back and is dropped here.
    fn give_back(_: &mut Shared<T>, _: &mut Option<T>, got: Self::Got) -> Option<Self::Got> {
        Some(got)
    }
}

/// Waits for a message.
struct Receiving<T>(T);

impl<T> Rule for Receiving<T> {
    type State = Shared<T>;
    type Want = ();
    type Got = Result<Numbered<T>, RecvError>;
    const WAIT: &'static str = "receive on";

    fn waiters(state: &mut Shared<T>) -> &mut List<Self> {
        &mut state.receiving
    }

    #[inline]
    fn arrive(state: &mut Shared<T>, _: &mut (), wakes: &mut Wakes) -> Option<Self::Got> {
        match state.receive(wakes) {
            Some(message) => Some(Ok(message)),
            None => state.closed.then_some(Err(RecvError)),
        }
    }

    /// The message goes to the next receiver. It is inserted by its number, because messages that were sent before it
    /// may have been given back too.
    fn give_back(state: &mut Shared<T>, _: &mut (), got: Self::Got) -> Option<Self::Got> {
        match got {
            Ok(message) if state.receivers > 0 => {
                let index = state.queue.partition_point(|(number, _)| *number < message.0);
                state.queue.insert(index, message);
                None
            }
            got => Some(got),
        }
    }
}

/// The sending end of a channel. See [`channel`].
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a message, as soon as the channel has room.
    ///
    /// # Errors
    /// When the channel is closed, or its last receiver was dropped. The error contains the message.
    ///
    /// # Cancel safety
    /// Dropping it before it completes drops the message unsent.
    pub fn send(&self, message: T) -> SendFuture<'_, T> {
        SendFuture { wait: self.channel.monitor.wait(Some(message)) }
    }

    /// Sends a message if the channel has room now.
    ///
    /// # Errors
    /// When the channel is full or closed. The error contains the message.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.channel.monitor.change(|state, _| match () {
            () if state.closed => Err(TrySendError::Closed(message)),
            () if !state.has_room() => Err(TrySendError::Full(message)),
            () => {
                state.put(message);
                Ok(())
            }
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.channel.monitor.with(|state| state.senders += 1);
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let last = self.channel.monitor.with(|state| {
            state.senders -= 1;
            state.senders == 0
        });
        if last {
            self.channel.close();
        }
    }
}

/// The receiving end of a channel. See [`channel`].
///
/// It is also a [`Stream`], which ends when the channel is closed and empty. A stream whose poll returned
/// `Poll::Pending` stays in line until its next poll, and keeps a message that is handed over to it meanwhile. To pass
/// that message on instead of polling again, drop the stream or call another receiving method.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    /// Its entry in the list of receivers when it is polled as a stream. Allocated by the first such poll.
    next: Option<Pin<Box<Node<Receiving<T>>>>>,
}

impl<T> Receiver<T> {
    /// Receives a message, as soon as the channel has one.
    ///
    /// # Errors
    /// When the channel is empty and either closed or without a sender.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: a message that was just handed over goes to the next receiver, or back to its
    /// position in the queue.
    pub fn recv(&self) -> RecvFuture<'_, T> {
        self.leave_as_stream();
        RecvFuture { wait: self.channel.monitor.wait(()) }
    }

    /// Receives a message if the channel has one now.
    ///
    /// # Errors
    /// When the channel is empty. The error says whether it is also closed.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.leave_as_stream();
        self.channel.monitor.change(|state, wakes| match state.receive(wakes) {
            Some((_, message)) => Ok(message),
            None if state.closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        })
    }

    /// Removes the stream's entry from the list of receivers. A message that was handed over to the stream goes to the
    /// next receiver, possibly to this one, whose caller is about to receive by another method.
    fn leave_as_stream(&self) {
        if let Some(next) = &self.next {
            // SAFETY: the node belongs to this receiver and is only used with its channel. Polling takes `&mut self`.
            unsafe { next.leave(&self.channel.monitor) };
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        let next = this.next.get_or_insert_with(|| Box::pin(Node::new(())));
        // SAFETY: as in `leave_as_stream`.
        let got = unsafe { next.as_ref().poll(&this.channel.monitor, cx) };
        got.map(|got| got.ok().map(|(_, message)| message))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.channel.monitor.with(|state| state.receivers += 1);
        Receiver { channel: self.channel.clone(), next: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.leave_as_stream();
        let last = self.channel.monitor.with(|state| {
            state.receivers -= 1;
            state.receivers == 0
        });
        if last {
            self.channel.close();
            let left = self.channel.monitor.with(|state| std::mem::take(&mut state.queue));
            drop(left); // no receiver is left to take these
        }
    }
}

impl<T> Channel<T> {
    fn close(&self) -> bool {
        self.monitor.change(|state, _| !std::mem::replace(&mut state.closed, true))
    }
}

/// Implements the methods that both ends have.
macro_rules! end {
    ($($end:ident),*) => {$(
        impl<T> $end<T> {
            /// Closes the channel: no message can be sent any more, waiting senders get their messages back, and
            /// receivers get what is left. Returns `true` if this call closed it.
            ///
            /// ```
            /// use executor::sync::{RecvError, channel};
            ///
            /// executor::block_on(async {
            ///     let (tx, rx) = channel(1);
            ///     tx.send("left").await.unwrap();
            ///     assert!(rx.close());
            ///     assert!(tx.send("too late").await.is_err());
            ///     assert_eq!(rx.recv().await, Ok("left"));
            ///     assert_eq!(rx.recv().await, Err(RecvError));
            /// });
            /// ```
            pub fn close(&self) -> bool {
                self.channel.close()
            }

            /// Whether the channel is closed.
            pub fn is_closed(&self) -> bool {
                self.channel.monitor.with(|state| state.closed)
            }

            /// The number of messages in the channel now.
            pub fn len(&self) -> usize {
                self.channel.monitor.with(|state| state.queue.len())
            }

            /// Whether the channel has no message now.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The number of messages that the channel has room for in all; `None` if it is unbounded.
            pub fn capacity(&self) -> Option<usize> {
                self.channel.monitor.with(|state| Some(state.capacity).filter(|capacity| *capacity < usize::MAX))
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (state, messages) = (if self.is_closed() { "closed, " } else { "" }, self.len());
                let s = if messages == 1 { "" } else { "s" };
                write!(f, "{} of {} ({state}{messages} message{s})", stringify!($end), self.channel.monitor)
            }
        }
    )*};
}
end!(Sender, Receiver);

pin_project! {
    /// Sends a message. Created by [`Sender::send`]. Takes part in the [budget](reactor::budget).
    #[must_use = "a message is not sent until this is awaited"]
    pub struct SendFuture<'a, T>
    where
        T: 'a,
    {
        #[pin]
        wait: Wait<'a, Sending<T>>,
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().wait.poll(cx)
    }
}

pin_project! {
    /// Receives a message. Created by [`Receiver::recv`]. Takes part in the [budget](reactor::budget).
    #[must_use = "a message is not received until this is awaited"]
    pub struct RecvFuture<'a, T>
    where
        T: 'a,
    {
        #[pin]
        wait: Wait<'a, Receiving<T>>,
    }
}

impl<T> Future for RecvFuture<'_, T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().wait.poll(cx).map_ok(|(_, message)| message)
    }
}
