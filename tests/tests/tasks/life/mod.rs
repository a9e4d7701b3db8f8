//! The life of a task, through the public API: invariants 1 to 4, 7 and 9.
//!
//! (1) A wake is never lost and never runs a task twice. (2) A future is dropped once, on the right thread, at its end.
//! (3) `cancel` works at any moment, and the handle resolves after the drop. (4) A panic reaches the task that joins,
//! and no other. (7) No task starves the rest. (9) Wakers may outlive everything. `tests/models/` runs every
//! interleaving of a few threads; the loops here use many threads.

mod blocking;
mod cancel;
mod order;
mod panics;
mod shutdown;
mod student;
mod wakers;

use executor::JoinError;
use futures_lite::future::poll_fn;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};
use tests::{Log, OnDrop};

/// Never completes; leaves a waker in the log in each poll.
async fn park(wakers: Log<Waker>) {
    poll_fn(|cx| {
        wakers.push(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// The message of a panic.
fn message<T>(caught: Result<T, Box<dyn std::any::Any + Send>>) -> String {
    let payload = caught.map(drop).expect_err("it was to panic");
    let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

fn panic_message<T>(joined: Result<T, JoinError>) -> String {
    match joined.map(drop) {
        Err(JoinError::Panicked(panic)) => panic.message().expect("the payload is a message").to_owned(),
        other => panic!("it was to panic: {other:?}"),
    }
}

/// A flag that a destructor or a poll can set.
fn flag() -> (Rc<Cell<bool>>, Rc<Cell<bool>>) {
    let flag = Rc::new(Cell::new(false));
    (flag.clone(), flag)
}

#[test]
fn these_tests_pass_on_the_poll_backend_too() {
    tests::strict::pass_over_poll(module_path!(), &[]);
}

fn panics_on_drop(text: &'static str) -> OnDrop<impl FnOnce() + Send> {
    OnDrop::new(move || panic!("{text}"))
}
