//! [`oneshot()`]: one message, from one sender to one receiver.

use super::RecvError;
use super::wait_list::{List, Monitor, Node, Rule, State, Wait, Wakes};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Creates a channel for a single message, such as the answer to a request.
///
/// ```
/// use executor::{spawn, sync::oneshot};
///
/// executor::block_on(async {
///     let (reply, answer) = oneshot();
///     spawn(async move { reply.send(42) });
///     assert_eq!(answer.await, Ok(42));
/// });
/// ```
#[track_caller]
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let state = Message {
        message: None,
        is_sent: false,
        is_dropped: false,
        receiving: List::default(),
        closed: List::default(),
    };
    let shared = Arc::new(Shared { monitor: Monitor::new("oneshot channel", state), receiver: Node::new(()) });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

struct Shared<T> {
    monitor: Monitor<Message<T>>,
    /// The receiver's entry in the list. It is stored here so that the receiver can be moved while it waits.
    receiver: Node<Receiving<T>>,
}

struct Message<T> {
    message: Option<T>,
    /// The sender has sent the message, or was dropped.
    is_sent: bool,
    /// The receiver was dropped.
    is_dropped: bool,
    receiving: List<Receiving<T>>,
    closed: List<Closed<T>>,
}

impl<T> State for Message<T> {
    fn hand_over(&mut self, wakes: &mut Wakes) {
        if self.is_sent && !self.receiving.is_empty() {
            let message = self.message.take().ok_or(RecvError);
            self.receiving.hand_over(message, wakes);
        }
        if self.is_dropped {
            self.closed.hand_over((), wakes);
        }
    }
}

struct Receiving<T>(T);

impl<T> Rule for Receiving<T> {
    type State = Message<T>;
    type Want = ();
    type Got = Result<T, RecvError>;
    const WAIT: &'static str = "receive on";

    fn waiters(state: &mut Message<T>) -> &mut List<Self> {
        &mut state.receiving
    }

    fn arrive(state: &mut Message<T>, _: &mut (), _: &mut Wakes) -> Option<Self::Got> {
        state.is_sent.then(|| state.message.take().ok_or(RecvError))
    }

    fn give_back(_: &mut Message<T>, _: &mut (), got: Self::Got) -> Option<Self::Got> {
        Some(got) // there is no other receiver
    }
}

/// Waits until the receiver is dropped.
struct Closed<T>(T);

impl<T> Rule for Closed<T> {
    type State = Message<T>;
    type Want = ();
    type Got = ();
    const WAIT: &'static str = "wait for the close of";

    fn waiters(state: &mut Message<T>) -> &mut List<Self> {
        &mut state.closed
    }

    fn arrive(state: &mut Message<T>, _: &mut (), _: &mut Wakes) -> Option<()> {
        state.is_dropped.then_some(())
    }

    fn give_back(_: &mut Message<T>, _: &mut (), _: ()) -> Option<()> {
        None
    }
}

/// Sends the message. Dropping it without sending ends the receiver's wait with an error. See [`oneshot()`].
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the message. It never waits.
    ///
    /// # Errors
    /// When the receiver was dropped. The error is the message.
    pub fn send(self, message: T) -> Result<(), T> {
        self.shared.monitor.change(|state, _| match state.is_dropped {
            true => Err(message),
            false => {
                (state.message, state.is_sent) = (Some(message), true);
                Ok(())
            }
        })
    }

    /// Waits until the receiver is dropped. Then the message is no longer wanted, and the work for it can stop.
    ///
    /// ```
    /// use executor::{sync::oneshot, time::{Duration, timeout}};
    ///
    /// executor::block_on(async {
    ///     let (mut reply, answer) = oneshot::<u32>();
    ///     let waits = timeout(Duration::from_millis(1), answer).await; // drops the receiver when the time is up
    ///     assert!(waits.is_err());
    ///     reply.closed().await;
    /// });
    /// ```
    pub async fn closed(&mut self) {
        let closed: Wait<'_, Closed<T>> = self.shared.monitor.wait(());
        closed.await;
    }

    /// Whether the receiver was dropped.
    pub fn is_closed(&self) -> bool {
        self.shared.monitor.with(|state| state.is_dropped)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.monitor.change(|state, _| state.is_sent = true);
    }
}

/// A future whose output is the message. See [`oneshot()`].
///
/// # Errors
/// When the sender was dropped instead of sending.
///
/// # Cancel safety
/// Awaiting `&mut receiver` and dropping that future loses nothing.
#[must_use = "the message is only received when this is awaited"]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Shared { monitor, receiver } = &*self.shared;
        // SAFETY: the node stays in the Arc, so it is pinned. Its only owner is the receiver, which always passes this
        // monitor.
        unsafe { Pin::new_unchecked(receiver).poll(monitor, cx) }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let Shared { monitor, receiver } = &*self.shared;
        // SAFETY: as in `poll`.
        unsafe { receiver.leave(monitor) };
        let message = monitor.change(|state, _| {
            state.is_dropped = true;
            state.message.take()
        });
        drop(message);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender of {}", self.shared.monitor)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver of {}", self.shared.monitor)
    }
}
