//! Stepping through a run on the page: keys, search, causes, and the state at each event.

use super::browser::Browser;
use super::{DESKTOP, browse, crawl, dropped_in_a_poll, index, kind, page_of, replayed, two_runs};
use demo::step::{Program, model::Run};
use executor::trace::{End, Event, Recorder, Trace};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tests::demo::{Place, Running};

#[test]
fn arrow_keys_step_and_the_page_says_what_happens() {
    browse(|browser, place| {
        let page = page_of(place, "ping-pong");
        browser.open(&page, DESKTOP);
        assert_eq!((kind(browser), json!(index(browser) - 1)), ("woken".into(), first_wake(browser)), "it opens there");
        browser.key("Home");
        assert_eq!((index(browser), kind(browser)), (1, "run_begins".into()));
        browser.key("ArrowLeft");
        assert_eq!((index(browser), browser.text("#said")), (1, "This is the first event.".into()));
        for (number, says) in [
            (2, "Task 1 \"main\" is spawned at demo/src/step/programs/mod.rs:"),
            (3, "Task 1 \"main\" is polled for the 1st time"),
            (4, "Task 1 \"main\" spawns task 2 \"pong\" at demo/src/step/programs/ping_pong.rs:9"),
        ] {
            browser.key("ArrowRight");
            assert_eq!(index(browser), number);
            assert!(browser.text("#says").starts_with(says), "{}", browser.text("#says"));
        }
        assert!(browser.text("#source .marked").contains("named(\"pong\").spawn"), "{}", browser.text("#source"));
        assert!(browser.text("#queue").contains("task 2 \"pong\""), "{}", browser.text("#queue"));
        assert_eq!(browser.text("#list [aria-selected=true] .number"), "4");
        browser.key("ArrowRight");
        browser.shift_key("ArrowRight");
        assert_eq!((index(browser), kind(browser)), (11, "poll_begins".into()), "task 3's next event");
        browser.key("P");
        assert!(browser.text("#says").starts_with("Task 2 \"pong\" is polled for the 1st time"));
        browser.key("End");
        browser.key("ArrowRight");
        let events = browser.eval("recorded.end").as_u64().unwrap();
        assert_eq!(index(browser), events);
        browser.key("Home");
        assert_eq!(index(browser), 1);
    });
}

/// The number of the first wake, from 0.
fn first_wake(browser: &mut Browser) -> Value {
    browser.eval("recorded.events.findIndex(({ event }) => event === 'woken')")
}

#[test]
fn the_axis_has_a_name_and_the_page_explains_it() {
    browse(|browser, place| {
        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        let name = "(() => {
            const texts = [];
            chart.context.fillText = (text) => texts.push(text);
            chart.drawUnit();
            delete chart.context.fillText;
            return texts;
        })()";
        assert_eq!(browser.eval(name), json!(["event number →"]));
        assert!(browser.text("#axis").starts_with("Axis by event: every event is equally wide"));
        browser.key("t");
        assert_eq!(browser.eval(name), json!(["time since start →"]));
        assert!(browser.text("#axis").starts_with("Axis by time: "), "{}", browser.text("#axis"));
    });
}

#[test]
fn search_finds_every_event_whose_sentence_or_kind_has_the_words() {
    browse(|browser, place| {
        let page = page_of(place, "ping-pong");
        browser.open(&page, DESKTOP);
        browser.key("Home");
        browser.key("/");
        browser.write("handed_over");
        browser.key("Enter");
        let hits =
            browser.eval("recorded.events.filter((event) => event.event === 'handed_over').map((e) => e.index + 1)");
        let hits: Vec<u64> = serde_json::from_value(hits).unwrap();
        assert!(hits.len() > 2);
        for (at, hit) in hits.iter().enumerate() {
            assert_eq!((index(browser), kind(browser)), (*hit, "handed_over".into()));
            assert!(browser.text("#said").starts_with(&format!("{} of {}", at + 1, hits.len())));
            browser.key("n");
        }
        assert_eq!(index(browser), hits[0], "after the last one the first one comes");
        browser.key("N");
        assert_eq!(index(browser), *hits.last().unwrap());
        browser.key("/");
        browser.write("nothing like it");
        browser.key("Enter");
        assert_eq!(browser.text("#said"), "Nothing found.");

        browser.open(&page_of(place, "downloads"), DESKTOP);
        browser.key("/");
        browser.write("task 1");
        browser.key("Enter");
        let told = "chart.hits.map((hit) => recorded.events[hit])
            .filter((event) => event.task === 10 && event.event === 'poll_begins').length";
        assert_eq!(browser.eval(told), 0, "task 10 is not task 1");
        assert!(browser.eval("chart.hits.length").as_u64().unwrap() > 10);
    });
}

