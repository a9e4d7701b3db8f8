//! What these tests share: a task that is always busy, beside one that takes turns.

use executor::sync::{Receiver, Sender, unbounded};
use executor::{Runtime, spawn_local, yield_now};
use reactor::budget::OPERATIONS;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// Counts the operations of a busy task in one turn, and the turns of another task.
#[derive(Default)]
pub struct Work {
    pub in_this_turn: Cell<u32>,
    pub turns: Cell<u32>,
}

/// The maximum of operations in one turn: the budget, and some for leaf futures that were pending before.
pub const MOST: u32 = OPERATIONS as u32 + 8;

impl Work {
    /// Counts an operation. Returns `true` until the other task has had its turns.
    pub fn goes_on(&self) -> bool {
        self.in_this_turn.set(self.in_this_turn.get() + 1);
        if self.turns.get() >= 4 {
            return false;
        }
        assert!(self.in_this_turn.get() <= MOST, "more than {MOST} operations in one turn");
        true
    }

    /// The other task: takes four turns.
    pub async fn take_turns(self: Rc<Self>) {
        while self.turns.get() < 4 {
            self.turns.set(self.turns.get() + 1);
            self.in_this_turn.set(0);
            yield_now().await;
        }
    }
}

pub fn virtually() -> Runtime {
    Runtime::builder().virtual_clock().build().unwrap()
}

/// Runs a task that is always busy, and checks that another task has its turns meanwhile.
#[track_caller]
pub fn lets_others_run<F: Future<Output = ()>>(what: &str, greedy: impl FnOnce(Rc<Work>) -> F) {
    lets_others_run_on(&virtually(), what, greedy);
}

#[track_caller]
pub fn lets_others_run_on<F: Future<Output = ()>>(runtime: &Runtime, what: &str, greedy: impl FnOnce(Rc<Work>) -> F) {
    println!("{what}");
    runtime.block_on(async {
        let work = Rc::new(Work::default());
        let other = spawn_local(work.clone().take_turns());
        greedy(work).await;
        other.await.unwrap();
    });
}

/// A channel that is never empty: each message that is received is sent again.
pub struct Full {
    pub tx: Sender<()>,
    pub rx: Receiver<()>,
}

impl Full {
    pub fn new() -> Full {
        let (tx, rx) = unbounded();
        tx.try_send(()).unwrap();
        Full { tx, rx }
    }

    pub async fn next(&self) {
        self.rx.recv().await.unwrap();
        self.tx.try_send(()).unwrap();
    }

    /// Never completes, and is always busy.
    pub async fn forever(&self) {
        loop {
            self.next().await;
        }
    }
}

pub type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
