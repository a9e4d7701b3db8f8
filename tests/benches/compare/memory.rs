//! Rows about the memory of a task that waits, and the allocator that counts it.

use crate::harness::Scale;
use crate::rt::Rt;
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// The system's allocator, which counts live bytes while a row of this file runs. For all other rows
/// it adds a branch.
pub(crate) struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is passed to `System` unchanged; the counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(charged(layout.size()));
        // SAFETY: the caller keeps `alloc`'s contract, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(charged(layout.size()));
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is the same there.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-charged(layout.size()));
        // SAFETY: the pointer came from `System`, as all of ours do.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(charged(size) - charged(layout.size()));
        // SAFETY: the pointer came from `System`, as all of ours do.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(bytes: i64) {
    if COUNTS.load(Ordering::Relaxed) {
        LIVE.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What glibc's malloc takes for a request: eight bytes of its own, in steps of 16, at least 32.
fn charged(size: usize) -> i64 {
    ((size + 8).next_multiple_of(16)).max(32) as i64
}

/// Runs `row` with the allocator counting.
fn counted<T>(row: impl FnOnce() -> T) -> T {
    COUNTS.store(true, Ordering::Relaxed);
    let result = row();
    COUNTS.store(false, Ordering::Relaxed);
    result
}

/// Spawns detached tasks until `tasks` of them wait. Returns the bytes that each of them took.
///
/// The tasks are spawned in small batches, which run in between. Otherwise the run queue's room for all of
/// them at once would be counted too, in those runtimes that allocate it.
async fn bytes_each<R: Rt, F>(tasks: usize, waiting: impl Fn() -> usize, make: impl Fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    const BATCH: usize = 1_000;
    let before = LIVE.load(Ordering::Relaxed);
    for spawned in 0..tasks {
        R::detach(R::spawn(make()));
        while spawned % BATCH == 0 && waiting() <= spawned {
            R::yield_now().await;
        }
    }
    while waiting() < tasks {
        R::yield_now().await;
    }
    (LIVE.load(Ordering::Relaxed) - before) as f64 / tasks as f64
}

/// A million tasks, each of which holds a pointer and waits: this counts the runtime's own share, nothing else.
pub(crate) fn bare<R: Rt>(scale: Scale) -> Vec<f64> {
    let tasks = scale.of(1_000_000);
    counted(|| {
        R::block_on(async {
            let room = Arc::new(Room::new(tasks));
            let bytes = bytes_each::<R, _>(tasks, || room.waiting(), || Wait(room.clone())).await;
            room.open();
            while Arc::strong_count(&room) > 1 {
                R::yield_now().await;
            }
            vec![bytes]
        })
    })
}

/// Where tasks wait together. It has room for the wakers of all tasks before the counting begins.
struct Room {
    open: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Room {
    fn new(places: usize) -> Room {
        Room { open: AtomicBool::new(false), wakers: Mutex::new(Vec::with_capacity(places)) }
    }

    fn waiting(&self) -> usize {
        self.wakers.lock().unwrap().len()
    }

    fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
    }
}

struct Wait(Arc<Room>);

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.open.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.0.wakers.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }
}

/// A million tasks that wait for the same channel, as idle workers do. For all three runtimes, this also
/// counts what the channel keeps for each of them, and the room that its future takes in the task.
pub(crate) fn channel<R: Rt>(scale: Scale) -> Vec<f64> {
    let tasks = scale.of(1_000_000);
    counted(|| {
        R::block_on(async {
            let (sender, receiver) = async_channel::bounded::<()>(1);
            let started = Arc::new(AtomicUsize::new(0));
            let make = || {
                let (receiver, started) = (receiver.clone(), started.clone());
                async move {
                    started.fetch_add(1, Ordering::Relaxed);
                    drop(started);
                    assert!(receiver.recv().await.is_err(), "nothing is sent");
                }
            };
            let bytes = bytes_each::<R, _>(tasks, || started.load(Ordering::Relaxed), make).await;
            sender.close();
            while sender.receiver_count() > 1 {
                R::yield_now().await;
            }
            vec![bytes]
        })
    })
}

/// The same with each runtime's own semaphore.
pub(crate) fn semaphore<R: Rt>(scale: Scale) -> Vec<f64> {
    let tasks = scale.of(1_000_000);
    counted(|| {
        R::block_on(async {
            let semaphore = Arc::new(R::semaphore());
            let started = Arc::new(AtomicUsize::new(0));
            let make = || {
                let (semaphore, started) = (semaphore.clone(), started.clone());
                async move {
                    started.fetch_add(1, Ordering::Relaxed);
                    drop(started);
                    R::acquire(&semaphore).await;
                }
            };
            let bytes = bytes_each::<R, _>(tasks, || started.load(Ordering::Relaxed), make).await;
            R::add_permits(&semaphore, 1); // the permit goes from one task to the next
            while Arc::strong_count(&semaphore) > 1 {
                R::yield_now().await;
            }
            vec![bytes]
        })
    })
}
