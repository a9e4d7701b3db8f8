//! The clock, timeouts, and [`Backend::notify`]. Times are those of the backend's clock, so a simulated one passes too.

use super::{Check, LIMIT, SILENCE};
use reactor::backend::Backend;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub(super) const CHECKS: &[Check<Box<dyn Backend>>] = &[
    ("the clock never goes back", clock_never_goes_back),
    ("a timeout is not rounded down", timeout_is_not_rounded_down),
    ("a zero timeout does not wait", zero_timeout_only_looks),
    ("a notify before the wait ends it, however long its timeout", notify_before_the_wait),
    ("a notify during the wait ends it", notify_during_the_wait),
    ("a notify that was seen ends no other wait", notify_ends_one_wait),
    ("notifies from many threads are not lost", notifies_of_many_threads),
];

fn wait(backend: &dyn Backend, timeout: Option<Duration>) {
    let mut events = Vec::new();
    backend.wait(&mut events, timeout).expect("the wait goes well");
    assert_eq!(events, [], "there is no source");
}

fn clock_never_goes_back(backend: Box<dyn Backend>) {
    let mut before = backend.now();
    for round in 0..1000 {
        if round % 100 == 0 {
            wait(&*backend, Some(Duration::from_micros(10)));
        }
        let now = backend.now();
        assert!(now >= before);
        before = now;
    }
}

/// A wait may end early now and then, but a timer must not need a dozen waits: a timeout that the system cannot express
/// is rounded up.
fn timeout_is_not_rounded_down(backend: Box<dyn Backend>) {
    for micros in [1, 250, 999, 1001, 10_500] {
        let (start, timeout) = (backend.now(), Duration::from_micros(micros));
        let mut waits = 0;
        while let Some(left) = timeout.checked_sub(backend.now() - start).filter(|left| !left.is_zero()) {
            wait(&*backend, Some(left));
            waits += 1;
            assert!(waits <= 10, "{timeout:?} are not over after {waits} waits, but {:?}", backend.now() - start);
        }
        assert!(backend.now() - start < timeout + LIMIT, "{timeout:?} took {:?}", backend.now() - start);
    }
}

fn zero_timeout_only_looks(backend: Box<dyn Backend>) {
    let start = backend.now();
    (0..10).for_each(|_| wait(&*backend, Some(Duration::ZERO)));
    assert!(backend.now() - start < LIMIT);
}

fn notify_before_the_wait(backend: Box<dyn Backend>) {
    for timeout in [Some(LIMIT), None, Some(Duration::MAX), Some(Duration::from_secs(u64::MAX))] {
        let start = backend.now();
        (0..3).for_each(|_| backend.notify().expect("a notify goes well"));
        wait(&*backend, timeout); // hangs if the notify is lost
        assert!(backend.now() - start < LIMIT, "the notify is lost: it took {:?}", backend.now() - start);
    }
}

fn notify_during_the_wait(backend: Box<dyn Backend>) {
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(SILENCE); // most likely the wait has begun; if not, this is the check above
            backend.notify().expect("a notify goes well");
        });
        wait(&*backend, None);
    });
}

fn notify_ends_one_wait(backend: Box<dyn Backend>) {
    (0..100).for_each(|_| backend.notify().expect("a notify goes well"));
    let (start, mut waits) = (backend.now(), 0);
    while backend.now() - start < SILENCE {
        wait(&*backend, Some(SILENCE));
        waits += 1;
        assert!(waits <= 10, "100 notifies before the first wait ended {waits} of them");
    }
}

/// The threads do what threads that wake tasks do: they change something, then notify.
fn notifies_of_many_threads(backend: Box<dyn Backend>) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 500;
    let (sent, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let number = sent.fetch_add(1, Ordering::SeqCst) + 1;
                    backend.notify().expect("a notify goes well");
                    // Waits until this notify was seen, so that a later one does not hide a lost one for long.
                    while seen.load(Ordering::SeqCst) < number {
                        thread::yield_now();
                    }
                }
            });
        }
        while seen.load(Ordering::SeqCst) < THREADS * ROUNDS {
            wait(&*backend, None); // hangs if a notify is lost
            seen.store(sent.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    });
}