#[test]
fn a_wake_is_followed_to_its_cause_and_back() {
    browse(|browser, place| {
        let page = page_of(place, "two-sleeps");
        browser.open(&page, DESKTOP);
        assert!(browser.text("#says").starts_with("Timer 2 wakes task 3 \"toast\""), "{}", browser.text("#says"));
        let wake = index(browser);
        for (kind_of_cause, says) in [
            ("timer_fired", "Timer 2 fires"),
            ("timer_set", "Task 3 \"toast\" sets timer 2, due in 200 ms"),
            ("poll_begins", "Task 3 \"toast\" is polled for the 1st time"),
            ("spawned", "Task 1 \"main\" spawns task 3 \"toast\""),
        ] {
            browser.key("c");
            assert_eq!(kind(browser), kind_of_cause);
            assert!(browser.text("#says").starts_with(says), "{}", browser.text("#says"));
        }
        for _ in 0..4 {
            browser.key("b");
        }
        assert_eq!(index(browser), wake);
        browser.key("Home");
        // A point of the arrow, between the reactor's row and the task's.
        let arrow = format!(
            "(() => {{ chart.showAll(); const box = chart.canvas.getBoundingClientRect();
               return [box.left + chart.x({}), box.top + chart.y(1) + 0.6 * chart.row]; }})()",
            wake - 1
        );
        let [x, y]: [f64; 2] = serde_json::from_value(browser.eval(&arrow)).unwrap();
        browser.click(x + 2.0, y);
        assert_eq!(index(browser), wake, "the arrow was clicked");
    });
}

#[test]
fn the_state_is_what_folding_all_events_gives() {
    browse(|browser, place| {
        for program in ["two-sleeps", "cancel", "semaphore", "blocked", "downloads", "lost-wake"] {
            let mut command = place.command(&["step", program, "--html", "page.html"]);
            Running::start(command.env("EXECUTOR_TRACE", place.path(&format!("{program}.jsonl")))).wait().exits(0);
            let trace = Trace::open(place.path(&format!("{program}.jsonl"))).unwrap();
            agrees(browser, place, &trace, 1);
        }
        agrees(browser, place, &crawl(place), 61);
        let from_later =
            "recorded.events.filter((event) => recorded.causeOf(event) >= event.index).map((e) => e.index)";
        assert_eq!(browser.eval(from_later), json!([]));
        let twice = "recorded.events.filter((event) => event.index % 61 === 0).flatMap(({ index }) =>
            recorded.sources.filter((source) => {
              const who = recorded.waitersAt(source, index).map(({ lane, direction }) => `${lane?.id} ${direction}`);
              return new Set(who).size < who.length;
            }))";
        assert_eq!(browser.eval(&format!("({twice}).length")), 0, "who waits at a source waits there once");
        agrees(browser, place, &two_runs(), 1);
        agrees(browser, place, &dropped_in_a_poll(), 1);
    });
}

#[test]
fn the_end_of_a_stream_wakes_its_readers_and_not_its_writers() {
    let mut trace = two_runs();
    let events = [
        json!({ "event": "source_added", "source": 1, "fd": 5 }),
        json!({ "event": "spawned", "task": 9, "place": 0, "size": 8 }),
        json!({ "event": "poll_begins", "task": 9 }),
        json!({ "event": "source_waits", "source": 1, "direction": "read" }),
        json!({ "event": "source_waits", "source": 1, "direction": "write" }),
        json!({ "event": "poll_ends", "task": 9, "end": "pending" }),
        json!({ "event": "source_ready", "source": 1, "readiness": ["read_closed"], "woken": 1 }),
    ];
    trace.records.clear();
    for mut event in events {
        event["at"] = 0.into();
        trace.records.push(serde_json::from_value(event).unwrap());
    }
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("End");
        assert_eq!(browser.text("#sources li"), "1 ← task 9 to write");
    });
}

#[test]
fn a_shielded_poll_drops_nothing_and_a_simulated_socket_has_no_descriptor() {
    browse(|browser, place| {
        let recorder = Arc::new(Recorder::new());
        let runtime = executor::Runtime::builder().deterministic(0).observer(recorder.clone()).build().unwrap();
        runtime.block_on(async {
            let _listener = executor::net::TcpListener::bind("127.0.0.1:80").await.unwrap();
            let nap = executor::shield(executor::time::sleep(Duration::from_millis(9)));
            let shielded = executor::named("shielded").spawn_local(async move {
                nap.await;
                std::future::pending::<()>().await;
            });
            executor::time::sleep(Duration::from_millis(1)).await;
            shielded.cancel();
            assert!(shielded.await.unwrap_err().is_cancelled());
        });
        browser.open(&replayed(place, &recorder.trace()), DESKTOP);
        browser.key("Home");
        let mut says = Vec::new();
        for _ in 0..recorder.trace().records.len() {
            says.push(browser.text("#says"));
            browser.key("ArrowRight");
        }
        let has = |wanted: &str| assert!(says.iter().any(|says| says == wanted), "no `{wanted}` in {says:#?}");
        has("Source 1 is registered, a simulated socket");
        has("Task 2 \"shielded\" is polled for the 2nd time");
        has("Task 2 \"shielded\" runs once more, to drop its future: it was cancelled");
    });
}

