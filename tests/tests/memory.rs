//! A binary of its own, because its allocator counts all memory in use: the memory of tasks is freed when a burst is
//! over, and when a runtime has ended, whatever held a task last and on whichever thread.

use executor::{JoinHandle, block_on, spawn, yield_now};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::hint::black_box;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

/// The system's allocator, which counts what is in use.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: it is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn in_use() -> isize {
    IN_USE.load(Ordering::SeqCst)
}

/// The memory that a run of `job` leaves in use, after a first run that allocates what is allocated only once.
fn left_by(mut job: impl FnMut()) -> isize {
    job();
    let before = in_use();
    job();
    in_use() - before
}

/// A task whose future is this large, and which sends its waker.
fn large<const BYTES: usize>(wakers: &mpsc::Sender<Waker>) -> JoinHandle<[u8; 3]> {
    let (wakers, bytes) = (wakers.clone(), [1; BYTES]);
    spawn(async move {
        let mut left = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut left, true) {
                return Poll::Ready(());
            }
            wakers.send(cx.waker().clone()).unwrap();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        [black_box(&bytes).len() as u8; 3]
    })
}

/// One test that makes one check after the other: concurrent tests, or the harness between them, would count each
/// other's bytes.
#[test]
fn the_memory_of_completed_tasks_is_freed() {
    the_memory_of_a_burst_of_tasks_is_freed();
    handles_and_wakers_dropped_on_other_threads_after_the_end_leave_nothing();
    slots_freed_on_another_thread_are_used_again();
    a_future_with_a_large_alignment_is_aligned();
}

fn the_memory_of_a_burst_of_tasks_is_freed() {
    block_on(async {
        yield_now().await;
        let before = in_use();
        let tasks: Vec<_> = (0..100_000).map(|n| spawn(async move { n })).collect();
        assert!(in_use() - before > 100_000 * 64);
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
        let left = in_use() - before;
        assert!(left < 64 * 1024, "{left} bytes are left of a burst");
        // In any other order, too: every third, then the rest.
        let tasks: Vec<_> = (0..30_000).map(|_| spawn(async {})).collect();
        yield_now().await;
        let (thirds, rest): (Vec<_>, Vec<_>) = tasks.into_iter().enumerate().partition(|(n, _)| n % 3 == 0);
        drop(thirds);
        drop(rest);
        let left = in_use() - before;
        assert!(left < 64 * 1024, "{left} bytes are left of a burst");
    });
}

fn handles_and_wakers_dropped_on_other_threads_after_the_end_leave_nothing() {
    let left = left_by(|| {
        let (wakers, left_wakers) = mpsc::channel();
        let (handles, left_handles) = mpsc::channel();
        let holder = thread::spawn(move || {
            // Drops some handles while the runtime runs, the rest when it has ended.
            for (n, handle) in left_handles.iter().enumerate() {
                let handle: JoinHandle<[u8; 3]> = handle;
                if n % 5 == 0 {
                    handle.cancel();
                }
                drop(handle);
            }
            left_wakers.iter().for_each(|waker: Waker| waker.wake());
        });
        for _run in 0..20 {
            block_on(async {
                for _ in 0..100 {
                    handles.send(large::<8>(&wakers)).unwrap();
                    handles.send(large::<200>(&wakers)).unwrap();
                    handles.send(large::<5000>(&wakers)).unwrap();
                }
                yield_now().await;
                yield_now().await;
            });
        }
        drop((handles, wakers));
        holder.join().unwrap();
    });
    assert_eq!(left, 0);
}

fn slots_freed_on_another_thread_are_used_again() {
    block_on(async {
        let (handles, left) = mpsc::channel::<(JoinHandle<()>, mpsc::Sender<()>)>();
        let dropper = thread::spawn(move || {
            for (handle, dropped) in left.iter() {
                drop(handle);
                drop(dropped);
            }
        });
        let mut after_some = 0;
        for n in 0..20_000 {
            let task = spawn(async {});
            yield_now().await; // the task has completed, and its handle holds the cell
            let (tx, rx) = mpsc::channel();
            handles.send((task, tx)).unwrap();
            assert!(rx.recv().is_err(), "it is dropped there");
            if n == 2_000 {
                after_some = in_use();
            }
        }
        let grown = in_use() - after_some;
        assert!(grown < 64 * 1024, "{grown} bytes more for tasks of which there is one at a time");
        drop(handles);
        dropper.join().unwrap();
    });
}

fn a_future_with_a_large_alignment_is_aligned() {
    #[repr(align(4096))]
    struct Page([u8; 10]);

    let left = left_by(|| {
        block_on(async {
            for _ in 0..3 {
                let page = Page([7; 10]);
                let task = spawn(async move {
                    yield_now().await;
                    assert_eq!((&raw const page).addr() % 4096, 0);
                    page.0[9]
                });
                assert_eq!(task.await.unwrap(), 7);
            }
        });
    });
    assert_eq!(left, 0);
}
