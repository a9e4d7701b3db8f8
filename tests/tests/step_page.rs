//! `demo step --html` and `--perfetto`: the page as people use it, in a browser; the file as Perfetto reads it.

#[path = "step_page/browser.rs"]
mod browser;
#[path = "step_page/chrome.rs"]
mod chrome;

use browser::Browser;
use chrome::{at, is_sound, slices};
use demo::step::{Program, model::Run};
use executor::trace::{End, Event, Recorder, Trace};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::demo::{Place, Running};
use tests::within;

const DESKTOP: (u32, u32) = (1440, 900);
const SMALL: (u32, u32) = (1024, 768);
const PHONE: (u32, u32) = (375, 667);

/// The page of a built-in program.
fn page_of(place: &Place, program: &str) -> PathBuf {
    place.run(&["step", program, "--html", "page.html"]).exits(0);
    place.path("page.html")
}

/// The page of a recording.
fn replayed(place: &Place, trace: &Trace) -> PathBuf {
    let file = std::fs::File::create(place.path("run.jsonl")).unwrap();
    trace.write(file).unwrap();
    place.run(&["step", "--replay", "run.jsonl", "--html", "page.html"]).exits(0);
    place.path("page.html")
}

/// A crawl of the built-in site, recorded.
fn crawl(place: &Place) -> Trace {
    let recording = place.path("crawl.jsonl");
    Running::start(place.command(&["crawl", "-q"]).env("EXECUTOR_TRACE", &recording)).wait().exits(0);
    Trace::open(recording).unwrap()
}

/// In a browser, if there is one, and with a deadline.
fn browse(body: impl FnOnce(&mut Browser, &Place) + Send + 'static) {
    tests::demo::demo(); // building it takes as long as it takes
    within(120, || {
        let Some(mut browser) = Browser::start() else { return };
        body(&mut browser, &Place::new());
        browser.is_content();
    });
}

fn index(browser: &mut Browser) -> u64 {
    let facts = browser.text("#facts");
    facts.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number in {facts}"))
}

/// The kind of the event that is shown.
fn kind(browser: &mut Browser) -> String {
    browser.text("#facts code")
}

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
            (2, "Task 1 `main` is spawned at demo/src/step/programs/mod.rs:"),
            (3, "Task 1 `main` is polled for the 1st time"),
            (4, "Task 1 `main` spawns task 2 `pong` at demo/src/step/programs/ping_pong.rs:9"),
        ] {
            browser.key("ArrowRight");
            assert_eq!(index(browser), number);
            assert!(browser.text("#says").starts_with(says), "{}", browser.text("#says"));
        }
        assert!(browser.text("#source .marked").contains("named(\"pong\").spawn"), "{}", browser.text("#source"));
        assert!(browser.text("#queue").contains("task 2 `pong`"), "{}", browser.text("#queue"));
        assert_eq!(browser.text("#list [aria-selected=true] .number"), "4");
        browser.key("ArrowRight");
        browser.shift_key("ArrowRight");
        assert_eq!((index(browser), kind(browser)), (11, "poll_begins".into()), "task 3's next event");
        browser.key("P");
        assert!(browser.text("#says").starts_with("Task 2 `pong` is polled for the 1st time"));
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

/// The texts in which a comma begins a line, in the sentences about every event.
const COMMAS: &str = "recorded.events.flatMap(({ index }) => {
    panes.show(index);
    const found = [];
    for (const box of document.querySelectorAll('#about, #says, #facts, #cause, #task dd, #task .leaf')) {
      const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
      let before = null;
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        for (let at = 0; at < text.length; at++) {
          const range = document.createRange();
          range.setStart(text, at);
          range.setEnd(text, at + 1);
          const [place] = range.getClientRects();
          if (place && before && text.data[at] === ',' && place.top >= before.bottom - 2) found.push(box.textContent);
          before = place ?? before;
        }
      }
    }
    return found;
})";

