//! The memory of tasks: slabs, each with slots for cells of one size and one scheduler.
//!
//! ```text
//!   Slab<S>  ┌ scheduler · free slots · returned slots ┬─ cell ─┬─ cell ─┬─ cell ─┬─ …
//!            └─────────────────────────────────────────┴───▲────┴────────┴────────┴─ …
//!   Runnable, Waker, JoinHandle ───────────────────────────┘
//! ```
//!
//! Compared with a box for each task: a spawn takes a free slot and a task's end gives it back, without malloc; the
//! scheduler is stored, and its references counted, once for a whole slab; and walking the slabs finds all tasks, so
//! that no task needs the links of a list.
//!
//! Two words say which slots are taken, one bit per slot. `free` belongs to the owner alone: the thread that runs the
//! [`Slabs`]. `returned` is for all other threads: a thread that drops the last reference to a cell of another thread's
//! slab sets the slot's bit there. When the owner has no free slot, it reclaims those or allocates a slab. When the
//! owner ends, it sets the bits of all free slots, and its own: from then on the slab belongs to the cells in it, those
//! of completed tasks that a handle or a waker still refers to. The thread that sets the last missing bit frees the
//! slab.
//! A cell that belongs to no `Slabs`, such as every cell that [`spawn_with`](super::spawn_with) makes, has a slab of
//! its own, which never had an owner.
//!
//! After Jeff Bonwick, "The Slab Allocator: An Object-Caching Kernel Memory Allocator", 1994. Used by `cell.rs`, by
//! `registry.rs`, and by schedulers, which own slabs.

use super::current::CurrentTask;
use super::header::Header;
use crate::shim::{AtomicUsize, Ordering, thread_local};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The alignment of slabs with more than one slot.
const LINE: usize = 64;
/// Larger cells, in bytes, have a slab of their own.
const LARGEST: usize = 512;
/// The owner's bit in `returned`. Each of the others stands for a slot.
const OWNER: usize = 1 << (usize::BITS - 1);

