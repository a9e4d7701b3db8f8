//! The semaphore and the channel beside models of a few lines, whatever is done in whatever order.
//!
//! After each step it is compared who was woken, and what there is.

use super::kit::{Hand, at_once, hand};
use executor::sync::{Receiver, RecvError, Semaphore, SendError, Sender, TryRecvError, TrySendError, channel};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

// ---- semaphore ----

#[derive(Clone, Debug)]
enum Step {
    /// Makes a wait for so many, without polling it.
    Wait(usize),
    /// Polls one of the waits.
    Poll(usize),
    /// With another waker.
    Renew(usize),
    /// Drops one of the waits.
    Drop(usize),
    /// Drops one of the permits.
    Release(usize),
    Try(usize),
    Add(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Wait),
        5 => (0..8usize).prop_map(Step::Poll),
        1 => (0..8usize).prop_map(Step::Renew),
        3 => (0..8usize).prop_map(Step::Drop),
        4 => (0..8usize).prop_map(Step::Release),
        2 => (0..4usize).prop_map(Step::Try),
        1 => (0..3usize).prop_map(Step::Add),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Nowhere,
    InLine,
    Served,
}

/// Who waits in the semaphore: numbers of waits with what they want.
#[derive(Default)]
struct Model {
    available: usize,
    line: VecDeque<(usize, usize)>,
    served: Vec<usize>,
}

impl Model {
    fn serve(&mut self) {
        while let Some(&(number, want)) = self.line.front().filter(|(_, want)| *want <= self.available) {
            self.available -= want;
            self.line.pop_front();
            self.served.push(number);
        }
    }

    fn take(&mut self, want: usize) -> bool {
        let can = self.line.is_empty() && want <= self.available;
        if can {
            self.available -= want;
        }
        can
    }

    fn at(&self, number: usize) -> At {
        match () {
            () if self.served.contains(&number) => At::Served,
            () if self.line.iter().any(|(other, _)| *other == number) => At::InLine,
            () => At::Nowhere,
        }
    }

    /// A wait is gone, or done.
    fn remove(&mut self, number: usize) {
        self.served.retain(|other| *other != number);
        self.line.retain(|(other, _)| *other != number);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_semaphore_does_what_its_model_does(permits in 0..4usize, steps in vec(step(), 0..60)) {
        let semaphore = Semaphore::new(permits);
        let mut model = Model { available: permits, ..Model::default() };
        let mut waits: Vec<(usize, usize, Hand<'_, _>)> = vec![];
        let mut held = vec![];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Wait(want) => waits.push((number, want, hand(semaphore.acquire_many(want)))),
                Step::Poll(which) | Step::Renew(which) if !waits.is_empty() => {
                    let which = which % waits.len();
                    let (number, want, wait) = &mut waits[which];
                    let is_done = match model.at(*number) {
                        At::Nowhere => model.take(*want) || {
                            model.line.push_back((*number, *want));
                            false
                        },
                        At::InLine => false,
                        At::Served => true,
                    };
                    if matches!(step, Step::Renew(_)) && !is_done {
                        wait.renew();
                    } else {
                        let polled = wait.poll();
                        prop_assert_eq!(polled.is_ready(), is_done);
                        if let std::task::Poll::Ready(permit) = polled {
                            prop_assert_eq!(permit.permits(), *want);
                            held.push(permit);
                            model.remove(*number);
                            drop(waits.remove(which));
                        }
                    }
                }
                Step::Drop(which) if !waits.is_empty() => {
                    let (number, want, wait) = waits.remove(which % waits.len());
                    if model.at(number) == At::Served {
                        model.available += want;
                    }
                    model.remove(number);
                    model.serve();
                    drop(wait);
                }
                Step::Release(which) if !held.is_empty() => {
                    let permit = held.remove(which % held.len());
                    model.available += permit.permits();
                    model.serve();
                    drop(permit);
                }
                Step::Try(want) => {
                    let got = semaphore.try_acquire_many(want);
                    prop_assert_eq!(got.is_some(), model.take(want));
                    held.extend(got);
                }
                Step::Add(more) => {
                    semaphore.add_permits(more);
                    model.available += more;
                    model.serve();
                }
                _ => {}
            }
            prop_assert_eq!(semaphore.available_permits(), model.available);
            for (number, _, wait) in &waits {
                prop_assert_eq!(wait.was_woken(), model.at(*number) == At::Served, "wait {}", number);
            }
        }
    }
}

