//! Every interleaving of the task's state machine, of the injection queue and of the wait list, by the model checker
//! `loom`.
//!
//! The checked files are the very ones that run: they take their atomics and cells from `crate::shim`, which in this
//! crate is loom's. Loom then runs each test body once for every way in which threads may take turns and see each
//! other's writes, and stops at a race on a cell, at something that was never dropped, at a deadlock and at a failed
//! assertion.
//!
//! The invariants named at each test are those of ARCHITECTURE.md. Each test was seen to fail when the line that it
//! guards was broken.

// The executor uses what the tests here do not use.
#![allow(dead_code, unused_imports)]

/// Replaces `executor/src/shim.rs`.
use models::shim;

/// As `executor/src/stack.rs`, without stacks: no model needs await chains.
mod stack {
    #[derive(Clone, Debug)]
    pub struct AwaitChain;

    #[derive(Default)]
    pub(crate) struct AwaitChains {
        pub(crate) chains: Vec<AwaitChain>,
    }

    pub(crate) fn await_chains(_: bool, _: bool, poll: impl FnOnce()) -> AwaitChains {
        poll();
        AwaitChains::default()
    }

    pub(crate) fn waker_cloned() {}
}

#[path = "../../../../executor/src/schedule/run_queue.rs"]
mod run_queue;
#[path = "../../../../executor/src/sync/mod.rs"]
mod sync;
#[path = "../../../../executor/src/task/mod.rs"]
mod task;

mod injected;
mod join;
mod kit;
mod orphan;
#[path = "readiness.rs"]
mod readiness_models;
mod runtime;
#[path = "sync.rs"]
mod sync_models;
mod wake;
mod watch;
