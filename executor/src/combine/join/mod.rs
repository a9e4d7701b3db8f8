//! Several futures awaited as one: all of them, each as it completes, or the first.
//!
//! None of these functions spawns a task: the futures run inside the task that awaits them, and are dropped with the
//! combined future. To run them as tasks, pass join handles;
//! [`JoinHandle::cancel_on_drop`](crate::JoinHandle::cancel_on_drop) cancels a task when its handle is dropped.
//!
//! The futures share the [budget](reactor::budget) of the task's poll. When it is spent, the remaining ones are polled
//! in the task's next poll.
//!
//! Used through `lib.rs`.

mod set;

use futures_lite::Stream;
use pin_project_lite::pin_project;
use set::Set;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Awaits all futures at once. Returns their outputs in the order in which the futures were given.
///
/// # Panics
/// When one of them panics; the others are dropped.
///
/// # Cancel safety
/// Dropping it drops all of them.
///
/// ```
/// use executor::{join_all, time::{Duration, sleep}};
///
/// executor::block_on(async {
///     let squares = join_all([3, 1, 2].map(|n| async move {
///         sleep(Duration::from_millis(n)).await; // all at once: 3 ms together
///         n * n
///     }));
///     assert_eq!(squares.await, [9, 1, 4]);
/// });
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    let set = Set::new(futures.into_iter().map(IntoFuture::into_future));
    JoinAll { outputs: (0..set.left()).map(|_| None).collect(), set }
}

/// Awaits all futures at once, until one of them fails. The rest are then dropped, which cancels them.
///
/// Join handles are futures too, but dropping one lets its task go on: pass
/// [`handle.cancel_on_drop()`](crate::JoinHandle::cancel_on_drop) instead.
///
/// # Errors
/// The first error.
///
/// # Panics, cancel safety
/// As for [`join_all`].
///
/// ```
/// use executor::{time::{Duration, sleep}, try_join_all};
///
/// executor::block_on(async {
///     let halves = |numbers: [u64; 3]| try_join_all(numbers.map(|n| async move {
///         sleep(Duration::from_millis(n)).await;
///         if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
///     }));
///     assert_eq!(halves([6, 2, 4]).await, Ok(vec![3, 1, 2]));
///     assert_eq!(halves([60_000, 3, 5]).await, Err("3 is odd".into())); // after 3 ms
/// });
/// ```
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<<I::Item as IntoFuture>::IntoFuture, T>
where
    I: IntoIterator<Item: IntoFuture<Output = Result<T, E>>>,
{
    let set = Set::new(futures.into_iter().map(IntoFuture::into_future));
    TryJoinAll { outputs: (0..set.left()).map(|_| None).collect(), set }
}

/// A stream of the outputs of all futures, each as soon as its future completes.
///
/// # Panics, cancel safety
/// As for [`join_all`].
///
/// ```
/// use executor::{as_completed, time::{Duration, sleep}};
/// use futures_lite::StreamExt;
///
/// executor::block_on(async {
///     let mut outputs = as_completed([30, 10, 20].map(|n| async move {
///         sleep(Duration::from_millis(n)).await;
///         n
///     }));
///     let mut order = Vec::new();
///     while let Some(n) = outputs.next().await {
///         order.push(n);
///     }
///     assert_eq!(order, [10, 20, 30]);
/// });
/// ```
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    AsCompleted { set: Set::new(futures.into_iter().map(IntoFuture::into_future)) }
}

/// Awaits the first of several futures to complete. Returns its number and its output, and drops the rest.
///
/// If several are done at once, the one that was woken first wins. Without any futures there is no first one, and this
/// never completes.
///
/// # Panics, cancel safety
/// As for [`join_all`].
///
/// ```
/// use executor::{race, time::{Duration, sleep}};
///
/// executor::block_on(async {
///     let mirrors = [50, 5, 500].map(|delay| async move {
///         sleep(Duration::from_millis(delay)).await;
///         format!("a page after {delay} ms")
///     });
///     assert_eq!(race(mirrors).await, (1, "a page after 5 ms".into()));
/// });
/// ```
pub fn race<I>(futures: I) -> Race<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    Race { set: Set::new(futures.into_iter().map(IntoFuture::into_future)) }
}

/// Awaits the first of two futures to complete, and returns which one it was. The other one is dropped.
///
/// Every poll starts with `first`: if both are done, it wins.
///
/// # Cancel safety
/// Dropping it drops both. In a loop, pass `&mut future` for a future that should continue in the next round.
///
/// ```
/// use executor::{Either, select, sync::channel, time::{Duration, sleep}};
///
/// executor::block_on(async {
///     let (_tx, rx) = channel::<u32>(1);
///     match select(rx.recv(), sleep(Duration::from_millis(5))).await {
///         Either::First(message) => println!("{message:?}"),
///         Either::Second(()) => println!("nothing came"),
///     }
/// });
/// ```
pub fn select<A: IntoFuture, B: IntoFuture>(first: A, second: B) -> Select<A::IntoFuture, B::IntoFuture> {
    Select { first: first.into_future(), second: second.into_future() }
}

/// Awaits futures that may fail, until enough of them are done: [`Until`] says when.
///
/// The futures that are not done are returned, to be awaited further, cancelled or dropped.
///
/// # Panics
/// When one of them panics; the others are dropped.
///
/// # Cancel safety
/// Dropping it drops all of them; pass `&mut future`s to keep them.
///
/// ```
/// use executor::{Until, spawn, time::{Duration, sleep}, wait};
///
/// executor::block_on(async {
///     let tasks = [5_000, 5].map(|ms| spawn(sleep(Duration::from_millis(ms))));
///     let waited = wait(tasks, Until::FirstDone).await;
///     assert_eq!(waited.done.len(), 1);
///     for (number, task) in waited.pending {
///         assert_eq!(number, 0);
///         task.cancel();
///     }
/// });
/// ```
#[track_caller]
pub fn wait<I, F, T, E>(futures: I, until: Until) -> Wait<F>
where
    I: IntoIterator<Item = F>,
    F: Future<Output = Result<T, E>> + Unpin,
{
    Wait { set: Some(Set::new(futures)), done: Vec::new(), until, made_at: Location::caller() }
}