#[test]
fn on_a_phone_no_line_begins_with_a_comma() {
    browse(|browser, place| {
        for program in ["two-sleeps", "cancel", "semaphore", "ping-pong"] {
            browser.open(&page_of(place, program), PHONE);
            assert_eq!(browser.eval(COMMAS), json!([]), "{program}");
        }
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
        assert!(browser.text("#says").starts_with("Timer 2 wakes task 3 `toast`"), "{}", browser.text("#says"));
        let wake = index(browser);
        for (kind_of_cause, says) in [
            ("timer_fired", "Timer 2 fires"),
            ("timer_set", "Task 3 `toast` sets timer 2, due in 200 ms"),
            ("poll_begins", "Task 3 `toast` is polled for the 1st time"),
            ("spawned", "Task 1 `main` spawns task 3 `toast`"),
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
        // The arrow, on its way from the reactor's row to the task's.
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
fn whoever_reads_is_woken_by_the_end_of_what_comes_and_whoever_writes_is_not() {
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

/// Two runs in one recording: tasks have the same numbers in both.
fn two_runs() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    for n in 1..3 {
        runtime.block_on(async {
            let sleeps = executor::spawn(executor::time::sleep(Duration::from_millis(n)));
            executor::yield_now().await;
            sleeps.await.unwrap();
        });
    }
    recorder.trace()
}

/// A poll within which another task is dropped, that goes on then: it sets a timer and spawns.
fn dropped_in_a_poll() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    let sleep = |n| executor::time::sleep(Duration::from_millis(n));
    runtime.block_on(async {
        let group = executor::task_group(async |group: executor::TaskGroup<()>| {
            group.spawn_named("inside", std::future::pending::<Result<(), ()>>());
            sleep(100).await;
            Ok(())
        });
        executor::time::timeout(Duration::from_millis(10), group).await.unwrap_err();
        let spawned = executor::spawn(sleep(2));
        sleep(1).await;
        spawned.await.unwrap();
    });
    recorder.trace()
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
        has("Task 2 `shielded` is polled for the 2nd time");
        has("Task 2 `shielded` runs once more, to drop its future: it was cancelled");
    });
}

/// Sees to it that the page knows the same of every so many-th event as a fold of all events up to it.
fn agrees(browser: &mut Browser, place: &Place, trace: &Trace, step: usize) {
    browser.open(&replayed(place, trace), DESKTOP);
    let shown = browser.eval(&format!(
        "recorded.events.filter((event) => event.index % {step} === 0).map(({{ index }}) => {{
           const state = recorded.stateAt(index);
           const numbers = (list) => list.map((one) => one.id).sort((a, b) => a - b).join();
           const tasks = state.alive.map((lane) => `${{lane.id}}:${{lane.spanAt(index).state}}`).join();
           const queue = state.queue.map((lane) => lane.id).join();
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

#[test]
fn causes_are_those_that_the_stepper_in_the_terminal_tells() {
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
    /// The polls that are open: of whoever is dropped within another's, too.
    running: Vec<u64>,
    timers: BTreeSet<u64>,
    sources: BTreeSet<u64>,
}

/// The state after each event.
fn fold(trace: &Trace) -> Vec<String> {
    let blocking = |record: &executor::trace::Record| match record.event {
        Event::BlockingBegins { task } => Some(task),
        _ => None,
    };
    let blocking: BTreeSet<u64> = trace.records.iter().filter_map(blocking).collect();
    let mut state = State::default();
    let states = trace.records.iter().map(|record| {
        state.apply(&record.event, &blocking);
        state.to_string()
    });
    states.collect()
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
        let (queue, timers, sources) = (list(&self.queue), list(&self.timers), list(&self.sources));
        let running = list(self.running.last());
        write!(f, "tasks {tasks}; running {running}; queue {queue}; timers {timers}; sources {sources}")
    }
}

#[test]
fn a_hundred_thousand_events_open_and_step_at_once() {
    let recorder = Arc::new(Recorder::new().without_chains());
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let yields = async || {
            for _ in 0..700 {
                executor::yield_now().await;
            }
        };
        executor::join_all((0..50).map(|_| executor::spawn(yields()))).await;
    });
    let trace = recorder.trace();
    assert!(trace.records.len() > 100_000);
    browse(move |browser, place| {
        let page = replayed(place, &trace);
        let start = Instant::now();
        browser.open(&page, DESKTOP);
        assert!(start.elapsed() < Duration::from_secs(10), "it opens in {:?}", start.elapsed());
        browser.key("End");
        browser.eval("chart.showAll()");
        let mut step = || {
            let start = Instant::now();
            browser.key("ArrowLeft");
            start.elapsed()
        };
        // The quickest: the machine may be busy with other things.
        let quickest = (0..20).map(|_| step()).min().unwrap();
        assert_eq!(index(browser), trace.records.len() as u64 - 20);
        assert!(quickest < Duration::from_millis(250), "a step takes {quickest:?}");
    });
}

#[test]
fn a_task_that_is_woken_often_is_searched_at_once() {
    let recorder = Arc::new(Recorder::new().without_chains());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        for _ in 0..25_000 {
            executor::yield_now().await;
        }
    });
    let trace = recorder.trace();
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("Home");
        let start = Instant::now();
        browser.key("/");
        browser.write("wakes itself");
        browser.key("Enter");
        assert_eq!(browser.text("#said"), "1 of 25000 found");
        // With a look at all that the task did before for each wake it takes twenty.
        assert!(start.elapsed() < Duration::from_secs(5), "it takes {:?}", start.elapsed());
    });
}

