//! The task that removes keys at their deadlines.

use crate::server::Server;
use executor::time::{now, sleep_until};
use executor::yield_now;
use futures_lite::future;
use std::future::poll_fn;
use std::rc::Rc;

/// Removes each key at its deadline. Sleeps until the next deadline, or until a sooner one is set.
pub async fn expire(server: Rc<Server>) {
    let db = &server.db;
    loop {
        let next = db.borrow().next_deadline();
        let sooner = poll_fn(|cx| db.borrow_mut().poll_sooner(cx));
        match next {
            Some(deadline) => future::or(sleep_until(deadline), sooner).await,
            None => sooner.await,
        }
        while db.borrow_mut().sweep(now()) {
            yield_now().await;
        }
    }
}
