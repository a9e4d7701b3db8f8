//! The example `task_service`, run as a program and asked by curl.
//!
//! What is waited for is always seen: a state that a job comes to, a file that curl has written. Where
//! nothing may happen, as with a paused job, a second job that ends meanwhile is the clock.

use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::demo::{Answer, Place, Program, Ran, Running, Serving, example};
use tests::eventually;

/// The program with a database of its own, and curl.
struct Service {
    place: Place,
    curl: Program,
    serving: Serving,
}

/// What curl brought.
#[derive(Debug)]
struct Reply {
    status: u16,
    answer: Answer,
    json: Value,
}

fn program(place: &Place) -> Command {
    let mut command = Command::new(example("task_service"));
    command.args(["--listen", "127.0.0.1:0"]).current_dir(place.path(""));
    command
}

impl Service {
    /// Starts it, if curl is installed.
    fn start() -> Option<Service> {
        let (curl, place) = (Program::find("curl")?, Place::new());
        let serving = Serving::run(&mut program(&place));
        Some(Service { place, curl, serving })
    }

    /// Ends the program with this signal and starts it again on the same database.
    fn restart(&mut self, signal: Signal) -> Ran {
        self.serving.running.signal(signal);
        eventually("the program ends", || self.serving.running.is_over());
        let old = std::mem::replace(&mut self.serving, Serving::run(&mut program(&self.place)));
        old.running.wait()
    }

    fn curl(&self, args: &[&str]) -> Command {
        let mut command = self.curl.command();
        command.args(["-q", "-sS", "--max-time", "30"]).args(args).current_dir(self.place.path(""));
        command
    }

    /// A request to a path: what curl gives has a head and a body that is JSON.
    #[track_caller]
    fn ask(&self, path: &str, args: &[&str]) -> Reply {
        let mut command = self.curl(&["-i", &self.serving.url(path)]);
        let answer = Answer::parse(Running::start(command.args(args)).wait().exits(0).stdout.as_bytes());
        let json = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error} in {answer:?}"));
        Reply { status: answer.status, answer, json }
    }

    #[track_caller]
    fn post(&self, name: &str, seconds: f64) -> Value {
        let body = json!({ "name": name, "seconds": seconds }).to_string();
        self.ask("/task", &["-d", &body]).is(201)
    }

    fn put(&self, id: u64, action: &str) -> Reply {
        let body = json!({ "action": action }).to_string();
        self.ask(&format!("/task/{id}"), &["-X", "PUT", "-d", &body])
    }

    #[track_caller]
    fn get(&self, id: u64) -> Value {
        self.ask(&format!("/task/{id}"), &[]).is(200)
    }

    /// The list at a path.
    #[track_caller]
    fn list(&self, path: &str) -> Vec<Value> {
        self.ask(path, &[]).is(200).as_array().expect("a list").clone()
    }

    /// Looks at a job until it is as wished.
    #[track_caller]
    fn until(&self, id: u64, what: &str, wished: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let job = self.get(id);
            if wished(&job) {
                return job;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "never {what}: {job}");
        }
    }

    #[track_caller]
    fn until_done(&self, id: u64) -> Value {
        let job = self.until(id, "done", |job| job["status"] == "done");
        assert_eq!(job["percentage"], 100, "{job}");
        job
    }

    #[track_caller]
    fn until_percent(&self, id: u64, percentage: u64) -> Value {
        self.until(id, &format!("at {percentage} %"), |job| percent(job) >= percentage)
    }

    /// Lets time go by, as much as a job like this takes.
    #[track_caller]
    fn until_another_is_done(&self, seconds: f64) {
        let clock = self.post("clock", seconds);
        self.until_done(id(&clock));
    }
}

impl Reply {
    /// Sees to its status, and gives its JSON.
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json
    }

    /// Sees to it that it is an error that says so.
    #[track_caller]
    fn refuses(&self, status: u16, says: &str) -> &Reply {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.json["error"].as_str().is_some_and(|error| error.contains(says)), "`{says}` in {self:?}");
        assert_eq!(self.answer.field("content-type"), Some("application/json"));
        self
    }
}

#[track_caller]
fn id(job: &Value) -> u64 {
    job["id"].as_u64().expect("a job has an id")
}

