//! What a backend reports about descriptors, when, and how often.

use super::{Check, LIMIT, READ, Rig, SILENCE, WRITE, Watched};
use reactor::backend::{Readiness, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

pub(super) const CHECKS: &[Check<Rig>] = &[
    ("a source that becomes readable is reported", readable),
    ("a source that was ready when it was added is reported", ready_before_it_is_added),
    ("a source that becomes writable is reported", writable),
    ("a closed peer is reported", closed),
    ("a half close is reported, and the other half goes on", half_closed),
    ("a source is reported again after each WouldBlock", again_after_would_block),
    ("what came between WouldBlock and rearm is reported", between_would_block_and_rearm),
    ("the direction that was not reported can be re-armed", the_direction_that_is_left),
    ("an interest replaces the one before", interest_is_replaced),
    ("a token comes back whole", tokens_come_back_whole),
    ("all of many sources are reported", many),
    ("a wait sees what changes during it", changes_during_the_wait),
    ("readiness without a waiter does not end a wait", unwanted_readiness_does_not_spin),
    ("a waiter that went away costs one report", waiter_that_went_away),
    ("a removed source is silent", removed_is_silent),
    ("a source can be removed during a wait, and its descriptor be watched anew", removed_during_a_wait),
];

/// Writes until there is no room.
fn fill(mut stream: &UnixStream) {
    while stream.write(&[0; 1 << 14]).is_ok() {}
}

/// Reads all that is there. Returns the number of bytes, and whether the stream has ended.
fn empty(mut stream: &UnixStream) -> (usize, bool) {
    let (mut total, mut buf) = (0, [0; 1 << 14]);
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return (total, true),
            Ok(read) => total += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (total, false),
            Err(error) => panic!("{error}"),
        }
    }
}

fn write(mut stream: &UnixStream) {
    assert_eq!(stream.write(b"x").expect("there is room"), 1);
}

fn readable(mut rig: Rig) {
    let (theirs, ours) = rig.pair(7);
    rig.drain();
    rig.rearm(&ours, READ);
    let early = rig.drain();
    assert_eq!(early, [], "nothing has come yet");
    write(&theirs);
    rig.expect(&ours, READ);
    assert_eq!(empty(&ours.io), (1, false));
}

fn ready_before_it_is_added(mut rig: Rig) {
    let (theirs, ours) = UnixStream::pair().expect("there are descriptors left");
    write(&theirs);
    let ours = rig.watch(ours, 1);
    rig.rearm(&ours, READ);
    rig.expect(&ours, READ);
}

fn writable(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.rearm(&ours, WRITE);
    rig.expect(&ours, WRITE);
    for _ in 0..3 {
        fill(&ours.io);
        rig.rearm(&ours, WRITE);
        assert_eq!(rig.drain(), [], "it is full");
        empty(&theirs);
        rig.expect(&ours, WRITE);
    }
}

fn closed(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.drain();
    rig.rearm(&ours, READ);
    drop(theirs);
    let mut seen = rig.expect(&ours, READ | Readiness::READ_CLOSED);
    if rig.backend.reports_close() {
        seen |= rig.expect_more(seen, &ours, Readiness::READ_CLOSED);
    }
    assert_eq!(empty(&ours.io), (0, true));
    rig.rearm(&ours, WRITE);
    if !seen.intersects(WRITE | Readiness::WRITE_CLOSED) {
        rig.expect(&ours, WRITE | Readiness::WRITE_CLOSED);
    }
}

fn half_closed(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.drain();
    rig.rearm(&ours, READ);
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    let seen = rig.expect(&ours, READ | Readiness::READ_CLOSED);
    if rig.backend.reports_close() {
        rig.expect_more(seen, &ours, Readiness::READ_CLOSED);
    }
    assert_eq!(empty(&ours.io), (0, true));
    // The other direction goes on as before.
    fill(&ours.io);
    rig.rearm(&ours, WRITE);
    let wrong = rig.drain().into_iter().find(|event| event.readiness.intersects(WRITE | Readiness::WRITE_CLOSED));
    assert_eq!(wrong, None, "it is full, and the peer still reads");
    empty(&theirs);
    rig.expect(&ours, WRITE);
}

