//! The timer queue: a hierarchical timing wheel.
//!
//! Time is cut into ticks of 250 µs. Eight wheels of 64 slots stand above each other; a slot of the
//! lowest holds the timers of one tick, a slot of the next those of 64, and so on. A timer goes
//! into the wheel that belongs to the highest 6 bits in which its tick differs from the present
//! one. When time reaches a slot of an upper wheel, its timers move down to where they belong now.
//!
//! ```text
//! wheel 2   │ 4096 ticks a slot │ 1.02 s … 65.5 s away
//! wheel 1   │   64 ticks a slot │  16 ms … 1.02 s
//! wheel 0   │    1 tick  a slot │ 250 µs … 16 ms       each slot: first ⇄ timer ⇄ timer ⇄ last
//! ```
//!
//! Setting and cancelling touch one list: O(1). A timer moves down at most seven times in its life.
//! A word a wheel says which slots are occupied, so the next deadline is a bit scan, however far
//! away. Timers live in a slab, linked by index, so a cancelled one is gone at once and nothing here
//! is `unsafe`. Timers of one tick fire in the order in which they were set.
//!
//! After George Varghese and Tony Lauck, "Hashed and Hierarchical Timing Wheels", 1987.
//!
//! Used only by the reactor, under its lock. No foreign code runs in here but `Waker::will_wake`.

use crate::observer::TimerId;
use slab::Slab;
use std::task::Waker;
use std::time::{Duration, Instant};

const TICK_NANOS: u32 = 250_000;
const TICKS_PER_SECOND: u64 = 1_000_000_000 / TICK_NANOS as u64;
const SLOT_BITS: u32 = 6;
const SLOTS: u64 = 1 << SLOT_BITS;
const WHEELS: usize = 8;
/// The last tick that there is, after 2,230 years. Later deadlines are taken for this one.
const LAST: u64 = (1 << (SLOT_BITS * WHEELS as u32)) - 1;
const NONE: u32 = u32::MAX;
/// Timers of a slot that are looked at to find the earliest.
const LOOKED_AT: usize = 8;

pub(crate) struct TimerQueue {
    timers: Slab<Timer>,
    wheels: [Wheel; WHEELS],
    /// All timers up to this tick have fired; all others are later.
    elapsed: u64,
    /// How many were ever set.
    numbered: u64,
}

struct Timer {
    tick: u64,
    number: u64,
    waker: Waker,
    slot: Slot,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    wheel: u8,
    index: u8,
}

struct Wheel {
    /// Bit n is set while slot n holds a timer.
    occupied: u64,
    slots: [List; SLOTS as usize],
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

/// A timer that left the queue: it fired, was cancelled or the queue was closed.
pub(crate) struct Fired {
    pub(crate) timer: TimerId,
    pub(crate) waker: Waker,
}

impl TimerQueue {
    pub(crate) fn new() -> TimerQueue {
        let wheels = [const { Wheel { occupied: 0, slots: [EMPTY; SLOTS as usize] } }; WHEELS];
        TimerQueue { timers: Slab::new(), wheels, elapsed: 0, numbered: 0 }
    }

    /// The tick at which a deadline has surely passed: rounded up, so that no timer is early.
    pub(crate) fn tick(epoch: Instant, deadline: Instant) -> u64 {
        let time = deadline.saturating_duration_since(epoch);
        (ticks(time) + u64::from(!time.subsec_nanos().is_multiple_of(TICK_NANOS))).min(LAST)
    }

    /// The last tick that has wholly passed: rounded down, for the same reason.
    pub(crate) fn ticks_passed(epoch: Instant, now: Instant) -> u64 {
        ticks(now.saturating_duration_since(epoch))
    }

