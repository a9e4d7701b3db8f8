//! Recordings that environment variables set up, as files and at consoles; what a full recorder keeps; errors of broken
//! files.
//!
//! The programs are the demo's own server and stepper.

use executor::Runtime;
use executor::sync::Event as Signal;
use executor::time::{Duration, sleep};
use executor::trace::{End, Event, Record, Recorder, Trace, TraceError};
use executor::{named, yield_now};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use tests::demo::{Place, Running, Serving, executor_examples, within_after_build};
use tests::eventually;

/// `demo serve` with a console at `console` and these variables.
fn serve(place: &Place, variables: &[(&str, &str)]) -> Serving {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    Serving::run(command.env("EXECUTOR_CONSOLE", "console").envs(variables.iter().copied()))
}

/// A client of a console.
struct Client {
    lines: BufReader<UnixStream>,
    trace: Trace,
    count: usize,
}

impl Client {
    fn connect(path: &Path) -> Client {
        let stream = UnixStream::connect(path).expect("a console is there");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        Client { lines: BufReader::new(stream), trace: Trace::default(), count: 0 }
    }

    /// Reads a line. Returns `false` at the end, where a program that exits may leave a line cut short.
    fn read(&mut self) -> bool {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line, or the end");
        self.count += 1;
        line.ends_with('\n')
            && self.trace.add_line(line.trim_end(), self.count).map(|()| true).expect("it is one of a recording")
    }

    /// Reads until this many connections were accepted.
    fn until_connections(&mut self, wanted: usize) {
        while connections(&self.trace) < wanted {
            assert!(self.read(), "the console ended before");
        }
    }
}

fn connections(trace: &Trace) -> usize {
    let is_one =
        |record: &&Record| matches!(&record.event, Event::Spawned { name: Some(name), .. } if **name == *"connection");
    trace.records.iter().filter(is_one).count()
}

#[test]
fn two_clients_see_the_same_events_and_one_that_disconnects_does_not_affect_them() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place, &[]);
        let [mut first, mut second, gone] = [(); 3].map(|()| Client::connect(&place.path("console")));
        assert_eq!(server.get("/ring/1").status, 200);
        first.until_connections(1);
        drop(gone);
        assert_eq!(server.get("/ring/2").status, 200);
        first.until_connections(2);
        second.until_connections(2);
        let same = first.trace.records.len().min(second.trace.records.len());
        assert_eq!(first.trace.records[..same], second.trace.records[..same]);
        assert_eq!(first.trace.records[0].event, Event::RunBegins);
        // A client that connects late gets all events from the beginning.
        let mut late = Client::connect(&place.path("console"));
        late.until_connections(2);
        assert_eq!(late.trace.records[..same], first.trace.records[..same]);
    });
}

#[test]
fn a_console_says_when_it_has_sent_all() {
    within_after_build(60, || {
        let place = Place::new();
        let _server = serve(&place, &[]);
        let mut client = Client::connect(&place.path("console"));
        while client.trace.now.is_none() {
            assert!(client.read());
        }
        let last = client.trace.records.last().expect("the recording has begun").at;
        assert!(client.trace.now >= Some(last), "{:?} {last}", client.trace.now);
    });
}

#[test]
fn a_client_that_never_reads_delays_no_other_client() {
    within_after_build(120, || {
        let place = Place::new();
        let server = serve(&place, &[]);
        let lazy = UnixStream::connect(place.path("console")).unwrap();
        // Each request adds about ten kilobytes of recording; together they exceed a socket's buffers.
        for _ in 0..200 {
            assert_eq!(server.get("/ring/3").status, 200);
        }
        let mut reader = Client::connect(&place.path("console"));
        reader.until_connections(200);
        drop(lazy);
    });
}

#[test]
fn a_slow_client_gets_the_number_of_events_that_it_missed() {
    within_after_build(120, || {
        let place = Place::new();
        let server = serve(&place, &[("EXECUTOR_TRACE_EVENTS", "100")]);
        let mut slow = Client::connect(&place.path("console"));
        assert!(slow.read());
        let mut asked = 0;
        // Until its socket is full and the recorder drops events that were not sent.
        while slow.trace.head.dropped == 0 {
            (0..20).for_each(|_| assert_eq!(server.get("/ring/3").status, 200));
            asked += 20;
            if asked >= 200 {
                assert!(slow.read());
            }
        }
        assert!(asked >= 200 && connections(&slow.trace) < asked);
    });
}

