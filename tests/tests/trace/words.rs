//! The transitions of state words, the readiness words and the wheel slots of a recording.

use executor::net::{TcpListener, TcpStream};
use executor::sync::oneshot;
use executor::task::{Edge, Queue, StateWord, TaskState, Transition};
use executor::time::{Duration, sleep};
use executor::trace::{By, Event, Record, Recorder, Trace};
use executor::{Runtime, spawn, spawn_blocking, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use reactor::backend::Readiness;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

fn recorded(main: impl Future<Output = ()>) -> Trace {
    let recorder = Arc::new(Recorder::new());
    Runtime::builder().observer(recorder.clone()).build().unwrap().block_on(main);
    recorder.trace()
}

/// Tasks that sleep, yield, wake themselves, are joined, cancelled, detached and panic.
async fn all_sorts() {
    let sleeps = spawn(sleep(Duration::from_millis(1)));
    let (tx, rx) = oneshot::<u8>();
    let waits = spawn(async move { rx.await.unwrap_or_default() });
    let cancelled = spawn(sleep(Duration::from_secs(3600)));
    let panics = spawn(async { panic!("on purpose") });
    drop(spawn(async {
        yield_now().await;
        yield_now().await;
    }));
    yield_now().await;
    tx.send(1).unwrap();
    cancelled.cancel();
    assert_eq!(waits.await.unwrap(), 1);
    assert!(panics.await.is_err());
    assert!(cancelled.await.is_err());
    sleeps.await.unwrap();
}

/// What changes only with an event: all but the references, and the bits that the handle and callbacks set.
fn known(word: StateWord) -> (Vec<&'static str>, u64) {
    let unreported = ["JOIN", "JOIN_WAKER", "CALLBACKS"];
    (word.names().filter(|name| !unreported.contains(name)).collect(), word.polls())
}

/// The edge that the event reports.
fn edge(event: &Event) -> Option<Edge> {
    use executor::trace::End;
    match event {
        Event::Spawned { .. } => Some(Edge::New),
        Event::Woken { .. } => Some(Edge::Wake),
        Event::Cancelled { .. } => Some(Edge::Cancel),
        Event::Asked { .. } => Some(Edge::WakeSuspended),
        Event::PollBegins { .. } => Some(Edge::Begin),
        Event::PollEnds { end: End::Pending | End::PendingWoken, .. } => Some(Edge::Suspend),
        Event::Finished { .. } => Some(Edge::Complete),
        Event::Freed { .. } => Some(Edge::DropReference),
        _ => None,
    }
}

#[track_caller]
fn check_words(trace: &Trace) {
    let mut words: BTreeMap<u64, StateWord> = BTreeMap::new();
    for record in &trace.records {
        assert_eq!(record.transition.map(|transition| transition.edge), edge(&record.event), "{record:?}");
        let (Some(transition), Some(task)) = (record.transition, record.event.task()) else { continue };
        match words.insert(task, transition.after) {
            None => assert_eq!(transition.from(), None, "{record:?}"),
            Some(before) => assert_eq!(known(before), known(transition.before), "{record:?}"),
        }
    }
    for (task, word) in words {
        assert!(matches!(word.state(), TaskState::Completed(_)), "task {task}: {word}");
    }
}

fn transitions(trace: &Trace, wanted: impl Fn(&Event) -> bool) -> Vec<Transition> {
    let found = trace.records.iter().filter(|record| wanted(&record.event));
    found.map(|record| record.transition.unwrap()).collect()
}

#[test]
fn the_word_after_each_transition_is_the_word_before_the_next() {
    let trace = recorded(all_sorts());
    check_words(&trace);
    let simulated = Arc::new(Recorder::new());
    Runtime::builder().deterministic(7).observer(simulated.clone()).build().unwrap().block_on(all_sorts());
    check_words(&simulated.trace());
}

#[test]
fn a_transition_is_an_edge_of_the_picture() {
    let trace = recorded(all_sorts());
    let edges: Vec<_> = trace.records.iter().filter_map(|record| record.transition).map(|t| t.to_string()).collect();
    for edge in [
        "─new→ queued",
        "queued ─begin→ running",
        "running ─suspend→ suspended",
        "suspended ─wake→ queued",
        "running ─wake→ running",
        "running ─suspend→ queued",
        "suspended ─cancel→ queued",
        "running ─complete→ completed",
        "running ─complete→ cancelled",
        "running ─complete→ panicked",
        "completed ─drop_reference→ completed",
    ] {
        assert!(edges.iter().any(|found| found == edge), "{edge} is not among {edges:#?}");
    }
}

#[test]
fn a_wake_names_the_queue_that_the_task_goes_to() {
    let trace = recorded(async {
        let (tx, rx) = oneshot::<u8>();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            tx.send(1).unwrap();
        });
        let waits = spawn(async move { rx.await.unwrap() });
        waits.await.unwrap();
        other.join().unwrap();
        spawn_blocking(|| thread::sleep(Duration::from_millis(5))).await.unwrap();
        yield_now().await;
    });
    let is_call = |event: &Event| matches!(event, Event::BlockingBegins { .. });
    let call = trace.records.iter().find(|record| is_call(&record.event)).and_then(|record| record.event.task());
    let call = call.expect("a blocking call began");
    let queues = |wanted: &dyn Fn(&Event) -> bool| {
        let queues = transitions(&trace, wanted).into_iter().map(|transition| transition.queue);
        queues.collect::<Vec<_>>()
    };
    let by_thread = |event: &Event| matches!(event, Event::Woken { by: By::Thread(_), .. });
    assert_eq!(queues(&by_thread), [Some(Queue::Injection)]);
    let by_call = |event: &Event| matches!(event, Event::Woken { by: By::Task(by), .. } if *by == call);
    assert_eq!(queues(&by_call), [Some(Queue::Injection)]);
    let by_other =
        |event: &Event| matches!(event, Event::Woken { task, by: By::Task(by), .. } if by != task && *by != call);
    assert_eq!(queues(&by_other), [Some(Queue::Run)]);
    // The task goes to the queue when its poll ends.
    let by_itself = |event: &Event| matches!(event, Event::Woken { task, by: By::Task(by), .. } if task == by);
    assert_eq!(queues(&by_itself), [None]);
    use executor::trace::End;
    let again = |event: &Event| matches!(event, Event::PollEnds { end: End::PendingWoken, .. });
    assert_eq!(queues(&again), [Some(Queue::Run)]);
}

