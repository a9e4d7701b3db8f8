//! What is written in each part of the screen. Colours only underline what the words say.

use super::app::{App, Mode, Question};
use super::breakpoint::lines;
use crate::step::model::{Phase, Task};
use crate::step::words::{count, direction_word, place_of, short_frame, shortened, time, waits_for};
use executor::trace::{By, Event, Record};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use std::rc::Rc;

/// The first line: what is stepped through, and where one is.
pub fn title(app: &App, width: u16) -> Line<'static> {
    let (position, all) = (app.run.position(), app.run.trace.records.len());
    let more = if app.goes_on() { "+" } else { "" };
    let play = if app.playing { format!(" · playing {}/s", app.speed) } else { String::new() };
    let wrong = match app.findings.len() {
        0 => String::new(),
        some => format!(" · {}: i", count(some, "finding")),
    };
    let at = format!("event {position} of {all}{more} · at {}{play}{wrong} ", time(app.run.state().now));
    // Where one is matters more than what it is called; and of a path, its end more than where it begins.
    let room = usize::from(width).saturating_sub(at.chars().count() + 1);
    let name = cut_before(&format!(" step · {}", app.title), room);
    let gap = usize::from(width).saturating_sub(name.chars().count() + at.chars().count());
    Line::from(format!("{name}{:gap$}{at}", ""))
}

/// The present event in words, or what there is to say about the last key.
pub fn present(app: &App) -> Line<'static> {
    if let Some(message) = &app.message {
        return Line::from(format!(" {message}")).yellow();
    }
    let Some(number) = app.present() else { return Line::from(" before the first event: → goes on") };
    let mut words = vec![Span::from(" "), app.words.sentence(&app.run.trace, number).bold()];
    if let Some((file, line)) = lines(&app.run.trace, &app.run.trace.records[number].event).first() {
        let is_told = matches!(
            app.run.trace.records[number].event,
            Event::Spawned { .. } | Event::TimerSet { .. } | Event::Cancelled { .. }
        );
        words.extend((!is_told).then(|| Span::from(shortened(&format!(" — at {file}:{line}")))));
    }
    words.extend((number == 0).then(|| Span::from(" — → goes on · w to the next wake · space plays it")));
    words.extend(app.breaks_at(number).then(|| " ● breakpoint".red()));
    Line::from(words)
}

