//! The suite for a channel: its traits, its messages and its invariants.

mod script;
mod tasks;

use super::threads::{THREADS, on_threads};
use super::{Progress, by_hand, limited, under_seeds};
use executor::sync;
use script::Script;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tasks::{Book, Ends};

/// The invariants, as the messages name them.
const ORDER: &str = "a message that was sent before another one was begun arrives before it";
const BOUND: &str = "a send waits while the channel is full";
const ROOM: &str = "a send into a channel with room does not wait";
const THERE: &str = "a message that is there is received at the first poll";
const WAKES: &str = "a wait is woken when what it waits for is there";
const SEND_WAKES: &str = "a message wakes a receiver";
const RECV_WAKES: &str = "room wakes a sender";
const END_WAKES: &str = "the end of the senders wakes the receivers";
const CLOSE_WAKES: &str = "the end of the receivers wakes the senders";
const END: &str = "a receiver gets all that was sent, and the end only after the last sender is gone";
const REFUSED: &str = "a send fails, and returns its message, only if no receiver is left";
const NEXT: &str = "if a woken waiter is dropped, the next one is woken";
const DROPPED: &str = "a send that is dropped while it waits sends nothing";
const SPINS: &str = "a wait does not wake itself";
const LEAVES: &str = "a wait that is over leaves no waker behind";
const FAIR: &str = "the waiter that has waited longest is first (FAIR)";
const LEAKS: &str = "a message that was not received is dropped with the channel";

/// The message that the suites send. It has the number of its sender, and counts how many messages exist.
#[derive(Debug)]
pub struct Message {
    from: usize,
    nth: u64,
    /// The reference count is one more than the number of messages.
    _alive: Arc<()>,
}

/// The end of a channel that sends [`Message`]s.
///
/// ```
/// use executor::sync;
/// use tests::conformance::{self, Message};
///
/// // A channel that does nothing but call the one of the executor: put your own in its place.
/// #[derive(Clone)]
/// struct Tx(sync::Sender<Message>);
/// struct Rx(sync::Receiver<Message>);
///
/// impl conformance::Sender for Tx {
///     async fn send(&self, message: Message) -> Result<(), Message> {
///         self.0.send(message).await.map_err(|error| error.0)
///     }
/// }
///
/// impl conformance::Receiver for Rx {
///     async fn recv(&mut self) -> Option<Message> {
///         self.0.recv().await.ok()
///     }
/// }
///
/// # if false {
/// // In a #[test]:
/// conformance::channel(|capacity| {
///     let (tx, rx) = sync::channel(capacity);
///     (Tx(tx), Rx(rx))
/// });
/// # }
/// # let _ = (|tx| Tx(tx), |rx| Rx(rx));
/// ```
pub trait Sender: Clone + 'static {
    /// Whether a wait may be dropped, polled without a wake, and polled with another waker, as `select` and `timeout` do.
    const CANCEL_SAFE: bool = true;

    /// Whether senders that wait for room get it in the order in which they came.
    const FAIR: bool = true;

    /// Sends a message, after waiting for room. If no receiver is left, returns it.
    fn send(&self, message: Message) -> impl Future<Output = Result<(), Message>>;
}

/// The end of a channel that receives [`Message`]s. [`Sender`] has an example.
pub trait Receiver: 'static {
    /// As [`Sender::CANCEL_SAFE`].
    const CANCEL_SAFE: bool = true;

    /// Whether the waker of a receive that was dropped may stay in the channel until the next one replaces it, as in a
    /// channel with room for one waker.
    const KEEPS_WAKER: bool = false;

    /// Waits for a message; `None` when no sender is left and all messages were received.
    fn recv(&mut self) -> impl Future<Output = Option<Message>>;
}

impl Sender for sync::Sender<Message> {
    async fn send(&self, message: Message) -> Result<(), Message> {
        sync::Sender::send(self, message).await.map_err(|error| error.0)
    }
}

impl Receiver for sync::Receiver<Message> {
    async fn recv(&mut self) -> Option<Message> {
        sync::Receiver::recv(self).await.ok()
    }
}