#[test]
fn a_console_ends_with_its_program_and_removes_its_socket() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, &[]);
        let mut client = Client::connect(&place.path("console"));
        assert!(client.read(), "it was accepted");
        server.running.signal(rustix::process::Signal::INT);
        eventually("the program ends", || server.running.is_over());
        while client.read() {}
        assert!(!place.path("console").exists());
    });
}

#[test]
fn a_socket_without_a_listener_is_replaced() {
    within_after_build(60, || {
        let place = Place::new();
        drop(UnixListener::bind(place.path("console")).unwrap()); // the file stays, as after a crash
        let _server = serve(&place, &[]);
        let mut client = Client::connect(&place.path("console"));
        assert!(client.read());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_console_that_cannot_accept_waits_until_it_can() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let place = Place::new();
    let server = serve(&place, &[]);
    let process = server.running.id();
    let usual = getrlimit(Resource::Nofile); // which the server has inherited
    let limit = |descriptors| {
        let limit = Rlimit { current: descriptors, ..usual };
        prlimit(Pid::from_raw(process as i32), Resource::Nofile, limit).expect("a child's limits can be changed");
    };
    limit(Some(0));
    let mut client = Client::connect(&place.path("console"));
    let busy = || tests::processor_time_of(process).unwrap();
    let start = busy();
    std::thread::sleep(Duration::from_millis(500)); // an idle period to measure, not a wait for an event
    assert!(busy() - start < Duration::from_millis(50), "{:?} in an idle half second", busy() - start);
    limit(usual.current);
    assert!(client.read());
}

#[test]
fn a_socket_in_use_is_refused_and_stays() {
    let place = Place::new();
    let _other = UnixListener::bind(place.path("console")).unwrap();
    let ran = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]).env("EXECUTOR_CONSOLE", "console"));
    ran.wait().exits(1).says("EXECUTOR_CONSOLE=console: Address already in use").says("give a path that");
    assert!(UnixStream::connect(place.path("console")).is_ok());
}

#[test]
fn a_file_that_is_no_socket_is_refused_and_stays() {
    let place = Place::new();
    fs::write(place.path("console"), "precious").unwrap();
    let ran = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]).env("EXECUTOR_CONSOLE", "console"));
    ran.wait().exits(1).says("EXECUTOR_CONSOLE=console");
    assert_eq!(fs::read_to_string(place.path("console")).unwrap(), "precious");
}

#[test]
fn a_file_and_a_console_have_the_same_events() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, &[("EXECUTOR_TRACE", "%p.jsonl")]);
        let mut client = Client::connect(&place.path("console"));
        assert_eq!(server.get("/ring/1").status, 200);
        client.until_connections(1);
        server.running.signal(rustix::process::Signal::INT);
        eventually("the program ends", || server.running.is_over());
        while client.read() {}
        let trace = Trace::open(place.path(&format!("{}.jsonl", server.running.id()))).expect("%p is its number");
        assert_eq!(trace.records[..client.trace.records.len()], client.trace.records);
        assert_eq!(trace.records.last().map(|record| &record.event), Some(&Event::Freed { task: 1 }));
        assert_eq!(trace.head.program, "demo");
    });
}

#[test]
fn a_program_that_is_killed_leaves_a_recording() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, &[("EXECUTOR_TRACE", "run.jsonl")]);
        let recorded = || Trace::open(place.path("run.jsonl")).map_or(0, |trace| connections(&trace));
        assert_eq!(server.get("/ring/1").status, 200);
        eventually("it is in the file while the program runs", || recorded() == 1);
        assert_eq!(server.get("/ring/2").status, 200);
        eventually("so is what comes later", || recorded() == 2);
        server.running.signal(rustix::process::Signal::KILL);
        eventually("the program ends", || server.running.is_over());
        let trace = Trace::open(place.path("run.jsonl")).unwrap();
        assert_eq!((connections(&trace), trace.head.dropped, trace.head.program.as_str()), (2, 0, "demo"));
        assert!(!trace.chains.iter().all(Vec::is_empty));
    });
}

#[test]
fn the_file_of_a_running_program_is_complete_at_any_moment_and_limited_in_size() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place, &[("EXECUTOR_TRACE", "run.jsonl"), ("EXECUTOR_TRACE_EVENTS", "50")]);
        let file = place.path("run.jsonl");
        assert!(Trace::open(&file).is_ok(), "it is whole from the beginning");
        let is_main = |record: &Record| matches!(record.event, Event::Spawned { task: 1, .. });
        eventually("it is begun", || Trace::open(&file).unwrap().records.iter().any(is_main));
        let (mut before, mut begun) = (0, 0);
        while begun < 5 {
            assert_eq!(server.get("/ring/1").status, 200);
            let trace = Trace::open(&file).expect("it is never empty");
            assert!(trace.records.iter().any(is_main), "the file describes the task that still exists");
            // A write adds at most 50 new events, and before them those that describe what still exists: the listener,
            // its task and a few connections. There are fewer than two such writes when the file is begun, 50 events
            // more before it is replaced, and one last write.
            let events = trace.records.len();
            assert!(events <= 4 * 50 + 2 * 100, "{events} events");
            begun += usize::from(events < before);
            before = events;
        }
        assert!(Trace::open(&file).unwrap().head.dropped > 0);
    });
}

