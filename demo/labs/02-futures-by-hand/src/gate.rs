//! A leaf future for tests: it waits until it is opened, and counts its polls.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A gate that is closed at first. Its clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_open: bool,
    polls: u32,
    waiter: Option<Waker>,
}

impl Gate {
    /// Opens the gate, and wakes the future that waits for it.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_open = true;
        let waiter = state.waiter.take();
        drop(state);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Calls the waker of the future that waits, and keeps that waker. Does not open the gate.
    pub fn wake(&self) {
        let waiter = self.state.lock().unwrap().waiter.clone();
        waiter.into_iter().for_each(Waker::wake);
    }

    /// How often the futures of this gate were polled.
    pub fn polls(&self) -> u32 {
        self.state.lock().unwrap().polls
    }

    /// A future that is ready when the gate is open. Its output is `value`.
    pub fn passed<T: Unpin>(&self, value: T) -> Passed<T> {
        Passed { gate: self.clone(), value: Some(value) }
    }
}

/// Returned by [`Gate::passed`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Passed<T> {
    gate: Gate,
    value: Option<T>,
}

impl<T: Unpin> Future for Passed<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.gate.state.lock().unwrap();
        state.polls += 1;
        if !state.is_open {
            state.waiter = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.value.take().expect("a future is not polled after it was ready"))
    }
}
