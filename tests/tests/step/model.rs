//! The model that folds events.

use demo::step::Program;
use demo::step::model::{Phase, Run, State};
use executor::trace::{By, Direction, End, Event, Head, How, Record, SourcePlace, Trace, Waiting};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tests::demo::{Place, Running};

/// Any event. There are few tasks, sources and timers, so that many events concern the same one.
fn event() -> impl Strategy<Value = Event> {
    let task = 1u64..6;
    let by = prop_oneof![(1u64..6).prop_map(By::Task), (1u64..4).prop_map(By::Timer), (1u64..4).prop_map(By::Source)];
    let end = prop_oneof![Just(End::Pending), Just(End::PendingWoken), Just(End::Finished)];
    let how = prop_oneof![Just(How::Ready), Just(How::Cancelled), Just(How::Panicked)];
    let direction = prop_oneof![Just(Direction::Read), Just(Direction::Write)];
    let waits = Waiting { leaf: "something".into(), chain: 0, times: 1 };
    let readiness = (0u8..16).prop_map(executor::observer::Readiness::from_bits_truncate);
    let of_tasks = prop_oneof![
        (task.clone(), proptest::option::of(1u64..6))
            .prop_map(|(task, by)| { Event::Spawned { task, by, name: Some("somebody".into()), place: 0, size: 8 } }),
        (task.clone(), by.clone()).prop_map(|(task, by)| Event::Woken { task, by, chain: None }),
        (task.clone(), by.clone()).prop_map(|(task, by)| Event::Cancelled { task, by, place: None, reason: None }),
        task.clone().prop_map(|task| Event::Asked { task }),
        task.clone().prop_map(|task| Event::LostWake { task }),
        (task.clone(), by.clone()).prop_map(|(task, by)| Event::WakerDropped { task, by, chain: None }),
        task.clone().prop_map(|task| Event::PollBegins { task }),
        task.clone().prop_map(move |task| Event::Waits { task, waits: vec![waits.clone()].into() }),
        (task.clone(), end).prop_map(|(task, end)| Event::PollEnds { task, end }),
        (task.clone(), any::<bool>()).prop_map(|(task, lost)| Event::Stranded { task, lost }),
        (task.clone(), how).prop_map(|(task, how)| Event::Finished { task, how, wakers: 0 }),
        task.clone().prop_map(|task| Event::BlockingQueued { task }),
        task.clone().prop_map(|task| Event::BlockingBegins { task }),
        task.prop_map(|task| Event::Freed { task }),
    ];
    let number = 1u64..4;
    let of_reactor = prop_oneof![
        (number.clone(), 3i32..9).prop_map(|(source, fd)| Event::SourceAdded { source, fd }),
        number.clone().prop_map(|source| Event::SourceRemoved { source }),
        (number.clone(), direction).prop_map(|(source, direction)| Event::SourceWaits {
            source,
            direction,
            word: None
        }),
        (number.clone(), readiness).prop_map(|(source, readiness)| Event::SourceReady {
            source,
            readiness,
            woken: 1,
            word: None
        }),
        (number.clone(), 0u64..99).prop_map(|(timer, deadline)| Event::TimerSet {
            timer,
            deadline,
            place: 0,
            slot: None
        }),
        number.clone().prop_map(|timer| Event::TimerFired { timer }),
        number.prop_map(|timer| Event::TimerCancelled { timer }),
        proptest::option::of(0u64..9).prop_map(|timeout| Event::WaitBegins { timeout }),
        Just(Event::WaitEnds { sources: 0, timers: 0 }),
    ];
    prop_oneof![20 => of_tasks, 10 => of_reactor, 1 => Just(Event::RunBegins), 1 => Just(Event::RunEnds)]
}

fn trace(events: Vec<Event>) -> Trace {
    let records = (0..)
        .zip(events)
        .map(|(number, event)| Record { at: number * 10, run: 1, runtime: 1, event, transition: None })
        .collect();
    let places = vec![SourcePlace { file: "src/main.rs".into(), line: 1, column: 1 }];
    Trace { head: Head::default(), places, chains: vec![Vec::new()], records, now: None }
}

/// The state after each event, folded straight from the first one.
fn folded(trace: &Trace) -> Vec<State> {
    let mut states = vec![State::default()];
    for (number, record) in trace.records.iter().enumerate() {
        let mut next = states[number].clone();
        next.apply(number, record);
        states.push(next);
    }
    states
}

/// Checks that a step forward and one back, and every jump, return to the same state.
fn goes_back(trace: Trace, jumps: &[usize]) {
    let states = folded(&trace);
    let mut run = Run::new(trace);
    for position in 0..states.len() - 1 {
        run.seek(position + 1);
        assert_eq!(*run.state(), states[position + 1]);
        run.seek(position);
        assert_eq!(*run.state(), states[position], "back from event {position}");
        run.seek(position + 1);
    }
    for jump in jumps {
        let position = jump % states.len();
        run.seek(position);
        assert_eq!((run.state(), run.position()), (&states[position], position));
    }
}