#[test]
fn a_recording_to_a_pipe_is_written_once() {
    let place = Place::new();
    let mut command = std::process::Command::new(executor_examples().join("hello"));
    command.current_dir(place.path("")).env("EXECUTOR_TRACE", "/dev/stdout");
    let ran = Running::start(&mut command).wait().exits(0);
    assert_eq!(ran.stdout.matches("executor_trace").count(), 1, "{}", ran.stdout);
}

#[test]
fn the_end_of_a_block_on_adds_to_the_file_and_the_end_of_the_runtime_writes_it_anew() {
    const VARIABLE: &str = "TESTS_RUN_AGAIN";
    if std::env::var_os(VARIABLE).is_some() {
        return run_again(Path::new("run.jsonl"));
    }
    let place = Place::new();
    const THIS: &str = "the_end_of_a_block_on_adds_to_the_file_and_the_end_of_the_runtime_writes_it_anew";
    let mut this = tests::alone::test(module_path!(), THIS);
    this.current_dir(place.path("")).env(VARIABLE, "").env("EXECUTOR_TRACE", "run.jsonl");
    let output = this.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let written = Trace::open(place.path("run.jsonl")).unwrap();
    assert_eq!(written.head.program.chars().next(), Some('t'), "the end has written it anew");
    assert!(!place.path("elsewhere/run.jsonl").exists());
}

/// Runs a runtime again and again. When a run has ended, it is in the file, and what the file had before is unchanged.
/// That includes the head, in which this changes a letter.
fn run_again(file: &Path) {
    let runtime = Runtime::builder().build().unwrap();
    for run in 1..10 {
        runtime.block_on(yield_now());
        let trace = Trace::open(file).unwrap();
        assert_eq!(trace.records.iter().filter(|record| record.event == Event::RunEnds).count(), run);
        let text = fs::read_to_string(file).unwrap();
        if run == 1 {
            let name = text.find(&trace.head.program).expect("the head has the program's name");
            fs::OpenOptions::new().write(true).open(file).unwrap().write_at(b"X", name as u64).unwrap();
        } else {
            assert_eq!(trace.head.program.chars().next(), Some('X'));
        }
    }
    fs::create_dir("elsewhere").unwrap();
    std::env::set_current_dir("elsewhere").unwrap();
}

#[test]
fn each_runtime_of_a_process_has_a_file_of_its_own() {
    let place = Place::new();
    let mut command = place.command(&["step", "downloads", "--lint"]); // has a server on another thread
    Running::start(command.env("EXECUTOR_TRACE", "run.jsonl")).wait();
    let [first, second] = ["run.jsonl", "run.jsonl-2"].map(|name| Trace::open(place.path(name)).expect(name));
    assert_eq!(connections(&first) + connections(&second), 10);
    assert!(first.records.len() > 10 && second.records.len() > 10);
}

#[test]
fn a_recording_that_cannot_be_made_is_reported_before_the_program_runs() {
    let place = Place::new();
    let hello = |name: &str, value: &str| {
        let mut command = std::process::Command::new(executor_examples().join("hello"));
        Running::start(command.current_dir(place.path("")).env(name, value)).wait()
    };
    let unwritable = hello("EXECUTOR_TRACE", "no/such/folder/run.jsonl").exits(0);
    assert!(unwritable.stdout.contains("1 + 2"), "{}", unwritable.stdout);
    let said = "EXECUTOR_TRACE=no/such/folder/run.jsonl: No such file or directory (os error 2); give a path that this";
    unwritable.says(said);
    hello("EXECUTOR_TRACE", "run.jsonl").exits(0);
    let mut limited = std::process::Command::new(executor_examples().join("hello"));
    limited.current_dir(place.path("")).env("EXECUTOR_TRACE", "run.jsonl").env("EXECUTOR_TRACE_EVENTS", "many");
    Running::start(&mut limited).wait().says("EXECUTOR_TRACE_EVENTS=many: must be a number of at least 1");
}

