//! The runtime under gdb: the tour and the printers of `demo/debug/`, run without a keyboard.
//!
//! The constants that the printers repeat are compared with the sources; all else with what the program of the tour
//! does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::demo::{Place, Program, Running, example};

const PRINTERS: &str = include_str!("../../../demo/debug/printers.py");
const TOUR: &str = include_str!("../../../executor/examples/tour.rs");

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

/// gdb, if it is installed and may trace, and the tour's program, if its debug information has types.
struct Debugger {
    gdb: Program,
    program: PathBuf,
}

impl Debugger {
    fn find() -> Option<Debugger> {
        let gdb = Program::find("gdb")?;
        if !cfg!(debug_assertions) {
            println!("skipped: a release has no debug information with types");
            return None;
        }
        let debugger = Debugger { gdb, program: example("tour") };
        let said = debugger.runs(&["starti", "info inferiors"]);
        if !said.contains("process ") {
            println!("skipped: gdb can't trace here: {said}");
            return None;
        }
        Some(debugger)
    }

    /// A gdb without a user's settings, which ends after its commands.
    fn command(&self) -> Command {
        let mut command = self.gdb.command();
        command.args(["-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"]).current_dir(workspace());
        command
    }

    /// The output of these commands for the program.
    #[track_caller]
    fn runs(&self, commands: &[&str]) -> String {
        let mut command = self.command();
        command.args(commands.iter().flat_map(|command| ["-ex", command])).arg(&self.program);
        Running::start(&mut command).wait().stdout
    }
}

/// The line of the tour's program with this in it, as a debugger names it.
#[track_caller]
fn line(text: &str) -> String {
    let at = TOUR.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no `{text}` in tour.rs"));
    format!("executor/examples/tour.rs:{}", at + 1)
}

/// Checks that these are in the text in this order. Returns what follows the last.
#[track_caller]
fn in_order<'a>(text: &'a str, wanted: &[&str]) -> &'a str {
    wanted.iter().fold(text, |rest, wanted| {
        let found = rest.split_once(wanted);
        found.unwrap_or_else(|| panic!("`{wanted}` is not where it should be in:\n{text}")).1
    })
}

/// The stops of the tour, each with what is shown there.
fn stops(tour: &str) -> Vec<&str> {
    tour.split("\n── ").skip(1).collect()
}

/// The seconds at which this task's timer is set.
#[track_caller]
fn deadline(stop: &str, task: &str) -> f64 {
    let timer = stop.lines().find(|line| line.contains(" at ") && line.ends_with(&format!("\"{task}\"")));
    let seconds = timer.and_then(|timer| timer.split_once(" at ")?.1.split_once(" s: ")?.0.parse().ok());
    seconds.unwrap_or_else(|| panic!("no timer of `{task}` in {stop}"))
}

/// What each stop shows, in this order.
fn shown<'a>(main: &'a str, spawned: &'a str, event: &'a str) -> [Vec<&'a str>; 10] {
    [
        vec!["1 ── block_on", main, "no timer is set", "Core::new"],
        vec![
            "2 ── spawn",
            "task 2 \"reader\"",
            spawned,
            "queued (NOTIFIED JOIN), 2 references, 0 polls",
            "is empty",
            "Core::spawn",
        ],
        vec![
            "3 ── A pass",
            "running (RUNNING), 1 reference, 1 poll",
            "task 3 \"waiter\", task 4 \"dreamer\", task 5 \"writer\"\n",
            "tour::read",
            "Core::pass",
            "Runtime::block_on",
        ],
        vec![
            "4 ── Pending",
            "task 5 \"writer\"",
            "running (RUNNING), 2 references, 1 poll",
            "Sleep::wait",
            "tour::write",
        ],
        vec![
            "5 ── Nothing is queued",
            "queue    empty",
            "source 1 (",
            ": task 2 \"reader\" waits to read",
            "source 2 (",
            "no waiter",
            "Reactor::turn",
        ],
        vec!["6 ── An event", "event    READABLE WRITABLE\n", ": task 2 \"reader\" waits to read", "Source::report"],
        vec![
            "7 ── A waker is called",
            "task 2 \"reader\"",
            "suspended (no bit), 2 references, 1 poll",
            "cause    source",
            "waker::wake",
            "Reactor::wake",
            "the reader has read 1 byte",
        ],
        vec![
            "8 ── From task to task",
            "task 2 \"reader\"",
            "running (RUNNING), 1 reference, 2 polls",
            "event made at",
            event,
            "task 3 \"waiter\", WAITING",
            "Event::set",
        ],
        vec![
            "9 ── The end",
            "task 3 \"waiter\"",
            "running (RUNNING JOIN JOIN_WAKER), 2 references, 2 polls",
            "how      Ready",
            "wakes    task 1\n",
            "State::complete",
        ],
        vec![
            "10 ── Cancelled",
            "task 4 \"dreamer\"",
            "running (RUNNING CANCELLED JOIN JOIN_WAKER), 3 references, 2 polls",
            "Sleep::cancel",
            "sleep::drop",
            "TaskCell::drop_future",
            "that was the last one",
        ],
    ]
}

