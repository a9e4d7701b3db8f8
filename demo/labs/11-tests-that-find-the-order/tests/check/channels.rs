//! A plain channel for one thread, and the faults that it can have.

use lab_11::{Receiver, Sender};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A typical mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NewestFirst,
    TooMuchRoom,
    QuietEnd,
    FirstWaker,
    LosesGiven,
    ForgetsNext,
    WakesWhenFull,
}

struct Shared {
    queue: VecDeque<u64>,
    capacity: usize,
    senders: usize,
    is_closed: bool,
    /// The waker of the receive that waits.
    receiving: Option<Waker>,
    /// The sends that wait and were not woken: the number and waker of each.
    sending: VecDeque<(u64, Waker)>,
    /// The number of sends that ever waited.
    numbers: u64,
    /// With `LosesGiven`: the message that was given to the receive that waits.
    given: Option<u64>,
    fault: Option<Fault>,
}

impl Shared {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn wake_a_send(&mut self) {
        if let Some((_, waker)) = self.sending.pop_front() {
            waker.wake();
        }
    }
}

/// The sending end.
pub struct Tx(Rc<RefCell<Shared>>);

/// The receiving end.
pub struct Rx(Rc<RefCell<Shared>>);

/// A channel with room for `capacity` messages.
pub fn channel(capacity: usize, fault: Option<Fault>) -> (Tx, Rx) {
    let shared = Rc::new(RefCell::new(Shared {
        queue: VecDeque::new(),
        capacity: capacity + usize::from(fault == Some(Fault::TooMuchRoom)),
        senders: 1,
        is_closed: false,
        receiving: None,
        sending: VecDeque::new(),
        numbers: 0,
        given: None,
        fault,
    }));
    (Tx(shared.clone()), Rx(shared))
}

impl Clone for Tx {
    fn clone(&self) -> Self {
        self.0.borrow_mut().senders += 1;
        Tx(self.0.clone())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.senders -= 1;
        if shared.senders == 0 && !shared.has(Fault::QuietEnd) {
            shared.receiving.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Rx {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.is_closed = true;
        shared.sending.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

impl Sender for Tx {
    fn send(&self, message: u64) -> impl Future<Output = Result<(), u64>> {
        Send { shared: &self.0, message, number: None }
    }
}

impl Receiver for Rx {
    fn recv(&self) -> impl Future<Output = Option<u64>> {
        Recv { shared: &self.0 }
    }
}

struct Send<'a> {
    shared: &'a RefCell<Shared>,
    message: u64,
    /// Its number, while it waits.
    number: Option<u64>,
}

impl Future for Send<'_> {
    type Output = Result<(), u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        let mut shared = self.shared.borrow_mut();
        if let Some(number) = self.number {
            shared.sending.retain(|(waits, _)| *waits != number);
        }
        if shared.is_closed {
            self.number = None;
            return Poll::Ready(Err(self.message));
        }
        if shared.queue.len() >= shared.capacity {
            shared.numbers += 1;
            let number = self.number.unwrap_or(shared.numbers);
            // A wait that was polled before keeps its place.
            let place = shared.sending.partition_point(|(waits, _)| *waits < number);
            shared.sending.insert(place, (number, cx.waker().clone()));
            self.number = Some(number);
            return Poll::Pending;
        }
        self.number = None;
        match shared.receiving.take() {
            Some(waker) => {
                if shared.has(Fault::LosesGiven) {
                    shared.given = Some(self.message);
                } else {
                    shared.queue.push_back(self.message);
                }
                waker.wake();
            }
            None => shared.queue.push_back(self.message),
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Send<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut shared = self.shared.borrow_mut();
        let before = shared.sending.len();
        shared.sending.retain(|(waits, _)| *waits != number);
        let was_woken = shared.sending.len() == before;
        if was_woken && !shared.has(Fault::ForgetsNext) {
            shared.wake_a_send();
        }
    }
}

struct Recv<'a> {
    shared: &'a RefCell<Shared>,
}

impl Future for Recv<'_> {
    type Output = Option<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let mut shared = self.shared.borrow_mut();
        let was_full = shared.queue.len() >= shared.capacity;
        let newest = shared.has(Fault::NewestFirst);
        let given = shared.given.take();
        match given.or_else(|| if newest { shared.queue.pop_back() } else { shared.queue.pop_front() }) {
            Some(message) => {
                if was_full || !shared.has(Fault::WakesWhenFull) {
                    shared.wake_a_send();
                }
                shared.receiving = None;
                Poll::Ready(Some(message))
            }
            None if shared.senders == 0 => {
                shared.receiving = None;
                Poll::Ready(None)
            }
            None => {
                if shared.receiving.is_none() || !shared.has(Fault::FirstWaker) {
                    shared.receiving = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Recv<'_> {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.receiving = None;
        shared.given = None; // lost; without the fault it is always empty
    }
}
