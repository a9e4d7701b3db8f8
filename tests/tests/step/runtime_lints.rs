//! The lints about the runtime itself: each has a program with its fault, and a runtime without a fault has no
//! finding.
//!
//! An executor here makes the mistakes that the library's types allow. Those that they rule out, such as two runnables
//! of one task, are in recordings written by hand: executors without these types can produce them.

use demo::step::lints::{Finding, Kind, lint};
use executor::sync::{Handover, Semaphore, hand_over};
use executor::task::{Runnable, Schedule};
use executor::time::{Duration, Instant, sleep, timeout};
use executor::trace::{Recorder, Trace};
use executor::{CustomRuntime, Runtime, named, net, spawn, spawn_local, yield_now};
use futures_lite::AsyncWriteExt;
use reactor::backend::{self, Backend, Event, Token};
use reactor::{Handle, Reactor};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::{io, mem};

/// Checks that this is found of these tasks, and nothing else.
#[track_caller]
fn only(trace: &Trace, kind: Kind, tasks: &[u64], says: &str) -> Finding {
    let findings = lint(trace);
    let found: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.task)).collect();
    assert_eq!(found, tasks.iter().map(|task| (kind, *task)).collect::<Vec<_>>(), "{findings:#?}");
    assert!(findings[0].text.contains(says), "no `{says}` in {}", findings[0].text);
    findings[0].clone()
}

