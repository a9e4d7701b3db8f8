//! The tables of tasks, sockets and timers, as rows of texts; and the details of a task.

use super::observed::Observed;
use crate::step::model::{Phase, Source, State, Task, Timer, title};
use crate::step::words::{self, count, direction_word, frame, place_of};
use clap::ValueEnum;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

/// A column by which the table of tasks can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Number, in the order of spawning
    Task,
    /// Name
    Name,
    /// State
    State,
    /// Number of polls
    Polls,
    /// Number of wakes
    Wakes,
    /// Number of wakes by itself
    SelfWakes,
    /// Total time running
    Running,
    /// Total time queued
    Queued,
    /// Total time suspended
    Suspended,
}

/// The head of a column.
pub struct Head {
    pub title: &'static str,
    /// In characters; 0 takes the rest of the line.
    pub width: u16,
    pub is_number: bool,
}

/// The run and the number of a task, source or timer.
pub type Id = (u32, u64);

/// A line of a table.
pub struct Row {
    /// The task, source or timer.
    pub id: Id,
    /// The task whose details are shown.
    pub task: Option<Id>,
    pub cells: Vec<String>,
    pub phase: Option<Phase>,
}

/// A table.
pub struct Table {
    pub heads: Vec<Head>,
    pub rows: Vec<Row>,
}

const fn text(title: &'static str, width: u16) -> Head {
    Head { title, width, is_number: false }
}

const fn number(title: &'static str, width: u16) -> Head {
    Head { title, width, is_number: true }
}

/// Adds a column for the run if there are several.
fn with_runs(observed: &Observed, mut table: Table) -> Table {
    if observed.runs().all().count() > 1 {
        table.heads.insert(0, number("RUN", 4));
        table.rows.iter_mut().for_each(|row| row.cells.insert(0, row.id.0.to_string()));
    }
    table
}

/// The tasks, sorted by a column: numbers from the largest, texts alphabetically.
pub fn tasks(observed: &Observed, sort: Column, reverse: bool) -> Table {
    let heads = vec![
        number("TASK", 6),
        text("NAME", 16),
        text("STATE", 9),
        number("POLLS", 7),
        number("WAKES", 7),
        number("SELF", 6),
        number("RUNNING", 7),
        number("QUEUED", 7),
        number("SUSPENDED", 9),
        text("WAITS FOR", 0),
    ];
    let with_times = |run: u32, task: &Rc<Task>| (task.clone(), observed.times(task), run);
    let of_run = |state: &'_ State| state.tasks.values().map(|task| with_times(state.run, task)).collect::<Vec<_>>();
    let mut tasks: Vec<_> = observed.runs().all().flat_map(of_run).collect();
    let mut by_number =
        |key: fn(&Task, [u64; 3]) -> u64| tasks.sort_by_key(|(task, times, _)| Reverse(key(task, *times)));
    match sort {
        Column::Task => {} // already in this order
        Column::Name => tasks.sort_by_cached_key(|(task, ..)| name(observed, task)),
        Column::State => tasks.sort_by_key(|(task, ..)| task.phase.word()),
        Column::Polls => by_number(|task, _| task.polls),
        Column::Wakes => by_number(|task, _| task.wakes),
        Column::SelfWakes => by_number(|task, _| task.self_wakes),
        Column::Running => by_number(|_, [running, ..]| running),
        Column::Queued => by_number(|_, [_, queued, _]| queued),
        Column::Suspended => by_number(|_, [.., suspended]| suspended),
    }
    if reverse {
        tasks.reverse();
    }
    let rows = tasks.iter().map(|(task, times, run)| task_row(observed, task, *times, *run)).collect();
    with_runs(observed, Table { heads, rows })
}

/// The name of a task, or else its spawn location in short: `store.rs:63`.
fn name(observed: &Observed, task: &Task) -> String {
    let place = || task.place.map(|place| place_of(observed.trace(), place)).unwrap_or_default();
    let file = |place: String| place.rsplit('/').next().unwrap_or_default().to_owned();
    task.name.as_deref().map_or_else(|| file(place()), str::to_owned)
}

fn task_row(observed: &Observed, task: &Task, [running, queued, suspended]: [u64; 3], run: u32) -> Row {
    let cells = vec![
        task.id.to_string(),
        name(observed, task),
        task.phase.word().to_owned(),
        amount(task.polls),
        amount(task.wakes),
        amount(task.self_wakes),
        time(running),
        time(queued),
        time(suspended),
        waits_for(task),
    ];
    let id = (run, task.id);
    Row { id, task: Some(id), cells, phase: Some(task.phase) }
}

fn waits_for(task: &Task) -> String {
    match (task.phase, &*task.waits) {
        (Phase::Pooled, _) => "a thread of the pool".into(),
        (Phase::Blocking, _) => "a blocking call".into(),
        (Phase::Suspended, _) if task.is_stranded => "nothing: no waker is left".into(),
        (Phase::Suspended, [only]) => only.leaf.to_string(),
        (Phase::Suspended, [first, others @ ..]) => format!("{}, or {} more", first.leaf, others.len()),
        _ => String::new(),
    }
}

