//! What the models share: a scheduler of one slot, things whose drop loom watches, the bounds.

use crate::task::{Finish, JoinHandle, Runnable, Schedule, TaskEvent, TaskRef, spawn_with};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc as LoomArc, Condvar, Mutex};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, Wake, Waker};

/// Spoils memory that is freed, so that an access through a pointer that has outlived it meets
/// nonsense and fails: the one mistake that loom does not look for.
struct Spoiling;

#[global_allocator]
static ALLOCATOR: Spoiling = Spoiling;

// SAFETY: it is the system's allocator; what it writes, it writes into memory that nobody may use any more.
unsafe impl GlobalAlloc for Spoiling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; until the second call, the memory is there.
        unsafe {
            memory.write_bytes(0xa5, layout.size());
            black_box(memory); // what is freed right after may else stay unwritten
            System.dealloc(memory, layout);
        }
    }
}

/// Every interleaving of `body`.
pub(crate) fn every_interleaving(body: impl Fn() + Sync + Send + 'static) {
    loom::model::Builder::new().check(body);
}

/// Every interleaving in which a thread is interrupted at most so often where it need not be. For
/// models of which a full search would take minutes or more; `LOOM_EVERY=1` asks for it all the same.
pub(crate) fn interleavings_with(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    if std::env::var_os("LOOM_EVERY").is_none() {
        builder.preemption_bound = Some(preemptions);
    }
    builder.check(body);
}

/// Something that must be dropped exactly once. Loom reports one that was not; a second drop
/// would be of an `Arc` without references. The cell makes two accesses that no order
/// separates a race.
pub(crate) struct Tracked {
    cell: UnsafeCell<u32>,
    drops: LoomArc<Drops>,
}

/// Counts drops; itself leaked if who holds it is.
pub(crate) struct Drops(AtomicUsize);

impl Drops {
    pub(crate) fn new() -> LoomArc<Drops> {
        LoomArc::new(Drops(AtomicUsize::new(0)))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Tracked {
    pub(crate) fn new(drops: &LoomArc<Drops>) -> Tracked {
        Tracked { cell: UnsafeCell::new(0), drops: drops.clone() }
    }

    /// An access that needs the thing alone.
    pub(crate) fn touch(&self) {
        // SAFETY: loom stops at an access at the same time before it happens.
        self.cell.with_mut(|count| unsafe { *count += 1 });
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.touch();
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future made of a closure, with something tracked inside.
pub(crate) struct Polled<F> {
    tracked: Tracked,
    poll: F,
}

pub(crate) fn polled<F, T>(drops: &LoomArc<Drops>, poll: F) -> Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T>,
{
    Polled { tracked: Tracked::new(drops), poll }
}

impl<F> Unpin for Polled<F> {}

// SAFETY: loom's own things are watched wherever they are, and that is what they are for; what a
// test puts into the closure besides is Send.
unsafe impl<F> Send for Polled<F> {}

impl<F, T> Future for Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.tracked.touch(); // two polls at once, or a poll beside a drop, are a race
        (self.poll)(cx)
    }
}

/// Room for one ready task, as a task is never ready twice, and a bell to wait for it.
///
/// The task alone holds it, so that it goes with the task's memory: `freed` in it then notices
/// memory that is freed while another thread still uses it.
pub(crate) struct Slot {
    slot: LoomArc<Shared>,
    freed: Tracked,
    is_watched: bool,
}

pub(crate) struct Shared {
    ready: Mutex<Ready>,
    bell: Condvar,
}

#[derive(Default)]
struct Ready {
    task: Option<Runnable>,
    finished: bool,
    stranded: usize,
}

// SAFETY: loom's cell is not Sync, so that it is noticed where it is shared; here that is the point.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Schedule for Slot {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        // Looks only, and the second when another thread may have run the task to its end already:
        // whoever frees it must come after both.
        self.freed.cell.with(|_| ());
        self.slot.put(task);
        self.freed.cell.with(|_| ());
    }

