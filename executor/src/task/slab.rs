//! The memory of tasks: slabs, each of which has places for cells of one size, for one scheduler.
//!
//! ```text
//!   Slab<S>  ┌ scheduler · free places · places given back ┬─ cell ─┬─ cell ─┬─ cell ─┬─ …
//!            └─────────────────────────────────────────────┴───▲────┴────────┴────────┴─ …
//!   Runnable, Waker, JoinHandle ───────────────────────────────┘
//! ```
//!
//! What that gains over a box for each task: a spawn takes a free place and a task's end gives it
//! back, without malloc; the scheduler is known, and its reference counted, once for a whole slab; and
//! all tasks are found by walking the slabs, so that none of them needs the links of a list.
//!
//! Two words say which places are taken, a bit for each. `free` is the owner's alone: the thread
//! that runs the [`Slabs`]. `returned` is for everybody else: whoever drops the last reference to a cell
//! on another thread sets its bit there, and the owner looks when it is short of places. When the owner
//! ends, it sets the bits of all places that are free, and its own: from then on the slab belongs to the
//! cells in it, complete ones that a handle or a waker refers to. Who completes the word frees the slab.
//!
//! A cell that belongs to no `Slabs`, as each that [`spawn_with`](super::spawn_with) makes, has a slab of
//! its own, and that had no owner from the start.
//!
//! After Jeff Bonwick, "The Slab Allocator: An Object-Caching Kernel Memory Allocator", 1994. Used by
//! `cell.rs`, and by schedulers, which own slabs.

use super::cell::{Header, TaskRef, cancel, wake};
use super::join::Canceller;
use crate::shim::{AtomicUsize, Ordering, thread_local};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Slabs that are shared lie on cache lines.
const LINE: usize = 64;
/// Cells of more bytes have a slab of their own.
const LARGEST: usize = 512;
/// The owner's bit in `returned`. The others are of a place each.
const OWNER: usize = 1 << (usize::BITS - 1);

thread_local! {
    /// The number of the `Slabs` that belong to this thread just now, or 0.
    static PRESENT: Cell<usize> = const { Cell::new(0) };
}

/// How cells of one type lie in their slab.
#[derive(Clone, Copy)]
struct Shape {
    size: u32,
    align: u32,
    /// There is one place.
    alone: bool,
}

impl Shape {
    const fn of<C>() -> Shape {
        let (size, align) = (size_of::<C>(), align_of::<C>());
        assert!(size < 1 << 31 && size.is_multiple_of(8), "a future of two gigabytes");
        let alone = size > LARGEST || align > LINE;
        Shape { size: size as u32, align: if alone { align as u32 } else { LINE as u32 }, alone }
    }

    /// A bit for each place.
    const fn places(self) -> usize {
        if self.alone { 1 } else { !OWNER }
    }

    /// Cells of one class fit into the same places; those of class 0 into none but their own.
    const fn class(self) -> usize {
        if self.alone { 0 } else { self.size as usize / 8 }
    }

    /// How far from the beginning of the slab a place is.
    const fn offset(self, place: u8) -> usize {
        size_of::<Slab<()>>().next_multiple_of(self.align as usize) + place as usize * self.size as usize
    }

    fn slab(self) -> Layout {
        let size = self.offset(0) + self.places().count_ones() as usize * self.size as usize;
        Layout::from_size_align(size, self.align as usize).expect("its parts were in bounds")
    }
}

/// The head of a slab. The cells follow it.
struct Slab<S> {
    scheduler: Arc<S>,
    /// To be looked at where `PRESENT` is the number: there they are on their thread, and alive.
    owner: *const Slabs<S>,
    number: usize,
    shape: Shape,
    /// The owner's: which places are not taken.
    free: Cell<usize>,
    /// The owner's: where it stands among the slabs of its class.
    rank: Cell<usize>,
    /// Which places were given back by others; after the owner's end, all that are free, and OWNER.
    returned: AtomicUsize,
}

impl<S> Slab<S> {
    fn allocate(shape: Shape, owner: Option<&Slabs<S>>, rank: usize, scheduler: &Arc<S>) -> NonNull<Slab<S>> {
        let (number, returned) = owner.map_or((usize::MAX, !shape.places()), |owner| (owner.number, 0));
        let (free, rank, returned) = (Cell::new(shape.places()), Cell::new(rank), AtomicUsize::new(returned));
        let owner = owner.map_or(ptr::null(), ptr::from_ref);
        let slab = Slab { scheduler: scheduler.clone(), owner, number, shape, free, rank, returned };
        // SAFETY: the layout has a size, and begins with room for the head.
        unsafe {
            let Some(memory) = NonNull::new(alloc(shape.slab()).cast()) else { handle_alloc_error(shape.slab()) };
            memory.write(slab);
            memory
        }
    }

