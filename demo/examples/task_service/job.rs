//! A job, and the actions that are possible in each status.

use serde::Serialize;
use std::time::{Duration, SystemTime};

/// The longest step, in seconds. It is short because a pause discards the current step.
const STEP: f64 = 0.05;

/// A job, as it is stored.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: i64,
    pub name: String,
    pub status: Status,
    /// How long it takes without interruptions.
    pub seconds: f64,
    pub steps: u32,
    /// The number of completed steps.
    pub done: u32,
    pub created: String,
    /// When it last started: it starts again when it is resumed, by a client or by the service's start.
    pub started: String,
    pub ended: Option<String>,
}

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Paused,
    Done,
    Cancelled,
}

/// What a client can do with a job.
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

    /// The actions that are possible in this status.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Status::Running => &[Action::Pause, Action::Cancel],
            Status::Paused => &[Action::Resume, Action::Cancel],
            Status::Done | Status::Cancelled => &[],
        }
    }
}

impl Job {
    /// Applies an action, which must be possible.
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

    /// The progress, rounded down: 100 means that all steps are completed.
    pub fn percentage(&self) -> u64 {
        100 * u64::from(self.done) / u64::from(self.steps)
    }

    /// The duration of a step.
    pub fn step(&self) -> Duration {
        Duration::from_secs_f64(self.seconds / f64::from(self.steps))
    }
}

/// The number of steps of a job; at least 1.
pub fn steps(seconds: f64) -> u32 {
    (seconds / STEP).ceil().max(1.0) as u32
}

/// The current time in the format of RFC 3339.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
