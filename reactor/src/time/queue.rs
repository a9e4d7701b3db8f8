//! The timer queue: a hierarchical timing wheel.
//!
//! Time is divided into [`Ticks`]: of 250 µs on the system's clock, of a nanosecond on a simulated one, which is exact.
//! Each wheel has 64 slots. A slot of the lowest wheel holds the timers of one tick, a slot of the next those of 64
//! ticks, and so on. A timer goes into the wheel of the highest 6 bits in which its tick differs from the current one.
//! When time reaches a slot of an upper wheel, its timers move down to the wheels where they now belong.
//!
//! ```text
//! wheel 2   │ 4096 ticks a slot │ 1.02 s … 65.5 s away
//! wheel 1   │   64 ticks a slot │  16 ms … 1.02 s
//! wheel 0   │    1 tick  a slot │ 250 µs … 16 ms       each slot: a vector of (tick, key)
//! ```
//!
//! Setting and cancelling a timer touch one slot, in constant time: the position of each timer in its slot is known,
//! and the last timer of the slot fills the gap. A timer moves down at most once for each wheel below its first. One
//! word for each wheel says which slots are occupied, so a bit scan finds the next deadline, however far away. Timers
//! of one tick fire in the order in which they were set.
//!
//! The slots are vectors rather than lists, because walking a list of a million timers costs one cache miss after the
//! other.
//!
//! After George Varghese and Tony Lauck, "Hashed and Hierarchical Timing Wheels", 1987.
//!
//! Used only by `timers.rs`, under its lock. No foreign code runs here.

use super::ticks::Ticks;
use crate::observer::TimerId;
use slab::Slab;
use std::task::Waker;

const SLOT_BITS: u32 = 6;
const SLOTS: u64 = 1 << SLOT_BITS;
/// The most timers of a slot that are compared to find the earliest.
const LOOKED_AT: usize = 8;
/// The most timers for which an empty slot keeps its memory.
const KEPT: usize = 64;

pub(crate) struct TimerQueue {
    pub(crate) ticks: Ticks,
    timers: Slab<Timer>,
    /// The position of each timer in its slot, by its key.
    at: Vec<u32>,
    /// As many as the latest deadline so far has needed. Each takes 1.5 KiB.
    wheels: Vec<Wheel>,
    /// The current tick: all timers up to it have fired; all others are later.
    pub(crate) elapsed: u64,
    /// How many timers were set so far.
    numbered: u64,
}

struct Timer {
    number: u64,
    waker: Waker,
}

struct Wheel {
    /// Bit n is set while slot n holds a timer.
    occupied: u64,
    slots: [Vec<Entry>; SLOTS as usize],
}