#[test]
fn chains_can_be_left_out() {
    let place = Place::new();
    let mut command = std::process::Command::new(executor_examples().join("hello"));
    command.current_dir(place.path("")).env("EXECUTOR_TRACE", "run.jsonl").env("EXECUTOR_TRACE_CHAINS", "off");
    Running::start(&mut command).wait().exits(0);
    let trace = Trace::open(place.path("run.jsonl")).unwrap();
    assert!(trace.chains.is_empty());
    assert!(!trace.records.iter().any(|record| matches!(record.event, Event::Waits { .. })));
}

/// A task that sleeps, one that waits for ever, and a hundred polls of another, recorded with room for `limit` events.
fn overflowed(limit: usize) -> Trace {
    let recorder = Arc::new(Recorder::new().with_limit(limit));
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let never = Arc::new(Signal::new());
        let waits = named("waits").spawn({
            let never = never.clone();
            async move {
                yield_now().await;
                never.wait().await
            }
        });
        let _sleeps = named("sleeps").spawn(sleep(Duration::from_secs(60)));
        let over = named("over").spawn(async {});
        over.await.unwrap();
        for _ in 0..100 {
            yield_now().await;
        }
        let trace = recorder.trace();
        never.set();
        waits.await.unwrap();
        trace
    })
}

#[test]
fn a_full_recorder_keeps_the_events_that_describe_what_still_exists() {
    let (all, trace) = (overflowed(1_000_000), overflowed(20));
    assert_eq!((all.head.dropped, trace.head.dropped), (0, all.records.len() as u64 - 20));
    assert_eq!(trace.records[trace.records.len() - 20..], all.records[all.records.len() - 20..]);
    let mut rest = all.records.iter();
    let is_in_order = |record: &Record| rest.any(|other| other == record);
    assert!(trace.records.iter().all(is_in_order), "{:#?}", trace.records);
    let kept: Vec<_> = trace.records[..trace.records.len() - 20].iter().map(|record| &record.event).collect();
    assert_eq!(kept[0], &Event::RunBegins);
    let of = |id: u64| kept.iter().filter(|event| event.task() == Some(id)).collect::<Vec<_>>();
    for id in [2, 3] {
        // The spawn and the last poll, not an earlier one.
        assert!(
            matches!(
                of(id)[..],
                [
                    Event::Spawned { .. },
                    Event::PollBegins { .. },
                    Event::Waits { .. },
                    Event::PollEnds { end: End::Pending, .. }
                ]
            ),
            "{:#?}",
            of(id)
        );
    }
    assert_eq!(of(4), Vec::<&&Event>::new(), "task 4 is over");
    assert_eq!(kept.iter().filter(|event| matches!(event, Event::TimerSet { .. })).count(), 1);
}

#[test]
fn a_full_recorder_drops_the_events_of_what_has_ended() {
    let recorder = Arc::new(Recorder::new().with_limit(5));
    let runtime = Runtime::builder().observer(recorder.clone()).build().unwrap();
    let (ends, waits) = channel::<()>();
    let busy = || async {
        for _ in 0..10 {
            yield_now().await;
        }
    };
    let kept = |is_kept: fn(&Event) -> bool| {
        let trace = recorder.trace();
        trace.records[..trace.records.len() - 5].iter().filter(|record| is_kept(&record.event)).count()
    };
    runtime.block_on(async {
        executor::spawn_blocking(move || waits.recv()); // outlives this run
        sleep(Duration::from_millis(1)).await;
        busy().await;
        assert_eq!(kept(|event| matches!(event, Event::Spawned { task: 2, .. })), 1);
        assert_eq!(kept(|event| matches!(event, Event::TimerSet { .. })), 0);
    });
    runtime.block_on(async {
        busy().await; // has no task 2
        assert_eq!(kept(|event| matches!(event, Event::Spawned { task: 2, .. })), 0);
    });
    drop(ends);
}

#[test]
fn a_recording_has_the_times_of_its_own_runtime() {
    let hour = Duration::from_secs(3600);
    let (recorder, signal, (waits, waiting)) = (Arc::new(Recorder::new()), Arc::new(Signal::new()), channel());
    let sets = signal.clone();
    // Another runtime, whose clock is an hour ahead, wakes a task of this one.
    let other = std::thread::spawn(move || {
        let runtime = Runtime::builder().virtual_clock().build().unwrap();
        waiting.recv().unwrap();
        runtime.block_on(async {
            sleep(hour).await;
            sets.set();
        });
    });
    let runtime = Runtime::builder().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let task = executor::spawn(async move { signal.wait().await });
        yield_now().await;
        waits.send(()).unwrap();
        task.await.unwrap();
    });
    other.join().unwrap();
    assert!(recorder.trace().records.last().unwrap().at < hour.as_nanos() as u64);
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_recorder_for_no_events_is_refused() {
    let _ = Recorder::new().with_limit(0);
}