/// What stands out of the window on the right, but for source lines, which scroll.
const CUT_OFF: &str = "[...document.querySelectorAll('button, input, p, li, dd, h1, h2, canvas')]
    .filter((one) => one.checkVisibility() && !one.closest('dialog') && !one.closest('pre'))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML)";

#[test]
fn nothing_is_wider_than_a_phone_and_all_of_it_fits_a_desktop() {
    browse(|browser, place| {
        let trace = crawl(place);
        let crawled = place.path("crawl.html");
        std::fs::rename(replayed(place, &trace), &crawled).unwrap();
        for page in [crawled, page_of(place, "cancel")] {
            for (width, height) in [PHONE, SMALL, DESKTOP] {
                browser.open(&page, (width, height));
                for key in ["Home", "w", "w", "c", "End", "r", "?"] {
                    browser.key(key);
                    let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
                    assert!(wide <= u64::from(width), "{wide} pixels after {key}");
                    assert_eq!(browser.eval(CUT_OFF), json!([]), "cut off at {width} pixels after {key}");
                }
                let high = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
                assert!(width < 500 || high <= u64::from(height), "{high} pixels are scrolled on a desktop");
                // A long sentence leaves the chart its room, too.
                let longest = "recorded.events.filter((event) => event.waits)
                    .sort((a, b) => JSON.stringify(b.waits).length - JSON.stringify(a.waits).length)[0].index";
                browser.eval(&format!("location.hash = {longest} + 1"));
                browser.settle();
                let room = browser.eval("[chart.width, chart.height]");
                assert!(room[0].as_f64().unwrap() > 300.0 && room[1].as_f64().unwrap() > 160.0, "{room}");
            }
        }
    });
}

/// The texts whose colour differs from what is behind them by less than 4.5 to 1; what is switched off may be faint.
const FAINT: &str = "(() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const mixed = (colours) => {
      for (const colour of colours) {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
      }
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const linear = (part) => (part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const behind = (one) => (one ? [...behind(one.parentElement), getComputedStyle(one).backgroundColor] : ['white']);
    const contrast = (one) => {
      const ground = behind(one);
      const both = [light(mixed(ground)), light(mixed([...ground, getComputedStyle(one).color]))].sort((a, b) => a - b);
      return (both[1] + 0.05) / (both[0] + 0.05);
    };
    const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const texts = [...document.querySelectorAll('body *')].filter((one) => hasText(one) && one.checkVisibility());
    const faint = texts.filter((one) => !one.disabled && contrast(one) < 4.5);
    return faint.map((one) => `${contrast(one).toFixed(2)}: ${one.outerHTML}`);
})()";

#[test]
fn every_text_can_be_read_by_day_and_by_night() {
    browse(|browser, place| {
        let page = page_of(place, "lost-wake");
        for colours in ["light", "dark"] {
            let feature = json!([{ "name": "prefers-color-scheme", "value": colours }]);
            browser.call("Emulation.setEmulatedMedia", json!({ "features": feature }));
            browser.open(&page, DESKTOP);
            browser.key("/");
            browser.write("waits");
            browser.key("Enter");
            browser.key("Home");
            for _ in 0..browser.eval("recorded.end").as_u64().unwrap() {
                assert_eq!(browser.eval(FAINT), json!([]), "{colours}, at event {}", index(browser));
                browser.key("ArrowRight");
            }
            browser.key("i");
            assert_eq!(browser.eval(FAINT), json!([]), "{colours}, the findings");
        }
    });
}

