//! Keeps threads that take turns on one processor.
//!
//! If a client and a server wait for each other all the time, the cost of a round trip depends on whether the
//! scheduler runs them on one processor or on two: it is four times as high on two, which go idle in between.
//! The scheduler's choice changes from one second to the next.

use std::io;

/// A set of processors as the kernel reads it: bit n of the whole is processor n.
type Set = [u64; 16];

unsafe extern "C" {
    fn sched_getaffinity(thread: i32, size: usize, set: *mut Set) -> i32;
    fn sched_setaffinity(thread: i32, size: usize, set: *const Set) -> i32;
}

/// The calling thread, and those that it starts, stay on one processor until this is dropped.
pub(crate) struct OneCpu {
    before: Set,
}

impl OneCpu {
    pub(crate) fn enter() -> io::Result<OneCpu> {
        let mut before = [0; 16];
        // SAFETY: the pointer is to as many bytes as the size says; 0 is the calling thread.
        if unsafe { sched_getaffinity(0, size_of::<Set>(), &mut before) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut one = [0; 16];
        if let Some(at) = before.iter().position(|word| *word != 0) {
            one[at] = before[at] & before[at].wrapping_neg(); // the lowest bit
        }
        set(&one)?;
        Ok(OneCpu { before })
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        let _ = set(&self.before); // it was allowed before
    }
}

fn set(processors: &Set) -> io::Result<()> {
    // SAFETY: as in `enter`.
    match unsafe { sched_setaffinity(0, size_of::<Set>(), processors) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