    /// # Safety
    /// No place is taken, and nobody else knows the slab any more.
    unsafe fn free(slab: NonNull<Slab<S>>) {
        // SAFETY: the caller has it alone.
        unsafe {
            let Slab { scheduler, shape, .. } = slab.read();
            dealloc(slab.as_ptr().cast(), shape.slab());
            drop(scheduler);
        }
    }

    /// # Safety
    /// The slab is there, and has that place.
    #[inline]
    unsafe fn cell(slab: NonNull<Slab<S>>, shape: Shape, place: u8) -> NonNull<Header> {
        // SAFETY: the cells follow the head.
        unsafe { slab.byte_add(shape.offset(place)).cast() }
    }

    /// Gives places back for good, on any thread; the last ones with the slab.
    ///
    /// # Safety
    /// They were the caller's, which knows the slab through them alone.
    unsafe fn leave(slab: NonNull<Slab<S>>, places: usize) {
        // SAFETY: the slab is there as long as a bit is missing.
        unsafe {
            if slab.as_ref().returned.fetch_or(places, Ordering::AcqRel) | places == usize::MAX {
                Slab::free(slab);
            }
        }
    }

    /// The owner's: which places are taken.
    fn taken(&self) -> usize {
        self.shape.places() & !self.free.get()
    }
}

/// The slabs with cells of one size, for their owner. Those that are full come first.
struct Class<S> {
    /// They are there as long as they are in here.
    slabs: Vec<NonNull<Slab<S>>>,
    full: usize,
    /// So many slabs are a reason to look for places that were given back elsewhere.
    many: usize,
}

impl<S> Class<S> {
    fn swap(&mut self, slab: NonNull<Slab<S>>, rank: usize) {
        // SAFETY: both are in here.
        let (slab, other) = unsafe { (slab.as_ref(), self.slabs[rank].as_ref()) };
        self.slabs.swap(slab.rank.get(), rank);
        slab.rank.swap(&other.rank);
    }

    /// A free place. There is none in a full slab, and one in every other.
    #[inline]
    fn take(&mut self, slabs: &Slabs<S>, shape: Shape, scheduler: &Arc<S>) -> (NonNull<Slab<S>>, u8) {
        if self.full == self.slabs.len() {
            self.extend(slabs, shape, scheduler);
        }
        let slab = self.slabs[self.slabs.len() - 1];
        // SAFETY: it is in here.
        let free = unsafe { &slab.as_ref().free };
        let place = free.get().trailing_zeros() as u8;
        free.set(free.get() ^ 1 << place);
        if free.get() == 0 {
            self.swap(slab, self.full);
            self.full += 1;
        }
        (slab, place)
    }

    /// Finds places that were given back elsewhere, or makes new ones.
    #[cold]
    fn extend(&mut self, slabs: &Slabs<S>, shape: Shape, scheduler: &Arc<S>) {
        if self.slabs.len() >= self.many {
            for slab in self.slabs.clone() {
                // SAFETY: it is in here; and whoever set a bit gave up the place.
                unsafe {
                    let returned = slab.as_ref().returned.swap(0, Ordering::Acquire);
                    bits(returned).for_each(|place| self.give_back(slab, place));
                }
            }
            self.many = 2 * self.slabs.len() + 1; // so that looking costs little for each slab
        }
        if self.full == self.slabs.len() {
            self.slabs.push(Slab::allocate(shape, Some(slabs), self.slabs.len(), scheduler));
        }
    }

    /// # Safety
    /// The slab is in here, and the place, taken, has a cell that nobody will use any more.
    #[inline]
    unsafe fn give_back(&mut self, slab: NonNull<Slab<S>>, place: u8) {
        // SAFETY: as promised. The slab is freed when none of its places is taken.
        unsafe {
            let (free, shape) = (&slab.as_ref().free, slab.as_ref().shape);
            if cfg!(debug_assertions) {
                // Whoever uses the cell after all is to meet nonsense.
                Slab::cell(slab, shape, place).cast::<u8>().write_bytes(0xa5, shape.size as usize);
            }
            if free.get() == 0 {
                self.full -= 1;
                self.swap(slab, self.full);
            }
            free.set(free.get() | 1 << place);
            // One with room is kept, for the next task.
            if free.get() == shape.places() && (self.slabs.len() - self.full > 1 || shape.class() == 0) {
                self.swap(slab, self.slabs.len() - 1);
                self.slabs.pop();
                Slab::free(slab);
            }
        }
    }
}

/// All slabs of one thread. Who has them also keeps the scheduler, so that no slab does so as the last.
pub(crate) struct Slabs<S> {
    classes: [RefCell<Class<S>>; LARGEST / 8 + 1],
    /// Different for all that there ever are, from 1.
    number: usize,
}