#[test]
fn up_and_down_choose_in_the_list() {
    browse(|browser, place| {
        browser.open(&page_of(place, "ping-pong"), DESKTOP);
        browser.key("Home");
        browser.eval("document.querySelector('#list').focus()");
        ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"].into_iter().for_each(|key| browser.key(key));
        assert_eq!(index(browser), 3);
        browser.key("f"); // task 1's only
        let listed = browser.eval("panes.listed.slice(0, 12).map((at) => at + 1)");
        let listed: Vec<u64> = serde_json::from_value(listed).unwrap();
        assert!(listed[11] > listed[0] + 11, "nothing of others lies between: {listed:?}");
        for event in listed.iter().skip_while(|event| **event <= 3) {
            browser.key("ArrowDown");
            assert_eq!(index(browser), *event);
        }
        browser.key("ArrowUp");
        assert_eq!(index(browser), listed[10]);
    });
}

#[test]
fn a_line_that_a_file_does_not_have_is_said_to_be_of_another() {
    browse(|browser, place| {
        std::fs::create_dir_all(place.path("old/demo/src/step/programs")).unwrap();
        std::fs::write(place.path("old/demo/src/step/programs/ping_pong.rs"), "// shorter\n").unwrap();
        place.run(&["step", "ping-pong", "--source", "old", "--html", "page.html"]).exits(0);
        browser.open(&place.path("page.html#4"), DESKTOP);
        let source = browser.text("#source pre");
        assert!(source.starts_with("The file has no line 9, so it is not the file that ran."), "{source}");
    });
}

#[test]
fn labels_of_the_time_axis_differ_however_near_one_looks() {
    browse(|browser, place| {
        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        browser.key("t");
        for room in [400_000_000, 1_000_000, 2_000, 50] {
            let labels = browser.eval(&format!(
                "(() => {{
                   const labels = [];
                   chart.look(199_999_990, 199_999_990 + {room});
                   chart.context.fillText = (label) => labels.push(label);
                   chart.drawAxis();
                   delete chart.context.fillText;
                   return labels;
                 }})()"
            ));
            let labels: Vec<String> = serde_json::from_value(labels).unwrap();
            let different: BTreeSet<_> = labels.iter().collect();
            assert!(labels.len() > 2 && different.len() == labels.len(), "{labels:?}");
        }
    });
}

#[test]
fn names_are_text_whatever_is_in_them() {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    let name = "</script><script>throw 1</script><!--<b>\\u003c \u{2028}";
    let shown = name.replace('\u{2028}', "\\u{2028}"); // it would end a line
    runtime.block_on(async {
        executor::named(name).spawn(async {}).await.unwrap();
        executor::named(name).spawn(std::future::pending::<()>());
        executor::yield_now().await;
    });
    let mut trace = recorder.trace();
    trace.head.program = format!("{name}{}", "long".repeat(50));
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), PHONE);
        assert_eq!(browser.text("h1"), format!("A run of `{}`", trace.head.program.replace(name, &shown)));
        assert_eq!(browser.eval(CUT_OFF), json!([]));
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("End");
        let known = browser.eval("recorded.lanes[1].name");
        assert_eq!(known, shown.as_str());
        browser.key("P");
        assert!(browser.text("#list").contains(&shown), "{}", browser.text("#list"));
        assert!(browser.text("#findings-box ol").contains(&shown), "{}", browser.text("#findings-box ol"));
    });
}

// What is wrong.

