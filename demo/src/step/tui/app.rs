//! The state of the stepper, and what each key does. Drawing is in `view.rs` and `panes.rs`.

use super::breakpoint::Breakpoint;
use super::live::Live;
use crate::step::Sources;
use crate::step::lints::{Finding, lint, lint_live};
use crate::step::model::{Run, State, Task, has_several_runs};
use crate::step::words::{Words, count};
use executor::trace::{Event, Record, Trace};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::rc::Rc;
use std::time::Duration;

/// The stepper: a run, a position in it, and the settings of the person who steps.
pub struct App {
    /// The name of the program or of the recording.
    pub(super) title: String,
    /// The run, and the position in it.
    pub run: Run,
    pub(super) words: Words,
    pub(super) sources: Sources,
    /// What is wrong in the run.
    pub(super) findings: Vec<Finding>,
    /// The task that was chosen with ↑ and ↓, with its run. Without one, the selection follows the events.
    pub(super) pinned: Option<(u32, u64)>,
    /// The task of the latest event that is about a task, with its run.
    followed: Option<(u32, u64)>,
    pub(super) breakpoints: Vec<Breakpoint>,
    sought: String,
    pub(super) mode: Mode,
    /// The runtime's code is shown instead of the program's.
    pub(super) shows_runtime: bool,
    pub(super) playing: bool,
    /// Events a second while playing.
    pub(super) speed: u32,
    /// The answer to the last key, in the status line.
    pub(super) message: Option<String>,
    /// The positions before jumps to a cause or a finding.
    came_from: Vec<usize>,
    pub(super) live: Option<Live>,
    /// The event that a live program is running to.
    goal: Option<Goal>,
    /// The stepper was quit.
    pub over: bool,
}

type Goal = Box<dyn Fn(usize, &Record) -> bool>;

/// What keys act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Stepping,
    /// A text is being typed.
    Asking(Question, String),
    Help,
    /// The list of findings, with the number of the chosen one.
    Findings(usize),
}

/// What a typed text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Search,
    Breakpoint,
}

/// The speeds of playing, in events a second.
const SPEEDS: [u32; 7] = [1, 2, 5, 10, 30, 100, 1_000];

impl App {
    /// A stepper at the first event of a recording.
    pub fn new(title: String, trace: Trace, sources: Sources) -> App {
        let (words, findings) = (Words::new(&trace), lint(&trace));
        let mut app = App {
            title,
            run: Run::new(trace),
            words,
            sources,
            findings,
            pinned: None,
            followed: None,
            breakpoints: Vec::new(),
            sought: String::new(),
            mode: Mode::Stepping,
            shows_runtime: false,
            playing: false,
            speed: 5,
            message: None,
            came_from: Vec::new(),
            live: None,
            goal: None,
            over: false,
        };
        app.seek(1);
        app
    }

    /// A stepper for a live program.
    pub fn live(title: String, live: Live, sources: Sources) -> App {
        let mut app = App::new(title, Trace::default(), sources);
        app.live = Some(live);
        app.forward(Box::new(|_, _| true), "");
        app
    }

    /// The selected task, which is shown in detail.
    pub fn selected(&self) -> Option<&Rc<Task>> {
        let (run, task) = self.selected_id()?;
        self.run.runs().get(run)?.tasks.get(&task)
    }

    /// The run and the number of the selected task.
    pub(super) fn selected_id(&self) -> Option<(u32, u64)> {
        self.pinned.or(self.followed)
    }

    /// The state that is shown: of the chosen task's run, or else of the current event's.
    pub(super) fn state(&self) -> &State {
        self.pinned.and_then(|(run, _)| self.run.runs().get(run)).unwrap_or_else(|| self.run.state())
    }

    /// The number of the current event, counted from 0.
    pub fn current(&self) -> Option<usize> {
        self.run.position().checked_sub(1)
    }