/// A recording with these events, a line each, after the beginning of a run.
fn written(events: &[&str]) -> Trace {
    let head = r#"{"executor_trace":2,"program":"own","directory":"","simulated":false,"dropped":0}"#;
    let place = r#"{"place":0,"file":"src/main.rs","line":3,"column":5}"#;
    let begins = r#"{"at":0,"run":1,"event":"run_begins"}"#;
    let lines = events.iter().zip(1..).map(|(event, at)| format!(r#"{{"at":{at},"run":1,{event}}}"#));
    let text: Vec<_> = [head, place, begins].into_iter().map(str::to_owned).chain(lines).collect();
    Trace::read(text.join("\n").as_bytes()).expect("it is a recording")
}

const SPAWNED: &str = r#""event":"spawned","task":1,"place":0,"size":8"#;
const POLL: &str = r#""event":"poll_begins","task":1"#;
const PENDING: &str = r#""event":"poll_ends","task":1,"end":"pending""#;
const WOKEN: &str = r#""event":"woken","task":1,"by":{"thread":"other"}"#;
const ASKED: &str = r#""event":"asked","task":1"#;

#[test]
fn a_task_that_was_woken_during_its_poll_and_is_not_queued_after_it_is_found() {
    let trace = written(&[SPAWNED, POLL, WOKEN, PENDING, r#""event":"stranded","task":1,"lost":true"#]);
    // There is no finding about the program itself.
    only(&trace, Kind::WakeDropped, &[1], "was woken during its poll, and is not queued after it");
}

#[test]
fn a_task_that_is_polled_without_a_wake_is_found_and_one_that_is_asked_is_not() {
    only(&written(&[SPAWNED, POLL, PENDING, POLL, PENDING]), Kind::PolledUnwoken, &[1], "though it was not woken");
    let over = [r#""event":"finished","task":1,"how":"ready""#, r#""event":"poll_ends","task":1,"end":"finished""#];
    only(&written(&[SPAWNED, POLL, over[0], over[1], POLL]), Kind::PolledUnwoken, &[1], "though it has completed");
    assert_eq!(lint(&written(&[SPAWNED, POLL, PENDING, ASKED, POLL, PENDING, WOKEN, POLL, PENDING])), []);
}

#[test]
fn a_task_that_two_threads_poll_at_once_is_found() {
    let trace = written(&[SPAWNED, POLL, WOKEN, POLL, PENDING, PENDING]);
    only(&trace, Kind::PolledTwice, &[1], "by two threads at once");
}

/// An executor with a fault, on one thread. It runs queued tasks, and parks in its reactor in between.
#[derive(Default)]
struct Faulty {
    queue: Mutex<VecDeque<Runnable>>,
    loses_woken: bool,
    waits_beside_queue: AtomicBool,
}

impl Schedule for Faulty {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        match self.loses_woken && task.task().polls() > 0 {
            true => mem::forget(task),
            false => self.queue.lock().unwrap().push_back(task),
        }
    }
}

fn run_on(executor: Faulty, future: impl Future<Output: Send> + Send + 'static) -> Trace {
    let (recorder, executor) = (Arc::new(Recorder::new()), Arc::new(executor));
    let mut reactor = Reactor::with(backend::operating_system().unwrap(), Some(recorder.clone()));
    let builder = CustomRuntime::builder(executor.clone()).reactor(reactor.handle());
    let runtime = builder.observer(recorder.clone()).build();
    let root = runtime.spawn(future);
    runtime.enter(|| {
        while !root.is_finished() {
            if executor.waits_beside_queue.swap(false, Ordering::Relaxed) {
                reactor.turn(Some(Duration::from_millis(30))).unwrap();
            }
            let next = executor.queue.lock().unwrap().pop_front();
            match next {
                Some(task) => task.run().into_iter().for_each(|again| executor.schedule(again)),
                None if reactor.is_idle() => break,
                None => _ = reactor.turn(None).unwrap(),
            }
        }
    });
    drop((root, runtime));
    recorder.trace()
}

#[test]
fn a_task_that_was_woken_and_is_never_polled_is_found() {
    let executor = Faulty { loses_woken: true, ..Faulty::default() };
    let trace = run_on(executor, async {
        spawn(sleep(Duration::from_millis(1))).await.unwrap();
    });
    only(&trace, Kind::NeverPolled, &[2], "never polled before the run ended");
}

#[test]
fn a_thread_that_waits_while_a_task_is_queued_is_found() {
    let executor = Faulty { waits_beside_queue: true.into(), ..Faulty::default() };
    only(&run_on(executor, async {}), Kind::ParkedBesideQueue, &[1], "was queued when the thread parked");
    // A thread that never returns from its wait is found, too.
    let mut trace = written(&[SPAWNED, r#""event":"wait_begins""#, r#""event":"notified""#]);
    assert_eq!(lint(&trace), [], "the thread that has queued it is about to notify");
    trace.records[3].at += 20_000_000;
    only(&trace, Kind::ParkedBesideQueue, &[1], "until the recording ends");
}

#[test]
fn the_same_executor_without_a_fault_has_no_finding() {
    let trace = run_on(Faulty::default(), async {
        let tasks: Vec<_> = (1..20).map(|ms| spawn(sleep(Duration::from_millis(ms)))).collect();
        yield_now().await;
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(lint(&trace), []);
}

/// The system's backend with a clock that is ahead of real time.
struct Ahead(Box<dyn Backend>);

impl Backend for Ahead {
    fn now(&self) -> Instant {
        self.0.now() + Duration::from_millis(500)
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }
}

#[test]
fn a_timer_that_fires_before_its_deadline_is_found() {
    let recorder = Arc::new(Recorder::new());
    let builder = Runtime::builder().observer(recorder.clone());
    let runtime = builder.backend(Box::new(Ahead(backend::operating_system().unwrap()))).build().unwrap();
    runtime.block_on(executor::time::sleep_until(Handle::now(&current_handle(&runtime)) + Duration::from_millis(5)));
    let findings = lint(&recorder.trace());
    let found: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(found, [Kind::EarlyTimer], "{findings:#?}");
    assert!(findings[0].text.starts_with("timer 1 fires "), "{}", findings[0].text);
}

fn current_handle(runtime: &Runtime) -> Handle {
    runtime.block_on(async { Handle::current().unwrap() })
}

/// A semaphore of one permit, which it hands over to the first waiter and loses if that waiter is dropped.
struct Loses {
    made_at: &'static Location<'static>,
    state: RefCell<LosesState>,
}

#[derive(Default)]
struct LosesState {
    is_taken: bool,
    waiters: VecDeque<(u64, Waker)>,
    served: Vec<u64>,
}

impl Loses {
    #[track_caller]
    fn new() -> Rc<Loses> {
        Rc::new(Loses { made_at: Location::caller(), state: RefCell::default() })
    }

    async fn acquire(&self, number: u64) {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if !mem::replace(&mut state.is_taken, true) || state.served.contains(&number) {
                return Poll::Ready(());
            }
            state.waiters.retain(|(waiter, _)| *waiter != number);
            state.waiters.push_back((number, cx.waker().clone()));
            executor::leaf::pending(|| format!("acquire on the semaphore made at {}", self.made_at));
            Poll::Pending
        })
        .await;
    }

    fn release(&self) {
        let first = self.state.borrow_mut().waiters.pop_front();
        if let Some((number, waker)) = first {
            self.state.borrow_mut().served.push(number);
            hand_over(Handover { kind: "semaphore", made_at: self.made_at }, || waker.wake());
        }
    }
}

fn recorded<F: Future>(future: F) -> Trace {
    let recorder = Arc::new(Recorder::new());
    Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap().block_on(future);
    recorder.trace()
}

#[test]
fn a_permit_that_is_handed_over_to_a_dropped_future_and_lost_is_found() {
    let trace = recorded(async {
        let semaphore = Loses::new();
        semaphore.acquire(0).await;
        let waits = |number| {
            let semaphore = semaphore.clone();
            spawn_local(async move { semaphore.acquire(number).await })
        };
        let (first, second) = (waits(1), waits(2));
        yield_now().await;
        semaphore.release(); // to the first …
        first.cancel(); // … which is dropped before it takes it
        yield_now().await;
        timeout(Duration::from_secs(1), second).await.unwrap_err();
    });
    only(&trace, Kind::LostHandover, &[2], "task 3 waits there for ever");
}

#[test]
fn a_permit_that_a_dropped_task_passes_on_is_not_lost_though_others_wait() {
    let trace = recorded(async {
        let semaphore = Arc::new(Semaphore::new(0));
        let waits = |keeps: bool| {
            let semaphore = semaphore.clone();
            spawn(async move {
                let _permit = semaphore.acquire().await;
                if keeps {
                    sleep(Duration::from_secs(9)).await;
                }
            })
        };
        let (first, second, _third) = (waits(false), waits(true), waits(false));
        yield_now().await;
        semaphore.add_permits(1);
        first.cancel(); // it passes the permit on to the second, which keeps it
        sleep(Duration::from_secs(1)).await;
        assert!(first.await.is_err() && !second.is_finished());
    });
    assert_eq!(lint(&trace), []);
}

#[test]
fn the_librarys_semaphore_passes_a_permit_on() {
    let trace = recorded(async {
        let semaphore = Arc::new(Semaphore::new(0));
        let waits = || {
            let semaphore = semaphore.clone();
            spawn(async move { drop(semaphore.acquire().await) })
        };
        let (first, second) = (waits(), waits());
        yield_now().await;
        semaphore.add_permits(1);
        first.cancel();
        second.await.unwrap();
        assert!(first.await.is_err());
    });
    assert_eq!(lint(&trace), []);
}

/// Polls a future with a waker that does nothing.
struct Deaf<F>(F);

impl<F: Future + Unpin> Future for Deaf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        struct Keeps(#[expect(dead_code, reason = "it keeps the task from having no waker")] Waker);
        impl Wake for Keeps {
            fn wake(self: Arc<Self>) {}
        }
        let waker = Arc::new(Keeps(cx.waker().clone())).into();
        Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn a_source_that_is_ready_while_none_of_its_waiters_is_woken_is_found() {
    let recorder = Arc::new(Recorder::new());
    Runtime::builder().observer(recorder.clone()).build().unwrap().block_on(async {
        let (reads, mut writes) = net::UnixStream::pair().unwrap();
        let waits = named("deaf").spawn(async move {
            let mut byte = [0];
            Deaf(Box::pin(reads.read(&mut byte))).await.unwrap();
        });
        yield_now().await;
        writes.write_all(b"x").await.unwrap();
        sleep(Duration::from_millis(20)).await;
        waits.cancel();
        waits.await.unwrap_err();
    });
    let findings = lint(&recorder.trace());
    let finding = findings.iter().find(|finding| finding.kind == Kind::UnwokenSource).expect("it is found");
    assert_eq!(finding.task, 2, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.kind == Kind::UnwokenSource || finding.task != 2), "{findings:#?}");
}

#[test]
fn a_waiter_that_has_left_needs_no_wake() {
    let recorder = Arc::new(Recorder::new());
    Runtime::builder().observer(recorder.clone()).build().unwrap().block_on(async {
        let (reads, mut writes) = net::UnixStream::pair().unwrap();
        let other = spawn(async move {
            let mut byte = [0];
            // One poll waits for the source, drops that wait, and waits for a timer.
            executor::select(executor::net::UnixStream::read(&reads, &mut byte), async {}).await;
            sleep(Duration::from_millis(30)).await;
            reads
        });
        yield_now().await;
        writes.write_all(b"x").await.unwrap();
        other.await.unwrap();
    });
    assert_eq!(lint(&recorder.trace()), []);
}
