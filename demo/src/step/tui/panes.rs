//! The text of each pane. Colours repeat what the words say.

use super::app::{App, Mode, Question};
use super::breakpoint::lines;
use crate::step::model::{Phase, Task};
use crate::step::words::{count, direction_word, place_of, short_frame, shortened, time, waits_for};
use executor::trace::{Event, Record};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use std::rc::Rc;

/// The first line: the program, and the position.
pub fn title(app: &App, width: u16) -> Line<'static> {
    let (position, all) = (app.run.position(), app.run.trace.records.len());
    let more = if app.goes_on() { "+" } else { "" };
    let play = if app.playing { format!(" · playing {}/s", app.speed) } else { String::new() };
    let wrong = match app.findings.len() {
        0 => String::new(),
        some => format!(" · {}: i", count(some, "finding")),
    };
    let at = format!("event {position} of {all}{more} · at {}{play}{wrong} ", time(app.run.state().now));
    // The position matters more than the name, and the end of a path more than its beginning.
    let room = usize::from(width).saturating_sub(at.chars().count() + 1);
    let name = cut_before(&format!(" step · {}", app.title), room);
    let gap = usize::from(width).saturating_sub(name.chars().count() + at.chars().count());
    Line::from(format!("{name}{:gap$}{at}", ""))
}

/// The status line: the current event as a sentence, or the answer to the last key.
pub fn current(app: &App) -> Line<'static> {
    if let Some(message) = &app.message {
        return Line::from(format!(" {message}")).yellow();
    }
    let Some(number) = app.current() else { return Line::from(" before the first event: → steps") };
    let mut words = vec![Span::from(" "), app.words.sentence(&app.run.trace, number).bold()];
    if let Some((file, line)) = lines(&app.run.trace, &app.run.trace.records[number].event).first() {
        let names_place = matches!(
            app.run.trace.records[number].event,
            Event::Spawned { .. } | Event::TimerSet { .. } | Event::Cancelled { .. }
        );
        words.extend((!names_place).then(|| Span::from(shortened(&format!(" — at {file}:{line}")))));
    }
    words.extend((number == 0).then(|| Span::from(" — → next event · w next wake · space plays")));
    words.extend(app.breaks_at(number).then(|| " ● breakpoint".red()));
    Line::from(words)
}

/// The last line: the most important keys, or the question.
pub fn keys(app: &App, width: u16) -> Line<'static> {
    match &app.mode {
        Mode::Asking(question, text) => {
            let or_task = app.selected().map(|task| format!("; Enter: {}", task.title())).unwrap_or_default();
            let what = match question {
                Question::Search => "search for".to_owned(),
                Question::Breakpoint => format!("breakpoint at (task 3, main.rs:7, woken …{or_task})"),
            };
            return Line::from(vec![format!(" {what}: ").bold(), text.clone().into(), "█".into()]);
        }
        Mode::Findings(_) if !app.findings.is_empty() => {
            return Line::from(" ↑↓ choose · Enter jumps to its event, `b` jumps back · any other key closes");
        }
        Mode::Findings(_) | Mode::Help => return Line::from(" any key closes"),
        Mode::Stepping => {}
    }
    let all = [
        ("←→", "event"),
        ("p", "poll"),
        ("w", "wake"),
        ("c", "cause"),
        ("↑↓", "task"),
        ("space", "play"),
        ("?", "help"),
        ("q", "quit"),
        ("m", "code"),
        ("r", "park"),
        ("b", "back"),
        ("t", "its next"),
        ("/", "search"),
        ("i", "findings"),
        ("B", "breakpoint"),
    ];
    let (mut line, mut left) = (vec![Span::from(" ")], usize::from(width).saturating_sub(1));
    for (key, what) in all {
        let length = key.chars().count() + what.len() + 3;
        if length > left + 2 {
            break;
        }
        left = left.saturating_sub(length);
        line.extend([key.bold(), Span::from(format!(" {what}  "))]);
    }
    Line::from(line)
}

/// The style of the marked line or event.
pub const CHOSEN: Style = Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED);

/// The state of a task, with a mark: `!` no waker is left, `✗` cancelled and not completed, `+` woken during this poll.
fn state_word(task: &Task) -> String {
    let is_cancelled = task.is_cancelled && !task.phase.is_completed();
    let mark = match (task.is_stranded, is_cancelled, task.woken_again) {
        (true, ..) => "!",
        (_, true, _) => " ✗",
        (_, _, true) => "+",
        _ => "",
    };
    format!("{}{mark}", task.phase.word())
}