// ---- channel ----

#[derive(Clone, Debug)]
enum Use {
    Send,
    TrySend,
    PollSend(usize),
    DropSend(usize),
    Receive,
    TryReceive,
    PollReceive(usize),
    DropReceive(usize),
    Renew(usize),
    CloneAndDrop,
    Close,
}

fn usage() -> impl Strategy<Value = Use> {
    prop_oneof![
        6 => Just(Use::Send),
        4 => Just(Use::TrySend),
        9 => (0..8usize).prop_map(Use::PollSend),
        4 => (0..8usize).prop_map(Use::DropSend),
        6 => Just(Use::Receive),
        4 => Just(Use::TryReceive),
        9 => (0..8usize).prop_map(Use::PollReceive),
        4 => (0..8usize).prop_map(Use::DropReceive),
        2 => (0..8usize).prop_map(Use::Renew),
        1 => Just(Use::CloneAndDrop),
        1 => Just(Use::Close),
    ]
}

/// Messages are numbers; waits have numbers too, those of a send are its message's.
#[derive(Default)]
struct Pipe {
    capacity: usize,
    closed: bool,
    /// Messages with the order in which they were sent.
    queue: VecDeque<(usize, usize)>,
    sent: usize,
    sending: VecDeque<usize>,
    receiving: VecDeque<usize>,
    /// Sends that are done and do not know yet.
    was_sent: Vec<(usize, bool)>,
    was_given: Vec<(usize, Option<(usize, usize)>)>,
}

impl Pipe {
    fn put(&mut self, message: usize) {
        self.sent += 1;
        self.queue.push_back((self.sent, message));
    }

    /// Moves all that can move.
    fn settle(&mut self) {
        loop {
            if self.closed && !self.sending.is_empty() {
                self.was_sent.extend(self.sending.drain(..).map(|message| (message, false)));
            } else if !self.receiving.is_empty() && !self.queue.is_empty() {
                self.was_given.push((self.receiving.pop_front().unwrap(), self.queue.pop_front()));
            } else if self.closed && !self.receiving.is_empty() {
                self.was_given.extend(self.receiving.drain(..).map(|number| (number, None)));
            } else if !self.sending.is_empty() && (self.queue.len() < self.capacity || !self.receiving.is_empty()) {
                let message = self.sending.pop_front().unwrap();
                self.put(message);
                self.was_sent.push((message, true));
            } else {
                return;
            }
        }
    }

    fn has_room(&self) -> bool {
        !self.closed && (self.queue.len() < self.capacity || !self.receiving.is_empty())
    }

    /// What comes out now.
    fn take(&mut self) -> Option<usize> {
        if self.queue.is_empty()
            && !self.closed
            && let Some(message) = self.sending.pop_front()
        {
            self.put(message);
            self.was_sent.push((message, true));
        }
        let message = self.queue.pop_front();
        self.settle();
        message.map(|(_, message)| message)
    }
}

fn remove_first<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    list.iter().position(is_it).map(|at| list.remove(at))
}

type Sent = Result<(), SendError<usize>>;
type Received = Result<usize, RecvError>;

