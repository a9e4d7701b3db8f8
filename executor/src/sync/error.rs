//! Why a message was not sent or received. Messages that were not sent are inside of the error.

use std::fmt;

/// A message that can't be sent any more: the channel is closed, or nobody is left to receive it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed: nobody will receive this message")]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// A message that was not sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// There is no room now.
    #[error("the channel has no room for another message now")]
    Full(T),
    /// The channel is closed, or nobody is left to receive it.
    #[error("the channel is closed: nobody will receive this message")]
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The message.
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

/// No message is left and none will come: the channel is closed, or nobody is left to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed: no message will come any more")]
pub struct RecvError;

/// No message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// There is none now.
    #[error("no message is there now")]
    Empty,
    /// None will come any more.
    #[error("the channel is closed: no message will come any more")]
    Closed,
}

/// No message was received from a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// The receiver was so slow that this many messages are gone. The next one received is the oldest there is.
    #[error("{0} messages were missed: they came faster than they were received")]
    Missed(u64),
    /// None will come any more.
    #[error("the channel is closed: no message will come any more")]
    Closed,
}
