//! A leaf future: something that a task waits for, and that other code turns on. It stands for a socket or a timer.
//! Used by the tests and the example of this lab.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A switch that is off at first. Its clones are the same switch. At most one task may wait for it.
#[derive(Clone, Default)]
pub struct Switch {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_on: bool,
    /// The waker of the task that waits.
    waiter: Option<Waker>,
}

impl Switch {
    /// Turns the switch on, and wakes the task that waits for it.
    pub fn turn_on(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_on = true;
        let waiter = state.waiter.take();
        drop(state); // code of a waker may be anything, so no lock is held while it runs
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Waits until the switch is on.
    pub fn wait(&self) -> Wait {
        Wait { switch: self.clone() }
    }
}

/// Returned by [`Switch::wait`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Wait {
    switch: Switch,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.switch.state.lock().unwrap();
        if state.is_on {
            return Poll::Ready(());
        }
        // The poll before may have left another waker: a future may move from one task to another.
        state.waiter = Some(cx.waker().clone());
        Poll::Pending
    }
}
