//! Waiters at a source: no waker is lost, however many pollers share it, and none is kept for ever.
//!
//! A poller is a task that reads or writes through `AsyncRead`, `AsyncWrite` or a `poll_…_with`, and no code runs by
//! which it could remove its waker when it loses interest. The head of `reactor/src/readiness.rs` says what bounds
//! their number.

use executor::net::{TcpListener, TcpStream, UnixStream};
use executor::time::{Duration, sleep, timeout};
use executor::{Runtime, join_all, race, select, spawn, spawn_local, yield_now};
use futures_lite::future::poll_once;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use reactor::Reactor;
use reactor::io::Async;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::os::unix::net::UnixDatagram;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tests::{Counting, within};

/// A source never keeps as many wakers of dropped pollers: only those of two sweeps and of one pass between them.
const BOUND: usize = 200;

/// A waker whose clones are counted in `alive`.
struct Tracked {
    alive: Arc<AtomicUsize>,
    inner: Waker,
}

impl Tracked {
    fn waker(alive: &Arc<AtomicUsize>, inner: &Waker) -> Waker {
        alive.fetch_add(1, Ordering::SeqCst);
        Arc::new(Tracked { alive: alive.clone(), inner: inner.clone() }).into()
    }
}

impl Wake for Tracked {
    fn wake(self: Arc<Self>) {
        self.inner.wake_by_ref();
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Polls with a new waker, as combinators do, and counts in `alive` how many of these exist.
async fn poll_as_another<F: Future + Unpin>(alive: &Arc<AtomicUsize>, mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| {
        let waker = Tracked::waker(alive, cx.waker());
        Poll::Ready(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)))
    })
    .await
}

// ---- dropped pollers ----

#[test]
fn a_reader_that_is_raced_anew_each_round_leaves_a_bounded_number_of_wakers() {
    within(60, || {
        executor::block_on(async {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let (alive, mut most) = (Arc::default(), 0);
            for _ in 0..20_000 {
                let mut buf = [0; 8];
                assert!(poll_as_another(&alive, AsyncReadExt::read(&mut ours, &mut buf)).await.is_pending());
                yield_now().await;
                most = most.max(alive.load(Ordering::SeqCst));
            }
            assert!(most < BOUND, "{most} wakers of rounds that are over");
            drop(theirs);
            assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        });
    });
}

#[test]
fn a_writer_and_a_poller_of_any_descriptor_that_are_raced_leave_a_bounded_number_of_wakers() {
    within(60, || {
        executor::block_on(async {
            let (ours, theirs) = UnixDatagram::pair().unwrap();
            let (ours, _theirs) = (Async::new(ours).unwrap(), theirs);
            while poll_once(ours.write_with(|socket| socket.send(&[0; 1024]))).await.is_some() {}
            let (alive, mut most) = (Arc::default(), 0);
            for _ in 0..5_000 {
                let write = poll_fn(|cx| ours.poll_write_with(cx, |socket| socket.send(&[0; 1024])));
                assert!(poll_as_another(&alive, write).await.is_pending());
                let read = poll_fn(|cx| ours.poll_read_with(cx, |socket| socket.recv(&mut [0; 1024])));
                assert!(poll_as_another(&alive, read).await.is_pending());
                yield_now().await;
                most = most.max(alive.load(Ordering::SeqCst));
            }
            assert!(most < 2 * BOUND, "{most} wakers of rounds that are over, in both directions");
        });
    });
}

#[test]
fn on_a_simulated_network_the_number_of_wakers_is_bounded_too() {
    // There, a socket without events does not turn the reactor.
    Runtime::builder().deterministic(7).build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
        let (ours, accepted) =
            futures_lite::future::zip(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
        let (mut ours, _theirs) = (ours.unwrap(), accepted.unwrap());
        let (alive, mut most) = (Arc::default(), 0);
        for _ in 0..5_000 {
            let mut buf = [0; 8];
            assert!(poll_as_another(&alive, AsyncReadExt::read(&mut ours, &mut buf)).await.is_pending());
            yield_now().await;
            most = most.max(alive.load(Ordering::SeqCst));
        }
        assert!(most < BOUND, "{most} wakers of rounds that are over");
    });
}

