//! What a job is, what can be done with it, and when.

use serde::Serialize;
use std::time::{Duration, SystemTime};

/// A step takes no longer. Pausing throws away the step under way, so it is short.
const STEP: f64 = 0.05;

/// A job, as it is stored.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: i64,
    pub name: String,
    pub status: Status,
    /// What it takes when nothing interrupts it.
    pub seconds: f64,
    pub steps: u32,
    /// Steps that are done.
    pub done: u32,
    pub created: String,
    /// Since when it runs, or ran last: it starts again when it is resumed, by a client or at a start.
    pub started: String,
    pub ended: Option<String>,
}

/// How it is with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Paused,
    Done,
    Cancelled,
}

/// What a client can do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Pause,
    Resume,
    Cancel,
}

impl Action {
    pub fn named(name: &str) -> Option<Action> {
        match name {
            "pause" => Some(Action::Pause),
            "resume" => Some(Action::Resume),
            "cancel" => Some(Action::Cancel),
            _ => None,
        }
    }
}

impl Status {
    pub const ALL: [Status; 4] = [Status::Running, Status::Paused, Status::Done, Status::Cancelled];

    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Done => "done",
            Status::Cancelled => "cancelled",
        }
    }

    pub fn named(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }

    /// What makes sense in it.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Status::Running => &[Action::Pause, Action::Cancel],
            Status::Paused => &[Action::Resume, Action::Cancel],
            Status::Done | Status::Cancelled => &[],
        }
    }
}

impl Job {
    /// Brings it into the state that follows from an action that makes sense.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::Pause => self.status = Status::Paused,
            Action::Resume => {
                self.status = Status::Running;
                self.started = now();
            }
            Action::Cancel => self.end(Status::Cancelled),
        }
    }

    pub fn end(&mut self, status: Status) {
        self.status = status;
        self.ended = Some(now());
    }

    /// Rounded down: 100 is all of it.
    pub fn percentage(&self) -> u64 {
        100 * u64::from(self.done) / u64::from(self.steps)
    }

    /// What one step takes.
    pub fn step(&self) -> Duration {
        Duration::from_secs_f64(self.seconds / f64::from(self.steps))
    }
}

/// The steps of a job that takes so long; at least one.
pub fn steps(seconds: f64) -> u32 {
    (seconds / STEP).ceil().max(1.0) as u32
}

/// The time, as RFC 3339 has it.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
