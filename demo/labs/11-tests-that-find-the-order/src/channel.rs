//! What a channel must guarantee: the rules that [`channel_suite`](crate::channel_suite) checks.

use std::future::Future;

/// The end of a channel that sends numbers. It can be cloned.
///
/// A channel has room for a fixed number of messages, at least one. Its rules:
///
/// 1. **Order.** Each message arrives once. A message that was sent before another one arrives before it.
/// 2. **Room.** A send into a channel with room is ready at its first poll. A send into a full channel waits. A channel
///    may hand a message over to a receive that waits; then the message takes no room. It need not do so.
/// 3. **There.** A receive of a message that is there is ready at its first poll.
/// 4. **Wakes.** A wait is woken when it can go on, by the waker of its last poll: a receive by a message, a send by
///    room. If two sends wait and there is room for two, both are woken, or the second one as soon as the first has
///    completed.
/// 5. **Drops.** Each wait may be dropped at any time. A receive that is dropped loses no message. A send that is dropped
///    before it was woken sends nothing. If a wait is dropped after it was woken, the next one is woken.
/// 6. **The end.** When the last sender is dropped, the receiver gets what is left, and `None` after that. When the
///    receiver is dropped, each send returns its message as an error. Both ends wake all waits.
/// 7. **Traces.** A wait that is over, or dropped, leaves no waker behind.
///
/// A channel need not be fair: a send that came later may get room earlier.
pub trait Sender: Clone + 'static {
    /// Sends a message, after waiting for room. Returns the message if no receiver is left.
    fn send(&self, message: u64) -> impl Future<Output = Result<(), u64>>;
}

/// The end of a channel that receives. There is one. [`Sender`] has the rules.
pub trait Receiver: 'static {
    /// Waits for a message. `None` when no sender is left and all messages were received.
    ///
    /// One receive waits at a time.
    fn recv(&self) -> impl Future<Output = Option<u64>>;
}
