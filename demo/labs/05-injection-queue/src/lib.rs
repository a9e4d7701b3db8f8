#![doc = include_str!("../README.md")]
// The pictures of the chapter have attributes such as `screen=15`, which rustdoc does not know.
#![allow(rustdoc::invalid_codeblock_attributes)]

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Something that a task waits for and another thread does, once: a flag with the waker of the task that waits for it.
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

    /// Sets it, on whatever thread this is, and wakes the task that waits for it.
    pub fn set(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_set = true;
        let waker = state.waker.take();
        drop(state); // the waker is foreign code
        waker.into_iter().for_each(Waker::wake);
    }

    /// Waits until it is set.
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