impl<S> Slabs<S> {
    pub(crate) fn new() -> Slabs<S> {
        static NUMBERED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        let class = |_| RefCell::new(Class { slabs: Vec::new(), full: 0, many: 1 });
        Slabs { classes: std::array::from_fn(class), number: NUMBERED.fetch_add(1, Ordering::Relaxed) }
    }

    /// Says that these belong to this thread, and stay where they are until that is taken back with what
    /// this returns.
    pub(crate) fn enter(&self) -> Entered {
        Entered { before: PRESENT.with(|present| present.replace(self.number)) }
    }

    /// Cancels every task, shielded or not, if it matters in the order of their numbers; those that were not queued get
    /// scheduled.
    pub(crate) fn cancel_all(&self, in_order: bool) {
        let mut tasks = Vec::new();
        self.each(|task| tasks.push(task));
        // SAFETY: the tasks are there; `cancel` and `wake` only schedule, so that no slab is freed meanwhile.
        unsafe {
            if in_order {
                tasks.sort_by_key(|task| TaskRef::new(*task).id());
            }
            for task in tasks {
                task.as_ref().pierce_shields();
                cancel(task);
                wake(task); // one that was cancelled before waits for its shields
            }
        }
    }

    /// All tasks that are not over.
    pub(crate) fn tasks(&self) -> Vec<Canceller> {
        let mut tasks = Vec::new();
        // SAFETY: the tasks are there.
        self.each(|task| tasks.push(unsafe { Canceller::of(task) }));
        tasks
    }

    /// All tasks that are not over. None of them may be freed by `f`.
    fn each(&self, mut f: impl FnMut(NonNull<Header>)) {
        for slab in self.classes.iter().flat_map(|class| class.borrow().slabs.clone()) {
            // SAFETY: the slab is in its class. In a place that is taken is a cell; or was one, complete
            // and then given back elsewhere, that still says so.
            unsafe {
                for place in bits(slab.as_ref().taken()) {
                    let task = Slab::cell(slab, slab.as_ref().shape, place);
                    if !(*task.as_ptr()).state.is_complete() {
                        f(task);
                    }
                }
            }
        }
    }
}

impl<S> Drop for Slabs<S> {
    fn drop(&mut self) {
        for slab in self.classes.iter_mut().flat_map(|class| std::mem::take(&mut class.get_mut().slabs)) {
            // SAFETY: slabs in a class are there; all places but those that are taken are the owner's.
            unsafe { Slab::leave(slab, !slab.as_ref().taken()) };
        }
    }
}

/// While it lives, slabs belong to this thread.
pub(crate) struct Entered {
    before: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        PRESENT.with(|present| present.set(self.before));
    }
}

fn bits(word: usize) -> impl Iterator<Item = u8> {
    (0..usize::BITS as u8).filter(move |bit| word & 1 << bit != 0)
}

/// Room for a cell of type `C`, in one of these slabs or one of its own, and its place there.
#[inline]
pub(super) fn take<C, S>(slabs: Option<&Slabs<S>>, scheduler: &Arc<S>) -> (NonNull<C>, u8) {
    let shape = const { Shape::of::<C>() };
    let (slab, place) = match slabs {
        Some(slabs) => slabs.classes[shape.class()].borrow_mut().take(slabs, shape, scheduler),
        None => (Slab::allocate(Shape { alone: true, ..shape }, None, 0, scheduler), 0),
    };
    // SAFETY: the place is one of that slab, whose cells have C's size.
    (unsafe { Slab::cell(slab, shape, place) }.cast(), place)
}

/// # Safety
/// The cell was made with a scheduler of type `S`, and has that place.
#[inline]
unsafe fn slab_of<C, S>(cell: NonNull<C>, place: u8) -> NonNull<Slab<S>> {
    // SAFETY: the reverse of `Slab::cell`.
    unsafe { cell.byte_sub(const { Shape::of::<C>() }.offset(place)).cast() }
}

/// The scheduler of a cell.
///
/// # Safety
/// The cell was made with one of type `S`, has that place, and is there for as long as this is used.
#[inline]
pub(super) unsafe fn scheduler<'a, C, S>(cell: NonNull<C>, place: u8) -> &'a Arc<S> {
    // SAFETY: a slab is there as long as a cell in it.
    unsafe { &(*slab_of::<C, S>(cell, place).as_ptr()).scheduler }
}

/// Gives the place of a cell back, which was dropped.
///
/// # Safety
/// As in [`scheduler`]; and nobody has a reference to the cell any more.
#[inline]
pub(super) unsafe fn give_back<C, S>(cell: NonNull<C>, place: u8) {
    // SAFETY: the slab is there as long as the place is taken; its owner as long as it is present.
    unsafe {
        let slab = slab_of::<C, S>(cell, place);
        let head = slab.as_ref();
        match PRESENT.with(Cell::get) == head.number {
            true => (*head.owner).classes[head.shape.class()].borrow_mut().give_back(slab, place),
            false => Slab::leave(slab, 1 << place),
        }
    }
}