#[test]
fn tasks_that_are_cancelled_while_they_read_leave_a_bounded_number_of_task_cells() {
    /// Counts task cells: the join waker in a cell captures one of these, and is dropped with the cell.
    struct Kept(Arc<AtomicUsize>);
    impl Drop for Kept {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    within(60, || {
        executor::block_on(async {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let (alive, mut most) = (Arc::new(AtomicUsize::new(0)), 0);
            for _ in 0..3_000 {
                let mut ours = ours.clone();
                let reads = spawn(async move { AsyncReadExt::read(&mut ours, &mut [0; 8]).await });
                yield_now().await;
                reads.cancel();
                alive.fetch_add(1, Ordering::SeqCst);
                let kept = Kept(alive.clone());
                // The join waker stays in the cell until that is freed, which the waker at the source prevents.
                let waker: Waker = tests::waker_fn(move || _ = &kept);
                let mut reads = reads;
                assert!(Pin::new(&mut reads).poll(&mut Context::from_waker(&waker)).is_pending());
                drop(waker);
                yield_now().await;
                assert!(reads.await.is_err());
                most = most.max(alive.load(Ordering::SeqCst));
            }
            assert!(most < BOUND, "{most} cells of tasks that are over");
        });
    });
}

#[test]
fn a_reader_in_a_race_in_join_all_and_in_a_select_still_gets_its_bytes() {
    within(60, || {
        executor::block_on(async {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            for round in 0..300u32 {
                let mut buf = [0; 4];
                let read = async { AsyncReadExt::read_exact(&mut ours, &mut buf).await.unwrap() };
                let read: Pin<Box<dyn Future<Output = ()>>> = Box::pin(read);
                match round % 3 {
                    0 => _ = race([read, Box::pin(yield_now())]).await,
                    1 => _ = join_all([poll_once(read)]).await,
                    _ => _ = select(read, yield_now()).await,
                }
            }
            let writes = spawn(async move {
                sleep(Duration::from_millis(1)).await;
                theirs.write_all(b"four").await.unwrap();
                theirs
            });
            let mut buf = [0; 4];
            race([AsyncReadExt::read_exact(&mut ours, &mut buf)]).await.1.unwrap();
            assert_eq!(&buf, b"four");
            writes.await.unwrap();
        });
    });
}

// ---- pollers that wait ----

#[test]
fn two_tasks_that_share_a_stream_one_reading_and_one_writing_are_both_woken() {
    within(60, || {
        executor::block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let ours = Arc::new(ours);
            const BYTES: usize = 4 << 20; // more than the kernel buffers
            let writer = spawn({
                let ours = ours.clone();
                async move { (&*ours).write_all(&vec![7; BYTES]).await }
            });
            let reader = spawn({
                let ours = ours.clone();
                async move {
                    let mut five = [0; 5];
                    (&*ours).read_exact(&mut five).await.map(|()| five)
                }
            });
            yield_now().await; // both wait
            theirs.write_all(b"hello").await.unwrap();
            assert_eq!(&reader.await.unwrap().unwrap(), b"hello");
            let mut all = vec![0; BYTES];
            theirs.read_exact(&mut all).await.unwrap();
            writer.await.unwrap().unwrap();
        });
    });
}

/// Runs this many tasks that poll the same stream for a byte each, and get it one after the other. Returns the number
/// of polls until all were suspended, and the total number of polls.
async fn many_readers(readers: usize) -> (usize, usize) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (ours, polls, done) = (Rc::new(ours), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let tasks: Vec<_> = (0..readers)
        .map(|_| {
            let (ours, polls, done) = (ours.clone(), polls.clone(), done.clone());
            spawn_local(async move {
                let mut byte = [0];
                poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    Pin::new(&mut &*ours).poll_read(cx, &mut byte)
                })
                .await
                .unwrap();
                done.set(done.get() + 1);
            })
        })
        .collect();
    settle(&polls).await;
    let waiting = polls.get();
    assert_eq!(done.get(), 0);
    for n in 1..=readers {
        theirs.write_all(&[0]).await.unwrap();
        timeout(Duration::from_secs(20), async {
            while done.get() < n {
                sleep(Duration::from_micros(100)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("byte {n} of {readers} reached no reader"));
    }
    for task in tasks {
        task.await.unwrap();
    }
    (waiting, polls.get())
}

/// Waits until no task is polled any more.
async fn settle(polls: &Cell<usize>) {
    for _ in 0..1_000 {
        let before = polls.get();
        sleep(Duration::from_millis(5)).await;
        if polls.get() == before {
            return;
        }
    }
    panic!("it spins: {} polls", polls.get());
}

#[test]
fn any_number_of_tasks_poll_the_same_stream_and_each_gets_its_byte() {
    for readers in [1, 2, 3, 16, 17, 18, 40, 100, 300] {
        within(120, move || {
            executor::block_on(async {
                let (waiting, _) = many_readers(readers).await;
                // Each reader is polled once, and again after the few sweeps until there is room for all.
                assert!(waiting <= 12 * readers, "{readers} readers were polled {waiting} times before anything came");
            });
        });
    }
}

#[test]
fn the_same_readers_as_children_of_one_task_each_get_their_byte() {
    within(60, || {
        executor::block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let readers = (0..50).map(|_| async {
                let mut byte = [0];
                (&ours).read_exact(&mut byte).await.unwrap();
                byte[0]
            });
            let writes = spawn(async move {
                for n in 0..50 {
                    sleep(Duration::from_micros(300)).await;
                    theirs.write_all(&[n]).await.unwrap();
                }
                theirs
            });
            let mut bytes = join_all(readers).await;
            bytes.sort();
            assert_eq!(bytes, (0..50).collect::<Vec<u8>>());
            writes.await.unwrap();
        });
    });
}

