//! Programs of tasks that send and receive, on one thread or on several.

use super::super::{FOR_EVER, broken, give_up_after, patient, pause, permits::expect_end};
use super::{BOUND, CLOSE_WAKES, END, END_WAKES, LEAKS, Message, ORDER, RECV_WAKES, REFUSED, SEND_WAKES, SPINS};
use super::{Progress, Receiver, Sender};
use crate::kit::{Dice, OnDrop};
use executor::time::{Duration, timeout};
use executor::{JoinHandle, join_all, named};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ends of a channel that a program uses.
pub(super) struct Ends<S, R> {
    pub(super) senders: Vec<S>,
    pub(super) receivers: Vec<R>,
}

/// What has happened on a channel. The tasks of all programs record it here.
pub(super) struct Book {
    pages: Mutex<Pages>,
    alive: Arc<()>,
    capacity: usize,
    receivers: usize,
    /// Whether the receivers stop early.
    stops: bool,
    /// Whether waits are dropped, too.
    cancels: bool,
}

#[derive(Default)]
struct Pages {
    /// The number of programs that are not over.
    programs: usize,
    /// The number of the next sender.
    next: usize,
    senders: usize,
    receivers: usize,
    sending: usize,
    receiving: usize,
    sent: BTreeSet<(usize, u64)>,
    received: BTreeSet<(usize, u64)>,
    newest: Vec<Option<u64>>,
}

