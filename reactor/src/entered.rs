//! Values that are entered on a thread, as a reactor or a simulated host is. The one that was entered last is current.
//!
//! Guards may be dropped in any order, also by the destructor of a thread-local. Each guard removes its own entry, so
//! the current value is always one whose guard still lives.
//!
//! Used by `handle.rs` and `backend/simulation/network.rs`.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

/// The values that are entered on one thread, in the order of entering.
///
/// It has no destructor, so that a thread-local of this type can be used as long as its thread runs. The memory is
/// freed when the last entry is removed.
pub(crate) struct Entries<T>(ManuallyDrop<RefCell<Vec<Entry<T>>>>);

struct Entry<T> {
    /// Larger than the numbers of all entries before it.
    number: u64,
    value: T,
}

impl<T: 'static> Entries<T> {
    pub(crate) const fn new() -> Entries<T> {
        Entries(ManuallyDrop::new(RefCell::new(Vec::new())))
    }

    /// Makes a value the current one until the guard is dropped.
    pub(crate) fn enter(this: &'static LocalKey<Entries<T>>, value: T) -> Guard<T> {
        this.with(|Entries(entries)| {
            let mut entries = entries.borrow_mut();
            let number = entries.last().map_or(0, |last| last.number + 1);
            entries.push(Entry { number, value });
            Guard { entries: this, number, not_send: PhantomData }
        })
    }

    /// Calls `f` with the current value. `f` must not enter or leave.
    #[inline]
    pub(crate) fn with_current<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        f(self.0.borrow().last().map(|entry| &entry.value))
    }
}

/// While it lives, a value is entered on its thread.
pub(crate) struct Guard<T: 'static> {
    entries: &'static LocalKey<Entries<T>>,
    number: u64,
    /// The guard must be dropped on its own thread.
    not_send: PhantomData<*const ()>,
}

impl<T: 'static> Drop for Guard<T> {
    fn drop(&mut self) {
        let gone = self.entries.with(|Entries(entries)| {
            let mut entries = entries.borrow_mut();
            let index = entries.iter().rposition(|entry| entry.number == self.number)?;
            let gone = entries.remove(index);
            if entries.is_empty() {
                *entries = Vec::new();
            }
            Some(gone)
        });
        drop(gone); // outside of the borrow: the last handle of a reactor drops a backend, which is foreign code
    }
}
