//! Random scripts of single steps on a channel.

use super::super::Steps;
use super::{
    BOUND, CLOSE_WAKES, DROPPED, END, END_WAKES, FAIR, LEAKS, LEAVES, Message, NEXT, ORDER, RECV_WAKES, REFUSED, ROOM,
    Receiver, SEND_WAKES, SPINS, Sender, THERE,
};
use crate::kit::{Dice, Hand, hand};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

/// What became of a send.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Waits,
    /// It returned in the step with this number.
    Sent(usize),
    Received,
    Returned,
    /// It was dropped before it was woken: it must not arrive.
    Dropped,
    /// It was dropped after it was woken: it may have been sent.
    MayBeSent,
}

/// One send, from its first poll on.
struct Send {
    begun: usize,
    fate: Fate,
}

pub(super) struct Script<S, R> {
    steps: Steps,
    capacity: usize,
    alive: Arc<()>,
    senders: Vec<Rc<S>>,
    receivers: Vec<Rc<RefCell<R>>>,
    has_one_receiver: bool,
    /// All sends, by the number of their message.
    sends: Vec<Send>,
    /// The sends that wait, with the numbers of their messages, in the order in which they came.
    sending: Vec<(usize, Hand<'static, Result<(), Message>>)>,
    receiving: Vec<Hand<'static, Option<Message>>>,
    /// The messages that came back from dropped receives, for which there may be no room.
    came_back: usize,
    /// The number of the current step.
    now: usize,
    /// Whether the last step dropped a wait.
    was_dropped: bool,
}

impl<S: Sender, R: Receiver> Script<S, R> {
    pub(super) fn new(capacity: usize, sender: S, receivers: Vec<R>) -> Script<S, R> {
        let (steps, alive, sends, sending, receiving, came_back, now, was_dropped) = Default::default();
        let (senders, has_one_receiver) = (vec![Rc::new(sender)], receivers.len() == 1);
        let receivers = receivers.into_iter().map(|receiver| Rc::new(RefCell::new(receiver))).collect();
        let script = Script {
            steps,
            capacity,
            alive,
            senders,
            receivers,
            has_one_receiver,
            sends,
            sending,
            receiving,
            came_back,
            now,
            was_dropped,
        };
        script.steps.push(format!("a channel with room for {capacity}"));
        script
    }

    pub(super) fn run(mut self, dice: &mut Dice, length: u64) {
        for _ in 0..3 + dice.roll(length) {
            self.was_dropped = false;
            self.now += 1;
            self.step(dice);
            self.check_wakes();
        }
        self.finish(dice);
    }

    fn step(&mut self, dice: &mut Dice) {
        let (sending, receiving) = (self.sending.len(), self.receiving.len());
        match dice.roll(14) {
            0..=3 if sending < 4 && !self.senders.is_empty() => self.send(dice),
            4..=6 if receiving < self.receivers.len() => self.receive(),
            7 if S::CANCEL_SAFE && sending > 0 => self.cancel_send(dice.index(sending)),
            8 if R::CANCEL_SAFE && receiving > 0 => self.cancel_receive(dice.index(receiving)),
            9 if S::CANCEL_SAFE && sending > 0 => {
                let (at, renew) = (dice.index(sending), dice.once_in(2));
                let how = if renew { "with another waker" } else { "without a wake" };
                self.steps.push(format!("send {} is polled {how}", self.sending[at].0));
                if renew {
                    self.sending[at].1.replace_waker();
                }
                self.poll_send(at);
            }
            10 if R::CANCEL_SAFE && receiving > 0 => {
                let (at, renew) = (dice.index(receiving), dice.once_in(2));
                let how = if renew { "with another waker" } else { "without a wake" };
                self.steps.push(format!("a receive is polled {how}"));
                if renew {
                    self.receiving[at].replace_waker();
                }
                self.poll_receive(at);
            }
            11 if dice.once_in(4) => self.change_senders(dice),
            11 if dice.once_in(6) && receiving == 0 && !self.receivers.is_empty() => {
                self.steps.push("a receiver is dropped".to_owned());
                self.receivers.pop();
            }
            _ => _ = self.poll_woken(dice),
        }
    }

