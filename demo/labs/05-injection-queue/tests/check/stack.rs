//! Replaces `executor/src/stack.rs`, which records await chains: no test here needs them.

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