#[track_caller]
fn percent(job: &Value) -> u64 {
    job["percentage"].as_u64().expect("a job has a percentage")
}

#[track_caller]
fn time<'a>(job: &'a Value, name: &str) -> &'a str {
    let time = job[name].as_str().unwrap_or_else(|| panic!("no time `{name}` in {job}"));
    let form = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        23 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    assert!(time.len() == 24 && time.bytes().enumerate().all(form), "RFC 3339: {time}");
    time
}

// ---- the life of a job -------------------------------------------------------------------------

#[test]
fn a_job_is_answered_at_once_and_gets_done_behind_it() {
    let Some(service) = Service::start() else { return };
    let start = Instant::now();
    let reply = service.ask("/task", &["-d", r#"{"name": "an hour", "seconds": 3600}"#]);
    assert!(start.elapsed() < Duration::from_secs(20), "it is not waited for");
    assert_eq!(reply.answer.field("location"), Some("/task/1"));
    let job = reply.is(201);
    assert_eq!((&job["id"], &job["name"], &job["status"]), (&json!(1), &json!("an hour"), &json!("running")));
    assert_eq!((&job["percentage"], &job["seconds"], &job["ended"]), (&json!(0), &json!(3600.0), &Value::Null));

    let short = service.post("short", 0.4);
    let done = service.until_done(id(&short));
    assert!(time(&done, "created") <= time(&done, "started") && time(&done, "started") < time(&done, "ended"));
    assert_eq!(done["actions"], json!([]));
    assert_eq!(service.get(1)["status"], "running", "each goes at its own pace");
    let nothing = service.post("nothing to do", 0.0);
    service.until_done(id(&nothing));
}

#[test]
fn without_a_name_and_a_time_there_are_defaults() {
    let Some(service) = Service::start() else { return };
    for args in [&["-X", "POST"] as &[_], &["-d", "{}"]] {
        let job = service.ask("/task", args).is(201);
        assert_eq!((&job["name"], &job["seconds"]), (&json!("task"), &json!(3.0)));
    }
    let name = "\u{fc}ber 'quotes'; -- \"and\" \u{1f40c}";
    let job = service.post(name, 0.0);
    assert_eq!(service.get(id(&job))["name"], name);
}

#[test]
fn the_list_has_all_or_those_with_a_status() {
    let Some(service) = Service::start() else { return };
    assert!(service.list("/task").is_empty());
    for (name, seconds) in [("a", 60.0), ("b", 60.0), ("c", 60.0), ("d", 0.0)] {
        service.post(name, seconds);
    }
    service.put(2, "pause").is(200);
    service.put(3, "cancel").is(200);
    service.until_done(4);
    let names = |path: &str| service.list(path).iter().map(|job| job["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names("/task"), ["a", "b", "c", "d"]);
    for (status, name) in [("running", "a"), ("paused", "b"), ("cancelled", "c"), ("done", "d")] {
        assert_eq!(names(&format!("/task?status={status}")), [name], "{status}");
    }
}

#[test]
fn a_paused_job_stands_still_until_it_is_resumed() {
    let Some(service) = Service::start() else { return };
    service.post("stop and go", 2.0);
    service.until_percent(1, 10);
    let paused = service.put(1, "pause").is(200);
    assert_eq!((&paused["status"], &paused["actions"]), (&json!("paused"), &json!(["resume", "cancel"])));
    assert!((10..100).contains(&percent(&paused)), "{paused}");
    service.until_another_is_done(2.0);
    assert_eq!(service.get(1), paused, "nothing changes");

    let resumed = service.put(1, "resume").is(200);
    assert_eq!((&resumed["status"], &resumed["percentage"]), (&json!("running"), &paused["percentage"]));
    assert!(time(&resumed, "started") > time(&paused, "started"));
    let done = service.until_done(1);
    assert_eq!(done["created"], paused["created"]);
}

#[test]
fn of_many_who_change_a_job_at_once_one_does_it() {
    let Some(service) = Service::start() else { return };
    service.post("to and fro", 60.0);
    for action in ["pause", "resume", "pause", "cancel"] {
        let body = json!({ "action": action }).to_string();
        let head = format!("PUT /task/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}", body.len());
        // It stands still while they are sent, so that it finds them all at once.
        service.serving.running.signal(Signal::STOP);
        let send = |_| {
            let mut stream = service.serving.connect();
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("there is room for a request");
            stream
        };
        let streams: Vec<TcpStream> = (0..40).map(send).collect();
        service.serving.running.signal(Signal::CONT);
        let mut statuses = BTreeMap::<u16, usize>::new();
        for mut stream in streams {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("an answer and its end");
            *statuses.entry(Answer::parse(&answer).status).or_default() += 1;
        }
        assert_eq!(statuses, BTreeMap::from([(200, 1), (409, 39)]), "{action}");
    }
}

#[test]
fn a_cancelled_job_ends_where_it_is() {
    let Some(service) = Service::start() else { return };
    service.post("running", 2.0);
    service.post("paused", 60.0);
    service.until_percent(1, 10);
    service.put(2, "pause").is(200);
    for id in [1, 2] {
        let cancelled = service.put(id, "cancel").is(200);
        assert_eq!(cancelled["status"], "cancelled");
        assert!(percent(&cancelled) < 100 && time(&cancelled, "started") <= time(&cancelled, "ended"), "{cancelled}");
    }
    let cancelled = service.list("/task");
    service.until_another_is_done(2.0);
    assert_eq!(service.list("/task")[..2], cancelled, "nothing changes");
}

#[test]
fn an_action_that_makes_no_sense_is_refused_with_those_that_do() {
    let Some(service) = Service::start() else { return };
    for seconds in [60.0, 60.0, 60.0, 0.0] {
        service.post("any", seconds);
    }
    service.put(2, "pause").is(200);
    service.put(3, "cancel").is(200);
    service.until_done(4);
    for (id, status, possible) in [
        (1, "running", json!(["pause", "cancel"])),
        (2, "paused", json!(["resume", "cancel"])),
        (3, "cancelled", json!([])),
        (4, "done", json!([])),
    ] {
        let possible = possible.as_array().expect("a list");
        for action in ["pause", "resume", "cancel"].map(Value::from).iter().filter(|action| !possible.contains(action))
        {
            let reply = service.put(id, action.as_str().expect("text"));
            reply.refuses(409, &format!("task {id} is {status}"));
            assert_eq!(reply.json["possible"].as_array(), Some(possible), "{action}");
        }
        assert_eq!(service.get(id)["status"], status);
    }
}

// ---- what clients get wrong --------------------------------------------------------------------

#[test]
fn a_wrong_request_is_refused_in_json_with_what_to_send() {
    let Some(service) = Service::start() else { return };
    service.post("the only one", 60.0);
    let (long, sent) = ("x".repeat(201), r#"send {"name""#);
    for (body, says) in [
        ("rubbish", sent),
        ("{", sent),
        ("3", sent),
        ("[]", sent),
        ("null", sent),
        (r#"["a", 3.0]"#, sent),
        (r#"{"name": null}"#, sent),
        (r#"{"name": "a", "name": "b"}"#, sent),
        (r#"{"name": 3}"#, sent),
        (r#"{"seconds": "3"}"#, sent),
        (r#"{"secs": 3}"#, sent),
        (r#"{"seconds": 1e999}"#, sent),
        (r#"{"seconds": -0.1}"#, "send 0 to 86400"),
        (r#"{"seconds": 86400.1}"#, "send 0 to 86400"),
        (r#"{"name": " "}"#, "1 to 200 characters"),
        (r#"{"name": "\u001b[2J"}"#, "1 to 200 characters"),
        (&json!({ "name": long }).to_string(), "1 to 200 characters"),
    ] {
        service.ask("/task", &["-d", body]).refuses(400, says);
    }
    for body in [
        "",
        "pause",
        "{}",
        r#"{"action": "stop"}"#,
        r#"{"action": "pause", "now": true}"#,
        r#"["pause"]"#,
        r#"{"action": {"pause": null}}"#,
    ] {
        service.ask("/task/1", &["-X", "PUT", "-d", body]).refuses(400, r#"send {"action": "pause"}"#);
    }
    for query in ["status=waiting", "status=", "state=done", "x"] {
        service.ask(&format!("/task?{query}"), &[]).refuses(400, "running, paused, done, cancelled");
    }
    service.ask("/task?status=done&status=done", &[]).refuses(400, "one ?status= at a time");
    assert_eq!(service.list("/task").len(), 1, "nothing was started");
}

#[test]
fn what_is_not_there_is_404() {
    let Some(service) = Service::start() else { return };
    service.post("the only one", 60.0);
    for path in [
        "/task/2",
        "/task/+1",
        "/task/01",
        "/task/1%20",
        "/task/0",
        "/task/-1",
        "/task/x",
        "/task/99999999999999999999",
        "/task/1%20OR%201",
    ] {
        service.ask(path, &[]).refuses(404, "GET /task lists all");
        service.ask(path, &["-X", "PUT", "-d", r#"{"action": "pause"}"#]).refuses(404, "GET /task lists all");
    }
    for path in ["/", "/tasks", "/task/1/2", "//task"] {
        service.ask(path, &[]).refuses(404, "/task/ID");
    }
}

/// A browser sends a POST of plain text to any server that a page names, and says whose page it is.
#[test]
fn a_page_of_another_site_cannot_change_tasks() {
    let Some(service) = Service::start() else { return };
    let own = format!("Origin: http://{}", service.serving.address);
    for origin in ["Origin: http://evil.example", "Origin: null", &format!("{own}0")] {
        service.ask("/task", &["-d", "{}", "-H", origin]).refuses(403, "another site");
        service.ask("/task/1", &["-X", "PUT", "-d", "{}", "-H", origin]).refuses(403, "another site");
    }
    assert_eq!(service.list("/task").len(), 0);
    service.ask("/task", &["-d", "{}", "-H", &own]).is(201);
}

#[test]
fn another_method_is_405_with_those_that_are_allowed() {
    let Some(service) = Service::start() else { return };
    for (path, method, allow) in [
        ("/task", "PUT", "GET, HEAD, POST"),
        ("/task", "DELETE", "GET, HEAD, POST"),
        ("/task/1", "POST", "GET, HEAD, PUT"),
        ("/task/1", "DELETE", "GET, HEAD, PUT"),
        ("/task/1", "BREW", "GET, HEAD, PUT"),
    ] {
        let reply = service.ask(path, &["-X", method, "-d", "{}"]);
        assert_eq!(reply.refuses(405, allow).answer.field("allow"), Some(allow));
    }
    let head = Running::start(&mut service.curl(&["-I", &service.serving.url("/task")])).wait().exits(0).stdout;
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("content-length: 3\r\n"), "{head}"); // "[]\n"
}

#[test]
fn a_body_that_is_too_large_is_413_however_it_comes() {
    let Some(service) = Service::start() else { return };
    for (size, head) in [(65_537, "Accept: */*"), (3_000_000, "Accept: */*"), (100_000, "Transfer-Encoding: chunked")] {
        fs::write(service.place.path("body"), " ".repeat(size)).unwrap();
        service.ask("/task", &["--data-binary", "@body", "-H", head]).refuses(413, "at most 65536 bytes");
    }
    fs::write(service.place.path("body"), format!("{}{{}}", " ".repeat(65_534))).unwrap();
    service.ask("/task", &["--data-binary", "@body"]).is(201);
}

#[test]
fn a_body_may_come_in_chunks_or_after_a_100() {
    let Some(service) = Service::start() else { return };
    let body = r#"{"name": "in pieces"}"#;
    let reply = service.ask("/task", &["-d", body, "-H", "Transfer-Encoding: chunked"]);
    assert_eq!(reply.is(201)["name"], "in pieces");
    let args = ["-v", "-o", "/dev/null", "-H", "Expect: 100-continue", "-d", body, &service.serving.url("/task")];
    let said = Running::start(&mut service.curl(&args)).wait().exits(0).stderr;
    let place = |line: &str| said.find(line).unwrap_or_else(|| panic!("no `{line}` in {said}"));
    assert!(place("< HTTP/1.1 100 Continue") < place("< HTTP/1.1 201 Created"));
}

#[test]
fn rubbish_is_refused_in_json_too() {
    let place = Place::new();
    let serving = Serving::run(&mut program(&place));
    for request in [
        "rubbish\r\n\r\n",
        "POST /task HTTP/1.1\r\n\r\n",
        "POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        "POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    ] {
        let answer = serving.raw(request);
        assert_eq!((answer.status, answer.field("content-type")), (400, Some("application/json")), "{request}");
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok_and(|json| json["error"].is_string()));
    }
    assert_eq!(serving.get("/task").text(), "[]\n");
}

// ---- many at once ------------------------------------------------------------------------------

#[test]
fn a_connection_is_kept_for_one_job_after_the_other() {
    let Some(service) = Service::start() else { return };
    let args = ["-d", r#"{"seconds": 0}"#, "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
    let urls = service.serving.url("/task#[1-20]");
    let said = Running::start(service.curl(&args).arg(urls)).wait().exits(0).stdout;
    assert_eq!(said, format!("201 1\n{}", "201 0\n".repeat(19)));
}

#[test]
fn a_hundred_jobs_at_once_all_get_done() {
    let Some(service) = Service::start() else { return };
    let args = ["-Z", "--parallel-immediate", "--parallel-max", "100", "-d", r#"{"seconds": 1}"#, "-o", "job-#1"];
    Running::start(service.curl(&args).arg(service.serving.url("/task#[1-100]"))).wait().exits(0);
    let answered = (1..=100).map(|n| fs::read_to_string(service.place.path(&format!("job-{n}"))).unwrap());
    let mut ids: Vec<u64> = answered.map(|text| id(&serde_json::from_str(&text).unwrap())).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    eventually("all are done", || service.list("/task?status=done").len() == 100);
    assert!(service.list("/task").iter().all(|job| job["percentage"] == 100));
}

// ---- the end, and after it ---------------------------------------------------------------------

#[test]
fn after_kill_9_no_job_is_lost_and_those_that_ran_go_on() {
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
    // What a pause stores is on disk at once. So surely is, with that, how far this one is.
    service.until_percent(4, 10);
    let known = percent(&service.put(4, "pause").is(200));
    service.put(4, "resume").is(200);
    let before = service.list("/task");

    let ran = service.restart(Signal::KILL);
    assert!(!ran.status.success(), "it had no time to say goodbye");
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
    (4..=6).for_each(|id| drop(service.until_done(id))); // none is called running that isn't
    assert_eq!(service.get(1), before[0], "still paused");
    service.put(1, "resume").is(200);
    let job = service.post("the next", 0.0);
    assert_eq!(id(&job), 7, "a number is given once");
}

#[test]
fn how_far_a_job_is_gets_stored_while_it_runs() {
    let Some(mut service) = Service::start() else { return };
    service.post("long", 20.0);
    // A slow disk may take longer, and then each try gives it more time.
    let stored = [4, 6, 8, 10, 15, 20].into_iter().any(|percentage| {
        service.until_percent(1, percentage);
        service.restart(Signal::KILL);
        !service.serving.running.stderr().contains("task 1 goes on from 0 %")
    });
    assert!(stored, "it begins again and again");
    assert!(percent(&service.get(1)) > 0);
}

#[test]
fn what_was_answered_survives_a_kill_9_in_the_middle_of_a_hundred_requests() {
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

/// The limit on the size of a file stands in for a full disk: SQLite sees a write that fails, at a commit.
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
fn interrupted_it_stores_all_and_exits_with_0() {
    let Some(mut service) = Service::start() else { return };
    service.post("interrupted", 20.0);
    for signal in [Signal::INT, Signal::TERM] {
        let seen = percent(&service.get(1));
        let seen = percent(&service.until_percent(1, seen + 2));
        service.restart(signal).exits(0).says("stored; tasks that go on at the next start: 1");
        assert!(percent(&service.get(1)) >= seen, "nothing is done twice");
    }
    let cancelled = service.put(1, "cancel").is(200);
    service.restart(Signal::TERM).exits(0).says("stored; tasks that go on at the next start: 0");
    assert_eq!(service.get(1), cancelled);
}

#[test]
fn a_database_that_cannot_be_used_is_said() {
    let place = Place::new();
    let _first = Serving::run(&mut program(&place));
    let run = |database: &str| Running::start(program(&place).args(["--database", database])).wait().exits(1);
    run("tasks.db").says("another program is using it; choose another file with --database");
    fs::write(place.path("junk"), "not a database, whatever its name may be".repeat(100)).unwrap();
    run("junk").says("file is not a database; choose another file with --database");
    run("no/such/folder.db").says("choose another file with --database");
    Running::start(program(&place).args(["--listen", "here"])).wait().exits(2);
}