    /// Clones a sender, or drops one.
    fn change_senders(&mut self, dice: &mut Dice) {
        match self.senders.len() {
            1.. if dice.once_in(2) => {
                self.steps.push("a sender is dropped".to_owned());
                self.senders.swap_remove(dice.index(self.senders.len()));
            }
            1..4 => {
                self.steps.push("a sender is cloned".to_owned());
                self.senders.push(Rc::new(S::clone(&self.senders[0])));
            }
            _ => {}
        }
    }

    // ---- sending ----

    fn send(&mut self, dice: &mut Dice) {
        let (number, sender) = (self.sends.len(), self.senders[dice.index(self.senders.len())].clone());
        let message = Message { from: 0, nth: number as u64, _alive: self.alive.clone() };
        self.steps.push(format!("send {number}"));
        self.sends.push(Send { begun: self.now, fate: Fate::Waits });
        self.sending.push((number, hand(async move { sender.send(message).await }).lenient()));
        self.poll_send(self.sending.len() - 1);
    }

    fn poll_send(&mut self, at: usize) {
        match self.sending[at].1.poll() {
            Poll::Ready(sent) => self.is_sent(at, sent),
            Poll::Pending => self.send_waits(at),
        }
    }

    fn is_sent(&mut self, at: usize, sent: Result<(), Message>) {
        let (number, wait) = self.sending.remove(at);
        let is_closed = self.is_closed();
        match sent {
            Err(message) => {
                self.steps.came(": refused");
                if !is_closed || message.nth != number as u64 {
                    self.broken(REFUSED, format!("send {number} failed"));
                }
                self.sends[number].fate = Fate::Returned;
            }
            Ok(()) => {
                self.steps.came(": sent");
                // What was received already was handed over while the send waited.
                if self.sends[number].fate == Fate::Waits {
                    self.sends[number].fate = Fate::Sent(self.now);
                }
                self.check_room(number, self.not_served(at));
            }
        }
        self.expect_no_wakers(&format!("send {number}"), wait.cancel());
    }

    fn check_room(&self, number: usize, before: usize) {
        if self.is_closed() {
            return; // earlier messages stay, and a send that waited may have got room before the close
        }
        let (there, most) = (self.there(), self.capacity + self.receiving.len() + self.came_back);
        if there > most {
            self.broken(
                BOUND,
                format!("{there} messages were sent and not received, and there is room for {}", self.capacity),
            );
        }
        if S::FAIR && there + before > most {
            self.broken(FAIR, format!("{number} was sent, and send {} has waited longer", self.sending[0].0));
        }
    }

    fn send_waits(&mut self, at: usize) {
        self.steps.came(": waits");
        let (number, wait) = &self.sending[at];
        if self.sends[*number].fate == Fate::Received {
            self.broken(ROOM, format!("{number} was received, and its send waits"));
        }
        if self.is_closed() {
            self.broken(REFUSED, format!("send {number} waits, and no receiver is left"));
        }
        // Other waiting sends may have got room already, and a send that was dropped after that may have been sent.
        let taken = self.there() + self.may_be_sent() + self.not_served(self.sending.len()) - 1;
        if taken < self.capacity {
            self.broken(ROOM, format!("send {number} waits, and there is room for {}", self.capacity - taken));
        }
        if wait.was_woken() && self.there() >= self.capacity {
            self.broken(SPINS, format!("send {number} waits and was woken by its own poll, with no room"));
        }
    }

    fn cancel_send(&mut self, at: usize) {
        let (number, wait) = self.sending.remove(at);
        let was_woken = wait.was_woken();
        self.steps.push(format!("send {number}{} is dropped", if was_woken { ", which was woken," } else { "" }));
        self.was_dropped = true;
        if self.sends[number].fate == Fate::Waits {
            self.sends[number].fate = if was_woken { Fate::MayBeSent } else { Fate::Dropped };
        }
        self.expect_no_wakers(&format!("send {number}"), wait.cancel());
    }

    // ---- receiving ----

    fn receive(&mut self) {
        let receiver = self.receivers.iter().find(|receiver| receiver.try_borrow_mut().is_ok());
        let Some(receiver) = receiver.cloned() else { return };
        self.steps.push("receive".to_owned());
        // The borrow reserves the receiver for this wait; it ends with the future.
        #[allow(clippy::await_holding_refcell_ref)]
        let recv = async move { receiver.borrow_mut().recv().await };
        self.receiving.push(hand(recv).lenient());
        self.poll_receive(self.receiving.len() - 1);
    }

