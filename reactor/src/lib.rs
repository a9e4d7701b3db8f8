//! Readiness and time become wakes.
//!
//! A [`Reactor`] watches file descriptors and timers on behalf of futures. A future that can't go
//! on leaves its [`Waker`](std::task::Waker) here; [`Reactor::turn`] waits until something happens
//! and wakes those it happened to. The reactor knows wakers, never tasks: any executor can sit on
//! top of it, and one of twenty lines does in this example.
//!
//! ```
//! use std::{future::Future, pin::pin, task::{Context, Poll}, thread, time::{Duration, Instant}};
//! use reactor::{Reactor, time::sleep};
//!
//! fn drive<F: Future>(reactor: &mut Reactor, future: F) -> F::Output {
//!     let handle = reactor.handle();
//!     let _current = handle.enter(); // `sleep` and the sockets find their reactor here
//!     let notifier = handle.clone();
//!     let waker = waker_fn::waker_fn(move || notifier.notify());
//!     let mut cx = Context::from_waker(&waker);
//!     let mut future = pin!(future);
//!     loop {
//!         if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
//!             return output;
//!         }
//!         reactor.turn(None).unwrap(); // sleeps until a socket, a timer or `notify`
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
//! [`mod@time`] holds the timer queue and the futures over it; `source.rs` one registered file
//! descriptor; [`io::Async`] makes any non-blocking descriptor awaitable and [`net`] builds the
//! sockets on that; [`backend`] is the seam to the operating system, or to a simulation of it;
//! [`observer`] shows every event to whoever wants to watch.

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

/// Locks, whether or not a thread panicked while it held the lock. No foreign code runs under a
/// lock of this crate, so what it guards is whole in every case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
