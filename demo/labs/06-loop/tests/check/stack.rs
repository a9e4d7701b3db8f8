//! As `executor/src/stack.rs`, without stacks: no test needs await chains.

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
