//! Running futures on a simulated host: [`Host::run`]. Above the reactor, whose network the host must be one of.
//!
//! Public, as `reactor::backend::Run`.

use super::network::{Host, Network};
use crate::Handle;
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Network {
    /// That of the reactor that is entered on this thread, if it has one.
    pub fn current() -> Option<Network> {
        Handle::current()?.network().cloned()
    }
}

impl Host {
    /// Runs a future on this host: sockets that it makes are this host's, and so are the tasks that it spawns. When
    /// the host crashes, the future is dropped; to run another one is to start the host again.
    ///
    /// # Panics
    /// When it is polled in a runtime that does not have the host's network: its sockets would be elsewhere.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        let (crashes, key) = self.network.change(|world| {
            let state = world.state(self.id);
            state.runs_begun += 1;
            (state.crashes, state.runs_begun)
        });
        Run {
            future: Some(future),
            place: Place { host: Host { crashes, ..self.clone() }, key, made_at: Location::caller() },
        }
    }
}

/// The host on which this ran has crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated host has crashed")]
pub struct Crashed;

pin_project! {
    /// What runs on a host. Made by [`Host::run`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Run<F> {
        #[pin]
        future: Option<F>,
        place: Place,
    }

    impl<F> PinnedDrop for Run<F> {
        /// Its destructors run where it has run.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.place.host.enter();
            this.future.set(None);
        }
    }
}

/// A future's place among those of its host.
struct Place {
    host: Host,
    key: u64,
    made_at: &'static Location<'static>,
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Crashed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Place { host, key, made_at } = &*this.place;
        let is_here = Handle::with_current(|reactor| reactor?.network().map(|network| *network == host.network));
        assert!(
            is_here == Some(true),
            "what runs on {host:?} (made at {made_at}) is polled in a runtime that does not have its network: await it in the runtime whose \
             network gave the host, made with Runtime::builder().deterministic(seed)"
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

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.host.network.change(|world| world.state(self.host.id).runs.remove(&self.key));
        drop(waker); // outside of the lock
    }
}
