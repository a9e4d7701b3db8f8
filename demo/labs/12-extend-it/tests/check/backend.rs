//! The backend over poll(2). Most waits here have a timeout of zero, so they never wait.

use reactor::backend::{Backend, Event, Readiness, Token, poll};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;
use tests::kit::eventually;

const READ: Readiness = Readiness::READABLE;
const WRITE: Readiness = Readiness::WRITABLE;

/// A backend, and the two ends of a connection. The first end is registered until this is dropped.
struct Rig {
    backend: Box<dyn Backend>,
    ours: UnixStream,
    theirs: Option<UnixStream>,
}

impl Rig {
    fn new() -> Rig {
        let backend = poll().expect("there are descriptors left");
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors left");
        // SAFETY: `drop` removes the descriptor before it is closed.
        unsafe { backend.add(ours.as_fd(), Token(1)) }.expect("a socket can be added");
        Rig { backend, ours, theirs: Some(theirs) }
    }

    /// Makes our end readable.
    fn write(&self) {
        self.theirs.as_ref().expect("it is open").write_all(b"x").expect("there is room");
    }

    fn rearm(&self, interest: Readiness) {
        self.backend.rearm(self.ours.as_fd(), Token(1), interest).expect("a registered source can be re-armed");
    }

    /// What is reported without waiting.
    fn look(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.backend.wait(&mut events, Some(Duration::ZERO)).expect("the wait succeeds");
        events
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A test that fails may have a backend whose `remove` panics too.
        if !thread::panicking() {
            _ = self.backend.remove(self.ours.as_fd());
        }
    }
}

#[test]
fn a_source_is_reported_once_for_each_rearm() {
    let rig = Rig::new();
    rig.write();
    for round in ["first", "second"] {
        rig.rearm(READ);
        let events = rig.look();
        let reported = events.iter().any(|event| event.token == Token(1) && event.readiness.contains(READ));
        assert!(reported, "the source is readable and was re-armed for reading ({round} time); reported: {events:?}");
        let again = rig.look();
        assert!(again.is_empty(), "the source was reported and not re-armed, and it was reported again: {again:?}");
    }
}

#[test]
fn a_source_that_is_not_armed_is_not_reported() {
    let mut rig = Rig::new();
    rig.write();
    let events = rig.look();
    assert!(events.is_empty(), "the source is readable and was never armed, and it was reported: {events:?}");
    rig.theirs = None;
    let events = rig.look();
    assert!(
        events.is_empty(),
        "the peer has closed, and the source was never armed; poll(2) reports a closed peer whatever the interest, so the \
         source must not be in its list: {events:?}"
    );
}

#[test]
fn the_last_interest_counts() {
    let rig = Rig::new();
    rig.rearm(READ | WRITE);
    rig.rearm(READ);
    let events = rig.look();
    assert!(
        events.is_empty(),
        "the last interest is reading and nothing can be read, and this was reported: {events:?}"
    );
    rig.rearm(WRITE);
    let events = rig.look();
    let expected = [Event { token: Token(1), readiness: WRITE }];
    assert_eq!(events, expected, "the source is writable, and the last interest is writing");
}

#[test]
fn a_closed_peer_is_reported_to_a_reader() {
    let mut rig = Rig::new();
    rig.rearm(READ);
    rig.theirs = None;
    let events = rig.look();
    assert_eq!(events.len(), 1, "the peer has closed, and a reader waits for that: one event must be reported");
    let wanted = READ | Readiness::READ_CLOSED;
    assert!(events[0].readiness.intersects(wanted), "a closed peer makes a source readable or closed: {events:?}");
}

#[test]
fn a_descriptor_is_registered_once() {
    let rig = Rig::new();
    // SAFETY: the rig removes the descriptor before it is closed.
    let again = unsafe { rig.backend.add(rig.ours.as_fd(), Token(2)) };
    let kind = again.map_err(|error| error.kind());
    assert_eq!(
        kind,
        Err(ErrorKind::AlreadyExists),
        "the descriptor is registered, and it was added with another token"
    );
    rig.backend.remove(rig.ours.as_fd()).expect("a registered descriptor can be removed");
    let twice = rig.backend.remove(rig.ours.as_fd()).map_err(|error| error.kind());
    assert_eq!(twice, Err(ErrorKind::NotFound), "the descriptor was removed, and it was removed once more");
    let late = rig.backend.rearm(rig.ours.as_fd(), Token(1), READ).map_err(|error| error.kind());
    assert_eq!(late, Err(ErrorKind::NotFound), "the descriptor was removed, and it was re-armed after that");
    rig.write();
    let events = rig.look();
    assert!(events.is_empty(), "the descriptor was removed, and it was reported: {events:?}");
}

#[test]
fn a_notify_before_the_wait_ends_it() {
    let rig = Rig::new();
    for calls in 1..4 {
        for _ in 0..calls {
            rig.backend.notify().expect("a notify succeeds");
        }
        // Waits for ever if the notify is lost.
        rig.backend.wait(&mut Vec::new(), None).expect("the wait succeeds");
    }
}

/// Calls `change` while another thread waits, and returns what that wait reports. The name of the thread must be unique
/// in the process.
#[track_caller]
fn during_a_wait(rig: &Rig, name: &str, change: impl FnOnce()) -> Vec<Event> {
    thread::scope(|scope| {
        let waits = thread::Builder::new().name(name.into()).spawn_scoped(scope, || {
            let mut events = Vec::new();
            rig.backend.wait(&mut events, None).expect("the wait succeeds");
            events
        });
        let waits = waits.expect("the system can start a thread");
        // More than once, because a thread also sleeps for a moment when it meets a lock.
        eventually("the thread waits", || (0..10).all(|_| is_asleep(name)));
        change();
        waits.join().expect("the wait succeeds")
    })
}

/// Whether the thread of this name is asleep in the system.
fn is_asleep(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").expect("/proc is there");
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.into_iter().any(|stat| stat.contains(&format!("({name}) S")))
}

#[test]
fn a_rearm_during_a_wait_is_seen_by_it() {
    let rig = Rig::new();
    rig.write();
    // Waits for ever if the re-arm does not end the wait.
    let mut events = during_a_wait(&rig, "waits-rearm", || rig.rearm(READ));
    events.extend(rig.look());
    let reported = events.iter().any(|event| event.readiness.contains(READ));
    assert!(reported, "a thread waits, and a readable source was armed meanwhile; reported: {events:?}");
}

#[test]
fn a_remove_ends_the_wait_that_polls_the_descriptor() {
    let rig = Rig::new();
    rig.rearm(READ);
    // Waits for ever if the remove does not end the wait.
    let events =
        during_a_wait(&rig, "waits-remove", || rig.backend.remove(rig.ours.as_fd()).expect("it is registered"));
    assert!(events.is_empty(), "the source was removed and nothing could be read, and this was reported: {events:?}");
}

#[test]
fn the_backend_conforms() {
    tests::conformance::backend(poll);
}