#[test]
fn readers_that_wait_are_woken_among_many_that_are_gone() {
    const READERS: usize = 200;
    const ROUNDS: usize = 10_000;
    within(60, || {
        executor::block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let (ours, polls) = (Rc::new(ours), Rc::new(Cell::new(0)));
            let waits: Vec<_> = (0..READERS)
                .map(|_| {
                    let (ours, polls) = (ours.clone(), polls.clone());
                    spawn_local(async move {
                        let mut byte = [0];
                        let read = poll_fn(|cx| {
                            polls.set(polls.get() + 1);
                            Pin::new(&mut &*ours).poll_read(cx, &mut byte)
                        });
                        read.await.unwrap()
                    })
                })
                .collect();
            let alive = Arc::default();
            for _ in 0..ROUNDS {
                let mut byte = [0];
                assert!(poll_as_another(&alive, AsyncReadExt::read(&mut &*ours, &mut byte)).await.is_pending());
                yield_now().await;
            }
            // Each sweep wakes all readers, and is due after as many rounds as there are readers.
            assert!(polls.get() < 2 * ROUNDS, "{READERS} readers were polled {} times in {ROUNDS} rounds", polls.get());
            theirs.write_all(&[1; READERS]).await.unwrap();
            for task in waits {
                assert_eq!(timeout(Duration::from_secs(20), task).await.expect("a lost wake").unwrap(), 1);
            }
        });
    });
}

// ---- on a reactor alone ----

#[test]
fn a_sweep_wakes_pollers_and_not_futures() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.handle().enter();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let ours = Async::new(ours).unwrap();
    let (future, poller) = (Counting::new(), Counting::new());
    let mut readable = ours.readable();
    assert!(Pin::new(&mut readable).poll(&mut Context::from_waker(&future.waker())).is_pending());
    let poll = |waker: &Waker| {
        let read = ours.poll_read_with(&mut Context::from_waker(waker), |socket| socket.recv(&mut [0; 8]));
        assert!(read.is_pending());
    };
    let waits = poller.waker();
    poll(&waits);
    let gone: Vec<_> = (0..100).map(|_| Counting::new()).collect();
    gone.iter().for_each(|gone| poll(&gone.waker()));
    assert_eq!(reactor.turn(None).unwrap(), 101, "it does not wait while a sweep is due");
    assert_eq!((future.wakes(), poller.wakes()), (0, 1));
    assert!(gone.iter().all(|gone| gone.wakes() == 1));
    poll(&waits); // this poller comes back
    let more: Vec<_> = (0..100).map(|_| Counting::new()).collect();
    more.iter().for_each(|more| poll(&more.waker()));
    reactor.turn(None).unwrap();
    assert!(
        gone.iter().all(|gone| (gone.wakes(), gone.wakers(1)) == (1, 0)),
        "those that did not come back are forgotten"
    );
    assert_eq!((future.wakes(), poller.wakes()), (0, 2));
    poll(&waits);
    theirs.send(b"x").unwrap();
    reactor.turn(None).unwrap();
    assert_eq!((future.wakes(), poller.wakes()), (1, 3));
    drop(readable);
    assert_eq!((future.wakers(1), poller.wakers(1)), (0, 1)); // `waits`
}

/// A waker whose destructor adds pollers to another source.
struct CrowdsAnother(Arc<Async<UnixDatagram>>);

impl Wake for CrowdsAnother {
    fn wake(self: Arc<Self>) {}
}

impl Drop for CrowdsAnother {
    fn drop(&mut self) {
        for _ in 0..100 {
            let waker = Counting::new().waker();
            let read = self.0.poll_read_with(&mut Context::from_waker(&waker), |socket| socket.recv(&mut [0; 8]));
            assert!(read.is_pending());
        }
    }
}

#[test]
fn a_waker_that_a_sweep_drops_may_crowd_another_source() {
    within(20, || {
        let mut reactor = Reactor::new().unwrap();
        let _entered = reactor.handle().enter();
        let [(ours, _theirs), (others, _peer)] = [UnixDatagram::pair().unwrap(), UnixDatagram::pair().unwrap()];
        let (ours, others) = (Async::new(ours).unwrap(), Arc::new(Async::new(others).unwrap()));
        let poll = |waker: &Waker| {
            let read = ours.poll_read_with(&mut Context::from_waker(waker), |socket| socket.recv(&mut [0; 8]));
            assert!(read.is_pending());
        };
        poll(&Waker::from(Arc::new(CrowdsAnother(others.clone()))));
        (0..100).for_each(|_| poll(&Counting::new().waker()));
        assert_eq!(reactor.turn(None).unwrap(), 101, "all pollers are called");
        (0..100).for_each(|_| poll(&Counting::new().waker()));
        // The pollers that did not come back are dropped, within the sweep.
        let called = [(); 3].map(|()| reactor.turn(Some(Duration::ZERO)).unwrap());
        assert_eq!(called, [100, 100, 0], "the other source is swept, too");
    });
}
