//! [`Host::run`]: futures that run on a simulated host.
//!
//! Above the reactor: the host must belong to the network of the current one. Public, as `reactor::backend::Run`.

use super::network::{Host, Network};
use crate::Handle;
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Network {
    /// The network of the current reactor of this thread, if it has one.
    pub fn current() -> Option<Network> {
        Handle::current()?.network().cloned()
    }
}

impl Host {
    /// Runs a future on this host: the sockets that it makes and the tasks that it spawns belong to this host. When the
    /// host crashes, the future is dropped. Running another one starts the host again.
    ///
    /// # Errors
    /// [`Crashed`] if the host crashed before the future was ready.
    ///
    /// # Panics
    /// When polled in a runtime that does not have the host's network.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        let (crashes, key) = self.network.change(|world| {
            let state = world.state(self.id);
            state.runs_begun += 1;
            (state.crashes, state.runs_begun)
        });
        Run {
            future: Some(future),
            registered: Registered { host: Host { crashes, ..self.clone() }, key, made_at: Location::caller() },
        }
    }
}

/// The error of [`Host::run`]: the host crashed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated host has crashed")]
pub struct Crashed;

pin_project! {
    /// A future that runs on a host. Made by [`Host::run`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Run<F> {
        #[pin]
        future: Option<F>,
        registered: Registered,
    }

    impl<F> PinnedDrop for Run<F> {
        /// The future is dropped on its host.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.registered.host.enter();
            this.future.set(None);
        }
    }
}

/// The entry of a future among those that its host runs.
struct Registered {
    host: Host,
    key: u64,
    made_at: &'static Location<'static>,
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Crashed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Registered { host, key, made_at } = &*this.registered;
        let is_here = Handle::with_current(|reactor| reactor?.network().map(|network| *network == host.network));
        assert!(
            is_here == Some(true),
            "a future on {host:?} (made at {made_at}) was polled in a runtime that does not have its network: \
             await it in the runtime that the host came from, made with Runtime::builder().deterministic(seed)"
        );
        let _entered = host.enter();
        let waker = cx.waker().clone();
        let (is_alive, replaced) = host.network.change(|world| {
            let state = world.state(host.id);
            let is_alive = state.crashes == host.crashes;
            (is_alive, if is_alive { state.runs.insert(*key, waker) } else { Some(waker) })
        });
        drop(replaced); // outside of the lock
        let future = this.future.as_mut().as_pin_mut().filter(|_| is_alive);
        let output = match future.map(|future| future.poll(cx)) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(output)) => Ok(output),
            None => Err(Crashed),
        };
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let waker = self.host.network.change(|world| world.state(self.host.id).runs.remove(&self.key));
        drop(waker); // outside of the lock
    }
}