impl Wheel {
    fn new() -> Wheel {
        Wheel { occupied: 0, slots: [const { Vec::new() }; SLOTS as usize] }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    tick: u64,
    key: u32,
}

/// A timer that left the queue: it fired, was cancelled or the queue was closed.
pub(crate) struct Fired {
    pub(crate) timer: TimerId,
    pub(crate) waker: Waker,
}

impl TimerQueue {
    pub(crate) fn new(ticks: Ticks) -> TimerQueue {
        TimerQueue { ticks, timers: Slab::new(), at: Vec::new(), wheels: Vec::new(), elapsed: 0, numbered: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Sets a timer and returns its key. If the tick has passed already, returns the waker, because it must not be
    /// dropped under the lock.
    pub(crate) fn insert(&mut self, tick: u64, waker: Waker) -> Result<(u32, TimerId), Waker> {
        if tick <= self.elapsed {
            return Err(waker);
        }
        self.numbered += 1;
        let key = self.timers.insert(Timer { number: self.numbered, waker });
        if key == self.at.len() {
            self.at.push(0);
        }
        let key = u32::try_from(key).expect("2³² timers are set");
        self.put(Entry { tick, key });
        Ok((key, TimerId(self.numbered)))
    }

    /// The waker of a timer that has not fired.
    pub(crate) fn get(&mut self, key: u32, tick: u64) -> Option<&mut Waker> {
        if tick <= self.elapsed {
            return None; // fired: the key may be another's by now
        }
        self.timers.get_mut(key as usize).map(|timer| &mut timer.waker)
    }

    /// Removes a timer; `None` if it has fired.
    pub(crate) fn cancel(&mut self, key: u32, tick: u64) -> Option<Fired> {
        if tick <= self.elapsed || !self.timers.contains(key as usize) {
            return None;
        }
        let (wheel, index) = self.slot_of(tick);
        let (wheel, at) = (&mut self.wheels[wheel], self.at[key as usize]);
        wheel.slots[index].swap_remove(at as usize);
        match wheel.slots[index].get(at as usize) {
            Some(moved) => self.at[moved.key as usize] = at,
            None if wheel.slots[index].is_empty() => wheel.occupied &= !(1 << index),
            None => {}
        }
        Some(self.remove(key))
    }

    /// The tick until which there is nothing to do: the next deadline; or the beginning of its slot, if it would take
    /// long to find among many.
    pub(crate) fn next(&self) -> Option<u64> {
        let (wheel, index, start) = self.next_slot()?;
        let slot = &self.wheels[wheel].slots[index];
        if slot.len() > LOOKED_AT { Some(start) } else { slot.iter().map(|entry| entry.tick).min() }
    }

    /// Moves the current tick to `now` and removes the timers that are due, in the order of their ticks.
    pub(crate) fn advance(&mut self, now: u64, fired: &mut Vec<Fired>) {
        while let Some((wheel, index, start)) = self.next_slot().filter(|(.., start)| *start <= now) {
            self.elapsed = self.elapsed.max(start);
            let mut slot = std::mem::take(&mut self.wheels[wheel].slots[index]);
            self.wheels[wheel].occupied &= !(1 << index);
            let before = fired.len();
            for entry in slot.drain(..) {
                match entry.tick <= self.elapsed {
                    true => fired.push(self.remove(entry.key)),
                    false => self.put(entry),
                }
            }
            fired[before..].sort_by_key(|fired| fired.timer); // they are sorted already, unless one was cancelled
            if slot.capacity() <= KEPT {
                self.wheels[wheel].slots[index] = slot;
            }
        }
        self.elapsed = self.elapsed.max(now);
        if self.timers.is_empty() && self.timers.capacity() > 1 << 16 {
            (self.timers, self.at) = Default::default(); // a burst is over: free its memory
        }
    }

    /// Removes every timer. Called when the reactor is dropped.
    pub(crate) fn close(&mut self) -> Vec<Fired> {
        let left = std::mem::take(&mut self.timers);
        *self = TimerQueue { elapsed: self.elapsed, numbered: self.numbered, ..TimerQueue::new(self.ticks) };
        left.into_iter().map(|(_, timer)| Fired { timer: TimerId(timer.number), waker: timer.waker }).collect()
    }

    /// The first occupied slot, and the tick at which it begins. All timers in a lower wheel are earlier than those in
    /// an upper one.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let wheel = self.wheels.iter().position(|wheel| wheel.occupied != 0)?;
        let shift = SLOT_BITS * wheel as u32;
        // All timers of a wheel share the bits above it with the current tick, and have a higher index in it.
        let index = u64::from(self.wheels[wheel].occupied.trailing_zeros());
        let turn = self.elapsed >> shift >> SLOT_BITS << SLOT_BITS;
        Some((wheel, index as usize, (turn | index) << shift))
    }

    /// The wheel and the slot of a tick, seen from the current one. Time does not pass an occupied slot, so a timer of
    /// this tick that was set earlier is there, too.
    fn slot_of(&self, tick: u64) -> (usize, usize) {
        slot_from(self.elapsed, tick)
    }

    #[inline(always)] // out of line, setting a timer takes thirty more instructions
    fn put(&mut self, entry: Entry) {
        let (wheel, index) = self.slot_of(entry.tick);
        if wheel >= self.wheels.len() {
            self.add_wheels(wheel + 1);
        }
        let wheel = &mut self.wheels[wheel];
        wheel.occupied |= 1 << index;
        self.at[entry.key as usize] = wheel.slots[index].len() as u32;
        wheel.slots[index].push(entry);
    }

    #[cold]
    fn add_wheels(&mut self, wheels: usize) {
        self.wheels.resize_with(wheels, Wheel::new);
    }

    fn remove(&mut self, key: u32) -> Fired {
        let Timer { number, waker } = self.timers.remove(key as usize);
        Fired { timer: TimerId(number), waker }
    }
}

/// The wheel and the slot of a tick, seen from the tick `elapsed`.
#[inline]
pub(crate) fn slot_from(elapsed: u64, tick: u64) -> (usize, usize) {
    let highest_difference = 63 - ((elapsed ^ tick) | 1).leading_zeros();
    let wheel = highest_difference / SLOT_BITS;
    (wheel as usize, (tick >> (SLOT_BITS * wheel) & (SLOTS - 1)) as usize)
}