#[test]
fn findings_are_listed_and_chosen_by_keys_mouse_and_touch() {
    browse(|browser, place| {
        let page = page_of(place, "lost-wake");
        browser.open(&page, DESKTOP);
        assert_eq!(browser.text("#findings"), "1 finding");
        let listed = browser.text("#findings-box ol");
        let of_task =
            "task 2 `waits` (spawned at demo/src/step/programs/lost_wake.rs:13) is suspended, and its last waker was";
        assert!(listed.starts_with("lost wake · event ") && listed.contains(of_task), "{listed}");

        let choose = |browser: &mut Browser, how: &dyn Fn(&mut Browser)| {
            browser.key("Home");
            assert_eq!(index(browser), 1);
            how(browser);
            assert_eq!(kind(browser), "waker_dropped");
            assert!(listed.contains(&format!("event {}task", index(browser))), "{listed}");
            assert!(browser.text("#task").contains(of_task), "{}", browser.text("#task"));
            assert_eq!(browser.eval("document.querySelector('dialog[open]')"), Value::Null);
            browser.key("b");
            assert_eq!(index(browser), 1, "it is a jump");
        };
        choose(browser, &|browser| ["i", "Enter"].into_iter().for_each(|key| browser.key(key)));
        choose(browser, &|browser| {
            for selector in ["#findings", "#findings-box li button"] {
                let (x, y) = browser.middle(selector);
                browser.click(x, y);
            }
        });
        browser.key("i");
        browser.key("Escape");
        assert_eq!((index(browser), browser.eval("document.querySelector('dialog[open]')")), (1, Value::Null));
        browser.open(&page, PHONE);
        choose(browser, &|browser| {
            for selector in ["#findings", "#findings-box li button"] {
                let (x, y) = browser.middle(selector);
                browser.tap(x, y);
            }
        });

        browser.open(&page_of(place, "two-sleeps"), DESKTOP);
        for selector in ["#findings", "#wrong"] {
            assert_eq!(browser.eval(&format!("document.querySelector('{selector}').checkVisibility()")), false);
        }
        browser.key("i");
        assert_eq!(browser.text("#said"), "Nothing wrong was found.");
    });
}

/// The tasks, with their runs, whose names have the sign of a finding beside them.
const MARKED: &str = "(() => {
    const copy = new OffscreenCanvas(chart.canvas.width, chart.canvas.height);
    const pen = copy.getContext('2d', { willReadFrequently: true });
    pen.drawImage(chart.canvas, 0, 0);
    const marked = recorded.lanes.filter((lane) => {
      const pixel = pen.getImageData(10, chart.y(lane.row) + chart.row / 2 + 4, 1, 1).data;
      return `rgb(${[...pixel].slice(0, 3).join(', ')})` === chart.colours.wrong;
    });
    return marked.map((lane) => [lane.run, lane.id]);
})()";

#[test]
fn a_lane_with_a_finding_is_marked_and_so_are_those_with_the_same() {
    let recorder = Arc::new(Recorder::new());
    let runtime = executor::Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    for wrong in [0, 3] {
        runtime.block_on(async {
            for _ in 0..wrong {
                executor::spawn(std::future::pending::<()>());
            }
            executor::spawn(executor::time::sleep(Duration::from_millis(1))).await.unwrap();
        });
    }
    let trace = recorder.trace();
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        assert_eq!(browser.text("#findings"), "1 finding");
        assert_eq!(browser.eval(MARKED), json!([[1, 2], [1, 3], [1, 4]]));
        browser.eval(
            "location.hash = recorded.lanes.find((lane) => lane.run === 1 && lane.id === 3).findings[0].index + 1",
        );
        browser.settle();
        assert_eq!(kind(browser), "stranded");
        let task = browser.text("#task");
        assert!(task.starts_with("task 3") && task.contains("as for task 2: task 2 (spawned at"), "{task}");
    });
}

#[test]
fn a_recording_without_its_beginning_opens_too() {
    let recorder = Arc::new(Recorder::new().with_limit(60));
    let runtime = executor::Runtime::builder().observer(recorder.clone()).build().unwrap();
    let sleeps = |n: u64| executor::spawn(executor::time::sleep(Duration::from_millis(n)));
    runtime.block_on(async { executor::join_all((0..20).map(sleeps)).await });
    let mut trace = recorder.trace();
    assert!(trace.head.dropped > 0);
    // Without what is said again of the oldest, too: the tasks are unknown then.
    trace.records.retain(|record| !matches!(record.event, Event::Spawned { .. } | Event::TimerSet { .. }));
    browse(move |browser, place| {
        browser.open(&replayed(place, &trace), DESKTOP);
        browser.key("Home");
        for _ in 0..trace.records.len() {
            browser.key("ArrowRight");
            assert!(!browser.text("#says").contains("undefined"), "{}", browser.text("#says"));
        }
        assert_eq!(index(browser), trace.records.len() as u64);

        trace.records.clear();
        browser.open(&replayed(place, &trace), DESKTOP);
        assert_eq!(browser.text("#says"), "Nothing was recorded.");
    });
}

