//! The executor's examples, run as a reader runs them, print what they demonstrate.

use std::process::{Command, Output};
use tests::demo::executor_examples;

fn run(name: &str) -> Output {
    let mut example = Command::new(executor_examples().join(name));
    example.env("RUST_BACKTRACE", "0").output().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What an example that succeeds prints, line by line.
#[track_caller]
fn printed(name: &str) -> Vec<String> {
    let output = run(name);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Checks that the lines contain these texts, in this order.
#[track_caller]
fn in_order(lines: &[String], wanted: &[&str]) {
    let mut rest = lines.iter();
    for wanted in wanted {
        assert!(rest.any(|line| line.contains(wanted)), "`{wanted}` is not where it should be in {lines:#?}");
    }
}

/// The tenths of a second in the lines with this text. A busy machine takes longer, so tests allow anything below what
/// a wrong behaviour takes.
fn tenths(lines: &[String], text: &str) -> Vec<u32> {
    let told = lines.iter().filter(|line| line.contains(text));
    told.map(|line| line.split_whitespace().find_map(|word| word.parse().ok()).expect(line)).collect()
}

#[test]
fn hello_runs_when_it_is_awaited() {
    assert_eq!(printed("hello"), ["nothing has happened so far", "computing 1 + 2 …", "1 + 2 = 3"]);
}

#[test]
fn states_are_printed_with_where_the_task_was_spawned() {
    let lines = printed("states");
    in_order(
        &lines,
        &["\"worker\" (queued, spawned at executor/examples/states.rs:", "running: true", "\"worker\" (completed, "],
    );
    in_order(&lines, &["after 50 ms", "task 3 (cancelled, "]);
}

#[test]
fn callback_calls_back_before_the_handle_resolves() {
    let wanted =
        ["task 2 \"worker\" has completed: Ready", "result: done after 50 ms", "task 3 has completed: Panicked"];
    let lines = printed("callback");
    in_order(&lines, &wanted);
    in_order(&lines, &["result: task 3 \"failing\" (spawned at executor/examples/callback.rs:"]);
    assert!(lines.iter().any(|line| line.ends_with(" panicked: no luck today")), "{lines:#?}");
}

#[test]
fn gather_keeps_the_order_and_takes_as_long_as_the_slowest() {
    let all = ["after 300", "after 100", "after 200", "all three took"];
    let lines = printed("gather");
    in_order(&lines, &[&all[..], &all[..], &["Err(\"100 ms is not enough\")", "failing took"]].concat());
    assert!(tenths(&lines, "all three took").iter().all(|tenths| (3..6).contains(tenths)), "{lines:#?}");
    assert!(tenths(&lines, "failing took")[0] < 3);
}

#[test]
fn completed_loads_three_pages_at_once() {
    let lines = printed("completed");
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(at("page 2 begins") < at("page 0 arrived") && at("page 0 arrived") < at("page 4 arrived"));
    assert!((0..3).any(|page| at(&format!("page {page} arrived")) < at("page 3 begins")));
    assert_eq!(lines.len(), 10);
}

#[test]
fn wait_stops_at_the_first_result_at_the_first_error_and_at_the_end() {
    let lines = printed("wait");
    in_order(
        &lines,
        &["first done: (1, Ok(1)); still pending: 2", "200 ms is an unlucky time", "all done: [(0, Ok(3))]"],
    );
}

#[test]
fn race_prints_the_winner() {
    let lines = printed("race");
    in_order(&lines, &["Oslo won: the page, from Oslo", "tick", "tick", "received: a message", "Err(Elapsed)"]);
}

#[test]
fn cancel_lists_the_tasks_and_says_what_cancelled_them_and_why() {
    let lines = printed("cancel");
    in_order(
        &lines,
        &["3 tasks", "\"10 s\" (suspended", "cancel::work at executor/examples/cancel.rs:", "waits for: sleep"],
    );
    let by = "was cancelled by task 1 at executor/examples/cancel.rs:";
    in_order(&lines, &["done after 1 s", by, by]);
    assert_eq!(lines.iter().filter(|line| line.ends_with(": the user has pressed Ctrl-C")).count(), 2);
}

#[test]
fn group_is_cancelled_as_a_whole_except_for_what_is_shielded() {
    let lines = printed("group");
    in_order(&lines, &["Ok(30)", "d is done", "\"the one that fails\" (spawned at ", "g, which is shielded, is done"]);
    in_order(&lines, &["g, which is shielded, is done", "the time limit has passed"]);
    assert!(!lines.iter().any(|line| line.contains("e is done") || line.contains("f is done")), "{lines:#?}");
}

#[test]
fn blocking_is_reported_and_delays_nothing_on_a_thread_of_the_pool() {
    let output = run("blocking");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("task 2 \"index 1\" (spawned at executor/examples/blocking.rs:"), "{stderr}");
    assert_eq!(stderr.matches("held the thread for").count(), 1, "{stderr}");
    let lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let waited: Vec<u32> = lines.iter().map(|line| line.split(' ').nth(3).unwrap().parse().unwrap()).collect();
    assert!(waited[0] >= 3 && waited[2] < 3 && waited[3] >= 3, "{lines:#?}");
}

#[test]
fn locks_signals_channels_and_locals_print_what_they_demonstrate() {
    let wanted = ["counted: 100", "reader 1: old", "reader 2: new", "set", "taken: Some(\"work\")", "3 came last"];
    in_order(&printed("share"), &wanted);
    let jobs = ["job 1", "job 2", "job 3", "job 4", "12² = 144", "doors open", "doors open", "loaded: Ok(100) %"];
    in_order(&printed("messages"), &jobs);
    let queries = ["orders for ann", "orders for bob", "bills for ann", "bills for bob", "there is none: None"];
    in_order(&printed("locals"), &queries);
}

#[test]
fn download_takes_as_long_as_one_page() {
    let pages: Vec<_> = (0..10).map(|page| format!("this is /{page}")).collect();
    let lines = printed("download");
    assert_eq!(lines[..10], pages);
    assert!((2..20).contains(&tenths(&lines, "ten pages took")[0]), "{}", lines[10]);
}

#[test]
fn deadlock_is_reported_with_all_suspended_tasks() {
    let output = run("deadlock");
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    for wanted in
        ["deadlock: no task in this runtime can run", "\"ann to bob\" (suspended", "\"bob to ann\" (suspended"]
    {
        assert!(stderr.contains(wanted), "{stderr}");
    }
    let waits = "waits for: acquire on the mutex made at executor/examples/deadlock.rs:";
    assert_eq!(stderr.matches(waits).count(), 2, "{stderr}");
}

#[test]
fn explore_finds_an_order_that_fails_and_repeats_it() {
    let lines = printed("explore");
    in_order(&lines, &["fails (explored at executor/examples/explore.rs:", "repeat it: EXECUTOR_SEED="]);
    assert!(lines[0].ends_with("the balance is -20"), "{lines:#?}");
    let seed = lines[1].split(['=', ' ']).nth(3).expect("a seed");
    let mut again = Command::new(executor_examples().join("explore"));
    let output = again.env("EXECUTOR_SEED", seed).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), lines);
}