/// Number of polls, without a last run that only drops the future.
fn polls(app: &App, task: &Task) -> u64 {
    task.polls.saturating_sub(u64::from(is_dropping(app, task) == Some(true)))
}

/// Whether a running task only drops its future, as [`only_drops`](crate::step::model::only_drops).
pub fn is_dropping(app: &App, task: &Task) -> Option<bool> {
    match task.phase {
        Phase::Running => app.run.is_dropping_in(app.state().run, task.id),
        _ => Some(false),
    }
}

fn colour(phase: Phase) -> Style {
    match phase {
        Phase::Running => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        Phase::Queued | Phase::Pooled => Style::new().fg(Color::Yellow),
        Phase::Suspended => Style::new().fg(Color::Cyan),
        Phase::Blocking => Style::new().fg(Color::Magenta),
        Phase::Panicked => Style::new().fg(Color::Red),
        Phase::Returned | Phase::Cancelled => Style::new().add_modifier(Modifier::DIM),
    }
}

pub fn tasks_title(app: &App) -> String {
    let tasks = &app.state().tasks;
    let run = app.words.name_of(app.state().run);
    let completed = tasks.values().filter(|task| task.phase.is_completed()).count();
    match completed {
        0 => format!(" {run}{} ", count(tasks.len(), "task")),
        completed => format!(" {run}{}, {completed} completed ", count(tasks.len(), "task")),
    }
}

/// The beginning of a text, with an ellipsis if it is cut: otherwise a cut number would read as a smaller number.
pub fn cut(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The end of a text, with an ellipsis if it is cut.
fn cut_before(text: &str, room: usize) -> String {
    match text.chars().count().saturating_sub(room) {
        0 => text.to_owned(),
        more => ['…'].into_iter().take(room).chain(text.chars().skip(more + 1)).collect(),
    }
}

/// The range of lines around a chosen one that fits a height.
pub fn window(height: u16, chosen: usize, all: usize) -> std::ops::Range<usize> {
    let height = usize::from(height).min(all);
    let start = chosen.saturating_sub(height / 2).min(all - height);
    start..start + height
}

/// The heads of the columns at the right end of the list of tasks.
pub const TASK_HEADS: &str = "polls state";
/// The widths of these columns. The longest state is `suspended ✗`.
const POLLS: usize = "polls".len();
const STATE: usize = 11;
/// The width of the pane from which there is room for the number of polls.
const NARROW: u16 = 26;
/// The widths of the two columns together, with a space between them.
pub const TASK_COLUMNS: usize = POLLS + 1 + STATE;

pub fn tasks(app: &App, area: Rect) -> Vec<Line<'static>> {
    let tasks: Vec<_> = app.state().tasks.values().collect();
    let run = app.state().run;
    let selected = app.selected_id().filter(|(of, _)| *of == run).map(|(_, task)| task);
    let chosen = tasks.iter().position(|task| Some(task.id) == selected).unwrap_or(0);
    let mut lines = Vec::new();
    for task in &tasks[window(area.height, chosen, tasks.len())] {
        let is_chosen = Some(task.id) == selected;
        let mark = match (is_chosen, app.pinned.is_some()) {
            (true, true) => "▶ ",
            (true, false) => "› ",
            (false, _) => "  ",
        };
        let spawned = || task.place.map_or("–".into(), |place| shortened(&place_of(&app.run.trace, place)));
        let text = format!("{mark}{:>2} {}", task.id, task.name.as_deref().map_or_else(spawned, str::to_owned));
        let state = state_word(task);
        let (columns, polls) = match area.width {
            // On a narrow screen, names say more than numbers.
            ..NARROW => (state.chars().count() + 2, " ".to_owned()),
            _ => (TASK_COLUMNS, format!("{:>POLLS$} ", polls(app, task))),
        };
        let room = usize::from(area.width).saturating_sub(columns);
        let line = Line::from(vec![
            Span::from(format!("{:<room$}", cut(&text, room))),
            Span::from(polls).dim(),
            Span::styled(format!("{state:<STATE$}"), colour(task.phase)),
        ]);
        lines.push(if is_chosen { line.bold() } else { line });
    }
    lines
}