fn again_after_would_block(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    for _ in 0..200 {
        rig.rearm(&ours, READ);
        write(&theirs);
        rig.expect(&ours, READ);
        assert_eq!(empty(&ours.io), (1, false));
    }
}

fn between_would_block_and_rearm(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    for _ in 0..200 {
        assert_eq!(empty(&ours.io), (0, false));
        write(&theirs);
        rig.rearm(&ours, READ);
        rig.expect(&ours, READ);
        assert_eq!(empty(&ours.io), (1, false));
    }
}

fn the_direction_that_is_left(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.drain();
    fill(&ours.io);
    rig.rearm(&ours, READ | WRITE);
    write(&theirs);
    rig.expect(&ours, READ);
    rig.rearm(&ours, WRITE); // the writer still waits
    assert!(!rig.drain().iter().any(|event| event.readiness.intersects(WRITE)), "it is full");
    empty(&theirs);
    rig.expect(&ours, WRITE);
}

fn interest_is_replaced(mut rig: Rig) {
    let (_theirs, ours) = rig.pair(1);
    if !rig.backend.needs_rearm() {
        return; // edges are reported for both directions
    }
    rig.rearm(&ours, READ);
    rig.rearm(&ours, READ | WRITE);
    rig.expect(&ours, WRITE);
    rig.rearm(&ours, READ | WRITE);
    rig.rearm(&ours, READ); // the writer went away
    assert_eq!(rig.drain(), [], "nothing has come to read");
}

fn tokens_come_back_whole(mut rig: Rig) {
    for token in [0, 1, usize::MAX >> 1, 0xabcd << (usize::BITS - 16) | 5, !0xff] {
        let (theirs, ours) = rig.pair(token);
        rig.rearm(&ours, READ);
        write(&theirs);
        rig.expect(&ours, READ);
    }
}

fn many(mut rig: Rig) {
    const SOURCES: usize = 300;
    let (theirs, ours) = UnixStream::pair().expect("there are descriptors left");
    let sources: Vec<Watched<OwnedFd>> = (0..SOURCES)
        .map(|token| rig.watch(ours.as_fd().try_clone_to_owned().expect("there are descriptors left"), token))
        .collect();
    rig.drain();
    for _ in 0..2 {
        sources.iter().for_each(|source| rig.rearm(source, READ));
        write(&theirs);
        let mut missing: Vec<bool> = vec![true; SOURCES];
        let start = Instant::now();
        while missing.contains(&true) {
            let left = missing.iter().filter(|missing| **missing).count();
            assert!(start.elapsed() < LIMIT, "{left} of {SOURCES} sources were not reported");
            let events = rig.turn(LIMIT);
            events
                .iter()
                .filter(|event| event.readiness.intersects(READ))
                .for_each(|event| missing[event.token.0] = false);
        }
        (&ours).read_exact(&mut [0]).expect("it was written");
    }
}

/// Another thread writes, re-arms and adds while this one waits.
fn changes_during_the_wait(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    let (their_second, our_second) = UnixStream::pair().expect("there are descriptors left");
    rig.drain();
    thread::scope(|scope| {
        // The source is re-armed during the wait: first for what is ready already, then for what becomes ready later.
        scope.spawn(|| {
            thread::sleep(SILENCE);
            ours.rearm(WRITE);
            thread::sleep(SILENCE);
            ours.rearm(READ);
            write(&theirs);
        });
        let seen = rig.expect_during(&ours, READ);
        assert!(!ours.backend.needs_rearm() || seen.contains(WRITE), "the first change was not seen in time: {seen:?}");
    });
    write(&their_second);
    let mut other = Rig { backend: rig.backend.clone(), reports: Default::default(), waits: 0 };
    let second = thread::scope(|scope| {
        let adder = scope.spawn(move || {
            thread::sleep(SILENCE);
            let second = other.watch(our_second, 2);
            second.rearm(READ);
            second
        });
        let start = Instant::now();
        let is_second = |event: &reactor::backend::Event| event.token == Token(2);
        while !rig.turn(LIMIT).iter().any(is_second) {
            assert!(start.elapsed() < LIMIT, "a source that was added during a wait was not reported");
        }
        adder.join().expect("it can be added")
    });
    assert_eq!(empty_blocking(&second.io), 1);
}