#[test]
fn the_tour_stops_at_ten_places_and_shows_what_happens_there() {
    let Some(debugger) = Debugger::find() else { return };
    let tour = debugger.runs(&["source demo/debug/tour.gdb", "rest"]);
    let stops = stops(&tour);
    assert_eq!(stops.len(), 10, "the stops of {tour}");
    let (main, spawned, event) = (line("runtime.block_on("), line("named(\"reader\")"), line("Event::new()"));
    let wanted = shown(&main, &spawned, &event);
    for (stop, wanted) in stops.iter().zip(wanted) {
        in_order(stop, &wanted);
    }
    let (soon, late) = (deadline(stops[3], "writer"), deadline(stops[3], "dreamer"));
    assert!((0.02..40.0).contains(&soon), "20 ms after some time under gdb: {soon}");
    assert!((3600.0..3640.0).contains(&late), "an hour after that: {late}");
    assert_eq!(deadline(stops[9], "dreamer"), late, "it was cancelled before it fired");
    // Each line fits a terminal, not counting the folder of the examples.
    let width = |line: &str| line.replace("executor/examples/", "").chars().count();
    let is_wide = |line: &str| width(line) > 80 && !line.starts_with("task 4");
    let wide: Vec<_> = stops.iter().flat_map(|stop| stop.lines()).filter(|line| is_wide(line)).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn tasks_lists_the_tasks_of_a_process_and_of_its_core_dump() {
    let Some(debugger) = Debugger::find() else { return };
    let place = Place::new();
    let core = place.path("core");
    let dump = format!("generate-core-file {}", core.display());
    let source = "source demo/debug/printers.py";
    // When the thread parks for the first time, all have been polled once.
    let alive = debugger.runs(&[source, "break executor::schedule::single::Core::park", "run", "tasks", &dump]);
    let rows = |said: &str| said.split_once("thread 1\n").expect(said).1.lines().take(6).map(words).collect::<Vec<_>>();
    let spawned =
        [line("runtime.block_on("), line("\"reader\""), line("\"waiter\""), line("\"dreamer\""), line("\"writer\"")];
    let tasks = rows(&alive);
    assert_eq!(tasks[0].join(" "), "task name state polls waits for spawned at");
    let known = ["1 suspended 1 the end of task 3", "2 reader suspended 1 source 1 to read", "3 waiter suspended 1"];
    for (task, (known, spawned)) in tasks[1..].iter().zip(known.iter().zip(&spawned)) {
        assert_eq!(task.join(" "), format!("{known} {spawned}"));
    }
    for (task, name) in
        [(&tasks[4], "4 dreamer suspended 1 timer at 3"), (&tasks[5], "5 writer suspended 1 timer at 0.")]
    {
        assert!(task.join(" ").starts_with(name), "{task:?}");
    }
    assert_eq!((tasks[4].last(), tasks[5].last()), (Some(&spawned[3]), Some(&spawned[4])));
    if !core.exists() {
        return println!("skipped: gdb can't write a core dump here");
    }
    let dead = debugger.runs(&[&format!("core-file {}", core.display()), source, "tasks"]);
    assert_eq!(rows(&dead), tasks);
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_printers_work_without_the_tour() {
    let Some(debugger) = Debugger::find() else { return };
    let said = debugger.runs(&[
        "source demo/debug/printers.py",
        "break executor::sync::event::Event::set",
        "run",
        "print *self",
        "break executor::schedule::single::Core::run_task",
        "continue",
        "print task",
        "print *self",
        "print self.queue",
    ]);
    let event = format!("= event made at {} = {{[0] = task 3 \"waiter\", WAITING}}", line("Event::new()"));
    let queued = "queued (NOTIFIED JOIN JOIN_WAKER), 2 references, 1 poll";
    let task = format!("= task 3 \"waiter\", spawned at {}, {queued}", line("\"waiter\""));
    in_order(
        &said,
        &[&event, &task, "= scheduler, queued: no task = {[0] = task 1, ", "task 4 \"dreamer\", ", "= empty"],
    );
}

#[test]
fn a_program_without_the_runtimes_types_gets_an_error_that_says_what_to_do() {
    let Some(gdb) = Program::find("gdb") else { return };
    let mut command = gdb.command();
    command.args(["-nx", "-q", "-batch", "-ex", "source demo/debug/printers.py", "-ex", "tasks"]);
    if !cfg!(debug_assertions) {
        command.arg(example("tour")); // a release is such a program
    }
    let ran = Running::start(command.current_dir(workspace())).wait();
    assert!(ran.stderr.contains("CARGO_PROFILE_RELEASE_DEBUG=full"), "{}{}", ran.stdout, ran.stderr);
}

/// The constants that a Rust source declares, as they are written.
fn declared(source: &str) -> BTreeMap<&str, &str> {
    let constants = source.lines().filter_map(|line| {
        let line = line.trim_start();
        let line =
            ["pub(crate) ", "pub(super) "].into_iter().find_map(|public| line.strip_prefix(public)).unwrap_or(line);
        let (name, value) = line.strip_prefix("const ")?.split_once(" = ")?;
        Some((name.split(':').next()?, value.strip_suffix(';')?))
    });
    constants.collect()
}

/// The tables at the top of `printers.py`: each source file they name, and all entries that are from it.
fn tables() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
    for table in PRINTERS.split("\n}\n") {
        let Some((file, entries)) = table.rsplit_once(" = {  # ").and_then(|(_, table)| table.split_once('\n')) else {
            continue;
        };
        let entry = |line: &'static str| line.trim().strip_prefix('"')?.strip_suffix(',')?.split_once("\": ");
        tables.entry(file).or_default().extend(entries.lines().filter_map(entry));
    }
    tables
}

