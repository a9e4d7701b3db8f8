//! Readiness and time become wakes.
//!
//! A [`Reactor`] waits for file descriptors and timers on behalf of futures. A future that cannot proceed leaves its
//! [`Waker`](std::task::Waker) here. [`Reactor::turn`] waits until something happens, then calls the wakers that were
//! left for it. The reactor knows wakers, never tasks, so any executor can run on top of it, such as the one of twenty
//! lines in this example.
//!
//! ```
//! use std::{future::Future, pin::pin, task::{Context, Poll}, thread, time::{Duration, Instant}};
//! use reactor::{Reactor, time::sleep};
//!
//! fn drive<F: Future>(reactor: &mut Reactor, future: F) -> F::Output {
//!     let handle = reactor.handle();
//!     let _current = handle.enter(); // `sleep` and the sockets use the current reactor
//!     let notifier = handle.clone();
//!     let waker = waker_fn::waker_fn(move || notifier.notify());
//!     let mut cx = Context::from_waker(&waker);
//!     let mut future = pin!(future);
//!     loop {
//!         if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
//!             return output;
//!         }
//!         reactor.turn(None).unwrap(); // waits for a socket, a timer or `notify`
//!     }
//! }
//!
//! let mut reactor = Reactor::new().unwrap();
//! let start = Instant::now();
//! drive(&mut reactor, sleep(Duration::from_millis(20)));
//! assert!(start.elapsed() >= Duration::from_millis(20));
//! ```
//!
//! # Where to read
//! From bottom to top: `readiness.rs` is the readiness of one source and its waiters; `source.rs` a registered file
//! descriptor, and the table of all of them; `time/timers.rs` the timers; `reactor.rs` the turn, which waits for both;
//! `handle.rs` what everything else uses of a reactor. Three modules build on these: [`mod@time`], the futures over
//! timers; [`mod@io`], whose [`io::Async`] makes any non-blocking descriptor awaitable; and [`net`], the sockets. Below
//! all of them is [`backend`], the operating system or a simulation of it. The trait in [`observer`] has a method for
//! every event.

#[cfg(not(unix))]
compile_error!("the reactor waits on epoll or kqueue: it runs on Linux, macOS and the BSDs");

pub mod backend;
pub mod budget;
pub mod cause;
mod entered;
mod forward;
mod handle;
pub mod io;
pub mod leaf;
pub mod net;
pub mod observer;
#[doc(hidden)] // for the executor
pub mod panics;
mod reactor;
mod readiness;
mod shim;
mod source;
pub mod time;

pub use handle::{Entered, Handle, Hold};
pub use observer::Observer;
pub use reactor::Reactor;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whether or not a thread has panicked while it held the lock. No foreign code runs under a lock of this crate,
/// so what the lock guards is always consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
