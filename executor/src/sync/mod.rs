//! What tasks share: locks, signals and channels.
//!
//! | you want | here | |
//! |---|---|---|
//! | so many at once | [`Semaphore`] | permits return when they are dropped |
//! | one at a time | [`Mutex`] | may be held across an `.await` |
//! | many readers or one writer | [`RwLock`] | |
//! | to wait until something has happened | [`Event`] | stays set until it is cleared |
//! | to wait until a value is as it should be | [`Condvar`] | with a `Mutex` |
//! | to wait for each other | [`Barrier`] | |
//! | messages, each to one receiver | [`channel()`], [`unbounded`] | many senders, many receivers |
//! | one message | [`oneshot()`] | |
//! | messages, each to all receivers | [`broadcast()`] | the slow ones miss some, and are told |
//! | a value that changes | [`watch()`] | the newest, to all |
//!
//! All of them work among tasks, among runtimes, and from threads without one, as `try_…` or with any
//! `block_on`. All are fair: who came first is served first, and nobody overtakes. A wait that is dropped leaves
//! nothing behind and loses nothing; what it had just been given goes to the next one. Waiting allocates nothing.
//! Every wait takes part in the [budget](reactor::budget) of a poll, also one that needn't wait; `try_…` does not.
//! They rest on one wait list: `wait_list.rs`.

mod barrier;
mod broadcast;
mod channel;
mod condvar;
mod error;
mod event;
pub(crate) mod handover;
mod mutex;
mod oneshot;
mod permits;
mod rwlock;
mod semaphore;
mod wait_list;
mod watch;

pub use barrier::Barrier;
pub use broadcast::{Receiver as BroadcastReceiver, Sender as BroadcastSender, broadcast};
pub use channel::{Receiver, RecvFuture, SendFuture, Sender, channel, unbounded};
pub use condvar::Condvar;
pub use error::{BroadcastError, RecvError, SendError, TryRecvError, TrySendError};
pub use event::Event;
pub use handover::{Handover, hand_over};
pub use mutex::{Mutex, MutexGuard, OwnedMutexGuard};
pub use oneshot::{Receiver as OneshotReceiver, Sender as OneshotSender, oneshot};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Acquire, OwnedPermit, Permit, Semaphore};
pub use watch::{Receiver as WatchReceiver, Sender as WatchSender, watch};