fn compare(tx: &Sender<usize>, rx: &Receiver<usize>, capacity: usize, uses: Vec<Use>) -> Result<(), TestCaseError> {
    let mut model = Pipe { capacity, ..Pipe::default() };
    let mut sends: Vec<(usize, Hand<'_, Sent>)> = vec![];
    let mut receives: Vec<(usize, Hand<'_, Received>)> = vec![];
    for (number, action) in uses.into_iter().enumerate() {
        match action {
            Use::Send => sends.push((number, hand(tx.send(number)))),
            Use::TrySend => {
                let sent = tx.try_send(number);
                let right = match () {
                    () if model.closed => Err(TrySendError::Closed(number)),
                    () if !model.has_room() => Err(TrySendError::Full(number)),
                    () => Ok(()),
                };
                if right.is_ok() {
                    model.put(number);
                    model.settle();
                }
                prop_assert_eq!(sent, right);
            }
            Use::PollSend(which) if !sends.is_empty() => {
                let which = which % sends.len();
                let (number, send) = &mut sends[which];
                let number = *number;
                let right = match remove_first(&mut model.was_sent, |(other, _)| *other == number) {
                    Some((_, true)) => Some(Ok(())),
                    Some((_, false)) => Some(Err(SendError(number))),
                    None if model.sending.contains(&number) => None,
                    None if model.closed => Some(Err(SendError(number))),
                    None if model.has_room() => {
                        model.put(number);
                        model.settle();
                        Some(Ok(()))
                    }
                    None => {
                        model.sending.push_back(number);
                        None
                    }
                };
                let polled = send.poll();
                prop_assert_eq!(polled.is_ready(), right.is_some(), "send {}", number);
                if let std::task::Poll::Ready(sent) = polled {
                    prop_assert_eq!(Some(sent), right);
                    drop(sends.remove(which));
                }
            }
            Use::DropSend(which) if !sends.is_empty() => {
                let (number, send) = sends.remove(which % sends.len());
                drop(send);
                model.sending.retain(|other| *other != number);
                model.was_sent.retain(|(other, _)| *other != number);
            }
            Use::Receive => receives.push((number, hand(rx.recv()))),
            Use::TryReceive => {
                let right = match model.take() {
                    Some(message) => Ok(message),
                    None if model.closed => Err(TryRecvError::Closed),
                    None => Err(TryRecvError::Empty),
                };
                prop_assert_eq!(rx.try_recv(), right);
            }
            Use::PollReceive(which) if !receives.is_empty() => {
                let which = which % receives.len();
                let (number, receive) = &mut receives[which];
                let number = *number;
                let right = match remove_first(&mut model.was_given, |(other, _)| *other == number) {
                    Some((_, message)) => Some(message.map(|(_, message)| message).ok_or(RecvError)),
                    None if model.receiving.contains(&number) => None,
                    None => match model.take() {
                        Some(message) => Some(Ok(message)),
                        None if model.closed => Some(Err(RecvError)),
                        None => {
                            model.receiving.push_back(number);
                            None
                        }
                    },
                };
                let polled = receive.poll();
                prop_assert_eq!(polled.is_ready(), right.is_some(), "receive {}", number);
                if let std::task::Poll::Ready(got) = polled {
                    prop_assert_eq!(Some(got), right);
                    drop(receives.remove(which));
                }
            }
            Use::DropReceive(which) if !receives.is_empty() => {
                let (number, receive) = receives.remove(which % receives.len());
                drop(receive);
                model.receiving.retain(|other| *other != number);
                if let Some((_, Some(message))) = remove_first(&mut model.was_given, |(other, _)| *other == number) {
                    model.queue.push_back(message);
                    model.queue.make_contiguous().sort();
                    model.settle();
                }
            }
            Use::Renew(which) => {
                if let Some((_, send)) = sends.iter_mut().filter(|(at, _)| model.sending.contains(at)).nth(which) {
                    send.renew();
                }
                let mut in_line = receives.iter_mut().filter(|(at, _)| model.receiving.contains(at));
                if let Some((_, receive)) = in_line.nth(which) {
                    receive.renew();
                }
            }
            Use::CloneAndDrop => drop((tx.clone(), rx.clone())),
            Use::Close => {
                prop_assert_eq!(tx.close(), !std::mem::replace(&mut model.closed, true));
                model.settle();
            }
            _ => {}
        }
        prop_assert_eq!((tx.len(), rx.is_closed()), (model.queue.len(), model.closed));
        for (number, send) in &sends {
            let is_done = model.was_sent.iter().any(|(other, _)| other == number);
            prop_assert_eq!(send.was_woken(), is_done, "send {}", number);
        }
        for (number, receive) in &receives {
            let is_done = model.was_given.iter().any(|(other, _)| other == number);
            prop_assert_eq!(receive.was_woken(), is_done, "receive {}", number);
        }
    }
    // What is left comes out in order.
    drop((sends, receives));
    while let Ok(message) = rx.try_recv() {
        let given = std::mem::take(&mut model.was_given).into_iter().filter_map(|(_, message)| message);
        model.queue.extend(given);
        model.queue.make_contiguous().sort();
        prop_assert_eq!(Some(message), model.queue.pop_front().map(|(_, message)| message));
    }
    prop_assert!(model.queue.is_empty());
    tx.close();
    prop_assert_eq!(at_once(rx.recv()), Err(RecvError));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_channel_does_what_its_model_does(capacity in 0..4usize, uses in vec(usage(), 0..80)) {
        let (tx, rx) = channel(capacity);
        compare(&tx, &rx, capacity, uses)?;
    }
}