thread_local! {
    /// The number of the `Slabs` that this thread owns now, or 0.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// How cells of one type lie in their slab.
#[derive(Clone, Copy)]
struct Shape {
    size: u32,
    align: u32,
    /// The slab has a single slot.
    alone: bool,
}

impl Shape {
    const fn of<C>() -> Shape {
        let (size, align) = (size_of::<C>(), align_of::<C>());
        assert!(size < 1 << 31 && size.is_multiple_of(8), "a future of two gigabytes");
        let alone = size > LARGEST || align > LINE;
        Shape { size: size as u32, align: if alone { align as u32 } else { LINE as u32 }, alone }
    }

    /// A bit for each slot.
    const fn slots(self) -> usize {
        if self.alone { 1 } else { !OWNER }
    }

    /// Cells of one class fit into the same slots; a cell of class 0 fits only into its own.
    const fn class(self) -> usize {
        if self.alone { 0 } else { self.size as usize / 8 }
    }

    /// The distance of a slot from the beginning of the slab.
    const fn offset(self, slot: u8) -> usize {
        size_of::<Slab<()>>().next_multiple_of(self.align as usize) + slot as usize * self.size as usize
    }

    fn slab(self) -> Layout {
        let size = self.offset(0) + self.slots().count_ones() as usize * self.size as usize;
        Layout::from_size_align(size, self.align as usize).expect("its parts were in bounds")
    }
}

/// The head of a slab. The cells follow it.
struct Slab<S> {
    scheduler: Arc<S>,
    /// Dereference only if `CURRENT` equals `number`: then this is the owner's thread, and the `Slabs` exist.
    owner: *const Slabs<S>,
    number: usize,
    shape: Shape,
    /// The owner's: which slots are not taken.
    free: Cell<usize>,
    /// The owner's: the index among the slabs of its class.
    rank: Cell<usize>,
    /// Which slots other threads gave back; after the owner's end, all that are free, and OWNER.
    returned: AtomicUsize,
}

impl<S> Slab<S> {
    fn allocate(shape: Shape, owner: Option<&Slabs<S>>, rank: usize, scheduler: &Arc<S>) -> NonNull<Slab<S>> {
        let (number, returned) = owner.map_or((usize::MAX, !shape.slots()), |owner| (owner.number, 0));
        let (free, rank, returned) = (Cell::new(shape.slots()), Cell::new(rank), AtomicUsize::new(returned));
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
    /// No slot is taken, and nothing else refers to the slab.
    unsafe fn free(slab: NonNull<Slab<S>>) {
        // The destructor of the scheduler is foreign code, which must not find a current task in memory that is gone.
        let _none = CurrentTask::clear();
        // SAFETY: the caller has the only pointer to the slab.
        unsafe {
            let Slab { scheduler, shape, .. } = slab.read();
            dealloc(slab.as_ptr().cast(), shape.slab());
            drop(scheduler);
        }
    }

    /// # Safety
    /// The slab exists, and has that slot.
    #[inline]
    unsafe fn cell(slab: NonNull<Slab<S>>, shape: Shape, slot: u8) -> NonNull<Header> {
        // SAFETY: the cells follow the head.
        unsafe { slab.byte_add(shape.offset(slot)).cast() }
    }

    /// Gives slots back for good, on any thread. Frees the slab with the last of them.
    ///
    /// # Safety
    /// The slots belong to the caller, which reaches the slab through them alone.
    unsafe fn leave(slab: NonNull<Slab<S>>, slots: usize) {
        // SAFETY: the slab exists as long as a bit is missing.
        unsafe {
            if slab.as_ref().returned.fetch_or(slots, Ordering::AcqRel) | slots == usize::MAX {
                Slab::free(slab);
            }
        }
    }

    /// The owner's: which slots are taken.
    fn taken(&self) -> usize {
        self.shape.slots() & !self.free.get()
    }
}

/// The slabs with cells of one size, for their owner. The full ones come first.
struct Class<S> {
    /// A slab exists as long as it is in this list.
    slabs: Vec<NonNull<Slab<S>>>,
    full: usize,
    /// From this count on, reclaim slots that other threads gave back.
    many: usize,
}

impl<S> Class<S> {
    fn swap(&mut self, slab: NonNull<Slab<S>>, rank: usize) {
        // SAFETY: both are in the list.
        let (slab, other) = unsafe { (slab.as_ref(), self.slabs[rank].as_ref()) };
        self.slabs.swap(slab.rank.get(), rank);
        slab.rank.swap(&other.rank);
    }

    /// Takes a free slot. A full slab has none; every other slab has one.
    #[inline]
    fn take(&mut self, slabs: &Slabs<S>, shape: Shape, scheduler: &Arc<S>) -> (NonNull<Slab<S>>, u8) {
        if self.full == self.slabs.len() {
            self.extend(slabs, shape, scheduler);
        }
        let slab = self.slabs[self.slabs.len() - 1];
        // SAFETY: it is in the list.
        let free = unsafe { &slab.as_ref().free };
        let slot = free.get().trailing_zeros() as u8;
        free.set(free.get() ^ 1 << slot);
        if free.get() == 0 {
            self.swap(slab, self.full);
            self.full += 1;
        }
        (slab, slot)
    }

    /// Reclaims slots that other threads gave back, or allocates a slab.
    #[cold]
    fn extend(&mut self, slabs: &Slabs<S>, shape: Shape, scheduler: &Arc<S>) {
        if self.slabs.len() >= self.many {
            for slab in self.slabs.clone() {
                // SAFETY: it is in the list; and the thread that set a bit gave up the slot.
                unsafe {
                    let returned = slab.as_ref().returned.swap(0, Ordering::Acquire);
                    bits(returned).for_each(|slot| self.give_back(slab, slot));
                }
            }
            self.many = 2 * self.slabs.len() + 1; // so that the search costs little per slab
        }
        if self.full == self.slabs.len() {
            self.slabs.push(Slab::allocate(shape, Some(slabs), self.slabs.len(), scheduler));
        }
    }

    /// # Safety
    /// The slab is in the list, and the slot is taken by a cell that is not used any more.
    #[inline]
    unsafe fn give_back(&mut self, slab: NonNull<Slab<S>>, slot: u8) {
        // SAFETY: as promised. The slab is freed when none of its slots is taken.
        unsafe {
            let (free, shape) = (&slab.as_ref().free, slab.as_ref().shape);
            if cfg!(debug_assertions) {
                // A use after free must fail visibly.
                Slab::cell(slab, shape, slot).cast::<u8>().write_bytes(0xa5, shape.size as usize);
            }
            if free.get() == 0 {
                self.full -= 1;
                self.swap(slab, self.full);
            }
            free.set(free.get() | 1 << slot);
            // Keep one slab with room, for the next task.
            if free.get() == shape.slots() && (self.slabs.len() - self.full > 1 || shape.class() == 0) {
                self.swap(slab, self.slabs.len() - 1);
                self.slabs.pop();
                Slab::free(slab);
            }
        }
    }
}

/// All slabs of one thread. Their owner also keeps the scheduler, so that a slab never holds the last reference to it.
pub(crate) struct Slabs<S> {
    classes: [RefCell<Class<S>>; LARGEST / 8 + 1],
    /// Unique among all `Slabs` of the process, from 1.
    number: usize,
}

impl<S> Slabs<S> {
    pub(crate) fn new() -> Slabs<S> {
        static NUMBERED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        let class = |_| RefCell::new(Class { slabs: Vec::new(), full: 0, many: 1 });
        Slabs { classes: std::array::from_fn(class), number: NUMBERED.fetch_add(1, Ordering::Relaxed) }
    }

    /// Makes this thread the owner until the returned guard is dropped. Until then, the `Slabs` must not be moved.
    pub(crate) fn enter(&self) -> Entered {
        Entered { before: CURRENT.with(|current| current.replace(self.number)) }
    }

    /// Calls `f` with every task that has not completed. `f` must not free a task.
    pub(super) fn for_each(&self, mut f: impl FnMut(NonNull<Header>)) {
        for slab in self.classes.iter().flat_map(|class| class.borrow().slabs.clone()) {
            // SAFETY: the slab is in its class. A taken slot has a cell; or had one, which completed and was given
            // back on another thread, and still says that it completed.
            unsafe {
                for slot in bits(slab.as_ref().taken()) {
                    let task = Slab::cell(slab, slab.as_ref().shape, slot);
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
            // SAFETY: slabs in a class exist; all slots but those that are taken belong to the owner.
            unsafe { Slab::leave(slab, !slab.as_ref().taken()) };
        }
    }
}

/// Keeps this thread the owner of its slabs. Restores the previous ones when it is dropped.
pub(crate) struct Entered {
    before: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.before));
    }
}

fn bits(word: usize) -> impl Iterator<Item = u8> {
    (0..usize::BITS as u8).filter(move |bit| word & 1 << bit != 0)
}

/// Takes room for a cell of type `C`, in one of these slabs or in one of its own. Returns it with its slot.
#[inline]
pub(super) fn take<C, S>(slabs: Option<&Slabs<S>>, scheduler: &Arc<S>) -> (NonNull<C>, u8) {
    let shape = const { Shape::of::<C>() };
    let (slab, slot) = match slabs {
        Some(slabs) => slabs.classes[shape.class()].borrow_mut().take(slabs, shape, scheduler),
        None => (Slab::allocate(Shape { alone: true, ..shape }, None, 0, scheduler), 0),
    };
    // SAFETY: the slot is one of that slab, whose cells have C's size.
    (unsafe { Slab::cell(slab, shape, slot) }.cast(), slot)
}

/// # Safety
/// The cell was made with a scheduler of type `S`, and has that slot.
#[inline]
unsafe fn slab_of<C, S>(cell: NonNull<C>, slot: u8) -> NonNull<Slab<S>> {
    // SAFETY: the reverse of `Slab::cell`.
    unsafe { cell.byte_sub(const { Shape::of::<C>() }.offset(slot)).cast() }
}

/// The scheduler of a cell.
///
/// # Safety
/// The cell was made with a scheduler of type `S`, has that slot, and exists for as long as the result is used.
#[inline]
pub(super) unsafe fn scheduler<'a, C, S>(cell: NonNull<C>, slot: u8) -> &'a Arc<S> {
    // SAFETY: a slab exists as long as a cell in it.
    unsafe { &(*slab_of::<C, S>(cell, slot).as_ptr()).scheduler }
}

/// Gives back the slot of a cell whose contents were dropped.
///
/// # Safety
/// As for [`scheduler`]; and there is no reference to the cell any more.
#[inline]
pub(super) unsafe fn give_back<C, S>(cell: NonNull<C>, slot: u8) {
    // SAFETY: the slab exists as long as the slot is taken; its owner, as long as it is the current one.
    unsafe {
        let slab = slab_of::<C, S>(cell, slot);
        let head = slab.as_ref();
        match CURRENT.with(Cell::get) == head.number {
            true => (*head.owner).classes[head.shape.class()].borrow_mut().give_back(slab, slot),
            false => Slab::leave(slab, 1 << slot),
        }
    }
}
