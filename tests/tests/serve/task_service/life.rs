//! The life of a job: running, paused, resumed, cancelled, done.

use super::kit::{Service, id, percent, time};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tests::demo::Answer;

#[test]
fn a_post_is_answered_at_once_and_the_job_completes_later() {
    let Some(service) = Service::start() else { return };
    let start = Instant::now();
    let reply = service.ask("/task", &["-d", r#"{"name": "an hour", "seconds": 3600}"#]);
    assert!(start.elapsed() < Duration::from_secs(20), "the answer does not wait for the job");
    assert_eq!(reply.answer.field("location"), Some("/task/1"));
    let job = reply.is(201);
    assert_eq!((&job["id"], &job["name"], &job["status"]), (&json!(1), &json!("an hour"), &json!("running")));
    assert_eq!((&job["percentage"], &job["seconds"], &job["ended"]), (&json!(0), &json!(3600.0), &Value::Null));

    let short = service.post("short", 0.4);
    let done = service.until_done(id(&short));
    assert!(time(&done, "created") <= time(&done, "started") && time(&done, "started") < time(&done, "ended"));
    assert_eq!(done["actions"], json!([]));
    assert_eq!(service.get(1)["status"], "running", "the jobs are independent");
    let nothing = service.post("nothing to do", 0.0);
    service.until_done(id(&nothing));
}

#[test]
fn a_job_without_a_name_and_a_time_has_defaults() {
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
fn the_list_has_all_jobs_or_those_with_a_status() {
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
fn a_paused_job_makes_no_progress_until_it_is_resumed() {
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
fn only_one_of_many_simultaneous_requests_to_change_a_job_succeeds() {
    let Some(service) = Service::start() else { return };
    service.post("to and fro", 60.0);
    for action in ["pause", "resume", "pause", "cancel"] {
        let body = json!({ "action": action }).to_string();
        let head = format!("PUT /task/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}", body.len());
        // The service is stopped while the requests are sent, so that it receives all of them at once.
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
fn a_cancelled_job_keeps_its_progress() {
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
fn an_impossible_action_is_refused_with_the_possible_ones() {
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