pub fn queue(app: &App, area: Rect) -> Vec<Line<'static>> {
    let state = app.state();
    let name = |id: &u64| match state.tasks.get(id).and_then(|task| task.name.clone()) {
        Some(name) => format!("{id} \"{name}\""),
        None => format!("{id}"),
    };
    let queued: Vec<_> = state.queue.iter().map(name).collect();
    let line = match queued.is_empty() {
        true => Line::from(" no task is queued").dim(),
        false => Line::from(format!(" {}", queued.join(" → "))).yellow(),
    };
    let fits = line.width() <= usize::from(area.width);
    if fits {
        return vec![line];
    }
    let text = cut(&line.to_string(), usize::from(area.width).saturating_sub(8));
    vec![Line::from(format!("{text} ({})", queued.len())).yellow()]
}

pub fn reactor_title(app: &App) -> String {
    let state = app.state();
    match state.parked {
        Some((_, None)) => " reactor · parked ".into(),
        Some((_, Some(0))) => " reactor · polled ".into(),
        Some((_, Some(timeout))) => format!(" reactor · parked, {} at most ", time(timeout)),
        None => " reactor ".into(),
    }
}

pub fn reactor(app: &App, area: Rect) -> Vec<Line<'static>> {
    let state = app.state();
    let mut timers: Vec<_> = state.timers.iter().collect();
    timers.sort_by_key(|(id, timer)| (timer.deadline, **id));
    let of = |task: Option<u64>| task.map(|id| app.words.task_of(state.run, id));
    let timers = timers.into_iter().map(|(id, timer)| {
        let left = timer.deadline.saturating_sub(state.now);
        let whose = of(timer.task).map(|task| format!(" · {task}")).unwrap_or_default();
        Line::from(format!(" timer {id} in {}{whose}", time(left)))
    });
    let sources = state.sources.iter().map(|(id, source)| {
        let waiters =
            source.waiters.iter().map(|(task, direction)| format!("{} task {task}", direction_word(*direction)));
        let waiters: Vec<_> = waiters.collect();
        let fd = source.fd.filter(|fd| *fd >= 0).map(|fd| format!(" fd {fd}")).unwrap_or_default();
        let ready =
            if source.ready.is_empty() { String::new() } else { format!(" · {}", source.ready.replace('_', " ")) };
        let waiters = if waiters.is_empty() { String::new() } else { format!(" ← {}", waiters.join(", ")) };
        Line::from(format!(" source {id}{fd}{ready}{waiters}"))
    });
    let mut lines: Vec<_> = timers.chain(sources).collect();
    if lines.is_empty() {
        return vec![Line::from(" no timer, no source").dim()];
    }
    let room = usize::from(area.height);
    if lines.len() > room {
        let more = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(Line::from(format!(" and {more} more")).dim());
    }
    lines
}

pub fn task_title(app: &App) -> String {
    let run = app.selected_id().map(|(run, _)| app.words.name_of(run)).unwrap_or_default();
    app.selected().map_or(" task ".into(), |task| format!(" {run}{} ", task.title()))
}

/// Everything that is known about the selected task.
pub fn task(app: &App, _: Rect) -> Vec<Line<'static>> {
    let Some(task) = app.selected() else { return Vec::new() };
    let trace = &app.run.trace;
    let since = app.state().now.saturating_sub(task.since);
    let mut lines = vec![
        Line::from(vec![
            Span::styled(format!(" {}", state_word(task)), colour(task.phase)),
            Span::from(format!(" for {} · {}", time(since), counts(app, task))),
        ]),
        spawned(app, task),
    ];
    if let Some(number) = task.queued_by.filter(|_| task.polls > 0 || task.wakes > 0) {
        lines.push(Line::from(format!(" last queued by: {}", app.words.sentence(trace, number))));
    }
    if task.is_stranded {
        lines.push(Line::from(" no waker is left: only a cancel can run it again").red());
    }
    let waits = if task.phase == Phase::Suspended { "waits for" } else { "waited for" };
    for wait in task.waits.iter() {
        lines.push(Line::from(format!(" {waits}: {}", shortened(&waits_for(wait)))).cyan());
        let frames = trace.chains.get(wait.chain as usize).into_iter().flatten().rev();
        lines.extend(frames.map(|at| Line::from(format!("   in {}", short_frame(at)))));
    }
    lines
}

fn counts(app: &App, task: &Task) -> String {
    let itself = if task.self_wakes > 0 { format!(" ({} by itself)", task.self_wakes) } else { String::new() };
    let (polls, wakes) = (count(polls(app, task) as usize, "poll"), count(task.wakes as usize, "wake"));
    format!("{polls}, {wakes}{itself}, {}", count(task.size as usize, "byte"))
}