    fn poll_receive(&mut self, at: usize) {
        match self.receiving[at].poll() {
            Poll::Ready(got) => self.is_received(at, got),
            Poll::Pending => self.receive_waits(at),
        }
    }

    fn is_received(&mut self, at: usize, got: Option<Message>) {
        let wait = self.receiving.remove(at);
        match got {
            None => self.ended(),
            Some(message) => self.arrived(message.nth as usize),
        }
        self.expect_no_wakers("a receive", Self::kept_by(wait));
    }

    fn ended(&mut self) {
        self.steps.came(": the end");
        if !self.senders.is_empty() || !self.sending.is_empty() {
            self.broken(END, "the channel ended although a sender exists".to_owned());
        }
        // Another receiver that waits may have been handed a message.
        if self.there() > self.receiving.len() {
            let lost = self.sends.iter().position(|send| matches!(send.fate, Fate::Sent(_))).unwrap_or_default();
            self.broken(END, format!("it ended, and {lost} has not arrived"));
        }
    }

    fn arrived(&mut self, number: usize) {
        self.steps.came(&format!(": {number}"));
        match self.sends[number].fate {
            Fate::Waits | Fate::Sent(_) | Fate::MayBeSent => self.sends[number].fate = Fate::Received,
            Fate::Dropped => {
                self.broken(DROPPED, format!("{number} arrived, and its send was dropped before it was woken"))
            }
            Fate::Received | Fate::Returned => self.broken(REFUSED, format!("{number} arrived, and it was returned")),
        }
        // The sends that wait may have got room already.
        let most = self.there() + self.may_be_sent() + self.sending.len();
        self.came_back = self.came_back.min(most.saturating_sub(self.capacity));
        let begun = self.sends[number].begun;
        let before = |send: &Send| matches!(send.fate, Fate::Sent(step) if step < begun);
        if let Some(overtaken) = self.sends.iter().position(before)
            && self.has_one_receiver
        {
            self.broken(ORDER, format!("{number} arrived before {overtaken}"));
        }
    }

    fn receive_waits(&mut self, at: usize) {
        self.steps.came(": waits");
        // The other receivers that wait may have been handed a message each.
        if self.there() > self.receiving.len() - 1 {
            self.broken(THERE, format!("a receive waits, and {} messages are there", self.there()));
        }
        if self.receiving[at].was_woken() && !self.senders.is_empty() && self.there() + self.may_be_sent() == 0 {
            self.broken(SPINS, "a receive waits and was woken by its own poll, with no message there".to_owned());
        }
    }

    fn cancel_receive(&mut self, at: usize) {
        let wait = self.receiving.remove(at);
        let woken = if wait.was_woken() { ", which was woken," } else { "" };
        self.came_back += usize::from(wait.was_woken());
        self.steps.push(format!("a receive{woken} is dropped"));
        self.was_dropped = true;
        self.expect_no_wakers("a receive", Self::kept_by(wait));
    }

    // ---- what must hold ----

    /// The number of messages whose sends have returned and that were not received.
    fn there(&self) -> usize {
        self.sends.iter().filter(|send| matches!(send.fate, Fate::Sent(_))).count()
    }

    /// Of the first `first` sends that wait, the number whose messages were not received yet.
    fn not_served(&self, first: usize) -> usize {
        self.sending[..first].iter().filter(|(number, _)| self.sends[*number].fate == Fate::Waits).count()
    }

    fn may_be_sent(&self) -> usize {
        self.sends.iter().filter(|send| send.fate == Fate::MayBeSent).count()
    }

