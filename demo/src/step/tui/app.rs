//! What the stepper shows and what each key does; nothing here knows how it is drawn.

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

/// The stepper: a run, and a person who looks at it.
pub struct App {
    /// What is stepped through, in one word.
    pub(super) title: String,
    /// The run, and where in it one looks.
    pub run: Run,
    pub(super) words: Words,
    pub(super) sources: Sources,
    /// What is wrong in the run.
    pub(super) findings: Vec<Finding>,
    /// The task that was chosen, with its run; without one, it is that of the present event.
    pub(super) pinned: Option<(u32, u64)>,
    /// The task that the last event was about of those that are about one, with its run.
    followed: Option<(u32, u64)>,
    pub(super) breakpoints: Vec<Breakpoint>,
    sought: String,
    pub(super) mode: Mode,
    /// Goes on by itself, so many events a second.
    pub(super) playing: bool,
    pub(super) speed: u32,
    /// What there is to say about the last key.
    pub(super) message: Option<String>,
    /// Where one was before following a wake to its cause.
    came_from: Vec<usize>,
    pub(super) live: Option<Live>,
    /// What a program that runs is let on for.
    goal: Option<Goal>,
    /// The person has seen enough.
    pub over: bool,
}

type Goal = Box<dyn Fn(usize, &Record) -> bool>;

/// What keys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Stepping,
    /// A text is being written.
    Asking(Question, String),
    Help,
    /// The list of what is wrong; this one of it is chosen.
    Findings(usize),
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Search,
    Breakpoint,
}

/// Events a second that one can play at.
const SPEEDS: [u32; 7] = [1, 2, 5, 10, 30, 100, 1_000];

impl App {
    /// Before a run that was recorded.
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

    /// Steps through a program that runs meanwhile.
    pub fn live(title: String, live: Live, sources: Sources) -> App {
        let mut app = App::new(title, Trace::default(), sources);
        app.live = Some(live);
        app.forward(Box::new(|_, _| true), "");
        app
    }

    /// The task whose state is shown in detail.
    pub fn selected(&self) -> Option<&Rc<Task>> {
        let (run, task) = self.selected_id()?;
        self.run.runs().get(run)?.tasks.get(&task)
    }

    /// Its run and its number.
    pub(super) fn selected_id(&self) -> Option<(u32, u64)> {
        self.pinned.or(self.followed)
    }

    /// The state that is shown: of the run of the task that was chosen, or else of the present event.
    pub(super) fn state(&self) -> &State {
        self.pinned.and_then(|(run, _)| self.run.runs().get(run)).unwrap_or_else(|| self.run.state())
    }

    /// The number of the present event.
    pub fn present(&self) -> Option<usize> {
        self.run.position().checked_sub(1)
    }