#[test]
fn the_printers_constants_are_those_of_the_sources() {
    let tables = tables();
    assert_eq!(tables.len(), 4, "the tables of printers.py: {tables:#?}");
    for (file, table) in &tables {
        let source = std::fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = declared(&source);
        for (name, value) in table {
            assert_eq!(declared.get(name), Some(value), "{name} in {file}, and in printers.py");
        }
    }
    // All bits of the state word must be in the table, or the printer would leave one out.
    let state = declared(include_str!("../../../executor/src/task/state.rs"));
    let bits = state.iter().filter(|(_, value)| value.starts_with("1 << "));
    bits.for_each(|(name, _)| assert!(tables["executor/src/task/state.rs"].contains_key(name), "{name} is missing"));
}

#[test]
fn the_stops_of_the_table_are_those_of_the_tour() {
    let table = include_str!("../../../demo/debug/README.md").lines().filter(|line| line.starts_with("| "));
    let listed: Vec<_> = table.filter_map(|row| row.split('`').nth(1)).collect();
    let stops = include_str!("../../../demo/debug/tour.py").split("\nStop(\n    \"").skip(1);
    let toured: Vec<_> = stops.filter_map(|stop| Some(stop.split_once('"')?.0)).collect();
    assert_eq!(listed, toured);
    assert_eq!(toured.len(), 10);
}
