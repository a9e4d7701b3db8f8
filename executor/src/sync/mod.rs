//! What tasks share: locks, signals and channels.
//!
//! | to | use | |
//! |---|---|---|
//! | limit how many run at once | [`Semaphore`] | a permit returns when it is dropped |
//! | admit one at a time | [`Mutex`] | may be held across an `.await` |
//! | admit many readers or one writer | [`RwLock`] | |
//! | wait until something has happened | [`Event`] | stays set until it is cleared |
//! | wait until a condition holds | [`Condvar`] | used with a `Mutex` |
//! | wait until all tasks have arrived | [`Barrier`] | |
//! | send messages, each to one receiver | [`channel()`], [`unbounded`] | many senders, many receivers |
//! | send one message | [`oneshot()`] | |
//! | send messages, each to all receivers | [`broadcast()`] | a slow receiver misses messages and learns how many |
//! | share a value that changes | [`watch()`] | every receiver sees the newest value |
//!
//! All of them work between tasks, between runtimes, and on threads without a runtime: there, call the `try_…` methods
//! or use any `block_on`. All are fair: waiters proceed in the order in which they came, and a newcomer never overtakes
//! them. Dropping a wait leaves nothing behind and loses nothing: what was just handed over to it goes to the next
//! waiter. Waiting allocates nothing. Every operation that may wait takes part in the [budget](reactor::budget) of a
//! poll, even when it completes at once; the `try_…` methods do not. All are built on the wait list in `wait_list.rs`.

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