/// Checks that the page's state after every `step`-th event is that of a fold of all events up to it.
fn agrees(browser: &mut Browser, place: &Place, trace: &Trace, step: usize) {
    browser.open(&replayed(place, trace), DESKTOP);
    let shown = browser.eval(&format!(
        "recorded.events.filter((event) => event.index % {step} === 0).map(({{ index }}) => {{
           const state = recorded.stateAt(index);
           const numbers = (list) => list.map((one) => one.id).sort((a, b) => a - b).join();
           const tasks = state.alive.map((lane) => `${{lane.id}}:${{lane.spanAt(index).state}}`).join();
           const queue = numbers([...state.queue, ...state.injected]);
           const rest = `timers ${{numbers(state.timers)}}; sources ${{numbers(state.sources)}}`;
           return `tasks ${{tasks}}; running ${{state.running?.id ?? ''}}; queue ${{queue}}; ${{rest}}`;
         }})"
    ));
    let shown: Vec<String> = serde_json::from_value(shown).unwrap();
    let folded: Vec<String> = fold(trace).into_iter().step_by(step).collect();
    assert_eq!(shown.len(), folded.len());
    for (number, (shown, folded)) in shown.iter().zip(&folded).enumerate() {
        let record = &trace.records[number * step];
        assert_eq!(shown, folded, "{} after event {}: {record:?}", trace.head.program, number * step + 1);
    }
}

/// Checks that the page has the queues in the order of the model.
fn agrees_on_the_queues(browser: &mut Browser, place: &Place, trace: Trace, step: usize) {
    browser.open(&replayed(place, &trace), DESKTOP);
    let shown = browser.eval(&format!(
        "recorded.events.filter((event) => event.index % {step} === 0).map(({{ index }}) => {{
           const {{ queue, injected }} = recorded.stateAt(index);
           return [queue, injected].map((lanes) => lanes.map(({{ id }}) => id));
         }})"
    ));
    let shown: Vec<[Vec<u64>; 2]> = serde_json::from_value(shown).unwrap();
    // At its spawn, the model does not know yet that a task is a blocking call. The page does.
    let blocking: BTreeSet<u64> = trace.records.iter().filter_map(blocking_call).collect();
    let mut run = Run::new(trace);
    for (number, shown) in shown.into_iter().enumerate() {
        run.seek(number * step + 1);
        let of = |queue: &[u64]| queue.iter().copied().filter(|task| !blocking.contains(task)).collect::<Vec<_>>();
        assert_eq!(shown, [of(&run.state().queue), of(&run.state().injected)], "after event {}", number * step + 1);
    }
}

#[test]
fn the_queues_are_those_of_the_stepper_in_the_terminal() {
    browse(|browser, place| {
        for program in [Program::PingPong, Program::Cancel, Program::Semaphore] {
            agrees_on_the_queues(browser, place, program.record().unwrap(), 1);
        }
        let trace = crawl(place);
        let is_injected = |record: &executor::trace::Record| {
            record.transition.is_some_and(|transition| transition.queue == Some(executor::task::Queue::Injection))
        };
        assert!(trace.records.iter().any(is_injected), "a file is written on another thread");
        agrees_on_the_queues(browser, place, trace, 7);
    });
}

#[test]
fn m_shows_the_code_of_the_runtime_with_the_words_and_the_queues() {
    browse(|browser, place| {
        let page = page_of(place, "ping-pong");
        browser.open(&page, DESKTOP);
        browser.key("w");
        assert_eq!(browser.text("[data-command=runtime]"), "program");
        assert!(browser.eval("document.querySelector('#words').hidden").as_bool().unwrap());
        let program = browser.text("#source pre");
        browser.key("m");
        assert_eq!(kind(browser), "woken");
        assert_eq!(browser.text("[data-command=runtime]"), "runtime");
        assert!(
            browser.text("#source h2").starts_with("State::wake ← waker::wake ← Single::schedule ← RunQueue::push")
        );
        assert!(browser.text("#source .marked").contains("fetch_or(NOTIFIED"), "{}", browser.text("#source"));
        let words = browser.text("#words");
        assert!(words.contains("suspended ─wake→ queued, and pushed to the run queue"), "{words}");
        assert!(words.contains("run queue: head → ") && words.contains("injection queue: head = null"), "{words}");
        assert_eq!(browser.text("#words .changed"), "NOTIFIED");
        // Every event has its code.
        let all = "recorded.events.every(({ code }) => recorded.codeLists[code].length > 0)";
        assert!(browser.eval(all).as_bool().unwrap());
        browser.key("Home");
        browser.key("w");
        browser.key("w");
        browser.key("m");
        assert_eq!(browser.text("#source pre"), program, "and back");
        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        browser.key("m");
        browser.key("/");
        browser.write("timer_set");
        browser.key("Enter");
        assert!(browser.text("#words").contains("Slot of timer 1"), "{}", browser.text("#words"));
        assert!(browser.text("#words").contains("wheel 4, slot 17"), "{}", browser.text("#words"));
        browser.key("r");
        assert!(browser.text("#source h2").starts_with("Reactor::turn ← Core::park"), "{}", browser.text("#source"));
    });
}