// Perfetto.

fn perfetto(place: &Place, trace: &Trace) -> Vec<Value> {
    trace.write(std::fs::File::create(place.path("run.jsonl")).unwrap()).unwrap();
    place.run(&["step", "--replay", "run.jsonl", "--perfetto", "run.json"]).exits(0);
    chrome_events(place)
}

/// What was written into `run.json`.
fn chrome_events(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("run.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(events) = file["traceEvents"].take() else { panic!("no events in {text}") };
    events
}

#[test]
fn perfetto_is_given_what_its_format_asks_for() {
    let place = Place::new();
    for program in ["two-sleeps", "cancel", "semaphore", "blocked", "downloads", "lost-wake", "unjoined"] {
        place.run(&["step", program, "--perfetto", "run.json"]).exits(0);
        is_sound(&chrome_events(&place));
    }
    is_sound(&perfetto(&place, &two_runs()));
    is_sound(&perfetto(&place, &dropped_in_a_poll()));
    // One that is killed leaves a recording that ends anywhere.
    let mut trace = dropped_in_a_poll();
    while trace.records.pop().is_some() {
        is_sound(&perfetto(&place, &trace));
    }
}

#[test]
fn perfetto_is_given_every_poll_and_every_wake_leads_from_a_slice_to_a_poll() {
    let place = Place::new();
    let trace = crawl(&place);
    let events = perfetto(&place, &trace);
    is_sound(&events);
    let count = |wanted: fn(&Event) -> bool| trace.records.iter().filter(|record| wanted(&record.event)).count();
    let polls = events.iter().filter(|event| event["ph"] == "X" && event["name"] == "poll").count();
    assert_eq!(polls, count(|event| matches!(event, Event::PollBegins { .. })));
    let calls = |event: &&Value| event["name"].as_str().is_some_and(|name| name.starts_with("blocking call,"));
    assert_eq!(events.iter().filter(calls).count(), count(|event| matches!(event, Event::BlockingBegins { .. })));

    let starts: HashSet<(u64, u64)> = slices(&events)
        .iter()
        .flat_map(|((_, thread), slices)| slices.iter().map(|(from, _)| (*thread, *from)))
        .collect();
    let flows: Vec<&Value> = events.iter().filter(|event| event["ph"] == "f").collect();
    assert!(flows.len() > 1000, "{}", flows.len());
    for flow in flows {
        assert!(starts.contains(&(flow["tid"].as_u64().unwrap(), at(flow, "ts"))), "a poll begins with {flow}");
    }
}

#[test]
fn perfettos_threads_tell_what_each_task_does_all_the_time() {
    let place = Place::new();
    place.run(&["step", "cancel", "--perfetto", "run.json"]).exits(0);
    let events = &chrome_events(&place);
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    let names: Vec<_> = names.map(|event| (&event["tid"], event["args"]["name"].as_str().unwrap())).collect();
    let all: Vec<_> = names.iter().map(|(_, name)| *name).collect();
    assert_eq!(all, ["the reactor", "task 1 `main`", "task 2 `holds`", "task 3 `waits`"]);

    // One slice after the other, without a gap, from the spawn to the end.
    let mut told = String::new();
    for (thread, name) in &names[1..] {
        let slices = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == **thread);
        let slices: Vec<_> = slices.collect();
        let end = |slice: &Value| at(slice, "ts") + at(slice, "dur");
        let gap = slices.windows(2).find(|pair| end(pair[0]) != at(pair[1], "ts"));
        assert_eq!(gap, None, "of {name}");
        for slice in slices {
            let ms = (at(slice, "dur") + 500_000) / 1_000_000;
            writeln!(told, "{name}: {} for {ms} ms", slice["name"].as_str().unwrap()).unwrap();
        }
    }
    let waits = "task 3 `waits`: queued for 0 ms\ntask 3 `waits`: poll for 0 ms\ntask 3 `waits`: acquire on the \
                 semaphore made at demo/src/step/programs/cancel.rs:10:25 for 50 ms\n";
    assert!(told.contains(waits), "{told}");
    let cancelled = events.iter().find(|event| event["name"] == "cancelled").unwrap();
    assert_eq!(cancelled["args"], json!({ "by": "task 1", "reason": "it takes too long" }));
}
