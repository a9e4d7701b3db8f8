//! [`channel`] and [`unbounded`]: messages from many to many, each to one.

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

/// A channel with room for so many messages. With none, each message is handed from a sender that
/// waits to a receiver that waits: a rendezvous.
///
/// Both ends can be cloned and moved to other tasks and threads. Messages arrive in the order in which they
/// were sent, each at one receiver; receivers that wait are served in the order in which they came, as
/// senders are that wait for room.
///
/// ```
/// use executor::{spawn, sync::channel};
///
/// executor::block_on(async {
///     let (tx, rx) = channel(2);
///     spawn(async move {
///         for n in 0..5 {
///             tx.send(n).await.unwrap(); // waits while two lie there
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

/// A channel that always has room: sending never waits, and memory is the only limit.
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

/// A message and its number in the order of sending, by which it finds its place again if it comes back.
type Numbered<T> = (u64, T);

struct Shared<T> {
    queue: VecDeque<Numbered<T>>,
    /// How many messages were ever sent.
    sent: u64,
    capacity: usize,
    /// Nothing can be sent any more.
    closed: bool,
    senders: usize,
    receivers: usize,
    /// They wait while there is no room; one of the two is always empty.
    sending: List<Sending<T>>,
    /// They wait while there is no message.
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

    /// Takes a message from a sender that waits, unless that is to get it back.
    fn take_waiting(&mut self, wakes: &mut Wakes) -> Option<Numbered<T>> {
        if self.closed {
            return None;
        }
        let message = self.sending.first().and_then(Option::take)?;
        self.sending.serve(Ok(()), wakes);
        Some(self.number(message))
    }

    #[inline]
    fn receive(&mut self, wakes: &mut Wakes) -> Option<Numbered<T>> {
        self.queue.pop_front().or_else(|| self.take_waiting(wakes))
    }
}

impl<T> State for Shared<T> {
    #[inline]
    fn serve(&mut self, wakes: &mut Wakes) {
        while !wakes.is_full() && !self.receiving.is_empty() {
            match self.queue.pop_front() {
                Some(message) => self.receiving.serve(Ok(message), wakes),
                None if self.closed => self.receiving.serve(Err(RecvError), wakes),
                None => break,
            }
        }
        while !wakes.is_full() && !self.sending.is_empty() {
            if self.closed {
                let message = self.sending.first().and_then(Option::take);
                let message = message.expect("who waits to send has a message");
                self.sending.serve(Err(SendError(message)), wakes);
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
            let message = message.take().expect("a future that sends was polled after it was ready");
            return Some(Err(SendError(message)));
        }
        if !state.has_room() {
            assert!(message.is_some(), "a future that sends was polled after it was ready");
            return None;
        }
        state.put(message.take().expect("a future that sends was polled after it was ready"));
        Some(Ok(()))
    }

    /// The message was sent, or comes back and is dropped with its sender.
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

    /// A message that nobody has taken is the next one's. Others that were sent before it may have come back.
    fn give_back(state: &mut Shared<T>, _: &mut (), got: Self::Got) -> Option<Self::Got> {
        match got {
            Ok(message) if state.receivers > 0 => {
                let place = state.queue.partition_point(|(number, _)| *number < message.0);
                state.queue.insert(place, message);
                None
            }
            got => Some(got),
        }
    }
}

/// The end of a channel that messages go in at. See [`channel`].
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a message, as soon as there is room.
    ///
    /// # Errors
    /// When the channel is closed, or its last receiver is gone. The message comes back in the error.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready drops the message, which was not sent.
    pub fn send(&self, message: T) -> SendFuture<'_, T> {
        SendFuture { wait: self.channel.monitor.wait(Some(message)) }
    }

    /// Sends a message if there is room at once.
    ///
    /// # Errors
    /// When there is no room, or the channel is closed. The message comes back in the error.
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
        self.channel.monitor.look(|state| state.senders += 1);
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let last = self.channel.monitor.look(|state| {
            state.senders -= 1;
            state.senders == 0
        });
        if last {
            self.channel.close();
        }
    }
}

/// The end of a channel that messages come out of. See [`channel`].
///
/// It is also a [`Stream`], which ends when the channel is closed and empty. A stream that had to wait stays in
/// line between two polls and may be given a message meanwhile, which is kept for it: poll it again, receive in
/// another way, or drop it.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    /// Its place in the line as a stream, made when it first has to wait.
    next: Option<Pin<Box<Node<Receiving<T>>>>>,
}

impl<T> Receiver<T> {
    /// Receives a message, as soon as there is one.
    ///
    /// # Errors
    /// When there is none and none will come: the channel is closed, or its last sender gone.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: a message that had just been handed over goes to the next receiver, or
    /// back to where it was.
    pub fn recv(&self) -> RecvFuture<'_, T> {
        self.leave_as_stream();
        RecvFuture { wait: self.channel.monitor.wait(()) }
    }

    /// Receives a message if there is one at once.
    ///
    /// # Errors
    /// When there is none, or none will come.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.leave_as_stream();
        self.channel.monitor.change(|state, wakes| match state.receive(wakes) {
            Some((_, message)) => Ok(message),
            None if state.closed => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        })
    }

    /// Gives up its place in the line as a stream. What that was given and nobody has polled for is the next
    /// one's: maybe this one's, who now asks in another way.
    fn leave_as_stream(&self) {
        if let Some(next) = &self.next {
            // SAFETY: the node is this receiver's, and only ever used with its channel. To poll it takes a `&mut`.
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
        self.channel.monitor.look(|state| state.receivers += 1);
        Receiver { channel: self.channel.clone(), next: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.leave_as_stream();
        let last = self.channel.monitor.look(|state| {
            state.receivers -= 1;
            state.receivers == 0
        });
        if last {
            self.channel.close();
            let left = self.channel.monitor.look(|state| std::mem::take(&mut state.queue));
            drop(left); // nobody will ever take these
        }
    }
}

impl<T> Channel<T> {
    fn close(&self) -> bool {
        self.monitor.change(|state, _| !std::mem::replace(&mut state.closed, true))
    }
}

/// What both ends know of their channel.
macro_rules! end {
    ($($end:ident),*) => {$(
        impl<T> $end<T> {
            /// Closes the channel: nothing can be sent any more, senders that wait get their messages back, and
            /// receivers get what is left. Whether this was what closed it.
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

            /// Whether nothing can be sent any more.
            pub fn is_closed(&self) -> bool {
                self.channel.monitor.look(|state| state.closed)
            }

            /// How many messages lie in the channel now.
            pub fn len(&self) -> usize {
                self.channel.monitor.look(|state| state.queue.len())
            }

            /// Whether no message lies in the channel now.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many messages there is room for; `None` if there is no limit.
            pub fn capacity(&self) -> Option<usize> {
                self.channel.monitor.look(|state| Some(state.capacity).filter(|capacity| *capacity < usize::MAX))
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let state = if self.is_closed() { "closed, " } else { "" };
                write!(f, "{} of {} ({state}{} messages)", stringify!($end), self.channel.monitor, self.len())
            }
        }
    )*};
}
end!(Sender, Receiver);

pin_project! {
    /// Sends a message. Made by [`Sender::send`]. Takes part in the [budget](reactor::budget).
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
    /// Receives a message. Made by [`Receiver::recv`]. Takes part in the [budget](reactor::budget).
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
