//! The kinds of questions about a run.

use crate::step::model::{Run, State};
use crate::step::words::{Words, count, short_frame, waits_for};
use executor::trace::{Event, Trace};
use fastrand::Rng;
use std::collections::BTreeSet;

/// A question with several answers, one of which is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) options: Vec<String>,
    /// The right one.
    pub(super) answer: usize,
    /// Where the stepper shows it.
    pub(super) why: String,
}

/// The most answers of a question.
const OPTIONS: usize = 4;

/// Questions about a run: the kinds in turns, each about another event.
pub(super) fn questions(trace: Trace, words: &Words, dice: &mut Rng, most: usize) -> Vec<Question> {
    type Kind = fn(&mut Run, usize, &Words, &mut Rng) -> Option<Question>;
    const KINDS: [Kind; 5] = [runs_next, woken_by, state_of, waits_at, polls_of];
    let mut events: Vec<usize> = (0..trace.records.len()).collect();
    dice.shuffle(&mut events);
    let mut run = Run::new(trace);
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for round in 0.. {
        let before = found.len();
        for kind in KINDS {
            let fresh = events.iter().copied().filter(|event| !used.contains(event)).collect::<Vec<_>>();
            let question = fresh.into_iter().find_map(|event| Some((event, kind(&mut run, event, words, dice)?)));
            let Some((event, question)) = question.filter(|_| found.len() < most) else { continue };
            used.insert(event);
            found.push(question);
        }
        if found.len() == before || found.len() >= most || round > most {
            break;
        }
    }
    found
}

/// Which task is polled next?
fn runs_next(run: &mut Run, event: usize, words: &Words, dice: &mut Rng) -> Option<Question> {
    run.seek(event + 1);
    let state = run.state();
    let queued: BTreeSet<u64> = state.queue.iter().chain(&state.injected).copied().collect();
    if queued.len() < 2 || !state.running.is_empty() {
        return None;
    }
    let (number, after) = (run.trace.records[event].run, &run.trace.records[event + 1..]);
    let next =
        after.iter().position(|record| record.run == number && matches!(record.event, Event::PollBegins { .. }))?;
    let next = event + 1 + next;
    let task = run.trace.records[next].event.task()?;
    let others = queued.into_iter().filter(|other| *other != task).map(|other| words.task_of(number, other)).collect();
    Some(choice(
        format!("{} Which task is polled next?", after_event(run, event, words)),
        words.task_of(number, task),
        others,
        format!("Its poll begins at event {}.", next + 1),
        dice,
    ))
}

/// Who woke a task, and from which line?
fn woken_by(run: &mut Run, event: usize, words: &Words, dice: &mut Rng) -> Option<Question> {
    let record = &run.trace.records[event];
    let Event::Woken { task, .. } = record.event else { return None };
    let name = |number: usize| {
        let Event::Woken { by, chain, .. } = &run.trace.records[number].event else { return None };
        let line = chain.and_then(|chain| run.trace.chains.get(chain as usize)).and_then(|chain| chain.first());
        let line = line.map_or_else(String::new, |frame| format!(", in {}", short_frame(frame)));
        Some(format!("{by}{line}"))
    };
    let right = name(event)?;
    let others: BTreeSet<String> =
        (0..run.trace.records.len()).filter_map(name).filter(|other| *other != right).collect();
    let who = words.task_of(record.run, task);
    (!others.is_empty()).then(|| {
        let others = others.into_iter().collect();
        choice(
            format!("At event {} {who} is woken. By what?", event + 1),
            right,
            others,
            format!("See event {}.", event + 1),
            dice,
        )
    })
}

/// In which state is a task?
fn state_of(run: &mut Run, event: usize, words: &Words, dice: &mut Rng) -> Option<Question> {
    let (number, task) = other_task(run, event, dice)?;
    let phase = task_of(run.state(), task)?.phase;
    let word = if phase.is_completed() { "completed" } else { phase.word() };
    let others = ["queued", "running", "suspended", "completed"].into_iter().filter(|other| *other != word);
    Some(choice(
        format!("{} In which state is {}?", after_event(run, event, words), words.task_of(number, task)),
        word.into(),
        others.map(String::from).collect(),
        format!("The list of tasks at event {} shows it.", event + 1),
        dice,
    ))
}