/// Checks a channel with many senders and one receiver; `make` makes one with room for the given number of messages.
///
/// # What it must guarantee
/// - Each message arrives once. Those of a sender arrive in the order in which they were sent.
/// - At most as many messages are under way as there is room for. A send with room, and a receive of a message that is
///   there, are ready at the first poll.
/// - A message wakes the receiver, and room wakes a sender: by the waker of the last poll, and if that wait is dropped
///   before it takes what it was woken for, the next one. A receive that is dropped loses no message; a send that is
///   dropped while it waits sends none.
/// - When the last sender is gone, the receiver gets what is left and then `None`. When the receiver is gone, sends return
///   their messages, and what is left is dropped. Both ends wake all waiters.
/// - A wait does not wake itself: nothing spins. A wait that completed or was dropped leaves no waker behind.
/// - Senders get room in the order in which they came, unless [`FAIR`](Sender::FAIR) is false.
///
/// # Panics
/// If an invariant is broken. The message has the invariant, the seed and the recording.
///
/// ```
/// tests::conformance::channel(executor::sync::channel);
/// ```
pub fn channel<S, R>(make: impl Fn(usize) -> (S, R) + Send + Sync + 'static)
where
    S: Sender + Send,
    R: Receiver + Send,
{
    limited("channel", move |progress| {
        local_parts(progress, &make, None);
        threads(progress, &make, None);
    });
}

/// As [`channel()`], without threads: for a channel that stays on its thread.
///
/// # Panics
/// As [`channel()`].
pub fn local_channel<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R) + Send + 'static) {
    limited("channel", move |progress| local_parts(progress, &make, None));
}

/// As [`channel()`], with several receivers: each message arrives at one of them.
///
/// # Panics
/// As [`channel()`].
pub fn shared_channel<S, R>(make: impl Fn(usize) -> (S, R) + Send + Sync + 'static)
where
    S: Sender + Send,
    R: Receiver + Clone + Send,
{
    limited("channel", move |progress| {
        local_parts(progress, &make, Some(R::clone));
        threads(progress, &make, Some(R::clone));
    });
}

const CAPACITIES: [usize; 3] = [1, 2, 4];

fn local_parts<S: Sender, R: Receiver>(
    progress: &Progress,
    make: &impl Fn(usize) -> (S, R),
    share: Option<fn(&R) -> R>,
) {
    // Without dropped waits first: such a failure has the clearest recording. Then by hand: the steps show a failure
    // with dropped waits more clearly than a recording does.
    let names = ("channel", WAKES);
    let tasks = |runs, cancels| {
        under_seeds(names, progress, runs, |mut dice| {
            let capacity = CAPACITIES[dice.index(CAPACITIES.len())];
            let (sender, receiver) = make(capacity);
            let receivers = share.map_or(1, |_| 1 + dice.index(3));
            let stops = dice.once_in(4);
            let book = Book::new(capacity, receivers, stops, cancels, 1);
            let senders = vec![sender; 1 + dice.index(3)];
            let ends = Ends { senders, receivers: shares(receiver, receivers, share) };
            tasks::program(book, ends, dice, progress.clone(), 4)
        });
    };
    tasks(100, false);
    by_hand(names, progress, |dice, length| {
        let capacity = CAPACITIES[dice.index(CAPACITIES.len())];
        let (sender, receiver) = make(capacity);
        let receivers = share.map_or(1, |_| 1 + dice.index(3));
        Script::new(capacity, sender, shares(receiver, receivers, share)).run(dice, length);
    });
    tasks(200, true);
}

fn threads<S, R>(progress: &Progress, make: &impl Fn(usize) -> (S, R), share: Option<fn(&R) -> R>)
where
    S: Sender + Send,
    R: Receiver + Send,
{
    on_threads("channel", progress, 6, |dice| {
        let capacity = CAPACITIES[dice.index(CAPACITIES.len())];
        let (sender, receiver) = make(capacity);
        let receivers = share.map_or(1, |_| THREADS);
        let book = Book::new(capacity, receivers, false, true, THREADS);
        // Each thread has two senders. A single receiver is on the first thread; of several, each thread has one.
        let mut receivers = shares(receiver, receivers, share).into_iter();
        let ends: Vec<_> = (0..THREADS)
            .map(|_| Ends { senders: vec![sender.clone(); 2], receivers: receivers.next().into_iter().collect() })
            .map(|ends| Mutex::new(Some(ends)))
            .collect();
        move |number, dice, progress| {
            let ends = ends[number].lock().unwrap().take().expect("its ends are there");
            tasks::program(book.clone(), ends, dice, progress, 40)
        }
    });
}

/// Makes `count` receivers of one channel.
fn shares<R>(receiver: R, count: usize, share: Option<fn(&R) -> R>) -> Vec<R> {
    let more: Vec<R> =
        share.into_iter().flat_map(|share| (1..count).map(|_| share(&receiver)).collect::<Vec<_>>()).collect();
    std::iter::once(receiver).chain(more).collect()
}