    /// When a tick has passed.
    pub(crate) fn instant(epoch: Instant, tick: u64) -> Instant {
        epoch + Duration::from_micros(tick.saturating_mul(u64::from(TICK_NANOS / 1000)))
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Sets a timer and returns its key; `None` if the tick has passed already.
    pub(crate) fn insert(&mut self, tick: u64, waker: Waker) -> Option<(u32, TimerId)> {
        if tick <= self.elapsed {
            return None;
        }
        self.numbered += 1;
        let slot = self.slot_for(tick);
        let key = self.timers.insert(Timer { tick, number: self.numbered, waker, slot, before: NONE, after: NONE });
        let key = u32::try_from(key).ok().filter(|key| *key != NONE).expect("2³² timers are set");
        self.link(key, slot);
        Some((key, TimerId(self.numbered)))
    }

    /// The waker of a timer that has not fired.
    pub(crate) fn get(&mut self, key: u32, tick: u64) -> Option<&mut Waker> {
        if tick <= self.elapsed {
            return None; // fired: the key may be another's by now
        }
        self.timers.get_mut(key as usize).map(|timer| &mut timer.waker)
    }

    /// Takes a timer out; `None` if it has fired.
    pub(crate) fn cancel(&mut self, key: u32, tick: u64) -> Option<Fired> {
        if tick <= self.elapsed || !self.timers.contains(key as usize) {
            return None;
        }
        self.unlink(key);
        Some(self.remove(key))
    }

    /// Until when there is surely nothing to do: the next deadline; or, where it would take long to
    /// find among many, the beginning of the slot that it is in.
    pub(crate) fn next(&self) -> Option<u64> {
        let (slot, start) = self.next_slot()?;
        let mut earliest = u64::MAX;
        let mut key = self.wheels[usize::from(slot.wheel)].slots[usize::from(slot.index)].first;
        for _ in 0..LOOKED_AT {
            let timer = &self.timers[key as usize];
            earliest = earliest.min(timer.tick);
            key = timer.after;
            if key == NONE {
                return Some(earliest);
            }
        }
        Some(start)
    }

    /// Lets time pass until `now` and takes out the timers that are due, in the order of their
    /// ticks.
    pub(crate) fn advance(&mut self, now: u64, fired: &mut Vec<Fired>) {
        while let Some((slot, start)) = self.next_slot().filter(|(_, start)| *start <= now) {
            self.elapsed = self.elapsed.max(start);
            let wheel = &mut self.wheels[usize::from(slot.wheel)];
            let list = std::mem::replace(&mut wheel.slots[usize::from(slot.index)], EMPTY);
            wheel.occupied &= !(1 << slot.index);
            let mut key = list.first;
            while key != NONE {
                let timer = &self.timers[key as usize];
                let (tick, after) = (timer.tick, timer.after);
                if tick <= self.elapsed {
                    fired.push(self.remove(key));
                } else {
                    let lower = self.slot_for(tick);
                    self.link(key, lower);
                }
                key = after;
            }
        }
        self.elapsed = self.elapsed.max(now);
        if self.timers.is_empty() && self.timers.capacity() > 1 << 16 {
            self.timers.shrink_to_fit(); // a burst is over: give its memory back
        }
    }

    /// Takes out every timer: nobody will turn the wheels again.
    pub(crate) fn close(&mut self) -> Vec<Fired> {
        let left = std::mem::take(&mut self.timers);
        *self = TimerQueue { elapsed: self.elapsed, numbered: self.numbered, ..TimerQueue::new() };
        left.into_iter().map(|(_, timer)| Fired { timer: TimerId(timer.number), waker: timer.waker }).collect()
    }

    /// The first occupied slot, and the tick at which it begins. Whatever is in a lower wheel comes
    /// before all that is in an upper one.
    fn next_slot(&self) -> Option<(Slot, u64)> {
        let wheel = self.wheels.iter().position(|wheel| wheel.occupied != 0)?;
        let shift = SLOT_BITS * wheel as u32;
        // All timers of a wheel share the bits above it with the present tick, and come later in it.
        let index = u64::from(self.wheels[wheel].occupied.trailing_zeros());
        let turn = self.elapsed >> shift >> SLOT_BITS << SLOT_BITS;
        Some((Slot { wheel: wheel as u8, index: index as u8 }, (turn | index) << shift))
    }

    /// Where a timer belongs, seen from the present tick.
    fn slot_for(&self, tick: u64) -> Slot {
        let highest_difference = 63 - ((self.elapsed ^ tick) | 1).leading_zeros();
        let wheel = highest_difference / SLOT_BITS;
        let index = tick >> (SLOT_BITS * wheel) & (SLOTS - 1);
        Slot { wheel: wheel as u8, index: index as u8 }
    }

    fn link(&mut self, key: u32, slot: Slot) {
        let wheel = &mut self.wheels[usize::from(slot.wheel)];
        wheel.occupied |= 1 << slot.index;
        let list = &mut wheel.slots[usize::from(slot.index)];
        let last = std::mem::replace(&mut list.last, key);
        match last {
            NONE => list.first = key,
            last => self.timers[last as usize].after = key,
        }
        let timer = &mut self.timers[key as usize];
        (timer.slot, timer.before, timer.after) = (slot, last, NONE);
    }

    fn unlink(&mut self, key: u32) {
        let Timer { slot, before, after, .. } = self.timers[key as usize];
        let wheel = &mut self.wheels[usize::from(slot.wheel)];
        let list = &mut wheel.slots[usize::from(slot.index)];
        match before {
            NONE => list.first = after,
            before => self.timers[before as usize].after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.timers[after as usize].before = before,
        }
        if list.first == NONE {
            wheel.occupied &= !(1 << slot.index);
        }
    }

    fn remove(&mut self, key: u32) -> Fired {
        let Timer { number, waker, .. } = self.timers.remove(key as usize);
        Fired { timer: TimerId(number), waker }
    }
}

fn ticks(time: Duration) -> u64 {
    let seconds = time.as_secs().min(LAST / TICKS_PER_SECOND);
    seconds * TICKS_PER_SECOND + u64::from(time.subsec_nanos() / TICK_NANOS)
}
