//! `demo serve DIR`: parts of files, files that did not change, and the access log; asked by curl and wget.

use std::fs;
use std::process::Command;
use tests::demo::{Answer, Place, Program, Serving};

/// A directory with a small and a large file.
fn serving(place: &Place, args: &[&str]) -> (Serving, Vec<u8>) {
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::create_dir(place.path("root")).unwrap();
    fs::write(place.path("root/large"), &large).unwrap();
    fs::write(place.path("root/small"), "0123456789").unwrap();
    let mut touch = Command::new("touch");
    touch.args(["-d", "2001-02-03T04:05:06Z", "root/large", "root/small"]);
    assert!(command_in(place, &mut touch).status().unwrap().success());
    (Serving::start(place, &[&["root"], args].concat()), large)
}

fn command_in<'a>(place: &Place, command: &'a mut Command) -> &'a mut Command {
    command.current_dir(place.path(""))
}

fn get(serving: &Serving, path: &str, fields: &str) -> Answer {
    serving.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"))
}

#[test]
fn a_range_is_answered_with_its_bytes_and_their_position() {
    let place = Place::new();
    let (serving, large) = serving(&place, &[]);
    for (range, bytes, position) in [
        ("bytes=2-4", &b"234"[..], "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-1", b"9", "bytes 9-9/10"),
    ] {
        let answer = get(&serving, "/small", &format!("Range: {range}\r\n"));
        assert_eq!((answer.status, &*answer.body, answer.field("content-range")), (206, bytes, Some(position)));
    }
    // This one is read while it is sent.
    let answer = get(&serving, "/large", "Range: bytes=100000-299998\r\n");
    assert_eq!((answer.status, answer.field("content-length")), (206, Some("199999")));
    assert!(answer.body == large[100_000..299_999]);
    let behind = get(&serving, "/small", "Range: bytes=10-\r\n");
    assert_eq!((behind.status, behind.field("content-range")), (416, Some("bytes */10")));
}

#[test]
fn a_file_that_did_not_change_is_not_sent_again() {
    let place = Place::new();
    let (serving, _) = serving(&place, &[]);
    let first = serving.get("/small");
    assert_eq!(first.field("last-modified"), Some("Sat, 03 Feb 2001 04:05:06 GMT"));
    let tag = first.field("etag").unwrap().to_owned();
    for fields in [format!("If-None-Match: {tag}\r\n"), "If-Modified-Since: Sat, 03 Feb 2001 04:05:06 GMT\r\n".into()] {
        let answer = get(&serving, "/small", &fields);
        assert_eq!((answer.status, answer.body.len(), answer.field("etag")), (304, 0, Some(&*tag)));
    }
    fs::write(place.path("root/small"), "changed").unwrap();
    assert_eq!(get(&serving, "/small", &format!("If-None-Match: {tag}\r\n")).text(), "changed");
    assert_eq!(get(&serving, "/small", &format!("If-Range: {tag}\r\nRange: bytes=1-2\r\n")).text(), "changed");
    assert_eq!(get(&serving, "/small", &format!("If-Match: {tag}\r\n")).status, 412);
}

#[test]
fn curl_resumes_a_download_and_wget_skips_what_it_has() {
    let place = Place::new();
    let (serving, large) = serving(&place, &[]);
    let url = serving.url("/large");
    if let Some(curl) = Program::find("curl") {
        fs::write(place.path("part"), &large[..123_456]).unwrap();
        let mut command = curl.command();
        command.args(["-sS", "-C", "-", "-o", "part", "-w", "%{http_code} %{size_download}", &url]);
        let output = command_in(&place, &mut command).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "206 176544");
        assert!(fs::read(place.path("part")).unwrap() == large);
    }
    if let Some(wget) = Program::find("wget") {
        for expected in ["200 OK", "304 Not Modified"] {
            let mut command = wget.command();
            command.args(["-N", &url]).env("LC_ALL", "C");
            let output = command_in(&place, &mut command).output().unwrap();
            assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
        }
    }
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let place = Place::new();
    let (serving, _) = serving(&place, &["--access-log", "log"]);
    get(&serving, "/small", "User-Agent: a \"quoted\" one\r\nReferer: http://x/\r\n");
    get(&serving, "/no\u{1b}such", "");
    get(&serving, "/nothing", "");
    let log = fs::read_to_string(place.path("log")).unwrap();
    let lines: Vec<_> =
        log.lines().map(|line| (line.split(" - - ").next().unwrap(), line.split("] ").nth(1).unwrap())).collect();
    assert_eq!(lines[0], ("127.0.0.1", r#""GET /small HTTP/1.1" 200 10 "http://x/" "a \"quoted\" one""#));
    assert!(lines.last().unwrap().1.starts_with("\"GET /nothing HTTP/1.1\" 404 "), "{log}");
    assert!(!log.contains('\u{1b}'));
}