/// What does a suspended task wait for?
fn waits_at(run: &mut Run, event: usize, words: &Words, dice: &mut Rng) -> Option<Question> {
    let (number, task) = other_task(run, event, dice)?;
    let waits = |state: &State, task: u64| {
        let task = task_of(state, task).filter(|task| task.phase.word() == "suspended")?;
        task.waits.first().map(waits_for)
    };
    let right = waits(run.state(), task)?;
    let all = run.trace.records.iter().filter_map(|record| match &record.event {
        Event::Waits { waits, .. } => waits.first().map(waits_for),
        _ => None,
    });
    let others: BTreeSet<String> = all.filter(|other| *other != right).collect();
    (!others.is_empty()).then(|| {
        choice(
            format!("{} What does {} wait for?", after_event(run, event, words), words.task_of(number, task)),
            right,
            others.into_iter().collect(),
            format!("The stepper shows it at event {}, with the await chain.", event + 1),
            dice,
        )
    })
}

/// How often was a task polled?
fn polls_of(run: &mut Run, event: usize, words: &Words, dice: &mut Rng) -> Option<Question> {
    let (number, task) = other_task(run, event, dice)?;
    let polls = task_of(run.state(), task)?.polls;
    let near = [polls.saturating_sub(1), polls + 1, polls + 2].into_iter().filter(|other| *other != polls);
    let others: BTreeSet<u64> = near.collect();
    Some(choice(
        format!("{} How many polls of {} have begun?", after_event(run, event, words), words.task_of(number, task)),
        polls.to_string(),
        others.into_iter().map(|polls| polls.to_string()).collect(),
        format!("The detail of the task at event {} shows it.", event + 1),
        dice,
    ))
}

/// Goes to the event and chooses a task of its run that the event is not about.
fn other_task(run: &mut Run, event: usize, dice: &mut Rng) -> Option<(u32, u64)> {
    run.seek(event + 1);
    let record = run.trace.records.get(event)?;
    let about = record.event.task();
    let tasks: Vec<u64> = run.state().tasks.keys().copied().filter(|task| Some(*task) != about).collect();
    Some((record.run, *dice.choice(&tasks)?))
}

fn task_of(state: &State, task: u64) -> Option<&crate::step::model::Task> {
    state.tasks.get(&task).map(|task| &**task)
}

fn after_event(run: &Run, event: usize, words: &Words) -> String {
    let of = count(run.trace.records.len(), "event");
    format!("After event {} of {of} ({}):", event + 1, words.sentence(&run.trace, event))
}

fn choice(text: String, right: String, mut others: Vec<String>, why: String, dice: &mut Rng) -> Question {
    dice.shuffle(&mut others);
    others.truncate(OPTIONS - 1);
    let mut options = others;
    options.push(right.clone());
    options.sort();
    let answer = options.iter().position(|option| *option == right).unwrap_or(0);
    Question { text, options, answer, why }
}

#[cfg(test)]
mod tests {
    use super::questions;
    use crate::step::Program;
    use crate::step::words::Words;
    use fastrand::Rng;

    #[test]
    fn a_seed_gives_the_same_questions_of_each_kind() {
        let ask = || {
            let trace = Program::PingPong.record().unwrap();
            let words = Words::new(&trace);
            questions(trace, &words, &mut Rng::with_seed(7), 8)
        };
        let asked = ask();
        assert_eq!(asked, ask());
        for part in ["polled next", "woken. By what", "In which state", "wait for", "How many polls"] {
            assert!(asked.iter().any(|question| question.text.contains(part)), "{part}: {asked:#?}");
        }
        for question in &asked {
            assert!(question.options.len() >= 2 && question.answer < question.options.len(), "{question:?}");
        }
    }
}