/// The last line: the keys that one needs most, or the question that is asked.
pub fn keys(app: &App, width: u16) -> Line<'static> {
    match &app.mode {
        Mode::Asking(question, text) => {
            let or_task = app.selected().map(|task| format!("; Enter: task {}", task.id)).unwrap_or_default();
            let what = match question {
                Question::Search => "search for".to_owned(),
                Question::Breakpoint => format!("breakpoint at (task 3, main.rs:7, woken …{or_task})"),
            };
            return Line::from(vec![format!(" {what}: ").bold(), text.clone().into(), "█".into()]);
        }
        Mode::Findings(_) if !app.findings.is_empty() => {
            return Line::from(" ↑↓ chooses · Enter goes to its event, b comes back · any other key closes");
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
        ("r", "wait"),
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

/// The line, or the event, that one looks at.
const CHOSEN: Style = Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED);

/// Where a task is in its life, in a word; one that was cancelled and is not over says so.
fn state_word(app: &App, task: &Task) -> String {
    let is_cancelled = task.is_cancelled && !task.phase.is_over();
    match (task.is_stranded, task.phase, is_cancelled) {
        (true, ..) => "stranded!".to_owned(),
        (_, Phase::Running, _) if is_dropping(app, task) => "dropping".to_owned(),
        (_, phase, true) => format!("{} ✗", phase.word()),
        (_, phase, false) => format!("{}{}", phase.word(), if task.woken_again { "+" } else { "" }),
    }
}

/// How often it was polled: to be dropped is none.
fn polls(app: &App, task: &Task) -> u64 {
    task.polls.saturating_sub(u64::from(is_dropping(app, task)))
}

/// Whether what runs of it only drops its future.
fn is_dropping(app: &App, task: &Task) -> bool {
    task.phase == Phase::Running && app.run.is_dropping_in(app.state().run, task.id) == Some(true)
}

fn colour(phase: Phase) -> Style {
    match phase {
        Phase::Running => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        Phase::Queued => Style::new().fg(Color::Yellow),
        Phase::Waiting | Phase::Pooled => Style::new().fg(Color::Cyan),
        Phase::Blocking => Style::new().fg(Color::Magenta),
        Phase::Panicked => Style::new().fg(Color::Red),
        Phase::Done | Phase::Cancelled => Style::new().add_modifier(Modifier::DIM),
    }
}

pub fn tasks_title(app: &App) -> String {
    let tasks = &app.state().tasks;
    let run = app.words.name_of(app.state().run);
    let over = tasks.values().filter(|task| task.phase.is_over()).count();
    match over {
        0 => format!(" {run}{} ", count(tasks.len(), "task")),
        over => format!(" {run}{}, {over} over ", count(tasks.len(), "task")),
    }
}

/// As much of a text as there is room for; what is cut says so, since half a number would be another one.
fn cut(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The same, of the end of the text.
fn cut_before(text: &str, room: usize) -> String {
    match text.chars().count().saturating_sub(room) {
        0 => text.to_owned(),
        more => ['…'].into_iter().take(room).chain(text.chars().skip(more + 1)).collect(),
    }
}

/// The part of so many lines around one of them.
fn window(height: u16, chosen: usize, all: usize) -> std::ops::Range<usize> {
    let height = usize::from(height).min(all);
    let start = chosen.saturating_sub(height / 2).min(all - height);
    start..start + height
}

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
        let phase = state_word(app, task);
        // Where it is narrow, names say more than numbers.
        let polls = if area.width < 26 { " ".to_owned() } else { format!("{:>4} ", polls(app, task)) };
        let room = usize::from(area.width).saturating_sub(phase.chars().count() + polls.len() + 1);
        let text = cut(&text, room);
        let line = Line::from(vec![
            Span::from(format!("{text:<room$}")),
            Span::from(polls).dim(),
            Span::styled(phase, colour(task.phase)),
        ]);
        lines.push(if is_chosen { line.bold() } else { line });
    }
    lines
}