    /// Whether a live program has not ended.
    pub(super) fn goes_on(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_over())
    }

    /// The time between two events while playing.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.playing.then(|| Duration::from_secs(1) / self.speed)
    }

    /// Plays the next event.
    pub fn tick(&mut self) {
        if self.playing && self.goal.is_none() {
            let before = self.run.position();
            self.forward(Box::new(|_, _| true), "");
            self.stop_playing(before);
        }
    }

    /// Stops playing at a breakpoint and at the last event, but not while a live program runs to the next event.
    fn stop_playing(&mut self, before: usize) {
        if self.goal.is_some() {
            return;
        }
        let has_moved = self.run.position() != before;
        if !has_moved && self.message.is_none() {
            self.message = Some("there is no further event: ← goes back, `g` goes to the first".into());
        }
        self.playing = has_moved && !self.current().is_some_and(|number| self.breaks_at(number));
    }

    /// Whether a live program is running to a requested event.
    pub fn is_under_way(&self) -> bool {
        self.goal.is_some()
    }

    /// Takes over the new events of a live program.
    pub fn catch_up(&mut self) {
        let Some(live) = &mut self.live else { return };
        if let Some(trace) = live.news() {
            (self.words, self.findings) = (Words::new(&trace), lint_live(&trace));
            self.run.trace = trace;
        }
        if let Some(goal) = self.goal.take() {
            let before = self.run.position();
            self.forward(goal, "the program has ended");
            if self.playing {
                self.stop_playing(before);
            }
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) {
        (self.message, self.goal) = (None, None);
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            self.over = true;
            return;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            self.message = Some(unused(key.code));
            return;
        }
        match self.mode.clone() {
            Mode::Asking(question, text) => self.answer(question, text, key.code),
            Mode::Help => self.mode = Mode::Stepping,
            Mode::Findings(chosen) => self.choose_finding(chosen, key.code),
            Mode::Stepping => {
                self.playing &= matches!(key.code, KeyCode::Char(' ' | '+' | '-'));
                if !self.step(key.code) {
                    self.other(key.code);
                }
            }
        }
    }

    /// Handles the keys that move to another event. Returns whether the key is one of them.
    fn step(&mut self, key: KeyCode) -> bool {
        let forward = !matches!(key, KeyCode::Left | KeyCode::PageUp | KeyCode::Char('h' | 'A'..='Z'));
        let of_task = self.selected().and(self.selected_id());
        let (is_wanted, what): (Goal, _) = match key {
            KeyCode::Right | KeyCode::Left | KeyCode::Char('l' | 'h') => (Box::new(|_, _| true), "event"),
            KeyCode::PageDown if self.goes_on() => {
                let tenth = self.run.position() + 9;
                (Box::new(move |number, _| number >= tenth), "event")
            }
            KeyCode::PageDown | KeyCode::PageUp => {
                let (position, last) = (self.run.position(), self.run.trace.records.len());
                let to = if forward { (position + 10).min(last) } else { position.saturating_sub(10).max(1) };
                (Box::new(move |number, _| number + 1 == to), "event")
            }
            KeyCode::Char('p' | 'P') => (Box::new(|_, r| matches!(r.event, Event::PollBegins { .. })), "poll"),
            KeyCode::Char('w' | 'W') => (Box::new(|_, r| matches!(r.event, Event::Woken { .. })), "wake"),
            KeyCode::Char('r' | 'R') => (Box::new(|_, r| matches!(r.event, Event::WaitBegins { .. })), "wait"),
            KeyCode::Char('t' | 'T') if of_task.is_none() => {
                self.message = Some("there is no task yet".into());
                return true;
            }
            KeyCode::Char('t' | 'T') => {
                (Box::new(move |_, r| r.event.task().map(|task| (r.run, task)) == of_task), "event of this task")
            }
            KeyCode::Char('n' | 'N') => return self.search(forward),
            KeyCode::Char('f' | 'F') => return self.run_to_breakpoint(forward),
            _ => return false,
        };
        match forward {
            true => self.forward(is_wanted, &format!("there is no further {what}")),
            false => self.backward(&is_wanted, &format!("there is no earlier {what}")),
        }
        true
    }

    fn other(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('q') => self.over = true,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('i') => {
                // The next finding from here on, or else the last one.
                let current = self.current().unwrap_or(0);
                let next = self.findings.partition_point(|finding| finding.event < current);
                self.mode = Mode::Findings(next.min(self.findings.len().saturating_sub(1)));
            }
            KeyCode::Char('m') => self.shows_runtime = !self.shows_runtime,
            KeyCode::Char('/') => self.mode = Mode::Asking(Question::Search, String::new()),
            KeyCode::Char('B') => self.mode = Mode::Asking(Question::Breakpoint, String::new()),
            KeyCode::Home | KeyCode::Char('g') => self.jump(1, "this is the first event"),
            KeyCode::End | KeyCode::Char('G') => self.jump(usize::MAX, "this is the last event"),
            KeyCode::Char(' ') => self.playing = !self.playing,
            KeyCode::Char('+') => self.play_at(SPEEDS.into_iter().find(|speed| *speed > self.speed)),
            KeyCode::Char('-') => self.play_at(SPEEDS.into_iter().rfind(|speed| *speed < self.speed)),
            KeyCode::Up => self.choose(false),
            KeyCode::Down => self.choose(true),
            KeyCode::Esc => {
                let pinned = self.pinned.take();
                self.message = pinned.is_none().then(|| "no task is chosen: ↑ and ↓ choose one".into());
            }
            KeyCode::Char('c') | KeyCode::Enter => self.follow_cause(),
            KeyCode::Char('b') | KeyCode::Backspace => match self.came_from.pop() {
                Some(position) => self.seek(position),
                None => {
                    self.message = Some("there is no jump to go back from: `c` jumps to the cause of an event".into())
                }
            },
            other => self.message = Some(unused(other)),
        }
    }

    /// Sets the speed of playing. The title shows it while playing.
    fn play_at(&mut self, speed: Option<u32>) {
        let is_limit = speed.is_none();
        self.speed = speed.unwrap_or(self.speed);
        let speed = count(self.speed as usize, "event");
        self.message = match (is_limit, self.playing) {
            (true, _) => Some(format!("{speed} a second is the limit")),
            (false, true) => None,
            (false, false) => Some(format!("space plays {speed} a second")),
        };
    }

    /// Goes to a position, or says why not if it is the current one.
    fn jump(&mut self, position: usize, or_else: &str) {
        let before = self.run.position();
        self.seek(position);
        self.message = (self.run.position() == before).then(|| or_else.to_owned());
    }

    /// Goes to the position after this number of events.
    pub fn seek(&mut self, position: usize) {
        self.run.seek(position);
        let run = self.run.current().map(|record| record.run);
        let of_run = |number: &usize| Some(self.run.trace.records[*number].run) == run;
        self.followed = (0..self.run.position()).rev().filter(of_run).find_map(|number| self.run.whose(number));
    }

    /// Goes to the next wanted event. Lets a live program run to it.
    fn forward(&mut self, is_wanted: Goal, or_else: &str) {
        if let Some(position) = self.run.find(true, &is_wanted) {
            return self.seek(position);
        }
        match &self.live {
            Some(live) if live.go_on() => {
                // The events so far have been searched.
                self.seek(usize::MAX);
                self.goal = Some(is_wanted);
            }
            _ => self.message = Some(or_else.to_owned()).filter(|message| !message.is_empty()),
        }
    }

    fn backward(&mut self, is_wanted: &Goal, or_else: &str) {
        match self.run.find(false, is_wanted) {
            Some(position) => self.seek(position),
            None => self.message = Some(or_else.to_owned()),
        }
    }

    fn follow_cause(&mut self) {
        let Some(number) = self.current() else { return };
        match self.run.cause(number) {
            Some(cause) => {
                self.came_from.push(number + 1);
                self.seek(cause + 1);
            }
            None => self.message = Some("no cause of this event was recorded".into()),
        }
    }

    /// Chooses the next task of the list, or the previous one.
    fn choose(&mut self, next: bool) {
        let (state, selected) = (self.state(), self.selected().map_or(0, |task| task.id));
        let chosen = match next {
            true => selected.checked_add(1).and_then(|next| state.tasks.range(next..).next()),
            false => state.tasks.range(..selected).next_back(),
        };
        match chosen.map(|(id, _)| (state.run, *id)) {
            Some(chosen) => self.pinned = Some(chosen),
            None => self.message = Some(format!("there is no task {} this one", if next { "below" } else { "above" })),
        }
    }

    fn answer(&mut self, question: Question, mut text: String, key: KeyCode) {
        match key {
            KeyCode::Esc => return self.mode = Mode::Stepping,
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(char) => text.push(char),
            KeyCode::Enter => {
                self.mode = Mode::Stepping;
                return match question {
                    Question::Search => {
                        // An empty text repeats the last search.
                        self.sought = if text.is_empty() { self.sought.clone() } else { text.to_lowercase() };
                        _ = self.search(true);
                    }
                    Question::Breakpoint => self.toggle_breakpoint(&text),
                };
            }
            other => self.message = Some(format!("{}; Enter accepts the text, Esc cancels", nothing(other))),
        }
        self.mode = Mode::Asking(question, text);
    }

    fn search(&mut self, forward: bool) -> bool {
        if self.sought.is_empty() {
            self.message = Some("there is no text to search for: `/` asks for one".into());
            return true;
        }
        let so_far = if self.goes_on() { " so far" } else { "" };
        let App { run, words, sought, .. } = self;
        let is_it = |number: usize, _: &Record| words.sentence(&run.trace, number).to_lowercase().contains(&**sought);
        match run.find(forward, is_it) {
            Some(position) => self.seek(position),
            None => {
                let which = if forward { "later" } else { "earlier" };
                self.message = Some(format!("no {which} event contains `{}`{so_far}", self.sought));
            }
        }
        true
    }

    /// Sets or removes a breakpoint; without a text, at the selected task.
    fn toggle_breakpoint(&mut self, text: &str) {
        let selected = self.selected().and(self.selected_id()).filter(|_| text.is_empty());
        let run = |run: u32| has_several_runs(&self.run.trace).then_some(run);
        let of_task = selected.map(|(of, task)| Ok(Breakpoint::Task(task, run(of))));
        match of_task.unwrap_or_else(|| text.parse()) {
            Ok(new) => match self.breakpoints.iter().position(|known| *known == new) {
                Some(known) => {
                    self.message = Some(format!("removed the breakpoint at {new}"));
                    self.breakpoints.remove(known);
                }
                None => {
                    self.message = Some(format!("breakpoint at {new}: `f` runs to it"));
                    self.breakpoints.push(new);
                }
            },
            Err(error) => self.message = Some(error),
        }
    }

    /// Whether a breakpoint matches this event.
    pub(super) fn breaks_at(&self, number: usize) -> bool {
        self.breakpoints.iter().any(|breakpoint| breakpoint.is_at(&self.run.trace, number))
    }

    fn run_to_breakpoint(&mut self, forward: bool) -> bool {
        if self.breakpoints.is_empty() {
            self.message = Some("there is no breakpoint: `B` sets one".into());
            return true;
        }
        let found = self.run.find(forward, |number, _| self.breaks_at(number));
        match found {
            Some(position) => self.seek(position),
            // A live program: play, and test each event when it has happened.
            None if forward && self.goes_on() => {
                self.seek(usize::MAX);
                self.playing = true;
                self.speed = 1_000;
            }
            None => self.message = Some("no event matches a breakpoint".into()),
        }
        true
    }

    /// Handles keys while the list of findings covers the panes: ↑ and ↓ choose, Enter jumps, all others close it.
    fn choose_finding(&mut self, chosen: usize, key: KeyCode) {
        let last = self.findings.len().saturating_sub(1);
        let gone_to = self.findings.get(chosen).filter(|_| key == KeyCode::Enter).map(|finding| finding.event + 1);
        if let Some(position) = gone_to {
            self.came_from.push(self.run.position());
            self.pinned = None;
            self.seek(position);
        }
        let is_at_end = (key == KeyCode::Up && chosen == 0) || (key == KeyCode::Down && chosen == last);
        self.message = is_at_end.then(|| "there is no further finding".into());
        self.mode = match key {
            KeyCode::Up => Mode::Findings(chosen.saturating_sub(1)),
            KeyCode::Down => Mode::Findings((chosen + 1).min(last)),
            KeyCode::Home => Mode::Findings(0),
            KeyCode::End => Mode::Findings(last),
            _ => Mode::Stepping,
        };
    }
}

/// `` `x` does nothing here ``.
fn nothing(key: KeyCode) -> String {
    format!("`{key}` does nothing here")
}

/// The answer to a key without a function.
fn unused(key: KeyCode) -> String {
    format!("{}: `?` lists the keys", nothing(key))
}