/// Checks what must hold in every state, whatever the events.
fn is_sound(state: &State) {
    let queues: Vec<_> = state.queue.iter().chain(&state.injected).collect();
    for (place, id) in queues.iter().enumerate() {
        assert!(!queues[..place].contains(id), "{id} is queued twice");
        assert_eq!(state.tasks[*id].phase, Phase::Queued);
    }
    let queued = state.tasks.values().filter(|task| task.phase == Phase::Queued);
    assert_eq!(queued.count(), queues.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_step_forward_and_back_returns_to_the_same_state(
        events in proptest::collection::vec(event(), 1..200),
        jumps in proptest::collection::vec(any::<usize>(), 10),
    ) {
        goes_back(trace(events), &jumps);
    }

    #[test]
    fn the_queue_holds_each_queued_task_once(events in proptest::collection::vec(event(), 1..300)) {
        folded(&trace(events)).iter().for_each(is_sound);
    }
}

/// A state lasts until the next event; `trace` puts 10 ns between two events.
#[test]
fn the_time_of_a_task_is_counted_for_its_state() {
    let events = vec![
        Event::Spawned { task: 2, by: Some(1), name: None, place: 0, size: 8 },
        Event::PollBegins { task: 2 },
        Event::PollEnds { task: 2, end: End::Pending },
        Event::Spawned { task: 3, by: Some(1), name: None, place: 0, size: 8 },
        Event::BlockingQueued { task: 3 },
        Event::Woken { task: 2, by: By::Timer(1), chain: None },
        Event::BlockingBegins { task: 3 },
        Event::Finished { task: 2, how: How::Cancelled, wakers: 0 },
        Event::Finished { task: 3, how: How::Ready, wakers: 0 },
    ];
    let last = folded(&trace(events)).pop().unwrap();
    let times = |id: u64| (last.tasks[&id].running, last.tasks[&id].queued, last.tasks[&id].suspended);
    assert_eq!(times(2), (10, 10 + 20, 30));
    assert_eq!(times(3), (20, 10 + 20, 0), "a blocking call is queued until a thread of the pool makes it");
}

#[test]
fn the_queue_holds_each_queued_task_once_in_a_run_longer_than_a_checkpoint() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let events = proptest::collection::vec(event(), 3_000).new_tree(&mut runner).unwrap().current();
    let jumps: Vec<_> = (0..200).map(|n: usize| n.wrapping_mul(0x9E37_79B9)).collect();
    goes_back(trace(events), &jumps);
}

#[test]
fn the_queue_is_that_of_the_runtime_in_every_built_in_program() {
    for program in all_programs() {
        let trace = program.record().unwrap();
        for (number, state) in folded(&trace).windows(2).map(|pair| &pair[0]).enumerate() {
            is_sound(state);
            // The next task to be polled is the first of the queue, except for tasks that are dropped out of turn at
            // the end.
            if let Event::PollBegins { task } = trace.records[number].event
                && !state.tasks[&task].is_cancelled
            {
                let first = state.queue.iter().chain(&state.injected).next();
                assert_eq!(first, Some(&task), "{program:?}, event {number}: {:?}", state.queue);
            }
        }
    }
}

pub(super) fn all_programs() -> Vec<Program> {
    use clap::ValueEnum;
    Program::value_variants().to_vec()
}

#[test]
fn a_wake_leads_to_its_cause_and_the_cause_to_its_own() {
    let trace = Program::PingPong.record().unwrap();
    let is_wake = |record: &Record| matches!(record.event, Event::Woken { by: By::Task(_), .. });
    let wakes: Vec<_> = (0..trace.records.len()).filter(|number| is_wake(&trace.records[*number])).collect();
    assert!(wakes.len() > 4);
    let run = Run::new(trace);
    for wake in wakes {
        let Event::Woken { by: By::Task(waker), .. } = run.trace.records[wake].event else { unreachable!() };
        let poll = run.cause(wake).expect("it was woken in a poll");
        assert_eq!(run.trace.records[poll].event, Event::PollBegins { task: waker });
        let ready = run.cause(poll).expect("what is polled was made ready");
        assert!(ready < poll && run.trace.records[ready].event.task() == Some(waker));
    }
}

#[test]
fn the_wake_names_the_line_that_woke() {
    let trace = Program::PingPong.record().unwrap();
    let (_, source) = Program::PingPong.source();
    let woken_from = |record: &Record| match &record.event {
        Event::Woken { chain: Some(chain), .. } => trace.chains[*chain as usize].last().map(|frame| frame.line),
        _ => None,
    };
    let lines: Vec<_> = trace.records.iter().filter_map(woken_from).collect();
    let text = |line: u32| source.lines().nth(line as usize - 1).unwrap_or_default();
    assert!(lines.iter().any(|line| text(*line).contains("to.send(")), "{lines:?}");
}

#[test]
fn a_crawl_of_more_than_five_thousand_events_is_sound_to_its_end() {
    let place = Place::new();
    let file = place.path("run.jsonl");
    Running::start(place.command(&["-q"]).env("EXECUTOR_TRACE", &file)).wait().exits(0);
    let trace = Trace::open(&file).unwrap();
    assert!(trace.records.len() > 5_000, "{}", trace.records.len());
    assert_eq!(trace.head.dropped, 0);
    let mut state = State::default();
    for (number, record) in trace.records.iter().enumerate() {
        state.apply(number, record);
        is_sound(&state);
    }
    assert!(state.tasks.values().all(|task| task.phase.is_completed()), "{:?}", state.tasks.values().next());
    assert!(state.timers.is_empty() && state.sources.is_empty());
}
