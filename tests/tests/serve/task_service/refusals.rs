//! Wrong requests: each is refused in JSON, with what to send instead.

use super::kit::{Service, program};
use serde_json::{Value, json};
use std::fs;
use tests::demo::{Place, Running, Serving};

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
fn a_missing_task_or_path_is_404() {
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

/// A browser sends a POST of plain text to any server that a page names, and names the site of that page.
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
fn another_method_is_405_with_the_allowed_methods() {
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
