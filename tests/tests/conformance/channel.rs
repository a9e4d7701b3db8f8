//! A student's channel, right and wrong.

use super::breaks;
use executor::sync;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tests::conformance::{self, Message, channel, local_channel, shared_channel};

/// A mistake that the channel may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    Nothing,
    /// A message does not wake the receiver.
    SendForgetsToWake,
    /// Room does not wake a sender.
    RecvForgetsToWake,
    /// A sender that waits replaces the one before.
    KeepsOneSender,
    /// Room that was handed to a sender is lost when its send is dropped.
    LosesRoom,
    /// A message that was handed to a receive is lost when that is dropped.
    LosesHandedMessage,
    /// A woken receiver that is dropped wakes no other one.
    LosesWake,
    /// The channel ends as soon as it is empty.
    EndsEarly,
    /// The channel ends as soon as no sender is left.
    EndLosesMessages,
    /// The drop of the last sender wakes no receiver.
    EndForgetsToWake,
    /// The drop of the receiver wakes all senders but one.
    CloseWakesAllButOne,
    /// Sending never waits.
    HasNoBound,
    /// The newest message comes first.
    LastInFirstOut,
    /// A newcomer takes the room that a sender waits for.
    Overtakes,
    /// A message arrives although its send was dropped.
    SendsDropped,
    /// A wait keeps the waker of its first poll.
    KeepsFirstWaker,
    /// A receive that is dropped stays in line.
    KeepsDroppedReceiver,
    /// Messages that were not received leak.
    Leaks,
}

struct Shared {
    bug: Bug,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Message>,
    capacity: usize,
    /// Room that was handed to senders that have not used it yet.
    reserved: usize,
    senders: usize,
    receivers: usize,
    sending: VecDeque<Arc<Waiter>>,
    receiving: VecDeque<Arc<Waiter>>,
}

#[derive(Default)]
struct Waiter {
    waker: Mutex<Option<Waker>>,
    was_woken: Mutex<bool>,
    message: Mutex<Option<Message>>,
}

impl Waiter {
    fn new(cx: &Context<'_>) -> Arc<Waiter> {
        let waiter = Arc::<Waiter>::default();
        waiter.set(cx);
        waiter
    }

    fn set(&self, cx: &Context<'_>) {
        let old = self.waker.lock().unwrap().replace(cx.waker().clone());
        drop(old);
    }

    fn wake(&self) {
        *self.was_woken.lock().unwrap() = true;
        let waker = self.waker.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn take_wake(&self) -> bool {
        std::mem::take(&mut *self.was_woken.lock().unwrap())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Hands room, if there is any, to the first sender that waits.
    fn room(&self, state: &mut State) {
        if state.queue.len() + state.reserved >= state.capacity {
            return;
        }
        let Some(waiter) = state.sending.pop_front() else { return };
        if let Some(message) = waiter.message.lock().unwrap().take() {
            state.queue.push_back(message); // its send may have been dropped
            self.message(state);
        } else {
            state.reserved += 1;
        }
        match self.bug {
            Bug::RecvForgetsToWake => {}
            _ => waiter.wake(),
        }
    }

    /// Wakes the first receiver that waits, because there is a message.
    fn message(&self, state: &mut State) {
        if self.bug == Bug::SendForgetsToWake {
            return;
        }
        let Some(waiter) = state.receiving.pop_front() else { return };
        if self.bug == Bug::LosesHandedMessage {
            *waiter.message.lock().unwrap() = state.queue.pop_front();
        }
        waiter.wake();
    }
}

struct Tx(Arc<Shared>);

struct Rx(Arc<Shared>);

fn own(bug: Bug, capacity: usize) -> (Tx, Rx) {
    let capacity = if bug == Bug::HasNoBound { usize::MAX } else { capacity };
    let state = State { capacity, senders: 1, receivers: 1, ..State::default() };
    let shared = Arc::new(Shared { bug, state: Mutex::new(state) });
    (Tx(shared.clone()), Rx(shared))
}

/// A send that waits.
struct Sending<'a>(&'a Shared, Option<Arc<Waiter>>);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.1.take() else { return };
        let mut state = self.0.lock();
        if self.0.bug != Bug::SendsDropped {
            state.sending.retain(|other| !Arc::ptr_eq(other, &waiter));
        }
        if waiter.take_wake() && self.0.bug != Bug::LosesRoom && state.receivers > 0 {
            state.reserved -= usize::from(self.0.bug != Bug::SendsDropped);
            self.0.room(&mut state);
        }
        let waker = waiter.waker.lock().unwrap().take();
        drop((state, waker));
    }
}