#[test]
fn sources_have_their_readiness_word_and_timers_their_slot() {
    let trace = recorded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            sleep(Duration::from_millis(20)).await;
            stream.write_all(b"x").await.unwrap();
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        server.await.unwrap();
    });
    let mut reports = BTreeMap::new();
    for Record { event, .. } in &trace.records {
        match event {
            Event::SourceWaits { direction, word, .. } => {
                let waits_for = match direction {
                    executor::trace::Direction::Read => Readiness::READ,
                    executor::trace::Direction::Write => Readiness::WRITE,
                };
                assert!(!word.unwrap().readiness.intersects(waits_for), "{event:?}");
            }
            Event::SourceReady { source, readiness, word, .. } => {
                let (word, reported) = (word.unwrap(), reports.entry(source).or_insert(0));
                *reported += 1;
                assert!(word.readiness.contains(*readiness) && word.reports == *reported, "{event:?}");
            }
            Event::TimerSet { slot, .. } => assert_eq!(slot.unwrap().0, 1, "20 ms are more than 64 ticks: {event:?}"),
            _ => {}
        }
    }
    assert!(!reports.is_empty());
}

#[test]
fn a_recording_keeps_its_words_in_a_file() {
    let trace = recorded(all_sorts());
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    assert_eq!(Trace::read(&*file).unwrap(), trace);
    let text = String::from_utf8(file).unwrap();
    assert!(text.contains(r#""transition":{"by":"new","before":[0,0,0],"after":["#), "{text}");
    assert!(text.contains(r#","queue":"run"}"#), "{text}");
}

#[test]
fn a_recording_without_words_is_read() {
    let text = r#"{"executor_trace":2,"program":"p","simulated":false,"dropped":0}
{"place":0,"file":"a.rs","line":1,"column":1}
{"at":0,"run":1,"event":"run_begins"}
{"at":1,"run":1,"event":"spawned","task":1,"place":0,"size":1}
{"at":2,"run":1,"event":"poll_begins","task":1}
{"at":3,"run":1,"event":"source_waits","source":1,"direction":"read"}
{"at":4,"run":1,"event":"timer_set","timer":1,"deadline":9,"place":0}
{"at":5,"run":1,"event":"poll_ends","task":1,"end":"pending"}
{"at":6,"run":1,"event":"source_ready","source":1,"readiness":["readable"],"woken":1}
"#;
    let trace = Trace::read(text.as_bytes()).unwrap();
    assert_eq!(trace.records.len(), 7);
    assert!(trace.records.iter().all(|record| record.transition.is_none()));
    assert!(matches!(trace.records[6].event, Event::SourceReady { word: None, .. }));
}

#[test]
fn a_transition_by_an_unknown_function_is_an_error() {
    let text = r#"{"executor_trace":2,"program":"p","simulated":false,"dropped":0}
{"at":2,"run":1,"event":"poll_begins","task":1,"transition":{"by":"sing","before":[0,0,0],"after":[0,0,0]}}
"#;
    let error = Trace::read(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("`sing` makes no transition of a state word"), "{error}");
}
