//! A primitive under the model checker [`loom`], which runs a test once for every way in which threads may take turns
//! and see each other's writes.
//!
//! Loom sees only its own atomics, locks and cells. So a file that is to be checked takes them from a module `shim` at
//! the root of its crate, and names no other ones:
//!
//! ```text
//! src/shim.rs       pub(crate) use std::sync::{Mutex, atomic::{AtomicBool, Ordering}};
//! src/flag.rs       use crate::shim::{AtomicBool, Mutex, Ordering};
//! src/lib.rs        mod shim; pub mod flag;
//! tests/models.rs   use tests::model::shim;                  // instead of src/shim.rs
//!                   #[path = "../src/flag.rs"] mod flag;     // the same file, compiled once more
//! ```
//!
//! There is no `cfg` in the file and no second build of the crate, and what is checked is the very file that runs. The
//! executor is checked in this way: its `src/shim.rs` is short, and `tests/loom/main.rs` in this crate compiles
//! `task/`, `sync/` and `run_queue.rs` against [`shim`]. A scheduler of your own can be checked together with them:
//! give the path to `executor/src/task/mod.rs` in your clone, too. The crate in `tests/example/` is a whole example.
//!
//! Crates outside of this workspace depend on `tests` and name this crate `tests::model`:
//!
//! ```toml
//! [dev-dependencies]
//! tests = { path = "path/to/the/clone/tests", default-features = false, features = ["model"] }
//!
//! [profile.dev.package.loom] # the checker is slow without
//! opt-level = 3
//! [profile.dev.package.generator]
//! opt-level = 3
//! ```
//!
//! A flag that a task waits for, and its model:
//!
//! ```
//! use models::{block_on, every_interleaving, loom::thread, shim};
//!
//! // In a crate of its own, this is src/flag.rs, and says `crate::shim`.
//! mod flag {
//!     use crate::shim::{AtomicBool, Mutex, Ordering};
//!     use std::{future::poll_fn, task::{Poll, Waker}};
//!
//!     pub struct Flag { is_set: AtomicBool, waiter: Mutex<Option<Waker>> }
//!
//!     impl Flag {
//!         pub fn new() -> Flag {
//!             Flag { is_set: AtomicBool::new(false), waiter: Mutex::new(None) }
//!         }
//!
//!         pub async fn wait(&self) {
//!             poll_fn(|cx| {
//!                 // The other way round, a set between the two would be lost: loom finds that.
//!                 *self.waiter.lock().unwrap() = Some(cx.waker().clone());
//!                 if self.is_set.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
//!             })
//!             .await;
//!             self.waiter.lock().unwrap().take();
//!         }
//!
//!         pub fn set(&self) {
//!             self.is_set.store(true, Ordering::SeqCst);
//!             let waker = self.waiter.lock().unwrap().take();
//!             waker.into_iter().for_each(Waker::wake);
//!         }
//!     }
//! }
//!
//! fn main() {
//!     every_interleaving(|| {
//!         let flag = std::sync::Arc::new(flag::Flag::new());
//!         let sets = thread::spawn({ let flag = flag.clone(); move || flag.set() });
//!         block_on(flag.wait());
//!         sets.join().unwrap();
//!     });
//! }
//! ```

pub mod shim;
pub mod steps;

pub use loom;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc as LoomArc, Condvar, Mutex};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, Wake, Waker};

/// Runs `body` in every interleaving of its threads. Loom stops at a race on one of its cells, at one of its objects
/// that was never dropped, at a deadlock (which is what a lost wake looks like) and at a panic.
pub fn every_interleaving(body: impl Fn() + Sync + Send + 'static) {
    check(&loom::model::Builder::new(), body);
}

/// Runs `body` in every interleaving with at most this many preemptions of a thread. For models of which a full search
/// would take minutes or more; `LOOM_EVERY=1` in the environment runs the full search nevertheless.
pub fn interleavings_with(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    if std::env::var_os("LOOM_EVERY").is_none() {
        builder.preemption_bound = Some(preemptions);
    }
    check(&builder, body);
}

fn check(builder: &loom::model::Builder, body: impl Fn() + Sync + Send + 'static) {
    steps::report_on_panic();
    builder.check(move || {
        steps::begin();
        body();
    });
}

/// An allocator that overwrites memory when it is freed, so that an access through a dangling pointer reads garbage and
/// fails. Loom does not look for this mistake.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: models::Spoiling = models::Spoiling;
///
/// # fn main() {}
/// ```
pub struct Spoiling;

// SAFETY: it is the system's allocator; it writes only to memory that is no longer in use.
unsafe impl GlobalAlloc for Spoiling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory is valid until the second call.
        unsafe {
            memory.write_bytes(0xa5, layout.size());
            black_box(memory); // otherwise the compiler may omit a write to memory that is freed next
            System.dealloc(memory, layout);
        }
    }
}

