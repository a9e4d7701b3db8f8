//! A channel compared with its model.

use crate::kit::{Hand, at_once, hand};
use executor::sync::{Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, channel};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::mem;
use std::task::Poll;

#[derive(Clone, Debug)]
enum Step {
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

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        4 => Just(Step::TrySend),
        9 => (0..8usize).prop_map(Step::PollSend),
        4 => (0..8usize).prop_map(Step::DropSend),
        6 => Just(Step::Receive),
        4 => Just(Step::TryReceive),
        9 => (0..8usize).prop_map(Step::PollReceive),
        4 => (0..8usize).prop_map(Step::DropReceive),
        2 => (0..8usize).prop_map(Step::Renew),
        1 => Just(Step::CloneAndDrop),
        1 => Just(Step::Close),
    ]
}

/// Messages are numbers. Waits have numbers too: a send has the number of its message.
#[derive(Default)]
struct Model {
    capacity: usize,
    closed: bool,
    /// Messages with the order in which they were sent.
    queue: VecDeque<(usize, usize)>,
    sent: usize,
    sending: VecDeque<usize>,
    receiving: VecDeque<usize>,
    /// Sends that were woken and not polled since: `true` if the message was sent, `false` if the channel was closed.
    was_sent: Vec<(usize, bool)>,
    /// Receives that were woken and not polled since, with the message that was handed to each.
    was_handed: Vec<(usize, Option<(usize, usize)>)>,
}

impl Model {
    fn put(&mut self, message: usize) {
        self.sent += 1;
        self.queue.push_back((self.sent, message));
    }