/// The sources.
pub fn sources(observed: &Observed) -> Table {
    let heads =
        vec![number("SOURCE", 6), number("FD", 5), text("WHAT", 32), text("LAST READINESS", 18), text("WAITERS", 0)];
    let of_run = |state: &State| {
        let rows = state.sources.iter().map(|(id, source)| source_row(observed, state, *id, source));
        rows.collect::<Vec<_>>()
    };
    let rows = observed.runs().all().flat_map(of_run).collect();
    with_runs(observed, Table { heads, rows })
}

fn source_row(observed: &Observed, state: &State, id: u64, source: &Source) -> Row {
    let waiters = source.waiters.iter().map(|(task, direction)| {
        let title = state.tasks.get(task).map_or_else(|| title(*task, None), |task| task.title());
        format!("{title}, to {}", direction_word(*direction))
    });
    let cells = vec![
        id.to_string(),
        source.fd.map(|fd| fd.to_string()).unwrap_or_default(),
        observed.source_name(state.runtime, id).unwrap_or_default().to_owned(),
        source.ready.replace('_', " "),
        waiters.collect::<Vec<_>>().join("; "),
    ];
    let task = source.waiters.first().map(|(task, _)| (state.run, *task));
    Row { id: (state.run, id), task, cells, phase: None }
}

/// The timers, the next deadline first.
pub fn timers(observed: &Observed) -> Table {
    let heads = vec![number("TIMER", 6), number("IN", 7), text("OF", 24), text("SET AT", 0)];
    let of_run = |state: &'_ State| state.timers.iter().map(|(id, timer)| (timer.clone(), *id, state.run)).collect();
    let mut timers: Vec<(Timer, u64, u32)> = observed.runs().all().flat_map::<Vec<_>, _>(of_run).collect();
    timers.sort_by_key(|(timer, ..)| timer.deadline);
    let row = |(timer, id, run): (Timer, u64, u32)| {
        let task = timer.task.and_then(|task| observed.runs().get(run)?.tasks.get(&task));
        let cells = vec![
            id.to_string(),
            time(timer.deadline.saturating_sub(observed.now())),
            task.map(|task| task.title()).unwrap_or_default(),
            place_of(observed.trace(), timer.place),
        ];
        Row { id: (run, id), task: timer.task.map(|task| (run, task)), cells, phase: None }
    };
    with_runs(observed, Table { heads, rows: timers.into_iter().map(row).collect() })
}

/// The details of a task, in lines.
pub fn details(observed: &Observed, (run, id): Id) -> Vec<String> {
    let tasks = observed.runs().get(run).map(|state| &state.tasks);
    let find = |id: u64| tasks.and_then(|tasks| tasks.get(&id));
    let Some(task) = find(id) else { return vec![format!("{} has completed", title(id, None))] };
    let by = task.by.map(|by| format!(" by {}", find(by).map_or_else(|| title(by, None), |by| by.title())));
    let by = by.unwrap_or_default();
    let at = task.place.map(|place| format!(" at {}", place_of(observed.trace(), place))).unwrap_or_default();
    let [running, queued, suspended] = observed.times(task).map(time);
    let itself = if task.self_wakes > 0 { format!(" ({} by itself)", task.self_wakes) } else { String::new() };
    let since = match task.phase.is_completed() {
        true => task.phase.word().to_owned(),
        false => format!("{} for {}", task.phase.word(), time(observed.now().saturating_sub(task.since))),
    };
    let mut lines = vec![
        format!("{}, spawned{by}{at}, a future of {}", task.title(), count(task.size as usize, "byte")),
        format!(
            "{since}; running {running}, queued {queued}, suspended {suspended}; {}, {}{itself}",
            count(task.polls as usize, "poll"),
            count(task.wakes as usize, "wake")
        ),
    ];
    let mut above: &[_] = &[];
    for wait in task.waits.iter() {
        let chain = observed.trace().chains.get(wait.chain as usize).map_or(&[][..], |chain| chain);
        let same = chain.iter().zip(above).take_while(|(a, b)| a == b).count();
        let indent = if above.is_empty() { "  " } else { "    " };
        lines.extend(chain[same..].iter().map(|place| format!("{indent}{}", frame(place))));
        lines.push(format!("{indent}waits for: {}", words::waits_for(wait)));
        above = chain;
    }
    lines
}

/// A number in at most six characters: `12345`, `1.2M`.
pub fn amount(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..100_000_000 => format!("{:.1}M", number as f64 / 1e6),
        100_000_000..10_000_000_000 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

/// A time in at most six characters: `12µs`, `1.25ms`, `3m12s`.
pub fn time(nanoseconds: u64) -> String {
    let seconds = Duration::from_nanos(nanoseconds).as_secs();
    let three = |unit: &str, of: u64| match nanoseconds as f64 / of as f64 {
        small @ ..9.995 => format!("{small:.2}{unit}"),
        more @ ..99.95 => format!("{more:.1}{unit}"),
        many => format!("{many:.0}{unit}"),
    };
    match nanoseconds {
        0 => "0".into(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => three("µs", 1_000),
        1_000_000..1_000_000_000 => three("ms", 1_000_000),
        1_000_000_000..60_000_000_000 => three("s", 1_000_000_000),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if seconds < 360_000 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}
