//! A semaphore compared with its model.

use crate::kit::{Hand, hand};
use executor::sync::{Permit, Semaphore};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::task::Poll;

#[derive(Clone, Debug)]
enum Step {
    /// Makes a wait for this many permits, without polling it.
    Wait(usize),
    /// Polls one of the waits.
    Poll(usize),
    /// Polls one of the waits with another waker.
    Renew(usize),
    /// Drops one of the waits.
    Drop(usize),
    /// Drops one of the permits.
    Release(usize),
    Try(usize),
    Add(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Wait),
        5 => (0..8usize).prop_map(Step::Poll),
        1 => (0..8usize).prop_map(Step::Renew),
        3 => (0..8usize).prop_map(Step::Drop),
        4 => (0..8usize).prop_map(Step::Release),
        2 => (0..4usize).prop_map(Step::Try),
        1 => (0..3usize).prop_map(Step::Add),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    Nowhere,
    InLine,
    Served,
}

/// Waits have numbers.
#[derive(Default)]
struct Model {
    available: usize,
    /// The waits in line, with the number of permits that each asks for.
    line: VecDeque<(usize, usize)>,
    served: Vec<usize>,
}

impl Model {
    fn serve(&mut self) {
        while let Some(&(number, want)) = self.line.front().filter(|(_, want)| *want <= self.available) {
            self.available -= want;
            self.line.pop_front();
            self.served.push(number);
        }
    }

    fn take(&mut self, want: usize) -> bool {
        let can = self.line.is_empty() && want <= self.available;
        if can {
            self.available -= want;
        }
        can
    }

    fn position(&self, number: usize) -> Position {
        match () {
            () if self.served.contains(&number) => Position::Served,
            () if self.line.iter().any(|(other, _)| *other == number) => Position::InLine,
            () => Position::Nowhere,
        }
    }

    /// Removes a wait that was dropped or has completed.
    fn remove(&mut self, number: usize) {
        self.served.retain(|other| *other != number);
        self.line.retain(|(other, _)| *other != number);
    }
}

/// A wait: its number, how many permits it asks for, and its future.
type Wait<'a> = (usize, usize, Hand<'a, Permit<'a>>);

/// The semaphore and its model, in the same state.
struct Compared<'a> {
    semaphore: &'a Semaphore,
    model: Model,
    waits: Vec<Wait<'a>>,
    held: Vec<Permit<'a>>,
}

impl Compared<'_> {
    fn step(&mut self, number: usize, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(want) => self.waits.push((number, want, hand(self.semaphore.acquire_many(want)))),
            Step::Poll(which) if !self.waits.is_empty() => self.poll(which % self.waits.len(), false)?,
            Step::Renew(which) if !self.waits.is_empty() => self.poll(which % self.waits.len(), true)?,
            Step::Drop(which) if !self.waits.is_empty() => {
                let (number, want, wait) = self.waits.remove(which % self.waits.len());
                if self.model.position(number) == Position::Served {
                    self.model.available += want;
                }
                self.model.remove(number);
                self.model.serve();
                drop(wait);
            }
            Step::Release(which) if !self.held.is_empty() => {
                let permit = self.held.remove(which % self.held.len());
                self.model.available += permit.permits();
                self.model.serve();
                drop(permit);
            }
            Step::Try(want) => {
                let acquired = self.semaphore.try_acquire_many(want);
                prop_assert_eq!(acquired.is_some(), self.model.take(want));
                self.held.extend(acquired);
            }
            Step::Add(more) => {
                self.semaphore.add_permits(more);
                self.model.available += more;
                self.model.serve();
            }
            _ => {}
        }
        Ok(())
    }

    /// Polls a wait, with another waker if it is to be `renewed`.
    fn poll(&mut self, which: usize, renewed: bool) -> Result<(), TestCaseError> {
        let (number, want, wait) = &mut self.waits[which];
        let is_ready = match self.model.position(*number) {
            Position::Nowhere => {
                let taken = self.model.take(*want);
                if !taken {
                    self.model.line.push_back((*number, *want));
                }
                taken
            }
            Position::InLine => false,
            Position::Served => true,
        };
        if renewed && !is_ready {
            wait.renew();
            return Ok(());
        }
        let polled = wait.poll();
        prop_assert_eq!(polled.is_ready(), is_ready);
        if let Poll::Ready(permit) = polled {
            prop_assert_eq!(permit.permits(), *want);
            self.held.push(permit);
            self.model.remove(*number);
            drop(self.waits.remove(which));
        }
        Ok(())
    }

    /// Checks that the semaphore has as many permits as its model, and has woken the same waiters.
    fn agree(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.semaphore.available_permits(), self.model.available);
        for (number, _, wait) in &self.waits {
            prop_assert_eq!(wait.was_woken(), self.model.position(*number) == Position::Served, "wait {}", number);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_semaphore_does_what_its_model_does(permits in 0..4usize, steps in vec(step(), 0..60)) {
        let semaphore = Semaphore::new(permits);
        let model = Model { available: permits, ..Model::default() };
        let mut compared = Compared { semaphore: &semaphore, model, waits: vec![], held: vec![] };
        for (number, step) in steps.into_iter().enumerate() {
            compared.step(number, step)?;
            compared.agree()?;
        }
    }
}