/// A receive that waits.
struct Receiving<'a>(&'a Shared, Option<Arc<Waiter>>);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.1.take() else { return };
        if self.0.bug == Bug::KeepsDroppedReceiver {
            return;
        }
        let mut state = self.0.lock();
        state.receiving.retain(|other| !Arc::ptr_eq(other, &waiter));
        if waiter.take_wake() && !state.queue.is_empty() && self.0.bug != Bug::LosesWake {
            self.0.message(&mut state);
        }
    }
}

impl conformance::Sender for Tx {
    async fn send(&self, message: Message) -> Result<(), Message> {
        let (shared, bug) = (&*self.0, self.0.bug);
        let mut message = Some(message);
        let mut wait = Sending(shared, None);
        poll_fn(|cx| {
            let mut state = shared.lock();
            if state.receivers == 0 {
                let back = message.take().or_else(|| wait.1.as_ref()?.message.lock().unwrap().take());
                drop(state);
                wait.1 = None;
                return Poll::Ready(back.map_or(Ok(()), Err));
            }
            let has_room = match &wait.1 {
                Some(waiter) if waiter.take_wake() => {
                    state.reserved -= usize::from(bug != Bug::SendsDropped);
                    true
                }
                Some(waiter) => {
                    if bug != Bug::KeepsFirstWaker {
                        waiter.set(cx);
                    }
                    false
                }
                None => {
                    let room = state.queue.len() + state.reserved < state.capacity;
                    room && state.sending.is_empty() || bug == Bug::Overtakes && state.queue.len() < state.capacity
                }
            };
            if !has_room {
                if wait.1.is_none() {
                    let waiter = Waiter::new(cx);
                    if bug == Bug::KeepsOneSender {
                        state.sending.clear();
                    }
                    if bug == Bug::SendsDropped {
                        *waiter.message.lock().unwrap() = message.take();
                    }
                    state.sending.push_back(waiter.clone());
                    wait.1 = Some(waiter);
                }
                return Poll::Pending;
            }
            if let Some(message) = message.take() {
                state.queue.push_back(message);
                shared.message(&mut state);
            }
            drop(state);
            wait.1 = None;
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl conformance::Receiver for Rx {
    async fn recv(&mut self) -> Option<Message> {
        let (shared, bug) = (&*self.0, self.0.bug);
        let mut wait = Receiving(shared, None);
        poll_fn(|cx| {
            let mut state = shared.lock();
            let handed = wait.1.as_ref().and_then(|waiter| waiter.message.lock().unwrap().take());
            let is_over = state.senders == 0 || bug == Bug::EndsEarly && !state.sending.is_empty();
            let queued = match bug {
                Bug::EndLosesMessages if is_over => None,
                Bug::LastInFirstOut => state.queue.pop_back(),
                _ => state.queue.pop_front(),
            };
            if queued.is_some() || handed.is_some() {
                shared.room(&mut state);
            }
            let waiter = match handed.or(queued) {
                Some(message) => {
                    let waiter = wait.1.take();
                    state.receiving.retain(|other| waiter.as_ref().is_none_or(|waiter| !Arc::ptr_eq(other, waiter)));
                    return Poll::Ready(Some(message));
                }
                None if is_over || bug == Bug::EndsEarly && state.senders == 1 => {
                    let waiter = wait.1.take();
                    state.receiving.retain(|other| waiter.as_ref().is_none_or(|waiter| !Arc::ptr_eq(other, waiter)));
                    return Poll::Ready(None);
                }
                None => wait.1.get_or_insert_with(|| Waiter::new(cx)),
            };
            if waiter.take_wake() || !state.receiving.iter().any(|other| Arc::ptr_eq(other, waiter)) {
                state.receiving.push_back(waiter.clone());
                waiter.set(cx);
            } else if bug != Bug::KeepsFirstWaker {
                waiter.set(cx);
            }
            Poll::Pending
        })
        .await
    }
}

impl Clone for Tx {
    fn clone(&self) -> Tx {
        self.0.lock().senders += 1;
        Tx(self.0.clone())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders == 0 && self.0.bug != Bug::EndForgetsToWake {
            state.receiving.drain(..).for_each(|waiter| waiter.wake());
        }
    }
}

impl Clone for Rx {
    fn clone(&self) -> Rx {
        self.0.lock().receivers += 1;
        Rx(self.0.clone())
    }
}

impl Drop for Rx {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receivers -= 1;
        if state.receivers == 0 {
            let woken =
                state.sending.len() - usize::from(self.0.bug == Bug::CloseWakesAllButOne).min(state.sending.len());
            state.sending.drain(..woken).for_each(|waiter| waiter.wake());
            let left = std::mem::take(&mut state.queue);
            drop(state);
            match self.0.bug {
                Bug::Leaks => std::mem::forget(left),
                _ => drop(left),
            }
        }
    }
}

fn check(bug: Bug) {
    channel(move |capacity| own(bug, capacity));
}

#[test]
fn the_executors_channel_conforms() {
    channel(sync::channel);
}

#[test]
fn the_executors_channel_conforms_with_many_receivers() {
    shared_channel(sync::channel);
}

#[test]
fn a_students_channel_conforms() {
    check(Bug::Nothing);
    local_channel(|capacity| own(Bug::Nothing, capacity));
}

#[test]
fn a_students_channel_conforms_with_many_receivers() {
    shared_channel(|capacity| own(Bug::Nothing, capacity));
}

#[test]
fn a_channel_whose_send_wakes_no_receiver_does_not_conform() {
    breaks("a message wakes a receiver", || check(Bug::SendForgetsToWake));
}

#[test]
fn a_channel_whose_receive_wakes_no_sender_does_not_conform() {
    breaks("room wakes a sender", || check(Bug::RecvForgetsToWake));
}

#[test]
fn a_channel_that_keeps_only_the_last_sender_does_not_conform() {
    breaks("room wakes a sender", || check(Bug::KeepsOneSender));
}

#[test]
fn a_channel_that_loses_the_room_of_a_dropped_send_does_not_conform() {
    breaks("", || check(Bug::LosesRoom));
}

#[test]
fn a_channel_that_loses_the_message_of_a_dropped_receive_does_not_conform() {
    breaks("", || check(Bug::LosesHandedMessage));
}

#[test]
fn a_channel_that_loses_the_wake_of_a_dropped_receiver_does_not_conform() {
    breaks("", || shared_channel(|capacity| own(Bug::LosesWake, capacity)));
}

#[test]
fn a_channel_that_ends_while_a_sender_exists_does_not_conform() {
    breaks("a receiver gets all that was sent, and the end only after", || check(Bug::EndsEarly));
}

#[test]
fn a_channel_that_ends_before_the_last_message_does_not_conform() {
    breaks("a receiver gets all that was sent, and the end only after", || check(Bug::EndLosesMessages));
}

#[test]
fn a_channel_whose_dropped_last_sender_wakes_no_receiver_does_not_conform() {
    breaks("the end of the senders wakes the receivers", || check(Bug::EndForgetsToWake));
}

#[test]
fn a_channel_whose_dropped_receiver_wakes_all_senders_but_one_does_not_conform() {
    breaks("the end of the receivers wakes the senders", || check(Bug::CloseWakesAllButOne));
}

#[test]
fn a_channel_without_a_bound_does_not_conform() {
    breaks("a send waits while the channel is full", || check(Bug::HasNoBound));
}

#[test]
fn a_channel_that_is_a_stack_does_not_conform() {
    breaks("a message that was sent before another one was begun arrives before it", || check(Bug::LastInFirstOut));
}

#[test]
fn a_newcomer_that_takes_the_room_of_a_waiter_is_found() {
    breaks("", || check(Bug::Overtakes));
}

#[test]
fn a_channel_that_sends_the_message_of_a_dropped_send_does_not_conform() {
    breaks("", || check(Bug::SendsDropped));
}

#[test]
fn a_channel_that_keeps_the_first_waker_of_a_wait_does_not_conform() {
    breaks("", || check(Bug::KeepsFirstWaker));
}

#[test]
fn a_channel_that_keeps_a_dropped_receive_in_line_does_not_conform() {
    breaks("", || check(Bug::KeepsDroppedReceiver));
}

#[test]
fn messages_that_leak_with_the_channel_are_found() {
    breaks("a message that was not received is dropped with the channel", || check(Bug::Leaks));
}