fn spawned(app: &App, task: &Rc<Task>) -> Line<'static> {
    let run = app.selected_id().map_or(0, |(run, _)| run);
    let by = task.by.map(|by| format!(" by {}", app.words.task_of(run, by)));
    let at = task
        .place
        .map_or(" before the recording".to_owned(), |place| format!(" at {}", place_of(&app.run.trace, place)));
    Line::from(shortened(&format!(" spawned{}{at}", by.unwrap_or_default())))
}

/// The events around the current one.
pub fn events(app: &App, area: Rect) -> Vec<Line<'static>> {
    let trace = &app.run.trace;
    let Some(current) = app.current() else { return Vec::new() };
    let digits = trace.records.len().to_string().len();
    let selected = app.selected().and(app.selected_id());
    let width = usize::from(area.width);
    let is_its = |record: &Record| selected.is_some() && record.event.task().map(|id| (record.run, id)) == selected;
    let row = |number: usize| {
        let mark = if app.breaks_at(number) { "●" } else { " " };
        let at = time(trace.records[number].at);
        let text = format!("{mark}{:>digits$} {at:>8} {}", number + 1, app.words.sentence(trace, number));
        let line = Line::from(format!("{:<width$}", cut(&text, width)));
        match number == current {
            true => line.style(CHOSEN),
            false if is_its(&trace.records[number]) => line.bold(),
            false if number > current => line.dim(),
            false => line,
        }
    };
    window(area.height, current, trace.records.len()).map(row).collect()
}

pub fn findings_title(app: &App) -> String {
    match (app.findings.len(), app.goes_on()) {
        (0, _) => " findings ".into(),
        (some, false) => format!(" {} ", count(some, "finding")),
        (some, true) => format!(" {} so far ", count(some, "finding")),
    }
}

/// A line for each finding: its kind, the task, the line at fault or else the spawn location, and the reason.
pub fn findings(app: &App, chosen: usize, area: Rect) -> Vec<Line<'static>> {
    if app.findings.is_empty() {
        let so_far = if app.goes_on() { " so far" } else { "" };
        return vec![Line::from(format!(" Nothing wrong was found in this run{so_far}."))];
    }
    let width = usize::from(area.width);
    let row = |number: usize| {
        let finding = &app.findings[number];
        let task = app.words.run(finding.event) + &app.words.task(finding.event, finding.task);
        let spawned = || finding.place.map(|place| place_of(&app.run.trace, place));
        let at = finding.at.as_ref().map(ToString::to_string).or_else(spawned).unwrap_or_default();
        let place = cut(&shortened(&at), 19);
        let text = format!(" {:<12} {:<15} {place:<19} {}", finding.kind.to_string(), cut(&task, 15), finding.reason);
        let line = Line::from(format!("{:<width$}", cut(&text, width)));
        if number == chosen { line.style(CHOSEN) } else { line }
    };
    window(area.height, chosen, app.findings.len()).map(row).collect()
}

pub fn help(app: &App) -> Vec<Line<'static>> {
    const KEYS: [(&str, &str); 18] = [
        ("→ ←  l h", "the next event, the previous one"),
        ("PgDn PgUp", "ten events forwards, backwards"),
        ("Home End  g G", "the first event, the last"),
        ("p P", "the next poll, the previous one"),
        ("w W", "the next wake, the previous one"),
        ("r R", "the next park on the reactor, the previous one"),
        ("t T", "the next event of this task, the previous one"),
        ("↑ ↓", "choose a task; Esc follows the events again"),
        ("c  Enter", "the cause: the poll that woke the task, the timer …"),
        ("b  Backspace", "back to where `c` or `i` jumped from"),
        ("space  + -", "play or stop; faster, slower"),
        ("B", "set or remove a breakpoint: task 3, main.rs:7, woken"),
        ("f F", "the next breakpoint, the previous one"),
        ("/", "search in the events"),
        ("n N", "the next hit, the previous one"),
        ("i", "the findings: what is wrong in this run"),
        ("m", "the runtime's own code, words and queues; the program's"),
        ("q  Ctrl-C", "quit"),
    ];
    let mut lines: Vec<_> =
        KEYS.iter().map(|(key, what)| Line::from(vec![format!("{key:>14}  ").bold(), Span::from(*what)])).collect();
    if !app.breakpoints.is_empty() {
        let all: Vec<_> = app.breakpoints.iter().map(ToString::to_string).collect();
        lines.push(Line::from(format!("breakpoints: {}", all.join(", "))));
    }
    lines
}