#[test]
fn causes_are_those_of_the_stepper_in_the_terminal() {
    browse(|browser, place| {
        let programs = [Program::TwoSleeps, Program::PingPong, Program::Cancel, Program::Semaphore, Program::LostWake];
        let traces = programs.map(|program| program.record().unwrap());
        for trace in traces.into_iter().chain([dropped_in_a_poll()]) {
            browser.open(&replayed(place, &trace), DESKTOP);
            let shown = browser.eval("recorded.events.map((event) => recorded.causeOf(event))");
            let shown: Vec<i64> = serde_json::from_value(shown).unwrap();
            let run = Run::new(trace);
            for (number, record) in run.trace.records.iter().enumerate() {
                let told = run.cause(number).map_or(-1, |cause| cause as i64);
                assert_eq!(shown[number], told, "cause of event {}: {record:?}", number + 1);
            }
        }
    });
}

#[derive(Default)]
struct State {
    tasks: BTreeMap<u64, &'static str>,
    queue: Vec<u64>,
    /// The polls in progress, including that of a task that is dropped within another's poll.
    running: Vec<u64>,
    timers: BTreeSet<u64>,
    sources: BTreeSet<u64>,
}

impl State {
    fn apply(&mut self, event: &Event, blocking: &BTreeSet<u64>) {
        match *event {
            Event::RunBegins => *self = State::default(),
            Event::Spawned { task, .. } => self.become_queued(task, !blocking.contains(&task)),
            Event::Woken { task, .. } | Event::Cancelled { task, .. }
                if self.tasks.get(&task) == Some(&"suspended") =>
            {
                self.become_queued(task, true);
            }
            Event::PollBegins { task } => {
                self.queue.retain(|queued| *queued != task);
                self.tasks.insert(task, "running");
                self.running.push(task);
            }
            Event::PollEnds { task, end } => {
                self.running.retain(|running| *running != task);
                match end {
                    End::Pending => drop(self.tasks.insert(task, "suspended")),
                    End::PendingWoken => self.become_queued(task, true),
                    End::Finished => {}
                }
            }
            Event::BlockingBegins { task } => drop(self.tasks.insert(task, "blocking")),
            Event::Finished { task, .. } => drop(self.tasks.remove(&task)),
            Event::TimerSet { timer, .. } => drop(self.timers.insert(timer)),
            Event::TimerFired { timer } | Event::TimerCancelled { timer } => drop(self.timers.remove(&timer)),
            Event::SourceAdded { source, .. } => drop(self.sources.insert(source)),
            Event::SourceRemoved { source } => drop(self.sources.remove(&source)),
            _ => {}
        }
    }

    fn become_queued(&mut self, task: u64, for_the_thread: bool) {
        self.tasks.insert(task, "queued");
        if for_the_thread {
            self.queue.push(task);
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
            items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
        }
        let tasks = list(self.tasks.iter().map(|(task, state)| format!("{task}:{state}")));
        let (timers, sources) = (list(&self.timers), list(&self.sources));
        let queue = list(self.queue.iter().collect::<BTreeSet<_>>());
        let running = list(self.running.last());
        write!(f, "tasks {tasks}; running {running}; queue {queue}; timers {timers}; sources {sources}")
    }
}

/// The blocking call that begins with this event.
fn blocking_call(record: &executor::trace::Record) -> Option<u64> {
    match record.event {
        Event::BlockingBegins { task } => Some(task),
        _ => None,
    }
}

/// The state after each event.
fn fold(trace: &Trace) -> Vec<String> {
    let blocking: BTreeSet<u64> = trace.records.iter().filter_map(blocking_call).collect();
    let mut state = State::default();
    let states = trace.records.iter().map(|record| {
        state.apply(&record.event, &blocking);
        state.to_string()
    });
    states.collect()
}
