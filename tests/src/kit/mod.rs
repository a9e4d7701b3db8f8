//! The kit: what tests of futures, wakers and primitives need, whatever they run on.
//!
//! - [`hand`] polls a future by hand, with a waker that counts, and notices a waker that is kept too long.
//! - [`Counting`] is that waker; [`waker_fn`] makes one from a closure.
//! - [`Guarded`] wraps a future and fails when an executor polls it twice at once, polls it after it completed, or
//!   drops it during a poll.
//! - [`within`] gives a test a time limit; [`eventually`] waits for what other threads bring about.
//! - [`Log`], [`OnDrop`] and [`dropped_on`] record what was dropped, in which order and on which thread.
//! - [`Steps`] is a backend whose waits are the steps of a test: for a scheduler's loop and its parks.
//! - [`Dice`] are random numbers from a seed.
//! - [`Recording`] records the tasks of any executor, for the stepper and the lints.
//!
//! The [conformance suites](crate::conformance) are built from it. To use it in a crate of your own:
//!
//! ```toml
//! [dev-dependencies]
//! tests = { path = "path/to/the/clone/tests", default-features = false }
//! ```
//!
//! A hand-written future and its test:
//!
//! ```
//! use std::sync::{Mutex, atomic::{AtomicBool, Ordering::SeqCst}};
//! use std::task::{Poll, Waker};
//! use tests::kit::waiting;
//!
//! #[derive(Default)]
//! struct Flag { is_set: AtomicBool, waiter: Mutex<Option<Waker>> }
//!
//! impl Flag {
//!     async fn wait(&self) {
//!         std::future::poll_fn(|cx| {
//!             let mut waiter = self.waiter.lock().unwrap();
//!             if self.is_set.load(SeqCst) {
//!                 *waiter = None; // or a waker is kept, which the test finds
//!                 return Poll::Ready(());
//!             }
//!             *waiter = Some(cx.waker().clone());
//!             Poll::Pending
//!         })
//!         .await
//!     }
//!
//!     fn set(&self) {
//!         self.is_set.store(true, SeqCst);
//!         self.waiter.lock().unwrap().take().into_iter().for_each(Waker::wake);
//!     }
//! }
//!
//! let flag = Flag::default();
//! let mut wait = waiting(flag.wait()); // polled once, and pending
//! flag.set();
//! wait.served(); // woken once, ready; fails if `set` forgets to wake
//! ```

mod dice;
mod drops;
mod guarded;
mod hand;
mod limit;
mod recording;
mod steps;
mod waker;

pub use dice::Dice;
pub use drops::{Log, OnDrop, dropped_on};
pub use guarded::Guarded;
pub use hand::{Hand, at_once, hand, waiting};
pub use limit::{eventually, within};
pub use recording::{Recorded, Recording};
pub use steps::Steps;
pub use waker::{Counting, poll_with, waker_fn};
