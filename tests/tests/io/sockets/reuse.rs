//! A descriptor, or a slot of the reactor's table, that is used again.

use super::{descriptor_limit, full_listener, on_each, on_each_reactor, unix_pair};
use executor::net::{TcpStream, UnixStream};
use executor::time::{Duration, Instant};
use executor::{spawn, yield_now};
use reactor::backend::{Backend, Event, Token};
use reactor::{Reactor, backend};
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net as unix;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tests::{Counting, poll_with, waker_fn, within};

#[test]
fn a_descriptor_that_is_used_again_at_once_brings_no_wrong_data_and_no_hang() {
    // A high descriptor, which no socket of another test takes meanwhile.
    fn pair() -> (unix::UnixStream, UnixStream) {
        let high = descriptor_limit().min(60_000) as i32 - 4;
        let (theirs, ours) = unix::UnixStream::pair().unwrap();
        let ours = rustix::io::fcntl_dupfd_cloexec(&ours, high).unwrap();
        assert_eq!(ours.as_raw_fd(), high);
        (theirs, UnixStream::from_std(ours.into()).unwrap())
    }
    on_each(|| async {
        for round in 0..1000u32 {
            let (mut theirs, ours) = pair();
            theirs.write_all(b"of the old one").unwrap(); // an event is under way …
            if round % 2 == 0 {
                yield_now().await;
            }
            drop((ours, theirs)); // … for a descriptor that is closed
            let (mut theirs, ours) = pair();
            let reader = spawn(async move {
                let mut buf = [0; 32];
                let n = ours.read(&mut buf).await.unwrap();
                buf[..n].to_vec()
            });
            yield_now().await;
            assert!(!reader.is_finished(), "it read bytes that were not written");
            theirs.write_all(&round.to_be_bytes()).unwrap();
            assert_eq!(reader.await.unwrap(), round.to_be_bytes());
        }
    });
}

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Hook = Box<dyn FnOnce() + Send>;

/// The backend of the operating system, with a hook between its report of events and the reactor's handling of them.
/// The hook does what another thread may do at that moment.
struct Hooked {
    inner: Box<dyn Backend>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Backend for Hooked {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the contract is the same.
        unsafe { self.inner.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(events, timeout)?;
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            assert!(!events.is_empty());
            hook();
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.inner.notify()
    }

    fn reports_close(&self) -> bool {
        self.inner.reports_close()
    }
}

fn hooked() -> (Reactor, Arc<Mutex<Option<Hook>>>) {
    let hook = Arc::new(Mutex::new(None));
    let backend = Hooked { inner: backend::operating_system().unwrap(), hook: hook.clone() };
    (Reactor::with(Box::new(backend), None), hook)
}

/// Closes a source after the backend has reported it and before the reactor handles the report, and calls `open`, whose
/// source thus gets the same slot in the reactor's table. Returns the future that `open` made.
fn with_stale_event<T: 'static>(
    (reactor, hook): &mut (Reactor, Arc<Mutex<Option<Hook>>>),
    counting: &Arc<Counting>,
    open: impl FnOnce() -> Boxed<T> + Send + 'static,
) -> Boxed<T> {
    let (mut theirs, ours) = unix_pair();
    reactor.turn(Some(Duration::ZERO)).unwrap(); // takes the report that the new socket is writable
    let opened = Arc::new(Mutex::new(None));
    theirs.write_all(b"x").unwrap();
    *hook.lock().unwrap() = Some(Box::new({
        let (opened, counting) = (opened.clone(), counting.clone());
        move || {
            drop(ours);
            let mut future = open();
            reactor::budget::reset(); // as an executor does before each poll
            assert!(poll_with(&counting.waker(), &mut future).is_pending());
            *opened.lock().unwrap() = Some(future);
        }
    }));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    opened.lock().unwrap().take().expect("the source was reported")
}

#[test]
fn an_event_of_a_closed_source_does_not_make_the_next_source_readable() {
    within(20, || {
        let mut hooked = hooked();
        let _entered = hooked.0.handle().enter();
        for round in 0..1000u32 {
            let counting = Counting::new();
            let (mut theirs, ours) = unix::UnixStream::pair().unwrap();
            let mut future = with_stale_event(&mut hooked, &counting, move || {
                let stream = UnixStream::from_std(ours).unwrap();
                Box::pin(async move {
                    let mut buf = [0; 8];
                    let n = stream.read(&mut buf).await?;
                    Ok(buf[..n].to_vec())
                })
            });
            assert!(poll_with(&counting.waker(), &mut future).is_pending(), "it read bytes that were not written");
            theirs.write_all(&round.to_be_bytes()).unwrap();
            let before = counting.wakes();
            while counting.wakes() == before {
                hooked.0.turn(None).unwrap();
            }
            let Poll::Ready(read) = poll_with(&counting.waker(), &mut future) else { panic!("woken for nothing") };
            assert_eq!(read.unwrap(), round.to_be_bytes());
        }
    });
}

#[test]
fn an_event_of_a_closed_source_does_not_finish_the_connect_of_the_next_source() {
    within(20, || {
        let mut hooked = hooked();
        let _entered = hooked.0.handle().enter();
        let (full, _first) = full_listener();
        let address = full.local_addr().unwrap();
        let counting = Counting::new();
        let mut connect = with_stale_event(&mut hooked, &counting, move || Box::pin(TcpStream::connect(address)));
        let connected = poll_with(&counting.waker(), &mut connect);
        assert!(connected.is_pending(), "not connected yet: {connected:?}");
    });
}

#[test]
fn a_waker_that_panics_does_not_lose_the_wakes_of_others() {
    on_each_reactor(|mut reactor| {
        let _entered = reactor.handle().enter();
        let (mut theirs, ours): (Vec<_>, Vec<_>) = (0..4).map(|_| unix_pair()).unzip();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        let counting = Counting::new();
        let mut timer = executor::time::sleep_until(Instant::now());
        let _ = poll_with(&waker_fn(|| panic!("the timer's waker panics")), &mut timer);
        let mut waits: Vec<_> = ours.iter().map(UnixStream::readable).collect();
        for (n, wait) in waits.iter_mut().enumerate() {
            let waker = if n == 1 { waker_fn(|| panic!("the second waker panics")) } else { counting.waker() };
            assert!(poll_with(&waker, wait).is_pending());
        }
        theirs.iter_mut().for_each(|theirs| theirs.write_all(b"x").unwrap());
        // Each edge is reported once: a waiter that misses it is not woken again.
        let mut panics = 0;
        for _ in 0..4 {
            let turn = std::panic::AssertUnwindSafe(|| reactor.turn(Some(Duration::from_millis(1))));
            panics += u32::from(std::panic::catch_unwind(turn).is_err());
        }
        assert!(panics > 0, "a panic unwinds out of `turn`");
        assert_eq!(counting.wakes(), 3);
    });
}
