//! Why a message was not sent or received. The errors of sending give the message back.

use std::fmt;

/// The message cannot be sent: the channel is closed, or it has no receiver left.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed: the message cannot be delivered")]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// A message that was not sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// The channel has no room now.
    #[error("the channel is full")]
    Full(T),
    /// The channel is closed, or it has no receiver left.
    #[error("the channel is closed: the message cannot be delivered")]
    Closed(T),
}

impl<T> TrySendError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        match self {
            TrySendError::Full(message) | TrySendError::Closed(message) => message,
        }
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "Full(..)",
            TrySendError::Closed(_) => "Closed(..)",
        })
    }
}

/// No further message will arrive: the channel is closed, or it has no sender left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed: no further message will arrive")]
pub struct RecvError;

/// No message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// The channel has no message now.
    #[error("the channel is empty")]
    Empty,
    /// No further message will arrive: the channel is closed, or it has no sender left.
    #[error("the channel is closed: no further message will arrive")]
    Closed,
}

/// No message was received from a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// The receiver was so slow that it missed this many messages. The next call returns the oldest message that is
    /// left.
    #[error("the receiver was too slow; messages missed: {0}")]
    Missed(u64),
    /// No further message will arrive: the channel is closed, or it has no sender left.
    #[error("the channel is closed: no further message will arrive")]
    Closed,
}
