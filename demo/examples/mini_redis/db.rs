//! The keys, their values and their deadlines.
//!
//! From its deadline on, a key is gone for every command. The task in `expiry.rs` removes it right after, so that its
//! memory is freed even if no command names the key again.

use crate::large::Part;
use executor::leaf;
use executor::time::{Instant, now};
// std's hasher resists any attack, at a cost that shows in the benchmark. This one has secret seeds too, which is a weaker
// defence, and takes a few nanoseconds.
use foldhash::fast::RandomState;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Keys that are removed before other tasks may run.
const SWEEP: usize = 256;
/// A table with room for fewer keys is never shrunk.
const SMALL: usize = 1024;

type Name = Rc<[u8]>;

#[derive(Default)]
pub struct Db {
    entries: HashMap<Name, Entry, RandomState>,
    /// The keys with a deadline, the soonest first.
    deadlines: BTreeSet<(Instant, Name)>,
    /// A deadline was set that is sooner than all others.
    sooner: bool,
    /// The waker of the task that removes keys.
    waker: Option<Waker>,
}

/// The value of a key.
pub enum Value {
    Small(Box<[u8]>),
    Large(Box<Part>),
}

/// A value to store.
pub enum NewValue<'a> {
    Copied(&'a [u8]),
    /// A large value, which is kept without copying.
    Kept(Part),
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Value::Small(bytes) => bytes,
            Value::Large(part) => part,
        }
    }
}

impl From<NewValue<'_>> for Value {
    fn from(value: NewValue<'_>) -> Value {
        match value {
            NewValue::Copied(bytes) => Value::Small(bytes.into()),
            NewValue::Kept(part) => Value::Large(Box::new(part)),
        }
    }
}

struct Entry {
    value: Value,
    deadline: Cell<Option<Instant>>,
}

impl Entry {
    /// Reads the clock only if there is a deadline.
    fn is_live(&self) -> bool {
        self.deadline.get().is_none_or(|deadline| now() < deadline)
    }
}

/// The deadline of a value that is set.
#[derive(Clone, Copy)]
pub enum Expiry {
    Never,
    At(Instant),
    /// The deadline of the value that it replaces.
    Keep,
}

impl Db {
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.live(key).map(|entry| &entry.value)
    }

    /// The deadline of a key, if it has one; `None` if there is no such key.
    pub fn deadline(&self, key: &[u8]) -> Option<Option<Instant>> {
        self.live(key).map(|entry| entry.deadline.get())
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let Some(entry) = self.entries.get_mut(key) else { return self.insert(key, value, expiry) };
        let deadline = match expiry {
            Expiry::Keep if entry.is_live() => entry.deadline.get(),
            Expiry::Keep | Expiry::Never => None,
            Expiry::At(deadline) => Some(deadline),
        };
        let moved = deadline != entry.deadline.get();
        match (&mut entry.value, value) {
            // Reuses the memory.
            (Value::Small(old), NewValue::Copied(new)) if old.len() == new.len() => old.copy_from_slice(new),
            (old, new) => *old = new.into(),
        }
        if moved {
            self.set_deadline(key, deadline);
        }
    }

    fn insert(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        self.entries.insert(key.into(), Entry { value: value.into(), deadline: Cell::default() });
        if let Expiry::At(deadline) = expiry {
            self.set_deadline(key, Some(deadline));
        }
    }

    /// Changes the deadline of an existing key.
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<Instant>) {
        let Some((name, entry)) = self.entries.get_key_value(key) else { return };
        if let Some(before) = entry.deadline.replace(deadline) {
            self.deadlines.remove(&(before, name.clone()));
        }
        let Some(deadline) = deadline else { return };
        if self.next_deadline().is_none_or(|next| deadline < next) {
            self.sooner = true;
            self.waker.take().into_iter().for_each(Waker::wake);
        }
        self.deadlines.insert((deadline, name.clone()));
    }

    /// Removes a key. Returns whether it existed.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some((name, entry)) = self.entries.remove_entry(key) else { return false };
        let live = entry.is_live();
        if let Some(deadline) = entry.deadline.get() {
            self.deadlines.remove(&(deadline, name));
        }
        self.shrink();
        live
    }

    pub fn clear(&mut self) {
        self.entries = HashMap::default();
        self.deadlines.clear();
    }

    fn live(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live())
    }

    /// Removes some keys whose deadline has passed. Returns whether there may be more.
    pub fn sweep(&mut self, now: Instant) -> bool {
        for _ in 0..SWEEP {
            if self.next_deadline().is_none_or(|next| now < next) {
                return false;
            }
            if let Some((_, name)) = self.deadlines.pop_first() {
                self.entries.remove(&name);
                self.shrink();
            }
        }
        true
    }

    /// The soonest deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Shrinks a table that has become far too large. This is rare enough to cost nothing on average.
    fn shrink(&mut self) {
        let (length, room) = (self.entries.len(), self.entries.capacity());
        if room > SMALL && length < room / 8 {
            self.entries.shrink_to(length * 2);
        }
    }

    /// Ready when a deadline was set that is sooner than all others.
    pub fn poll_sooner(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.sooner) {
            return Poll::Ready(());
        }
        self.waker = Some(cx.waker().clone());
        leaf::pending(|| "a key with a sooner deadline".into());
        Poll::Pending
    }
}