impl Book {
    pub(super) fn new(capacity: usize, receivers: usize, stops: bool, cancels: bool, programs: usize) -> Arc<Book> {
        let pages = Pages { programs, receivers, ..Pages::default() };
        Arc::new(Book { pages: Mutex::new(pages), alive: Arc::new(()), capacity, receivers, stops, cancels })
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one to a count until the result is dropped.
    fn count(&self, which: fn(&mut Pages) -> &mut usize) -> OnDrop<impl FnOnce()> {
        *which(&mut self.lock()) += 1;
        OnDrop::new(move || *which(&mut self.lock()) -= 1)
    }

    fn sent(&self, from: usize, nth: u64) {
        let mut pages = self.lock();
        pages.sent.insert((from, nth));
        let under_way = pages.sent.difference(&pages.received).count();
        if under_way > self.capacity + self.receivers && !self.stops {
            let what = format!("{under_way} messages are under way, and there is room for {}", self.capacity);
            broken("channel", BOUND, what);
        }
    }

    fn received(&self, message: &Message) {
        let (from, nth) = (message.from, message.nth);
        let mut pages = self.lock();
        let is_new = pages.received.insert((from, nth));
        assert!(is_new, "a message can't be copied");
        let newest = &mut pages.newest[from];
        if self.receivers == 1 && newest.is_some_and(|newest| newest > nth) {
            let what =
                format!("message {nth} of sender {from} arrived after its message {}", newest.unwrap_or_default());
            broken("channel", ORDER, what);
        }
        *newest = Some(nth);
    }

    /// Fails because all tasks wait and none was woken. The message says what they wait for.
    fn stuck(&self) -> ! {
        let pages = self.lock();
        let under_way = pages.sent.difference(&pages.received).count();
        let invariant = match () {
            () if pages.receiving > 0 && under_way > 0 => SEND_WAKES,
            () if pages.receiving > 0 && pages.senders == 0 => END_WAKES,
            () if pages.sending > 0 && pages.receivers == 0 => CLOSE_WAKES,
            () => RECV_WAKES,
        };
        let what = format!(
            "sending: {} of {} senders; receiving: {} of {} receivers; messages under way: {under_way}, with room for {}; no \
             task was woken",
            pages.sending, pages.senders, pages.receiving, pages.receivers, self.capacity
        );
        drop(pages);
        broken("channel", invariant, what)
    }

    /// Ends a program. After the last one, all that was sent must have arrived, and no message may be left.
    fn end(&self) {
        let mut pages = self.lock();
        pages.programs -= 1;
        if pages.programs > 0 {
            return;
        }
        if let Some((from, nth)) = pages.sent.difference(&pages.received).next()
            && !self.stops
        {
            broken("channel", END, format_args!("message {nth} of sender {from} was sent and never arrived"));
        }
        let left = Arc::strong_count(&self.alive) - 1;
        if left > 0 {
            broken("channel", LEAKS, format_args!("{left} messages are left after both ends are gone"));
        }
    }
}

/// Tasks that send some messages each, and tasks that receive until the end.
pub(super) async fn program<S: Sender, R: Receiver>(
    book: Arc<Book>,
    ends: Ends<S, R>,
    mut dice: Dice,
    progress: Progress,
    messages: u64,
) {
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for sender in ends.senders {
        let number = {
            let mut pages = book.lock();
            pages.newest.push(None);
            pages.next += 1;
            pages.next - 1
        };
        let (dice, messages) = (Dice::new(dice.roll(u64::MAX)), 1 + dice.roll(messages));
        let sends = sends(book.clone(), sender, number, dice, progress.clone(), messages);
        tasks.push(named(format!("sends {number}")).spawn_local(sends));
    }
    for (number, receiver) in ends.receivers.into_iter().enumerate() {
        let dice = Dice::new(dice.roll(u64::MAX));
        let receives = receives(book.clone(), receiver, dice, progress.clone());
        tasks.push(named(format!("receives {number}")).spawn_local(receives));
    }
    match timeout(FOR_EVER, join_all(tasks)).await {
        Ok(joined) => joined.into_iter().for_each(expect_end),
        Err(_) => book.stuck(),
    }
    book.end();
}

async fn sends<S: Sender>(book: Arc<Book>, sender: S, from: usize, mut dice: Dice, progress: Progress, messages: u64) {
    let cancels = book.cancels;
    let _counted = book.count(|pages| &mut pages.senders);
    for nth in 0..messages {
        progress.tick();
        pause(&mut dice).await;
        let waits = book.count(|pages| &mut pages.sending);
        let send = patient("channel", SPINS, sender.send(Message { from, nth, _alive: book.alive.clone() }));
        let sent = match dice.roll(8) {
            0 if cancels && S::CANCEL_SAFE => timeout(Duration::from_micros(dice.roll(3000)), send).await.ok(),
            1 if cancels && S::CANCEL_SAFE => give_up_after(dice.roll(4), send).await,
            _ => Some(send.await),
        };
        drop(waits);
        match sent {
            Some(Ok(())) => book.sent(from, nth),
            None => {} // it may arrive or not
            Some(Err(_)) if book.lock().receivers > 0 => {
                broken("channel", REFUSED, "a send failed, and a receiver is there");
            }
            Some(Err(_)) => return,
        }
    }
}

async fn receives<R: Receiver>(book: Arc<Book>, mut receiver: R, mut dice: Dice, progress: Progress) {
    // Dropped before the receiver, even if a check panics. From then on, sends may fail.
    let _there = OnDrop::new(|| book.lock().receivers -= 1);
    let cancels = book.cancels;
    let stops_after = book.stops.then(|| dice.roll(6));
    for received in 0.. {
        progress.tick();
        pause(&mut dice).await;
        if stops_after == Some(received) {
            break;
        }
        let waits = book.count(|pages| &mut pages.receiving);
        let recv = patient("channel", SPINS, receiver.recv());
        let got = match dice.roll(8) {
            0 if cancels && R::CANCEL_SAFE => timeout(Duration::from_micros(dice.roll(3000)), recv).await.ok(),
            1 if cancels && R::CANCEL_SAFE => give_up_after(dice.roll(4), recv).await,
            _ => Some(recv.await),
        };
        drop(waits);
        match got {
            Some(Some(message)) => book.received(&message),
            Some(None) if book.lock().senders > 0 => {
                broken("channel", END, "the channel ended although a sender exists")
            }
            Some(None) => break,
            None => {}
        }
    }
}
