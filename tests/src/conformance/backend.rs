//! The conformance suite for a [`Backend`].
//!
//! A crate with a backend of its own depends on `tests` by path and calls [`backend`] in a test, with a function that
//! makes one. The checks are the sentences of the trait's documentation, and each runs on a new backend:
//!
//! ```
//! tests::conformance::backend(reactor::backend::poll);
//! ```

mod descriptors;
mod streams;
mod time;

use crate::within;
use reactor::backend::{Backend, Event, Readiness, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an immediate result may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a check waits to see that nothing happens.
const SILENCE: Duration = Duration::from_millis(30);

const READ: Readiness = Readiness::READABLE;
const WRITE: Readiness = Readiness::WRITABLE;

type Check<B> = (&'static str, fn(B));

/// Checks a backend; `make` makes a new one for each check.
///
/// There are three lists of checks: time and [`notify`](Backend::notify); descriptors; streams on a
/// [`Reactor`](reactor::Reactor) over the backend. A simulated backend skips the second list, and without a network
/// also the third.
///
/// # Panics
/// When one of the checks fails. Its name is the last line on standard output.
pub fn backend(make: impl Fn() -> io::Result<Box<dyn Backend>>) {
    let made = || make().expect("the factory makes a backend");
    let sample = made();
    let (has_descriptors, has_network) = (!sample.is_simulated(), sample.network().is_some());
    drop(sample);
    run(time::CHECKS, made);
    if has_descriptors {
        run(descriptors::CHECKS, || Rig::new(made()));
    }
    if has_descriptors || has_network {
        run(streams::CHECKS, made);
    }
}

fn run<B: Send + 'static>(checks: &[Check<B>], made: impl Fn() -> B) {
    for (name, check) in checks.iter().copied() {
        println!("checking: {name}");
        let subject = made();
        within(60, move || check(subject));
    }
}

/// A backend, and what is known of its sources.
struct Rig {
    backend: Arc<dyn Backend>,
    /// How often a source was reported since it was added or last re-armed.
    reports: HashMap<Token, u32>,
    waits: usize,
}

/// A descriptor that is watched until this is dropped.
struct Watched<S: AsFd> {
    io: S,
    token: Token,
    backend: Arc<dyn Backend>,
}

impl Rig {
    fn new(backend: Box<dyn Backend>) -> Rig {
        Rig { backend: backend.into(), reports: HashMap::new(), waits: 0 }
    }

    fn watch<S: AsFd>(&mut self, io: S, token: usize) -> Watched<S> {
        let token = Token(token);
        self.reports.remove(&token);
        // SAFETY: `Watched` removes the descriptor before it drops `io`, and nothing moves `io` out of it.
        unsafe { self.backend.add(io.as_fd(), token) }.expect("a socket can be watched");
        Watched { io, token, backend: self.backend.clone() }
    }

    /// A pair of non-blocking streams. The second one is watched.
    fn pair(&mut self, token: usize) -> (UnixStream, Watched<UnixStream>) {
        let (theirs, ours) = UnixStream::pair().expect("there are descriptors left");
        for end in [&theirs, &ours] {
            end.set_nonblocking(true).expect("a socket can be non-blocking");
        }
        (theirs, self.watch(ours, token))
    }

    /// Does what the reactor does for a task whose operation returned WouldBlock.
    fn rearm(&mut self, source: &Watched<impl AsFd>, interest: Readiness) {
        self.reports.remove(&source.token);
        source.rearm(interest);
    }

    /// Waits once. Unless the backend is edge-triggered, it must not report a source twice without being re-armed.
    fn turn(&mut self, timeout: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        self.waits += 1;
        self.backend.wait(&mut events, Some(timeout)).expect("the wait goes well");
        for Event { token, readiness } in &events {
            let reports = self.reports.entry(*token).or_default();
            *reports += 1;
            let may_be_reported = !self.backend.needs_rearm() || *reports == 1;
            assert!(may_be_reported, "{token:?} was reported {reports} times without being re-armed: {readiness:?}");
        }
        events
    }

    /// Waits until the source was reported as ready for any of `wanted`. Returns all its readiness reported until then.
    #[track_caller]
    fn expect(&mut self, source: &Watched<impl AsFd>, wanted: Readiness) -> Readiness {
        let (start, mut seen) = (Instant::now(), Readiness::empty());
        while !seen.intersects(wanted) {
            let left = LIMIT.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "{:?} was reported as {seen:?}, and not as {wanted:?}", source.token);
            let reported = self.turn(left).into_iter().filter(|event| event.token == source.token);
            seen = reported.fold(seen, |seen, event| seen | event.readiness);
        }
        seen
    }

    /// Returns all events until none has come for [`SILENCE`].
    fn drain(&mut self) -> Vec<Event> {
        let (mut events, mut start) = (Vec::new(), Instant::now());
        while start.elapsed() < SILENCE {
            let more = self.turn(SILENCE.saturating_sub(start.elapsed()));
            start = if more.is_empty() { start } else { Instant::now() };
            events.extend(more);
            let count = events.len();
            assert!(
                count < 1000,
                "{count} reports though no operation has said WouldBlock since: {:?}",
                events[count - 1]
            );
        }
        events
    }
}

impl<S: AsFd> Watched<S> {
    fn rearm(&self, interest: Readiness) {
        if self.backend.needs_rearm() {
            self.backend.rearm(self.io.as_fd(), self.token, interest).expect("a watched source can be re-armed");
        }
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        let removed = self.backend.remove(self.io.as_fd());
        assert!(removed.is_ok() || std::thread::panicking(), "a watched source can be removed: {removed:?}");
    }
}