/// When a [`wait`] completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When one future is done, with or without an error.
    FirstDone,
    /// When one future has failed, or all are done.
    FirstError,
    /// When all futures are done, with or without errors.
    AllDone,
}

/// The result of a [`wait`].
#[derive(Debug)]
pub struct Waited<F: Future> {
    /// The outputs so far, each with the number of its future, in the order in which the futures completed.
    pub done: Vec<(usize, F::Output)>,
    /// The futures that are not done, each with its number.
    pub pending: Vec<(usize, F)>,
}

/// The output of one of two futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The output of the first.
    First(A),
    /// The output of the second.
    Second(B),
}

/// Awaits all futures. Created by [`join_all`].
#[must_use = "futures do nothing until they are awaited"]
pub struct JoinAll<F: Future> {
    set: Set<F>,
    outputs: Vec<Option<F::Output>>,
}

/// Awaits all futures, or the first error. Created by [`try_join_all`].
#[must_use = "futures do nothing until they are awaited"]
pub struct TryJoinAll<F, T> {
    set: Set<F>,
    outputs: Vec<Option<T>>,
}

/// A stream of outputs, in the order of completion. Created by [`as_completed`].
#[must_use = "streams do nothing until they are polled"]
pub struct AsCompleted<F> {
    set: Set<F>,
}

/// Awaits the first of several futures. Created by [`race`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Race<F> {
    set: Set<F>,
}

/// Awaits some of several futures. Created by [`wait`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Wait<F: Future> {
    set: Option<Set<F>>,
    done: Vec<(usize, F::Output)>,
    until: Until,
    made_at: &'static Location<'static>,
}

pin_project! {
    /// Awaits the first of two futures. Created by [`select`].
    #[must_use = "futures do nothing until they are awaited"]
    #[derive(Debug)]
    pub struct Select<A, B> {
        #[pin]
        first: A,
        #[pin]
        second: B,
    }
}

// The futures are pinned in a box of their own; outputs are never pinned.
impl<F: Future> Unpin for JoinAll<F> {}
impl<F, T> Unpin for TryJoinAll<F, T> {}
impl<F> Unpin for AsCompleted<F> {}
impl<F> Unpin for Race<F> {}
impl<F: Future> Unpin for Wait<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some((number, output)) = ready!(self.set.poll_next(cx)) {
            self.outputs[number] = Some(output);
        }
        Poll::Ready(all(&mut self.outputs))
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for TryJoinAll<F, T> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some((number, output)) = ready!(self.set.poll_next(cx)) {
            match output {
                Ok(output) => self.outputs[number] = Some(output),
                Err(error) => {
                    // Drops the others now, not when this is dropped.
                    (self.set, self.outputs) = (Set::new([]), Vec::new());
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(all(&mut self.outputs)))
    }
}

fn all<T>(outputs: &mut Vec<Option<T>>) -> Vec<T> {
    let outputs = std::mem::take(outputs).into_iter();
    outputs.map(|output| output.expect("a future that is done has an output")).collect()
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = F::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.set.poll_next(cx).map(|next| next.map(|(_, output)| output))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.set.left(), Some(self.set.left()))
    }
}

impl<F: Future> Future for Race<F> {
    type Output = (usize, F::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.set.poll_next(cx)) {
            Some(winner) => {
                self.set = Set::new([]); // drops the others now
                Poll::Ready(winner)
            }
            None => Poll::Pending,
        }
    }
}

impl<F, T, E> Future for Wait<F>
where
    F: Future<Output = Result<T, E>> + Unpin,
{
    type Output = Waited<F>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited<F>> {
        let this = &mut *self;
        let Some(set) = this.set.as_mut() else {
            panic!("a Wait was polled after it was ready (made at {}): await it once", this.made_at)
        };
        loop {
            match set.poll_next(cx) {
                Poll::Ready(Some(done)) => this.done.push(done),
                Poll::Ready(None) => break,
                // Futures that are done at the same time are included.
                Poll::Pending if is_over(this.until, &this.done) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        let left = this.set.take().into_iter().flat_map(Set::into_left);
        Poll::Ready(Waited { pending: left.collect(), done: std::mem::take(&mut this.done) })
    }
}

fn is_over<T, E>(until: Until, done: &[(usize, Result<T, E>)]) -> bool {
    match until {
        Until::FirstDone => !done.is_empty(),
        Until::FirstError => done.iter().any(|(_, output)| output.is_err()),
        Until::AllDone => false,
    }
}

impl<A: Future, B: Future> Future for Select<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.first.poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        this.second.poll(cx).map(Either::Second)
    }
}

/// Implements `Debug`, which prints how many futures are left.
macro_rules! print {
    ($($name:ident<$($generic:ident $(: $bound:ident)?),+>)*) => {$(
        impl<$($generic $(: $bound)?),+> fmt::Debug for $name<$($generic),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} ({} left)", stringify!($name), self.set.left())
            }
        }
    )*};
}
print! { JoinAll<F: Future> TryJoinAll<F: Future, T> AsCompleted<F: Future> Race<F: Future> }

impl<F: Future> fmt::Debug for Wait<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wait ({} left)", self.set.as_ref().map_or(0, Set::left))
    }
}