pub fn queue(app: &App, area: Rect) -> Vec<Line<'static>> {
    let state = app.state();
    let name = |id: &u64| match state.tasks.get(id).and_then(|task| task.name.clone()) {
        Some(name) => format!("{id} {name}"),
        None => format!("{id}"),
    };
    let queued: Vec<_> = state.queue.iter().map(name).collect();
    let line = match queued.is_empty() {
        true => Line::from(" nothing is ready").dim(),
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
        Some((_, None)) => " reactor · waits ".into(),
        Some((_, Some(0))) => " reactor · looks ".into(),
        Some((_, Some(timeout))) => format!(" reactor · waits {} at most ", time(timeout)),
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
        let waiters = source.waiters.iter().map(|(task, direction)| format!("{} {task}", direction_word(*direction)));
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

/// The line that is to be looked at, and why: of the present event, or where the selected task stands.
fn place(app: &App) -> Option<(String, u32, &'static str)> {
    let trace = &app.run.trace;
    let present = app.run.present()?;
    let task = app.selected();
    let is_its = |id: u64| app.selected_id() == Some((present.run, id)) && task.is_some();
    let concerns = present.event.task().is_none_or(is_its) && app.pinned.is_none();
    if concerns && let Some((file, line)) = lines(trace, &present.event).first() {
        let why = match present.event {
            Event::Spawned { .. } => "spawned here",
            Event::Woken { .. } => "woken from here",
            Event::WakerDropped { .. } => "its last waker dropped here",
            Event::TimerSet { .. } => "set here",
            Event::Cancelled { .. } => "cancelled here",
            _ => "waits here",
        };
        return Some(((*file).to_owned(), *line, why));
    }
    if concerns && let Some(place) = woken_by_timer(app) {
        let place = trace.places.get(place as usize)?;
        return Some((place.file.to_string(), place.line, "the timer was set here"));
    }
    let task = task?;
    let stands = task.stood.and_then(|chain| trace.chains.get(chain as usize)?.iter().rfind(|frame| frame.line > 0));
    match (stands, task.place) {
        (Some(frame), _) if !task.phase.is_over() => {
            let why = match task.phase {
                // Its future is dropped, and nothing goes on; or that is not known yet.
                Phase::Running if is_dropping(app, task) => "stood here",
                Phase::Running if task.is_cancelled && app.run.is_dropping_in(app.state().run, task.id).is_none() => {
                    "stood here"
                }
                Phase::Running => "went on from here",
                _ => "stands here",
            };
            Some((frame.file.to_string(), frame.line, why))
        }
        (_, Some(place)) => {
            let place = trace.places.get(place as usize)?;
            Some((place.file.to_string(), place.line, "was spawned here"))
        }
        _ => None,
    }
}

/// Where the timer was set that wakes a task in the present event.
fn woken_by_timer(app: &App) -> Option<u32> {
    let records = &app.run.trace.records;
    let number = app.present()?;
    let Event::Woken { by: By::Timer(_), .. } = records[number].event else { return None };
    let fired = app.run.cause(number)?;
    match records[app.run.cause(fired)?].event {
        Event::TimerSet { place, .. } => Some(place),
        _ => None,
    }
}

pub fn source_title(app: &App) -> String {
    match place(app) {
        Some((file, line, why)) => shortened(&format!(" {file}:{line} · {why} ")),
        None => " source ".into(),
    }
}

pub fn source(app: &App, area: Rect) -> Vec<Line<'static>> {
    let Some((file, line, _)) = place(app) else { return vec![Line::from(" no line to show").dim()] };
    let Some(text) = app.sources.lines(&file) else {
        let why = app.sources.why_not(&file).unwrap_or_default();
        let why = textwrap::wrap(&why, usize::from(area.width).saturating_sub(1).max(1));
        let why = why.into_iter().map(|line| Line::from(format!(" {line}")).dim());
        return [Line::from(format!(" {file}:{line}"))].into_iter().chain(why).collect();
    };
    let chosen = (line as usize).saturating_sub(1);
    let shown = window(area.height, chosen, text.len());
    let indents = text[shown.clone()].iter().filter(|line| !line.is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let width = usize::from(area.width);
    let lines = |number: usize| {
        let code = text[number].get(indent..).unwrap_or_default();
        if number != chosen {
            return vec![Line::from(format!(" {:>3} {code}", number + 1))];
        }
        // This one is to be read to its end also where there is little room.
        let mark = format!("▶{:>3} ", number + 1);
        let rows =
            textwrap::wrap(code, textwrap::Options::new(width).initial_indent(&mark).subsequent_indent("         "));
        rows.iter().map(|row| Line::from(format!("{row:<width$}")).style(CHOSEN)).collect()
    };
    shown.flat_map(lines).collect()
}

pub fn task_title(app: &App) -> String {
    let run = app.selected_id().map(|(run, _)| app.words.name_of(run)).unwrap_or_default();
    app.selected().map_or(" task ".into(), |task| format!(" {run}{} ", task.title()))
}

/// All that is known of the selected task.
pub fn task(app: &App, _: Rect) -> Vec<Line<'static>> {
    let Some(task) = app.selected() else { return Vec::new() };
    let trace = &app.run.trace;
    let since = app.state().now.saturating_sub(task.since);
    let mut lines = vec![
        Line::from(vec![
            Span::styled(format!(" {}", state_word(app, task)), colour(task.phase)),
            Span::from(format!(" for {} · {}", time(since), counts(app, task))),
        ]),
        spawned(app, task),
    ];
    if let Some(readied) = task.readied.filter(|_| task.polls > 0 || task.wakes > 0) {
        lines.push(Line::from(format!(" last readied: {}", app.words.sentence(trace, readied))));
    }
    let waits = if task.phase == Phase::Waiting { "waits" } else { "waited" };
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
    format!("{polls}, {wakes}{itself}, {} bytes", task.size)
}

