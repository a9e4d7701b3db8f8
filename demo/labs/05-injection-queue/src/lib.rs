#![doc = include_str!("../README.md")]
// The pictures of the chapter have attributes such as `screen=15`, which rustdoc does not support.
#![allow(rustdoc::invalid_codeblock_attributes)]

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A flag that is set once, from any thread, and the waker of the task that waits for it.
#[derive(Clone, Default)]
pub struct Signal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_set: bool,
    waker: Option<Waker>,
}

impl Signal {
    /// A signal that is not set.
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Sets the flag and wakes the task that waits for it. May be called on any thread.
    pub fn set(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_set = true;
        let waker = state.waker.take();
        drop(state); // a waker is arbitrary code, so no lock is held during its call
        waker.into_iter().for_each(Waker::wake);
    }

    /// Waits until the flag is set.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.is_set {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