#[test]
fn a_written_recording_is_read_unchanged() {
    let trace = overflowed(1_000);
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    assert_eq!(Trace::read(&*file).unwrap(), trace);
}

const HEAD: &str = r#"{"executor_trace":1,"program":"p","simulated":false,"dropped":3}"#;

/// The error of a file with a head and this line.
#[track_caller]
fn refused(line: &str) -> String {
    Trace::read(format!("{HEAD}\n{line}\n").as_bytes()).expect_err(line).to_string()
}

#[test]
fn errors_of_broken_files_name_the_line_and_say_what_to_do() {
    let io = Trace::open("no/such/file").unwrap_err();
    assert!(matches!(&io, TraceError::Io { source, .. } if source.kind() == ErrorKind::NotFound), "{io}");
    assert_eq!(io.to_string(), "no/such/file: No such file or directory (os error 2)");

    let empty = Trace::read(&b""[..]).unwrap_err();
    assert!(matches!(empty, TraceError::Empty) && empty.to_string().contains("let block_on return"), "{empty}");
    for none in ["hello\n", "[1]\n", "\u{0}\u{1}\n"] {
        let error = Trace::read(none.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 1 is not a line of a recording ("), "{error}");
        assert!(error.ends_with("record one with EXECUTOR_TRACE=run.jsonl"), "{error}");
    }
    let other = Trace::read(HEAD.replace("\":1", "\":3").as_bytes()).unwrap_err();
    assert_eq!(
        other.to_string(),
        "the recording has version 3, and this program reads versions 1 and 2: record it again"
    );

    for line in [
        r#"{"at":1,"event":"poll_begins","task"#,
        r#"{"at":1,"event":"exploded","task":1}"#,
        r#"{"at":-1,"event":"poll_begins","task":1}"#,
        r#"{"at":1,"event":"source_ready","source":1,"readiness":["tired"],"woken":0}"#,
        "",
    ] {
        let error = refused(line);
        assert!(error.starts_with("line 2 is not a line of a recording ("), "{line}: {error}");
    }
    for line in [
        r#"{"place":1,"file":"a.rs","line":1,"column":1}"#,
        r#"{"place":4294967295,"file":"a.rs","line":1,"column":1}"#,
        r#"{"chain":7,"frames":[]}"#,
        r#"{"at":1,"event":"spawned","task":1,"place":0,"size":1}"#,
        r#"{"at":1,"event":"timer_set","timer":1,"deadline":5,"place":0}"#,
        r#"{"at":1,"event":"waits","task":1,"waits":[{"leaf":"x","chain":0}]}"#,
        r#"{"at":1,"event":"cancelled","task":1,"by":{"thread":"main"},"place":2}"#,
    ] {
        assert_eq!(
            refused(line),
            "line 2 refers to a place or chain that no line before it describes: is the file complete?",
            "{line}"
        );
    }
}

#[test]
fn missing_events_are_added_up() {
    let text = format!("{HEAD}\n{{\"missed\":4}}\n{{\"now\":9}}\n");
    let trace = Trace::read(text.as_bytes()).unwrap();
    assert_eq!((trace.head.dropped, trace.now), (7, Some(9)));
}

#[test]
fn a_console_that_drops_the_oldest_events_still_describes_all_live_tasks() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place, &[("EXECUTOR_TRACE_EVENTS", "50")]);
        let mut held = server.connect(); // a connection that waits for a request, for long
        for _ in 0..20 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        let mut client = Client::connect(&place.path("console"));
        while client.trace.now.is_none() {
            assert!(client.read());
        }
        assert!(client.trace.head.dropped > 100, "{:?}", client.trace.head);
        let spawned =
            client.trace.records.iter().find(
                |record| matches!(&record.event, Event::Spawned { name: Some(name), .. } if **name == *"connection"),
            );
        let id = spawned.and_then(|record| record.event.task()).expect("the suspended task is described");
        let is_over = |record: &Record| matches!(record.event, Event::Finished { task, .. } if task == id);
        assert!(!client.trace.records.iter().any(is_over));
        held.set_read_timeout(Some(std::time::Duration::from_millis(1))).unwrap();
        assert!(held.read(&mut [0]).is_err(), "it was closed");
    });
}
