//! What these tests share: the program with a database of its own, and requests to it by curl.
//!
//! Each wait is for a state of a job or for a file that curl writes. Where nothing may change, as with a paused job, a
//! second job that completes meanwhile measures the time.

use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::demo::{Answer, Place, Program, Ran, Running, Serving, example};
use tests::eventually;

/// The program with a database of its own, and curl.
pub struct Service {
    pub place: Place,
    pub curl: Program,
    pub serving: Serving,
}

/// The reply that curl received.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub answer: Answer,
    pub json: Value,
}

pub fn program(place: &Place) -> Command {
    let mut command = Command::new(example("task_service"));
    command.args(["--listen", "127.0.0.1:0"]).current_dir(place.path(""));
    command
}

impl Service {
    /// Starts it, if curl is installed.
    pub fn start() -> Option<Service> {
        let (curl, place) = (Program::find("curl")?, Place::new());
        let serving = Serving::run(&mut program(&place));
        Some(Service { place, curl, serving })
    }

    /// Ends the program with this signal and starts it again on the same database.
    pub fn restart(&mut self, signal: Signal) -> Ran {
        self.serving.running.signal(signal);
        eventually("the program ends", || self.serving.running.is_over());
        let old = std::mem::replace(&mut self.serving, Serving::run(&mut program(&self.place)));
        old.running.wait()
    }

    pub fn curl(&self, args: &[&str]) -> Command {
        let mut command = self.curl.command();
        command.args(["-q", "-sS", "--max-time", "30"]).args(args).current_dir(self.place.path(""));
        command
    }

    /// Sends a request with curl. The body of the reply is JSON.
    #[track_caller]
    pub fn ask(&self, path: &str, args: &[&str]) -> Reply {
        let mut command = self.curl(&["-i", &self.serving.url(path)]);
        let answer = Answer::parse(Running::start(command.args(args)).wait().exits(0).stdout.as_bytes());
        let json = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error} in {answer:?}"));
        Reply { status: answer.status, answer, json }
    }

    #[track_caller]
    pub fn post(&self, name: &str, seconds: f64) -> Value {
        let body = json!({ "name": name, "seconds": seconds }).to_string();
        self.ask("/task", &["-d", &body]).is(201)
    }

    pub fn put(&self, id: u64, action: &str) -> Reply {
        let body = json!({ "action": action }).to_string();
        self.ask(&format!("/task/{id}"), &["-X", "PUT", "-d", &body])
    }

    #[track_caller]
    pub fn get(&self, id: u64) -> Value {
        self.ask(&format!("/task/{id}"), &[]).is(200)
    }

    /// The list at a path.
    #[track_caller]
    pub fn list(&self, path: &str) -> Vec<Value> {
        self.ask(path, &[]).is(200).as_array().expect("a list").clone()
    }

    /// Requests a job again and again until it is as `wished`.
    #[track_caller]
    pub fn until(&self, id: u64, what: &str, wished: impl Fn(&Value) -> bool) -> Value {
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
    pub fn until_done(&self, id: u64) -> Value {
        let job = self.until(id, "done", |job| job["status"] == "done");
        assert_eq!(job["percentage"], 100, "{job}");
        job
    }

    #[track_caller]
    pub fn until_percent(&self, id: u64, percentage: u64) -> Value {
        self.until(id, &format!("at {percentage} %"), |job| percent(job) >= percentage)
    }

    /// Waits as long as another job of this duration takes.
    #[track_caller]
    pub fn until_another_is_done(&self, seconds: f64) {
        let clock = self.post("clock", seconds);
        self.until_done(id(&clock));
    }
}

impl Reply {
    /// Checks its status and returns its JSON.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json
    }

    /// Checks that it is an error with this text.
    #[track_caller]
    pub fn refuses(&self, status: u16, says: &str) -> &Reply {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.json["error"].as_str().is_some_and(|error| error.contains(says)), "`{says}` in {self:?}");
        assert_eq!(self.answer.field("content-type"), Some("application/json"));
        self
    }
}

#[track_caller]
pub fn id(job: &Value) -> u64 {
    job["id"].as_u64().expect("a job has an id")
}

#[track_caller]
pub fn percent(job: &Value) -> u64 {
    job["percentage"].as_u64().expect("a job has a percentage")
}

#[track_caller]
pub fn time<'a>(job: &'a Value, name: &str) -> &'a str {
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
