//! The panes of the runtime: its own code behind the current event, and the words and queues that the event changed.

use super::app::App;
use super::panes::{CHOSEN, cut, window};
use crate::step::model::State;
use crate::step::runtime_code::{Excerpt, codes};
use crate::step::words::count;
use executor::observer::ReadinessWord;
use executor::task::{Queue, StateWord, Transition};
use executor::trace::Event;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};

/// The function that made the event, and the functions that called it.
pub fn code_title(app: &App) -> String {
    let Some(record) = app.run.current() else { return " runtime ".into() };
    let mut codes = codes(record).iter();
    let Some(first) = codes.next() else { return " runtime ".into() };
    let others: Vec<_> = codes.map(|code| code.function).collect();
    let others = if others.is_empty() { String::new() } else { format!(" · with {}", others.join(", ")) };
    format!(" {} · {}{others} ", first.path(), first.function)
}

/// The functions one below the other, as many as fit.
pub fn code(app: &App, area: Rect) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    let Some(record) = app.run.current() else { return rows };
    for (number, code) in codes(record).iter().enumerate() {
        if number > 0 {
            rows.push(Line::from(format!(" ── {} · {}", code.file(), code.function)).dim());
        }
        let left = area.height.saturating_sub(rows.len() as u16);
        if left == 0 {
            break;
        }
        match code.excerpt(&app.sources) {
            Ok(excerpt) => rows.extend(excerpt_rows(&excerpt, Rect { height: left, ..area })),
            Err(error) => rows.push(Line::from(format!(" {error}")).dim()),
        }
    }
    rows
}

fn excerpt_rows(excerpt: &Excerpt, area: Rect) -> Vec<Line<'static>> {
    let Excerpt { first, lines, marked } = excerpt;
    let width = usize::from(area.width);
    let row = |index: usize| {
        let (number, text) = (first + index, &lines[index]);
        match index == *marked {
            true => Line::from(format!("{:<width$}", format!("▶{number:>3} {text}"))).style(CHOSEN),
            false if text.trim_start().starts_with("//") => Line::from(format!(" {number:>3} {text}")).dim(),
            false => Line::from(format!(" {number:>3} {text}")),
        }
    };
    window(area.height, *marked, lines.len()).map(row).collect()
}

pub fn words_title(app: &App) -> String {
    let Some(record) = app.run.current() else { return " words ".into() };
    match (&record.event, record.event.task()) {
        (_, Some(task)) => format!(" the state word of {} ", app.words.task_of(record.run, task)),
        (Event::SourceReady { source, .. } | Event::SourceWaits { source, .. }, None) => {
            format!(" the readiness word of source {source} ")
        }
        (Event::TimerSet { timer, .. } | Event::TimerCancelled { timer } | Event::TimerFired { timer }, None) => {
            format!(" the slot of timer {timer} ")
        }
        _ => " the queues ".into(),
    }
}

/// The words that the current event changed, and the queues after it.
pub fn words(app: &App, area: Rect) -> Vec<Line<'static>> {
    let Some(record) = app.run.current() else { return Vec::new() };
    let state = app.run.state();
    let mut lines = match (&record.transition, &record.event) {
        (Some(transition), _) => transition_lines(transition),
        (None, Event::SourceReady { word, source, .. } | Event::SourceWaits { word, source, .. }) => {
            vec![readiness_line(word.as_ref()), waiters_line(state, *source)]
        }
        (None, Event::TimerSet { .. } | Event::TimerCancelled { .. } | Event::TimerFired { .. }) => slot_lines(app),
        (None, event) => event.task().map(|task| word_line(state, task)).into_iter().collect(),
    };
    lines.extend(queue_lines(state, usize::from(area.width)));
    lines
}

/// The edge, and the word before and after it.
fn transition_lines(transition: &Transition) -> Vec<Line<'static>> {
    let Transition { before, after, queue, .. } = transition;
    let pushed = match queue {
        Some(Queue::Run) => " · pushed to the run queue",
        Some(Queue::Injection) => " · pushed to the injection queue",
        None => "",
    };
    let edge = Line::from(vec![Span::from(format!(" {transition}")).bold(), Span::from(pushed)]);
    match transition.from() {
        Some(_) => vec![edge, parts(" before ", *before, *after, false), parts(" after  ", *after, *before, true)],
        None => vec![edge, parts(" after  ", *after, *after, true)],
    }
}

