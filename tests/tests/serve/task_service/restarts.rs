//! What the database keeps when the program is killed, interrupted or cannot write.

use super::kit::{Service, id, percent, program};
use rustix::process::Signal;
use std::fs;
use std::process::Command;
use tests::demo::{Place, Program, Running, Serving, example};
use tests::eventually;

#[test]
fn after_kill_9_no_job_is_lost_and_running_ones_continue() {
    let Some(mut service) = Service::start() else { return };
    for name in ["paused", "done", "cancelled"] {
        service.post(name, if name == "done" { 0.0 } else { 60.0 });
    }
    for name in ["a", "b", "c"] {
        service.post(name, 3.0);
    }
    service.put(1, "pause").is(200);
    service.until_done(2);
    service.put(3, "cancel").is(200);
    // A pause stores the progress on disk at once.
    service.until_percent(4, 10);
    let known = percent(&service.put(4, "pause").is(200));
    service.put(4, "resume").is(200);
    let before = service.list("/task");

    let ran = service.restart(Signal::KILL);
    assert!(!ran.status.success(), "it was killed");
    let said = service.serving.running.stderr();
    let goes_on = |id: u64| {
        let rest = said.split_once(&format!("task {id} goes on from ")).unwrap_or_else(|| panic!("{id} in: {said}")).1;
        rest.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a percentage")
    };
    assert!(goes_on(4) >= known, "{known} % were stored: {said}");
    assert!((4..=6).all(|id| goes_on(id) < 100) && said.matches("goes on").count() == 3, "{said}");

    let after = service.list("/task");
    assert_eq!(after.len(), before.len(), "none is lost");
    assert_eq!(after[..3], before[..3], "what did not run is as it was");
    for (after, before) in after[3..].iter().zip(&before[3..]) {
        assert!(["id", "name", "created"].iter().all(|name| after[name] == before[name]), "{before} became {after}");
    }
    (4..=6).for_each(|id| drop(service.until_done(id))); // each that is listed as running does run
    assert_eq!(service.get(1), before[0], "still paused");
    service.put(1, "resume").is(200);
    let job = service.post("the next", 0.0);
    assert_eq!(id(&job), 7, "a number is given once");
}

#[test]
fn the_progress_of_a_job_is_stored_while_it_runs() {
    let Some(mut service) = Service::start() else { return };
    service.post("long", 20.0);
    // A slow disk may take longer, so each attempt gives it more time.
    let stored = [4, 6, 8, 10, 15, 20].into_iter().any(|percentage| {
        service.until_percent(1, percentage);
        service.restart(Signal::KILL);
        !service.serving.running.stderr().contains("task 1 goes on from 0 %")
    });
    assert!(stored, "it begins again and again");
    assert!(percent(&service.get(1)) > 0);
}

#[test]
fn answered_jobs_survive_a_kill_9_in_the_middle_of_a_hundred_requests() {
    let Some(mut service) = Service::start() else { return };
    let args = ["-Z", "--parallel-immediate", "--parallel-max", "20", "-d", r#"{"seconds": 30}"#, "-o", "job-#1"];
    let curl = Running::start(service.curl(&args).arg(service.serving.url("/task#[1-100]")));
    let answered = |place: &Place| -> Vec<u64> {
        let texts = (1..=100).filter_map(|n| fs::read_to_string(place.path(&format!("job-{n}"))).ok());
        texts.filter(|text| text.ends_with('\n')).map(|text| id(&serde_json::from_str(&text).unwrap())).collect()
    };
    eventually("some are answered", || answered(&service.place).len() > 5);
    service.restart(Signal::KILL);
    curl.wait(); // it fails, as the server is gone
    let there: Vec<u64> = service.list("/task?status=running").iter().map(id).collect();
    let answered = answered(&service.place);
    assert!(answered.iter().all(|id| there.contains(id)), "{answered:?} were answered, {there:?} are there");
}

/// A limit on the size of a file has the effect of a full disk: a write of SQLite fails at a commit.
#[test]
fn a_job_that_could_not_be_stored_is_not_answered_with_201() {
    let (Some(curl), place) = (Program::find("curl"), Place::new()) else { return };
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"]).arg(example("task_service"));
    limited.args(["--listen", "127.0.0.1:0"]).current_dir(place.path(""));
    let service = Service { serving: Serving::run(&mut limited), curl, place };
    let (mut stored, mut refused) = (Vec::new(), 0);
    while refused < 3 {
        let reply = service.ask("/task", &["-d", r#"{"seconds": 600}"#]);
        match reply.status {
            201 => stored.push(id(&reply.json)),
            _ => {
                reply.refuses(500, "the database can't be used");
                refused += 1;
            }
        }
        assert!(stored.len() < 1000, "the limit was never reached");
    }
    assert!(!stored.is_empty());
    assert_eq!(service.list("/task").iter().map(id).collect::<Vec<_>>(), stored);
}

#[test]
fn an_interrupted_service_stores_all_progress_and_exits_with_0() {
    let Some(mut service) = Service::start() else { return };
    service.post("interrupted", 20.0);
    for signal in [Signal::INT, Signal::TERM] {
        let seen = percent(&service.get(1));
        let seen = percent(&service.until_percent(1, seen + 2));
        service.restart(signal).exits(0).says("stored; tasks that continue at the next start: 1");
        assert!(percent(&service.get(1)) >= seen, "no progress is lost");
    }
    let cancelled = service.put(1, "cancel").is(200);
    service.restart(Signal::TERM).exits(0).says("stored; tasks that continue at the next start: 0");
    assert_eq!(service.get(1), cancelled);
}

#[test]
fn a_database_that_cannot_be_used_is_an_error_that_says_what_to_do() {
    let place = Place::new();
    let _first = Serving::run(&mut program(&place));
    let run = |database: &str| Running::start(program(&place).args(["--database", database])).wait().exits(1);
    run("tasks.db").says("another program is using it; choose another file with --database");
    fs::write(place.path("junk"), "not a database, whatever its name may be".repeat(100)).unwrap();
    run("junk").says("file is not a database; choose another file with --database");
    run("no/such/folder.db").says("choose another file with --database");
    Running::start(program(&place).args(["--listen", "here"])).wait().exits(2);
}