/// A value that must be dropped exactly once. Loom reports one that was not; a second drop would be of an `Arc` without
/// references. Two unordered accesses are a race.
pub struct Tracked {
    cell: UnsafeCell<u32>,
    drops: LoomArc<Drops>,
}

/// Counts drops.
pub struct Drops(AtomicUsize);

impl Drops {
    /// A counter at zero.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> LoomArc<Drops> {
        LoomArc::new(Drops(AtomicUsize::new(0)))
    }

    /// The number of drops so far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Tracked {
    /// A value that counts its drop in `drops`.
    pub fn new(drops: &LoomArc<Drops>) -> Tracked {
        Tracked { cell: UnsafeCell::new(0), drops: drops.clone() }
    }

    /// A shared access: other shared ones may happen at the same time, but the drop must come after it.
    pub fn look(&self) {
        self.cell.with(|_| ());
    }

    /// An exclusive access.
    pub fn touch(&self) {
        // SAFETY: loom stops before a concurrent access happens.
        self.cell.with_mut(|count| unsafe { *count += 1 });
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.touch();
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future made of a closure, with a [`Tracked`] inside. Made by [`polled`].
pub struct Polled<F> {
    tracked: Tracked,
    poll: F,
}

/// A future whose polls are calls of `poll`. A poll concurrent with another one, or with the drop, is a race.
pub fn polled<F, T>(drops: &LoomArc<Drops>, poll: F) -> Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T>,
{
    Polled { tracked: Tracked::new(drops), poll }
}

impl<F> Unpin for Polled<F> {}

// SAFETY: loom checks its own types on every thread; everything else that a test puts into the closure is Send.
unsafe impl<F> Send for Polled<F> {}

impl<F, T> Future for Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.tracked.touch(); // a poll concurrent with another one, or with the drop, is a race
        (self.poll)(cx)
    }
}

/// A slot for one waker, which loom does not see: it models a source or a timer that already exists.
#[derive(Default)]
pub struct WakerPlace(StdMutex<Option<Waker>>);

impl WakerPlace {
    /// An empty slot.
    pub fn new() -> Arc<WakerPlace> {
        Arc::default()
    }

    /// Stores the waker and drops the one that was there.
    pub fn leave(&self, cx: &mut Context<'_>) {
        // Wakers are cloned and dropped outside of the lock: loom may change threads there.
        let waker = cx.waker().clone();
        let before = self.0.lock().unwrap().replace(waker);
        drop(before);
    }

    /// Takes the waker.
    ///
    /// # Panics
    /// If there is none.
    pub fn take(&self) -> Waker {
        self.0.lock().unwrap().take().expect("a waker was left")
    }

    /// Drops the waker, if there is one.
    pub fn clear(&self) {
        let waker = self.0.lock().unwrap().take();
        drop(waker);
    }
}

/// Polls a future again whenever it is woken, on this thread, as an executor of one future does.
pub fn block_on<F: Future>(future: F) -> F::Output {
    run(future, false)
}

/// As [`block_on`], with another waker for each poll, as if the future moved between tasks.
pub fn block_on_moving<F: Future>(future: F) -> F::Output {
    run(future, true)
}

fn run<F: Future>(future: F, is_moving: bool) -> F::Output {
    let mut future = pin!(future);
    let bell = Bell::new();
    let mut waker = bell.clone().waker();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.wait();
        if is_moving {
            waker = bell.clone().waker();
        }
    }
}

/// Polls a future once, and then drops it, completed or not.
pub fn poll_once_and_drop<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Is rung by its wakers; several wakes may ring it once. Loom reports a waker of it that is never dropped.
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

/// Each waker is distinct: `will_wake` is false between two of them.
struct BellWaker(LoomArc<Bell>);

// SAFETY: it contains only types of loom, which are made to be shared.
unsafe impl Send for BellWaker {}
// SAFETY: as above.
unsafe impl Sync for BellWaker {}

impl Wake for BellWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        steps::note("calls the waker");
        *self.0.rung.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

impl Bell {
    /// A bell that has not rung.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> LoomArc<Bell> {
        LoomArc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() })
    }

    /// Waits until it has rung since this was called last.
    pub fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// Wakers of a [`Bell`]. A trait, because loom's `Arc` can't be the receiver of a method of `Bell`.
pub trait RingBy {
    /// A waker that rings the bell.
    fn waker(self) -> Waker;
}

impl RingBy for LoomArc<Bell> {
    fn waker(self) -> Waker {
        Arc::new(BellWaker(self)).into()
    }
}
