//! What a file under the model checker uses instead of std's: the counterpart of `executor/src/shim.rs`.
//!
//! Its cells have the interface of [`loom::cell::UnsafeCell`]: `with` and `with_mut` take a closure. For the same file
//! to compile without loom, wrap std's as `executor/src/shim.rs` does.

pub use loom::sync::atomic::{Ordering, fence};
pub use loom::sync::{Condvar, MutexGuard, RwLock};

use crate::steps::{change, push};
use loom::sync::atomic;
use std::ops::Deref;
use std::panic::Location;
use std::sync::LockResult;

/// The value of an atomic as a number.
trait Word: Copy {
    fn word(self) -> u64;
}

/// Defines a comparison and exchange.
macro_rules! exchange {
    ($name:ident: $value:ty) => {
        #[track_caller]
        pub fn $name(
            &self,
            current: $value,
            new: $value,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$value, $value> {
            let (result, at) = (self.0.$name(current, new, success, failure), Location::caller());
            push(|| exchanged(result, new, at), Some(at));
            result
        }
    };
}

/// Defines atomics that are loom's and note the operations of the checked files.
macro_rules! noted {
    ($($name:ident $(<$of:ident>)?: $value:ty $(, $operation:ident = $result:expr)*;)*) => {$(
        /// As loom's, and notes its operations as [steps](crate::steps).
        #[derive(Debug)]
        pub struct $name$(<$of>)?(atomic::$name$(<$of>)?);

        impl$(<$of>)? Deref for $name$(<$of>)? {
            type Target = atomic::$name$(<$of>)?;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl$(<$of>)? Default for $name$(<$of>)? {
            fn default() -> Self {
                Self(Default::default())
            }
        }

        #[allow(missing_docs, clippy::missing_errors_doc)] // as std's
        impl$(<$of>)? $name$(<$of>)? {
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let (value, at) = (self.0.load(order), Location::caller());
                push(|| format!("load: {}", change(value.word(), value.word(), at)), Some(at));
                value
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let at = Location::caller();
                self.0.store(value, order);
                push(|| format!("store: {}", change(value.word(), value.word(), at)), Some(at));
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let (before, at) = (self.0.swap(value, order), Location::caller());
                push(|| format!("swap: {}", change(before.word(), value.word(), at)), Some(at));
                before
            }

            exchange!(compare_exchange: $value);
            exchange!(compare_exchange_weak: $value);

            #[track_caller]
            pub fn fetch_update<F>(
                &self,
                success: Ordering,
                failure: Ordering,
                mut update: F,
            ) -> Result<$value, $value>
            where
                F: FnMut($value) -> Option<$value>,
            {
                let (mut new, at) = (None, Location::caller());
                let result = self.0.fetch_update(success, failure, |value| {
                    new = update(value);
                    new
                });
                let after = |value: $value| new.map_or(value, |new| new);
                push(|| exchanged(result, result.map_or_else(|value| value, after), at), Some(at));
                result
            }

            $(
                #[track_caller]
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    let (before, at) = (self.0.$operation(value, order), Location::caller());
                    let after: fn($value, $value) -> $value = $result;
                    let what = || change(before.word(), after(before, value).word(), at);
                    push(|| format!("{}: {}", stringify!($operation), what()), Some(at));
                    before
                }
            )*
        }
    )*};
}

fn exchanged<V: Word>(result: Result<V, V>, new: V, at: &'static Location<'static>) -> String {
    match result {
        Ok(before) => format!("exchange: {}", change(before.word(), new.word(), at)),
        Err(other) => format!("exchange fails: {}", change(other.word(), other.word(), at)),
    }
}

/// Defines atomic integers.
macro_rules! integers {
    ($($name:ident: $value:ty;)*) => {
        noted! {$(
            $name: $value,
                fetch_add = |before, value| before.wrapping_add(value),
                fetch_sub = |before, value| before.wrapping_sub(value),
                fetch_or = |before, value| before | value,
                fetch_and = |before, value| before & value;
        )*}
        $(impl Word for $value {
            fn word(self) -> u64 {
                self as u64
            }
        })*
    };
}

integers! {
    AtomicI32: i32;
    AtomicI64: i64;
    AtomicIsize: isize;
    AtomicU8: u8;
    AtomicU16: u16;
    AtomicU32: u32;
    AtomicU64: u64;
    AtomicUsize: usize;
}
noted! {
    AtomicBool: bool, fetch_or = |before, value| before | value, fetch_and = |before, value| before & value;
    AtomicPtr<T>: *mut T;
}

impl Word for bool {
    fn word(self) -> u64 {
        self.into()
    }
}

impl<T> Word for *mut T {
    fn word(self) -> u64 {
        self.addr() as u64
    }
}

/// As loom's, and notes each access: two that nothing orders are a race.
#[derive(Debug)]
pub struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// As loom's.
    pub fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(loom::cell::UnsafeCell::new(value))
    }

    /// As loom's.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        push(|| "reads a cell".to_owned(), Some(Location::caller()));
        self.0.with(f)
    }

    /// As loom's.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        push(|| "writes a cell".to_owned(), Some(Location::caller()));
        self.0.with_mut(f)
    }
}

/// As loom's, and notes when it is locked.
#[derive(Debug, Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// As std's.
    pub fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    /// As std's.
    ///
    /// # Errors
    /// As std's.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let (guard, at) = (self.0.lock(), Location::caller());
        push(|| "locks".to_owned(), Some(at));
        guard
    }
}

/// The budget of a poll, which is never spent: no task of a model works so long that it would have to let others run.
pub mod budget {
    use std::task::{Context, Poll};

    pub use reactor::budget::Deferral;

    /// Always `false`.
    pub fn is_spent() -> bool {
        false
    }

    /// Always ready: the task may continue.
    pub fn poll_proceed(_: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Takes nothing.
    pub fn spend() {}

    /// Takes nothing, and always succeeds.
    pub fn try_take() -> bool {
        true
    }

    /// Takes nothing.
    pub async fn take() {}

    /// What [`enter`] returns.
    #[derive(Debug)]
    #[must_use = "a budget ends with this"]
    pub struct Entered;

    /// Changes nothing.
    pub fn enter() -> Entered {
        Entered
    }
}

/// Makes a cell of a union and leaves the union uninitialized: loom's cell has state besides its value.
///
/// # Safety
/// There is room for the cell, and `T` is a union.
pub unsafe fn make_vacant<T>(cell: *mut UnsafeCell<T>) {
    // SAFETY: there is room for the cell, and a union may be uninitialized.
    unsafe {
        #[expect(clippy::uninit_assumed_init, reason = "T is a union")]
        cell.write(UnsafeCell::new(std::mem::MaybeUninit::uninit().assume_init()));
    }
}

/// As [`std::thread_local`], with a `const` initializer, which std's macro accepts and loom's does not.
#[doc(hidden)]
#[macro_export]
macro_rules! model_thread_local {
    ($(#[$meta:meta])* static $name:ident: $type:ty = const { $value:expr };) => {
        $crate::loom::thread_local! { $(#[$meta])* static $name: $type = $value; }
    };
}
pub use crate::model_thread_local as thread_local;

/// Runs a unit test of a checked file. Loom's types work only inside a model.
#[doc(hidden)]
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    crate::every_interleaving(body);
}
