//! Rows about tasks alone: making them, switching between them. There is no I/O and no timer, so the thread
//! never waits: the rows measure processor time, which other programs on the processor do not change.

use crate::harness::{Scale, nanos_each, process_cpu};
use crate::rt::Rt;
use async_channel::{Sender, bounded};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Spawns 100,000 tasks, then awaits them all; ten times, because one time is too short to measure.
pub(crate) fn spawn<R: Rt>(scale: Scale) -> Vec<f64> {
    const TIMES: usize = 10;
    let tasks = scale.of(100_000);
    R::block_on(async {
        let mut handles = Vec::with_capacity(tasks);
        let start = process_cpu();
        for _ in 0..TIMES {
            handles.extend((0..tasks).map(|n| R::spawn(async move { n })));
            let mut sum = 0;
            for handle in handles.drain(..) {
                sum += R::join(handle).await;
            }
            assert_eq!(sum, tasks * (tasks - 1) / 2);
        }
        vec![nanos_each(process_cpu() - start, tasks * TIMES)]
    })
}

/// A task that spawns the next one and returns, a million times. At any time, at most two of them exist.
pub(crate) fn chained_spawn<R: Rt>(scale: Scale) -> Vec<f64> {
    let links = scale.of(1_000_000);
    R::block_on(async {
        let (end, ended) = bounded(1);
        let start = process_cpu();
        R::detach(R::spawn(Link::<R> { left: links - 1, end, runtime: PhantomData }));
        ended.recv().await.expect("the chain broke");
        vec![nanos_each(process_cpu() - start, links)]
    })
}

/// Written by hand, as an `async fn` whose type contains itself would need a box.
struct Link<R> {
    left: usize,
    end: Sender<()>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Rt> Future for Link<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.left {
            0 => self.end.try_send(()).expect("the chain ends once"),
            left => R::detach(R::spawn(Link::<R> { left: left - 1, end: self.end.clone(), runtime: PhantomData })),
        }
        Poll::Ready(())
    }
}

/// 1,000 tasks yield 1,000 times each; five times over.
pub(crate) fn yields<R: Rt>(scale: Scale) -> Vec<f64> {
    const TASKS: usize = 1_000;
    let times = scale.of(5 * 1_000);
    R::block_on(async {
        let start = process_cpu();
        let yielding = (0..TASKS).map(|_| {
            R::spawn(async move {
                for _ in 0..times {
                    R::yield_now().await;
                }
            })
        });
        for task in yielding.collect::<Vec<_>>() {
            R::join(task).await;
        }
        vec![nanos_each(process_cpu() - start, TASKS * times)]
    })
}

/// Two tasks hand a number to and fro over two channels of capacity 1, 200,000 times; twice over.
pub(crate) fn ping_pong<R: Rt>(scale: Scale) -> Vec<f64> {
    let trips = scale.of(2 * 200_000);
    R::block_on(async {
        let (ping, pinged) = bounded(1);
        let (pong, ponged) = bounded(1);
        let start = process_cpu();
        let other = R::spawn(async move {
            while let Ok(n) = pinged.recv().await {
                pong.send(n).await.expect("the player left too early");
            }
        });
        let player = R::spawn(async move {
            for n in 0..trips {
                ping.send(n).await.expect("the other player left");
                assert_eq!(ponged.recv().await, Ok(n));
            }
        });
        R::join(player).await;
        R::join(other).await;
        vec![nanos_each(process_cpu() - start, trips)]
    })
}

/// The same over each runtime's own channels.
pub(crate) fn own_ping_pong<R: Rt>(scale: Scale) -> Vec<f64> {
    let trips = scale.of(2 * 200_000);
    R::block_on(async {
        let (ping, mut pinged) = R::channel(1);
        let (pong, mut ponged) = R::channel(1);
        let start = process_cpu();
        let other = R::spawn(async move {
            while let Some(n) = R::recv(&mut pinged).await {
                R::send(&pong, n).await;
            }
        });
        let player = R::spawn(async move {
            for n in 0..trips {
                R::send(&ping, n).await;
                assert_eq!(R::recv(&mut ponged).await, Some(n));
            }
        });
        R::join(player).await;
        R::join(other).await;
        vec![nanos_each(process_cpu() - start, trips)]
    })
}

/// A million numbers through a channel of capacity 100, from four tasks to one.
pub(crate) fn own_stream<R: Rt>(scale: Scale) -> Vec<f64> {
    const SENDERS: usize = 4;
    let each = scale.of(250_000);
    R::block_on(async {
        let (first, mut receiver) = R::channel(100);
        let start = process_cpu();
        let senders: Vec<_> = (1..SENDERS).map(|_| first.clone()).chain([first.clone()]).collect();
        drop(first);
        for sender in senders {
            R::detach(R::spawn(async move {
                for n in 0..each {
                    R::send(&sender, n).await;
                }
            }));
        }
        let receiver = R::spawn(async move {
            let mut received = 0;
            while R::recv(&mut receiver).await.is_some() {
                received += 1;
            }
            received
        });
        assert_eq!(R::join(receiver).await, SENDERS * each);
        vec![nanos_each(process_cpu() - start, SENDERS * each)]
    })
}