/// Reads the byte that is known to be there.
fn empty_blocking(mut stream: &UnixStream) -> usize {
    stream.read(&mut [0; 8]).expect("there is something to read")
}

fn unwanted_readiness_does_not_spin(mut rig: Rig) {
    let (theirs, unread) = rig.pair(1);
    write(&theirs); // readable and writable, and no task waits
    let (gone, closed) = rig.pair(2);
    drop(gone); // broken, and no task waits
    let (also_gone, was_reported) = rig.pair(3);
    rig.rearm(&was_reported, READ | WRITE);
    drop(also_gone);
    rig.expect(&was_reported, READ | Readiness::READ_CLOSED);
    rig.drain();
    rig.assert_quiet();
    drop((unread, closed));
}

fn waiter_that_went_away(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.rearm(&ours, READ); // its future is dropped, which calls nothing in the backend
    write(&theirs);
    rig.drain();
    rig.assert_quiet();
}

fn removed_is_silent(mut rig: Rig) {
    let (theirs, ours) = rig.pair(1);
    rig.drain();
    rig.rearm(&ours, READ);
    // Still open, but no longer watched.
    let kept = ours.io.try_clone().expect("there are descriptors left");
    drop(ours);
    write(&theirs);
    assert_eq!(rig.drain(), [], "a source that was removed is reported");
    drop(theirs);
    rig.assert_quiet();
    drop(kept);
}

fn removed_during_a_wait(mut rig: Rig) {
    for round in 0..50 {
        let (old_theirs, old) = rig.pair(2 * round);
        rig.rearm(&old, READ);
        let mut other = Rig { backend: rig.backend.clone(), reports: Default::default(), waits: 0 };
        let token = Token(2 * round + 1);
        let new = thread::scope(|scope| {
            let changer = scope.spawn(move || {
                if round % 2 == 0 {
                    write(&old_theirs); // its event is under way
                }
                let number = old.io.as_raw_fd();
                drop((old, old_theirs)); // returns although the wait is under way
                let (theirs, ours) = UnixStream::pair().expect("there are descriptors left");
                // Most likely the same number, unless another thread of the process has taken it.
                let ours = rustix::io::fcntl_dupfd_cloexec(&ours, number).expect("there are descriptors left");
                let new = other.watch(UnixStream::from(ours), token.0);
                new.rearm(READ);
                write(&theirs);
                (theirs, new)
            });
            let start = Instant::now();
            while !rig.turn(LIMIT).iter().any(|event| event.token == token && event.readiness.intersects(READ)) {
                assert!(start.elapsed() < LIMIT, "a source added in the slot of a removed one was not reported");
            }
            changer.join().expect("it can be removed and added")
        });
        drop(new);
    }
}

impl Rig {
    /// As `expect`, unless `seen` contains some of `wanted` already.
    #[track_caller]
    fn expect_more(&mut self, seen: Readiness, source: &Watched<impl AsFd>, wanted: Readiness) -> Readiness {
        if seen.intersects(wanted) {
            return seen;
        }
        self.rearm(source, READ);
        self.expect(source, wanted)
    }

    /// As `expect`, while another thread re-arms.
    #[track_caller]
    fn expect_during(&mut self, source: &Watched<impl AsFd>, wanted: Readiness) -> Readiness {
        let (start, mut seen) = (Instant::now(), Readiness::empty());
        while !seen.intersects(wanted) {
            assert!(start.elapsed() < LIMIT, "a change during the wait was not seen: {seen:?}");
            self.reports.clear();
            let reported = self.turn(LIMIT).into_iter().filter(|event| event.token == source.token);
            seen = reported.fold(seen, |seen, event| seen | event.readiness);
        }
        seen
    }

    /// Checks that there is no event: each wait lasts as long as its timeout.
    #[track_caller]
    fn assert_quiet(&mut self) {
        let (waits, start) = (self.waits, Instant::now());
        while start.elapsed() < 3 * SILENCE {
            self.turn(3 * SILENCE);
        }
        let waits = self.waits - waits;
        assert!(waits <= 3, "with nothing to wait for, {waits} waits returned within {:?}", 3 * SILENCE);
    }
}