fn spawned(app: &App, task: &Rc<Task>) -> Line<'static> {
    let run = app.selected_id().map_or(0, |(run, _)| run);
    let by = task.by.map(|by| format!(" by {}", app.words.task_of(run, by)));
    let at = task.place.map_or("before the recording".to_owned(), |place| place_of(&app.run.trace, place));
    Line::from(shortened(&format!(" spawned{} at {at}", by.unwrap_or_default())))
}

/// The events around the present one.
pub fn events(app: &App, area: Rect) -> Vec<Line<'static>> {
    let trace = &app.run.trace;
    let Some(present) = app.present() else { return Vec::new() };
    let digits = trace.records.len().to_string().len();
    let selected = app.selected().and(app.selected_id());
    let width = usize::from(area.width);
    let is_its = |record: &Record| selected.is_some() && record.event.task().map(|id| (record.run, id)) == selected;
    let row = |number: usize| {
        let mark = if app.breaks_at(number) { "●" } else { " " };
        let at = time(trace.records[number].at);
        let text = format!("{mark}{:>digits$} {at:>8} {}", number + 1, app.words.sentence(trace, number));
        let line = Line::from(format!("{:<width$}", cut(&text, width)));
        match number == present {
            true => line.style(CHOSEN),
            false if is_its(&trace.records[number]) => line.bold(),
            false if number > present => line.dim(),
            false => line,
        }
    };
    window(area.height, present, trace.records.len()).map(row).collect()
}

pub fn findings_title(app: &App) -> String {
    match (app.findings.len(), app.goes_on()) {
        (0, _) => " findings ".into(),
        (some, false) => format!(" {} ", count(some, "finding")),
        (some, true) => format!(" {} so far ", count(some, "finding")),
    }
}

/// A line for each finding: its kind, the task and where that was spawned, and what there is room for of the reason.
pub fn findings(app: &App, chosen: usize, area: Rect) -> Vec<Line<'static>> {
    if app.findings.is_empty() {
        let so_far = if app.goes_on() { " so far" } else { "" };
        return vec![Line::from(format!(" Nothing wrong was found in this run{so_far}."))];
    }
    let width = usize::from(area.width);
    let row = |number: usize| {
        let finding = &app.findings[number];
        let task = app.words.run(finding.event) + &app.words.task(finding.event, finding.task);
        let spawned = finding.place.map(|place| shortened(&place_of(&app.run.trace, place)));
        let place = cut(&spawned.unwrap_or_default(), 19);
        let text = format!(" {:<12} {:<15} {place:<19} {}", finding.kind.to_string(), cut(&task, 15), finding.reason);
        let line = Line::from(format!("{:<width$}", cut(&text, width)));
        if number == chosen { line.style(CHOSEN) } else { line }
    };
    window(area.height, chosen, app.findings.len()).map(row).collect()
}

pub fn help(app: &App) -> Vec<Line<'static>> {
    const KEYS: [(&str, &str); 17] = [
        ("→ ←  l h", "one event on, one back"),
        ("PgDn PgUp", "ten events"),
        ("Home End  g G", "the first event, the last"),
        ("p P", "the next poll, the one before"),
        ("w W", "the next wake, the one before"),
        ("r R", "the next wait on the reactor, the one before"),
        ("t T", "the next event of this task, the one before"),
        ("↑ ↓", "choose a task; Esc follows the events again"),
        ("c  Enter", "to the cause: who woke it, who set the timer …"),
        ("b  Backspace", "back to where `c` or `i` led away from"),
        ("space  + -", "play, or stop; faster, slower"),
        ("B", "a breakpoint, or none again: task 3, main.rs:7, woken"),
        ("f F", "to the next breakpoint, the one before"),
        ("/", "search in the events"),
        ("n N", "the next hit, the one before"),
        ("i", "the findings: what is wrong in this run"),
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