    /// Hands over messages and completes waits until nothing changes any more.
    fn settle(&mut self) {
        loop {
            if self.closed && !self.sending.is_empty() {
                self.was_sent.extend(self.sending.drain(..).map(|message| (message, false)));
            } else if !self.receiving.is_empty() && !self.queue.is_empty() {
                self.was_handed.push((self.receiving.pop_front().unwrap(), self.queue.pop_front()));
            } else if self.closed && !self.receiving.is_empty() {
                self.was_handed.extend(self.receiving.drain(..).map(|number| (number, None)));
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

    /// Takes the message that a receive returns now.
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

/// The channel and its model, in the same state.
struct Compared<'a> {
    tx: &'a Sender<usize>,
    rx: &'a Receiver<usize>,
    model: Model,
    sends: Vec<(usize, Hand<'a, Sent>)>,
    receives: Vec<(usize, Hand<'a, Received>)>,
}

impl Compared<'_> {
    fn step(&mut self, number: usize, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Send => self.sends.push((number, hand(self.tx.send(number)))),
            Step::TrySend => self.try_send(number)?,
            Step::PollSend(which) if !self.sends.is_empty() => self.poll_send(which % self.sends.len())?,
            Step::DropSend(which) if !self.sends.is_empty() => {
                let (number, send) = self.sends.remove(which % self.sends.len());
                drop(send);
                self.model.sending.retain(|other| *other != number);
                self.model.was_sent.retain(|(other, _)| *other != number);
            }
            Step::Receive => self.receives.push((number, hand(self.rx.recv()))),
            Step::TryReceive => {
                let expected = match self.model.take() {
                    Some(message) => Ok(message),
                    None if self.model.closed => Err(TryRecvError::Closed),
                    None => Err(TryRecvError::Empty),
                };
                prop_assert_eq!(self.rx.try_recv(), expected);
            }
            Step::PollReceive(which) if !self.receives.is_empty() => self.poll_receive(which % self.receives.len())?,
            Step::DropReceive(which) if !self.receives.is_empty() => self.drop_receive(which % self.receives.len()),
            Step::Renew(which) => self.renew(which),
            Step::CloneAndDrop => drop((self.tx.clone(), self.rx.clone())),
            Step::Close => {
                prop_assert_eq!(self.tx.close(), !mem::replace(&mut self.model.closed, true));
                self.model.settle();
            }
            _ => {}
        }
        Ok(())
    }

    fn try_send(&mut self, number: usize) -> Result<(), TestCaseError> {
        let expected = match () {
            () if self.model.closed => Err(TrySendError::Closed(number)),
            () if !self.model.has_room() => Err(TrySendError::Full(number)),
            () => Ok(()),
        };
        if expected.is_ok() {
            self.model.put(number);
            self.model.settle();
        }
        prop_assert_eq!(self.tx.try_send(number), expected);
        Ok(())
    }

    fn poll_send(&mut self, which: usize) -> Result<(), TestCaseError> {
        let (number, send) = &mut self.sends[which];
        let (number, model) = (*number, &mut self.model);
        let expected = match remove_first(&mut model.was_sent, |(other, _)| *other == number) {
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
        prop_assert_eq!(polled.is_ready(), expected.is_some(), "send {}", number);
        if let Poll::Ready(sent) = polled {
            prop_assert_eq!(Some(sent), expected);
            drop(self.sends.remove(which));
        }
        Ok(())
    }

    fn poll_receive(&mut self, which: usize) -> Result<(), TestCaseError> {
        let (number, receive) = &mut self.receives[which];
        let (number, model) = (*number, &mut self.model);
        let expected = match remove_first(&mut model.was_handed, |(other, _)| *other == number) {
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
        prop_assert_eq!(polled.is_ready(), expected.is_some(), "receive {}", number);
        if let Poll::Ready(received) = polled {
            prop_assert_eq!(Some(received), expected);
            drop(self.receives.remove(which));
        }
        Ok(())
    }

    /// Drops a receive. A message that was handed to it returns to its position in the queue.
    fn drop_receive(&mut self, which: usize) {
        let (number, receive) = self.receives.remove(which);
        drop(receive);
        let model = &mut self.model;
        model.receiving.retain(|other| *other != number);
        if let Some((_, Some(message))) = remove_first(&mut model.was_handed, |(other, _)| *other == number) {
            model.queue.push_back(message);
            model.queue.make_contiguous().sort();
            model.settle();
        }
    }

    /// Polls a send and a receive that wait, with another waker each.
    fn renew(&mut self, which: usize) {
        let Model { sending, receiving, .. } = &self.model;
        if let Some((_, send)) = self.sends.iter_mut().filter(|(at, _)| sending.contains(at)).nth(which) {
            send.renew();
        }
        if let Some((_, receive)) = self.receives.iter_mut().filter(|(at, _)| receiving.contains(at)).nth(which) {
            receive.renew();
        }
    }

    /// Checks that the channel has as many messages as its model, and has woken the same waiters.
    fn agree(&self) -> Result<(), TestCaseError> {
        let Model { queue, closed, was_sent, was_handed, .. } = &self.model;
        prop_assert_eq!((self.tx.len(), self.rx.is_closed()), (queue.len(), *closed));
        for (number, send) in &self.sends {
            let is_woken = was_sent.iter().any(|(other, _)| other == number);
            prop_assert_eq!(send.was_woken(), is_woken, "send {}", number);
        }
        for (number, receive) in &self.receives {
            let is_woken = was_handed.iter().any(|(other, _)| other == number);
            prop_assert_eq!(receive.was_woken(), is_woken, "receive {}", number);
        }
        Ok(())
    }

    /// Drops all waits. The messages that are left come out in order.
    fn drain(self) -> Result<(), TestCaseError> {
        let Compared { tx, rx, mut model, sends, receives } = self;
        drop((sends, receives));
        while let Ok(message) = rx.try_recv() {
            let handed = mem::take(&mut model.was_handed).into_iter().filter_map(|(_, message)| message);
            model.queue.extend(handed);
            model.queue.make_contiguous().sort();
            prop_assert_eq!(Some(message), model.queue.pop_front().map(|(_, message)| message));
        }
        prop_assert!(model.queue.is_empty());
        tx.close();
        prop_assert_eq!(at_once(rx.recv()), Err(RecvError));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_channel_does_what_its_model_does(capacity in 0..4usize, steps in vec(step(), 0..80)) {
        let (tx, rx) = channel(capacity);
        let model = Model { capacity, ..Model::default() };
        let mut compared = Compared { tx: &tx, rx: &rx, model, sends: vec![], receives: vec![] };
        for (number, step) in steps.into_iter().enumerate() {
            compared.step(number, step)?;
            compared.agree()?;
        }
        compared.drain()?;
    }
}
