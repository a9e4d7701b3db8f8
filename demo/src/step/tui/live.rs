//! A live program: it runs while you step, and stops at each event.
//!
//! The observer is a recorder that passes a gate after each event. The program runs on a thread of its own, if possible
//! on a simulated clock, for which a stop takes no time.

use crate::step::Program;
use executor::trace::{Record, Recorder, Trace};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{panic, thread};

/// The name of the thread on which the program runs.
const THREAD: &str = "program";

/// A program that runs while you step.
pub struct Live {
    gate: Arc<Gate>,
    recorder: Arc<Recorder>,
    /// The number of events taken over.
    seen: u64,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    happened: u64,
    /// The number of events that may happen.
    allowed: u64,
    over: bool,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called after each event, on any thread: blocks until the next event may happen.
    fn pass(&self, _: &Record) {
        let mut state = self.lock();
        state.happened += 1;
        while state.happened >= state.allowed {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Marks the program as ended when dropped, even by a panic.
struct Over(Arc<Gate>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().over = true;
    }
}

impl Live {
    /// Starts a program, up to its first event.
    pub fn start(program: Program) -> Live {
        let gate = Arc::new(Gate::default());
        let passes = gate.clone();
        let recorder = Arc::new(Recorder::new().and_then(move |record| passes.pass(record)));
        let (runs, observer) = (gate.clone(), recorder.clone());
        let run = move || {
            let _over = Over(runs);
            let _ended = program.run(observer);
        };
        thread::Builder::new().name(THREAD.into()).spawn(run).expect("the system gives a thread");
        Live { gate, recorder, seen: 0 }
    }

    /// Panics of the program are events. Printing them too would garble the screen.
    pub(super) fn silence_panics() {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = thread::current();
            let is_programs = thread.name().is_some_and(|name| name == THREAD || name.starts_with("executor-"));
            if !is_programs {
                hook(info);
            }
        }));
    }

    /// Lets one more event happen. Returns `false` if the program has ended.
    pub fn go_on(&self) -> bool {
        let mut state = self.gate.lock();
        if state.happened > self.seen {
            return true; // an event has not been taken over yet
        }
        if state.over {
            return false;
        }
        state.allowed = state.allowed.max(state.happened + 1);
        drop(state);
        self.gate.opened.notify_all();
        true
    }

    /// Whether the program has ended.
    pub fn is_over(&self) -> bool {
        self.gate.lock().over
    }

    /// The recording, if it has grown.
    pub fn news(&mut self) -> Option<Trace> {
        let happened = self.gate.lock().happened;
        if happened == self.seen {
            return None;
        }
        let trace = self.recorder.trace();
        self.seen = trace.records.len() as u64;
        Some(trace)
    }
}