    /// Whether more may happen than has been seen.
    pub(super) fn goes_on(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_over())
    }

    /// How long until the next event is to be shown, if they are played.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.playing.then(|| Duration::from_secs(1) / self.speed)
    }

    /// The time for the next event has come.
    pub fn tick(&mut self) {
        if self.playing && self.goal.is_none() {
            let before = self.run.position();
            self.forward(Box::new(|_, _| true), "");
            self.stop_playing(before);
        }
    }

    /// Stops at a breakpoint that was reached, and where nothing more comes; not while the program is on its way.
    fn stop_playing(&mut self, before: usize) {
        if self.goal.is_some() {
            return;
        }
        let has_moved = self.run.position() != before;
        if !has_moved && self.message.is_none() {
            self.message = Some("there is no further event: ← goes back, g to the first one".into());
        }
        self.playing = has_moved && !self.present().is_some_and(|number| self.breaks_at(number));
    }

    /// Whether a program that runs is on its way to where the person wants it.
    pub fn is_under_way(&self) -> bool {
        self.goal.is_some()
    }

    /// Takes over what a program that runs has done meanwhile.
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

    /// What a key does.
    pub fn key(&mut self, key: KeyEvent) {
        (self.message, self.goal) = (None, None);
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            self.over = true;
            return;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            self.message = Some("`?` shows what the keys do".into());
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

    /// Keys that move to another event.
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
                // First the next one further on; where there is none, the last of all.
                let present = self.present().unwrap_or(0);
                let next = self.findings.partition_point(|finding| finding.event < present);
                self.mode = Mode::Findings(next.min(self.findings.len().saturating_sub(1)));
            }
            KeyCode::Char('/') => self.mode = Mode::Asking(Question::Search, String::new()),
            KeyCode::Char('B') => self.mode = Mode::Asking(Question::Breakpoint, String::new()),
            KeyCode::Home | KeyCode::Char('g') => self.seek(1),
            KeyCode::End | KeyCode::Char('G') => self.seek(usize::MAX),
            KeyCode::Char(' ') => self.playing = !self.playing,
            KeyCode::Char('+') => self.play_at(SPEEDS.into_iter().find(|speed| *speed > self.speed)),
            KeyCode::Char('-') => self.play_at(SPEEDS.into_iter().rfind(|speed| *speed < self.speed)),
            KeyCode::Up => self.choose(false),
            KeyCode::Down => self.choose(true),
            KeyCode::Esc => self.pinned = None,
            KeyCode::Char('c') | KeyCode::Enter => self.follow_cause(),
            KeyCode::Char('b') | KeyCode::Backspace => match self.came_from.pop() {
                Some(position) => self.seek(position),
                None => self.message = Some("nothing to go back to: `c` follows an event to its cause".into()),
            },
            _ => self.message = Some("`?` shows what the keys do".into()),
        }
    }

    /// Plays so many events a second, if it can be played faster or slower still; the title says so while it plays.
    fn play_at(&mut self, speed: Option<u32>) {
        self.speed = speed.unwrap_or(self.speed);
        self.message = (!self.playing).then(|| format!("space plays {} a second", count(self.speed as usize, "event")));
    }

    /// Goes to where so many events have happened.
    pub fn seek(&mut self, position: usize) {
        self.run.seek(position);
        let run = self.run.present().map(|record| record.run);
        let of_run = |number: &usize| Some(self.run.trace.records[*number].run) == run;
        self.followed = (0..self.run.position()).rev().filter(of_run).find_map(|number| self.run.whose(number));
    }

    /// Goes on to the next event that is wanted; lets a program that runs go on for it.
    fn forward(&mut self, is_wanted: Goal, or_else: &str) {
        if let Some(position) = self.run.find(true, &is_wanted) {
            return self.seek(position);
        }
        match &self.live {
            Some(live) if live.go_on() => {
                // What has been looked at is not looked at again.
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
        let Some(number) = self.present() else { return };
        match self.run.cause(number) {
            Some(cause) => {
                self.came_from.push(number + 1);
                self.seek(cause + 1);
            }
            None => self.message = Some("nothing that was recorded led to this".into()),
        }
    }

    /// Pins the next task of the list, or the one before.
    fn choose(&mut self, next: bool) {
        let (state, present) = (self.state(), self.selected().map_or(0, |task| task.id));
        let chosen = match next {
            true => present.checked_add(1).and_then(|next| state.tasks.range(next..).next()),
            false => state.tasks.range(..present).next_back(),
        };
        self.pinned = chosen.map(|(id, _)| (state.run, *id)).or(self.pinned);
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
                        // Nothing new is what was sought before.
                        self.sought = if text.is_empty() { self.sought.clone() } else { text.to_lowercase() };
                        _ = self.search(true);
                    }
                    Question::Breakpoint => self.toggle_breakpoint(&text),
                };
            }
            _ => {}
        }
        self.mode = Mode::Asking(question, text);
    }

    fn search(&mut self, forward: bool) -> bool {
        if self.sought.is_empty() {
            self.message = Some("nothing is sought: `/` and a text search for that".into());
            return true;
        }
        let so_far = if self.goes_on() { " of what has happened so far" } else { "" };
        let App { run, words, sought, .. } = self;
        let is_it = |number: usize, _: &Record| words.sentence(&run.trace, number).to_lowercase().contains(&**sought);
        match run.find(forward, is_it) {
            Some(position) => self.seek(position),
            None => {
                let where_to = if forward { "further on" } else { "before" };
                self.message = Some(format!("`{}` is nowhere {where_to}{so_far}", self.sought));
            }
        }
        true
    }

    /// Sets a breakpoint, or takes it back; without a text, at the selected task.
    fn toggle_breakpoint(&mut self, text: &str) {
        let selected = self.selected().and(self.selected_id()).filter(|_| text.is_empty());
        let run = |run: u32| has_several_runs(&self.run.trace).then_some(run);
        let of_task = selected.map(|(of, task)| Ok(Breakpoint::Task(task, run(of))));
        match of_task.unwrap_or_else(|| text.parse()) {
            Ok(new) => match self.breakpoints.iter().position(|known| *known == new) {
                Some(known) => {
                    self.message = Some(format!("no more breakpoint at {new}"));
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

    /// Whether a breakpoint is at this event.
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
            // The places that lines are named by come with the events: they are looked at when those are there.
            None if forward && self.goes_on() => {
                self.seek(usize::MAX);
                self.playing = true;
                self.speed = 1_000;
            }
            None => self.message = Some("no breakpoint is met".into()),
        }
        true
    }

    /// Keys while the list of findings covers the panes: one is chosen, or gone to; all others close it.
    fn choose_finding(&mut self, chosen: usize, key: KeyCode) {
        let last = self.findings.len().saturating_sub(1);
        let gone_to = self.findings.get(chosen).filter(|_| key == KeyCode::Enter).map(|finding| finding.event + 1);
        if let Some(position) = gone_to {
            self.came_from.push(self.run.position());
            self.pinned = None;
            self.seek(position);
        }
        self.mode = match key {
            KeyCode::Up => Mode::Findings(chosen.saturating_sub(1)),
            KeyCode::Down => Mode::Findings((chosen + 1).min(last)),
            KeyCode::Home => Mode::Findings(0),
            KeyCode::End => Mode::Findings(last),
            _ => Mode::Stepping,
        };
    }
}