const CHANGED: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);

/// A word in its parts, with those that differ from `other` highlighted.
fn parts(name: &str, word: StateWord, other: StateWord, is_after: bool) -> Line<'static> {
    let style = |differs: bool| if differs { CHANGED } else { Style::new() };
    let mut spans = vec![Span::from(name.to_owned()).dim()];
    for bit in StateWord::all_names() {
        let (is_set, was_set) = (word.names().any(|name| name == bit), other.names().any(|name| name == bit));
        match (is_set, was_set) {
            (true, _) => spans.push(Span::styled(format!(" {bit}"), style(!was_set))),
            // A bit that was cleared leaves a marked gap.
            (false, true) if is_after => spans.push(Span::styled(format!(" –{bit}"), CHANGED)),
            (false, _) => {}
        }
    }
    let counts = [
        (count(word.references() as usize, "reference"), word.references() != other.references()),
        (count(word.polls() as usize, "poll"), word.polls() != other.polls()),
    ];
    spans
        .extend(counts.into_iter().flat_map(|(text, differs)| [Span::from(" · "), Span::styled(text, style(differs))]));
    Line::from(spans)
}

/// The word of a task at an event that does not change it.
fn word_line(state: &State, task: u64) -> Line<'static> {
    match state.tasks.get(&task).and_then(|task| task.word) {
        Some(word) => Line::from(format!(" {word}")),
        None => Line::from(" the recording does not contain state words").dim(),
    }
}

fn readiness_line(word: Option<&ReadinessWord>) -> Line<'static> {
    let Some(ReadinessWord { readiness, reports }) = word else {
        return Line::from(" the recording does not contain readiness words").dim();
    };
    let names: Vec<_> = readiness.iter_names().map(|(name, _)| name).collect();
    let names = if names.is_empty() { "no bit is set".into() } else { names.join(" ") };
    Line::from(vec![Span::from(format!(" {names}")).bold(), Span::from(format!(" · {}", count(*reports, "report")))])
}

fn waiters_line(state: &State, source: u64) -> Line<'static> {
    let waiters = state.sources.get(&source).map(|source| &*source.waiters).unwrap_or_default();
    let waiters: Vec<_> = waiters.iter().map(|(task, _)| format!("task {task}")).collect();
    match waiters.is_empty() {
        true => Line::from(" waiters: none"),
        false => Line::from(format!(" waiters: {}", waiters.join(", "))),
    }
}

/// The slot of the current event's timer, as recorded in the event that set the timer.
fn slot_lines(app: &App) -> Vec<Line<'static>> {
    let records = &app.run.trace.records;
    let slot_of = |number: usize| match records[number].event {
        Event::TimerSet { slot, .. } => slot,
        _ => None,
    };
    let set = |number: usize| slot_of(number).or_else(|| slot_of(app.run.cause(number)?));
    match app.current().and_then(set) {
        Some((wheel, slot)) => {
            let ticks = 64_u64.saturating_pow(wheel.into());
            let ticks = if ticks == 1 { "1 tick".to_owned() } else { format!("{ticks} ticks") };
            let set = Span::from(format!(" set in wheel {wheel}, slot {slot}")).bold();
            vec![Line::from(vec![set, Span::from(format!(" of 0 to 63 · {ticks} a slot"))])]
        }
        None => vec![Line::from(" the recording does not contain the slot").dim()],
    }
}

/// Both queues as they are linked. The head of the injection queue is the task that was pushed last.
fn queue_lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let linked = |tasks: &mut dyn Iterator<Item = &u64>| {
        let tasks: String = tasks.map(|task| format!(" → {task}")).collect();
        if tasks.is_empty() { "head = null".to_owned() } else { format!("head{tasks}") }
    };
    let is_parked = state.injected.is_empty() && matches!(state.parked, Some((_, timeout)) if timeout != Some(0));
    let injected = if is_parked { "head = PARKED".to_owned() } else { linked(&mut state.injected.iter().rev()) };
    let run = format!(" run queue: {}", linked(&mut state.queue.iter()).replace("head = null", "empty"));
    let injected = format!("injection queue: {injected}");
    match run.chars().count() + injected.chars().count() + 4 <= width {
        true => vec![Line::from(format!("{run}    {injected}"))],
        false => [run, format!(" {injected}")].map(|line| Line::from(cut(&line, width))).into(),
    }
}