    fn finished(self: &Arc<Self>, _: TaskRef<'_>, _: Finish) {
        let mut ready = self.slot.ready.lock().unwrap();
        assert!(!ready.finished, "finished twice");
        ready.finished = true;
        drop(ready);
        self.slot.bell.notify_one();
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn happened(self: &Arc<Self>, _: TaskRef<'_>, what: TaskEvent<'_>) {
        self.freed.cell.with(|_| ());
        if let TaskEvent::Stranded { lost } = what {
            assert!(lost, "each poll here leaves a waker");
            self.slot.ready.lock().unwrap().stranded += 1;
        }
    }
}

impl Shared {
    /// How often it was told that nobody can wake the task any more.
    pub(crate) fn stranded(&self) -> usize {
        self.ready.lock().unwrap().stranded
    }

    fn put(&self, task: Runnable) {
        let before = self.ready.lock().unwrap().task.replace(task);
        assert!(before.is_none(), "a task was ready twice");
        self.bell.notify_one();
    }

    /// Runs the task once if it is ready. `false` if it is not.
    pub(crate) fn run_if_ready(&self) -> bool {
        let task = self.ready.lock().unwrap().task.take();
        let Some(task) = task else { return false };
        if let Some(again) = task.run() {
            self.put(again);
        }
        true
    }

    /// Runs the task whenever it is ready, until it is finished. Loom calls it a deadlock if it
    /// never is, which is what a lost wake looks like.
    pub(crate) fn run_to_the_end(&self) {
        loop {
            let mut ready = self.ready.lock().unwrap();
            while ready.task.is_none() {
                if ready.finished {
                    return;
                }
                ready = self.bell.wait(ready).unwrap();
            }
            let task = ready.task.take();
            drop(ready);
            if let Some(again) = task.and_then(Runnable::run) {
                self.put(again);
            }
        }
    }

    /// Drops the right to run, if the task is ready, which cancels it.
    pub(crate) fn drop_if_ready(&self) {
        let task = self.ready.lock().unwrap().task.take();
        drop(task);
    }
}

/// A task in its slot, queued; the slot; and what counts the end of its memory.
pub(crate) fn spawn<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, false)
}

/// As [`spawn`], of a task that somebody watches.
pub(crate) fn spawn_watched<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, true)
}

fn spawn_in<F>(future: F, is_watched: bool) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let slot = LoomArc::new(Shared { ready: Mutex::new(Ready::default()), bell: Condvar::new() });
    let freed = Drops::new();
    let scheduler = Arc::new(Slot { slot: slot.clone(), freed: Tracked::new(&freed), is_watched });
    let (task, handle) = spawn_with(future, scheduler);
    slot.put(task);
    (slot, handle, freed)
}

/// A place for one waker. Loom sees none of it: it stands for a source or a timer that was there before.
#[derive(Default)]
pub(crate) struct WakerPlace(StdMutex<Option<Waker>>);

impl WakerPlace {
    pub(crate) fn new() -> Arc<WakerPlace> {
        Arc::default()
    }

    // Wakers are cloned and dropped outside of the lock: loom may change threads there.
    pub(crate) fn leave(&self, cx: &mut Context<'_>) {
        let waker = cx.waker().clone();
        let before = self.0.lock().unwrap().replace(waker);
        drop(before);
    }

    pub(crate) fn take(&self) -> Waker {
        self.0.lock().unwrap().take().expect("a waker was left")
    }

    pub(crate) fn clear(&self) {
        let waker = self.0.lock().unwrap().take();
        drop(waker);
    }
}

/// Polls a future again whenever it is woken, on this thread, as an executor of one future does.
/// The waker is a new one each time if `new_each_time`.
pub(crate) fn block_on<F: Future + Unpin>(mut future: F, new_each_time: bool) -> F::Output {
    let bell = Bell::new();
    let mut waker = bell.clone().waker();
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.wait();
        if new_each_time {
            waker = bell.clone().waker();
        }
    }
}

/// Rings once for each wake or more. Loom notices a waker of it that is never dropped.
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

/// A waker of its own kind each: `will_wake` is false between two of them.
struct BellWaker(LoomArc<Bell>);

// SAFETY: all in it is loom's, made to be shared.
unsafe impl Send for BellWaker {}
// SAFETY: as above.
unsafe impl Sync for BellWaker {}

impl Wake for BellWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.0.rung.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

impl Bell {
    pub(crate) fn new() -> LoomArc<Bell> {
        LoomArc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() })
    }

    pub(crate) fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

pub(crate) trait RingBy {
    fn waker(self) -> Waker;
}

impl RingBy for LoomArc<Bell> {
    fn waker(self) -> Waker {
        Arc::new(BellWaker(self)).into()
    }
}
