//! A program that runs while it is stepped through: it stands still between two events until it is let on.
//!
//! The observer is a recorder, and what it calls after each event is a gate. The program runs on a thread of its own; on
//! a virtual clock, if it can, for which standing still takes no time.

use crate::step::Program;
use executor::trace::{Record, Recorder, Trace};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A program that runs.
pub struct Live {
    gate: Arc<Gate>,
    recorder: Arc<Recorder>,
    /// So many events have been taken over.
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
    /// So many events may happen.
    allowed: u64,
    over: bool,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event has happened: whatever thread this is stands still until the next one may.
    fn pass(&self, _: &Record) {
        let mut state = self.lock();
        state.happened += 1;
        while state.happened >= state.allowed {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Live {
    /// Starts a program, up to its first event.
    pub fn start(program: Program) -> Live {
        let gate = Arc::new(Gate::default());
        let passes = gate.clone();
        let recorder = Arc::new(Recorder::new().and_then(move |record| passes.pass(record)));
        let (runs, watched) = (gate.clone(), recorder.clone());
        thread::spawn(move || {
            let _ended = program.run(watched);
            runs.lock().over = true;
        });
        Live { gate, recorder, seen: 0 }
    }

    /// Lets one more event happen; `false` if there will be none.
    pub fn go_on(&self) -> bool {
        let mut state = self.gate.lock();
        if state.happened > self.seen {
            return true; // it is to be taken over first
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