    /// Whether no receiver is left.
    fn is_closed(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Checks that one of the waits was woken if one of them could go on.
    fn check_wakes(&self) {
        let (there, closed) = (self.there(), self.is_closed());
        let next = |invariant| if self.was_dropped { NEXT } else { invariant };
        if !self.receiving.is_empty() && !self.receiving.iter().any(Hand::was_woken) {
            let count = self.receiving.len();
            if there > 0 {
                self.broken(
                    next(SEND_WAKES),
                    format!("{there} messages are there, {count} receives wait, and none was woken"),
                );
            }
            if self.senders.is_empty() && self.sending.is_empty() {
                self.broken(next(END_WAKES), format!("no sender is left, {count} receives wait, and none was woken"));
            }
        }
        let is_forgotten =
            |(number, wait): &&(usize, Hand<'_, _>)| self.sends[*number].fate == Fate::Received && !wait.was_woken();
        if let Some((number, _)) = self.sending.iter().find(is_forgotten) {
            self.broken(RECV_WAKES, format!("{number} was received, and its send waits and was not woken"));
        }
        if !self.sending.is_empty() && !self.sending.iter().any(|(_, wait)| wait.was_woken()) {
            let who: Vec<_> = self.sending.iter().map(|(number, _)| number.to_string()).collect();
            let who = who.join(", ");
            if closed {
                self.broken(next(CLOSE_WAKES), format!("no receiver is left, {who} wait, and none was woken"));
            }
            if there + self.may_be_sent() < self.capacity {
                let what =
                    format!("{there} of {} slots are taken, {who} wait to be sent, and none was woken", self.capacity);
                self.broken(next(RECV_WAKES), what);
            }
        }
    }

    /// Ends a receive. Returns how many of its wakers are kept although the channel must not keep them.
    fn kept_by(wait: Hand<'static, Option<Message>>) -> usize {
        let wakers = wait.cancel();
        if R::KEEPS_WAKER { 0 } else { wakers }
    }

    fn expect_no_wakers(&self, who: &str, wakers: usize) {
        if wakers > 0 {
            self.broken(LEAVES, format!("{who} is over, and {wakers} of its wakers are kept"));
        }
    }

    /// Polls a wait that was woken. Returns `false` if there is none.
    fn poll_woken(&mut self, dice: &mut Dice) -> bool {
        let sends = (0..self.sending.len()).filter(|at| self.sending[*at].1.was_woken());
        let receives = (0..self.receiving.len()).filter(|at| self.receiving[*at].was_woken());
        let woken: Vec<_> = sends.map(|at| (true, at)).chain(receives.map(|at| (false, at))).collect();
        if woken.is_empty() {
            return false;
        }
        match woken[dice.index(woken.len())] {
            (true, at) => {
                self.steps.push(format!("send {}, which was woken, is polled", self.sending[at].0));
                self.poll_send(at);
            }
            (false, at) => {
                self.steps.push("a receive, which was woken, is polled".to_owned());
                self.poll_receive(at);
            }
        }
        true
    }

    /// Ends all waits, then drops the senders and receives the remaining messages.
    fn finish(mut self, dice: &mut Dice) {
        for _ in 0..1000 {
            self.was_dropped = false;
            self.now += 1;
            match self.poll_woken(dice) {
                true => {}
                false if self.sending.is_empty() => break,
                false => self.receive(), // none was woken, so the channel is full
            }
            self.check_wakes();
        }
        if !self.sending.is_empty() {
            self.broken(RECV_WAKES, "senders are woken again and again, and never send".to_owned());
        }
        self.steps.push("all senders are dropped".to_owned());
        self.senders.clear();
        self.check_wakes();
        for _ in 0..1000 {
            if !self.poll_woken(dice) && self.receiving.is_empty() {
                break;
            }
            self.check_wakes();
        }
        // Receives until the end, and then the end once more.
        let mut ends = 0;
        while ends < 2 && !self.is_closed() {
            let there = self.there() + self.may_be_sent();
            self.receive();
            if !self.receiving.is_empty() {
                self.broken(END, "no sender is left, and a receive waits".to_owned());
            }
            ends += usize::from(there == self.there() + self.may_be_sent());
        }
        self.steps.push("all receivers are dropped".to_owned());
        self.receivers.clear();
        let left = Arc::strong_count(&self.alive) - 1;
        if left > 0 {
            self.broken(LEAKS, format!("{left} messages are left after both ends are gone"));
        }
    }

    fn broken(&self, invariant: &str, what: String) -> ! {
        let hint = match invariant {
            FAIR => "\nif it does not promise an order, say so: const FAIR: bool = false",
            _ => {
                "\n(steps that drop a wait or poll it without a wake are left out with const CANCEL_SAFE: bool = false)"
            }
        };
        self.steps.broken("channel", invariant, format_args!("{what}{hint}"));
    }
}
