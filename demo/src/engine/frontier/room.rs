//! [`Room`]: an exchange with a host in addition to those for its pages, for example for a segment of a large file. It
//! counts towards the limit of the host, and pages come first.

use super::Frontier;
use super::state::HostId;
use executor::leaf;
use std::future::poll_fn;
use std::task::Poll;
use url::Url;

/// The right to one more exchange at a host. Dropping it gives it back.
pub struct Room<'a> {
    frontier: &'a Frontier,
    host: HostId,
}

impl<'a> Room<'a> {
    /// Waits until a host has room for another exchange, and takes it.
    ///
    /// # Cancel safety
    /// Dropping this future loses nothing.
    pub async fn at(frontier: &'a Frontier, url: &Url) -> Room<'a> {
        let host = frontier.state.borrow_mut().host(url);
        poll_fn(|cx| {
            let mut state = frontier.state.borrow_mut();
            if state.has_room(host) {
                state.change(host, |host| host.active += 1);
                return Poll::Ready(());
            }
            frontier.rooms.borrow_mut().push(cx.waker().clone());
            leaf::pending(|| "another connection to the host".into());
            Poll::Pending
        })
        .await;
        Room { frontier, host }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.frontier.change(|state| state.change(self.host, |host| host.active -= 1));
        self.frontier.wake_rooms();
    }
}
