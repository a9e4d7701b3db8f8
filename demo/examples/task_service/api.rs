//! The HTTP side: paths, methods, and errors of clients.

use crate::body::{self, Change, NewTask};
use crate::job::{Action, Job, Status};
use crate::jobs::{Jobs, Refusal};
use crate::store::Error;
use demo::http::server::{Answer, BODY_LIMIT, Body, Handler, LocalFuture, Request};
use http::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::rc::Rc;
use url::form_urlencoded;

/// The longest job: a day.
const SECONDS_LIMIT: f64 = 86_400.0;
const NAME_LIMIT: usize = 200;

const NEW_TASK: &str = r#"send {"name": "report", "seconds": 3.0}; both may be left out"#;
const CHANGE: &str = r#"send {"action": "pause"}, or "resume", or "cancel""#;

/// Answers requests about jobs.
pub struct Api {
    jobs: Rc<Jobs>,
}

/// A job, as clients see it.
#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    name: &'a str,
    status: Status,
    percentage: u64,
    seconds: f64,
    created: &'a str,
    started: &'a str,
    ended: Option<&'a str>,
    /// The possible actions.
    actions: &'a [Action],
}

impl<'a> From<&'a Job> for Shown<'a> {
    fn from(job: &'a Job) -> Self {
        Shown {
            id: job.id,
            name: &job.name,
            status: job.status,
            percentage: job.percentage(),
            seconds: job.seconds,
            created: &job.created,
            started: &job.started,
            ended: job.ended.as_deref(),
            actions: job.status.actions(),
        }
    }
}

impl Handler for Api {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        Box::pin(async move { self.route(&request).await.unwrap_or_else(|refusal| refusal) })
    }

    /// All methods: those that are allowed depend on the path.
    fn takes(&self, _: &Method) -> bool {
        true
    }

    fn refuse(&self, status: StatusCode) -> Answer {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => error(status, format!("send a body of at most {BODY_LIMIT} bytes")),
            _ => error(status, format!("{status}: send a valid request of HTTP/1.1 with small fields")),
        }
    }
}

impl Api {
    pub fn new(jobs: Rc<Jobs>) -> Api {
        Api { jobs }
    }

    async fn route(&self, request: &Request) -> Result<Answer, Answer> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let segments: Vec<&str> = path.split('/').collect();
        if comes_from_another_site(request) {
            return Err(error(StatusCode::FORBIDDEN, "a page of another site may not change tasks"));
        }
        match (segments.as_slice(), &request.method) {
            (["", "task"], &Method::GET | &Method::HEAD) => self.list(query).await,
            (["", "task"], &Method::POST) => self.create(&request.body).await,
            (["", "task"], _) => Err(not_allowed("GET, HEAD, POST")),
            (["", "task", id], &Method::GET | &Method::HEAD) => self.show(id).await,
            (["", "task", id], &Method::PUT) => self.change(id, &request.body).await,
            (["", "task", _], _) => Err(not_allowed("GET, HEAD, PUT")),
            (["*"], _) => Ok(Answer::empty(StatusCode::NO_CONTENT).with("allow", "GET, HEAD, POST, PUT")),
            _ => Err(error(StatusCode::NOT_FOUND, "there is nothing here: tasks are at /task and /task/ID")),
        }
    }

    async fn list(&self, query: &str) -> Result<Answer, Answer> {
        let mut wanted = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let status = Status::named(&value).filter(|_| name == "status");
            let names = Status::ALL.map(Status::name).join(", ");
            let say = || bad(format!("`{name}={value}` is not known: ask for ?status= with one of {names}"));
            let status = status.ok_or_else(say)?;
            if wanted.replace(status).is_some() {
                return Err(bad("ask for one ?status= at a time".to_owned()));
            }
        }
        let jobs = self.jobs.list(wanted).await.map_err(broken)?;
        Ok(answer(StatusCode::OK, &jobs.iter().map(Shown::from).collect::<Vec<_>>()))
    }

    async fn create(&self, body: &[u8]) -> Result<Answer, Answer> {
        // `curl -X POST` sends no body at all.
        let NewTask { name, seconds } = parse(if body.is_empty() { b"{}" } else { body }, NEW_TASK)?;
        if name.trim().is_empty() || name.chars().count() > NAME_LIMIT || name.contains(char::is_control) {
            return Err(bad(format!("a name has 1 to {NAME_LIMIT} characters, none of them a control character")));
        }
        if !(0.0..=SECONDS_LIMIT).contains(&seconds) {
            return Err(bad(format!("{seconds} seconds are not possible: send 0 to {SECONDS_LIMIT}")));
        }
        let seconds = seconds.abs(); // -0.0 is in the range
        let job = self.jobs.create(name, seconds).await.map_err(broken)?;
        Ok(answer(StatusCode::CREATED, &Shown::from(&job)).with("location", format!("/task/{}", job.id)))
    }

    async fn show(&self, id: &str) -> Result<Answer, Answer> {
        let job = self.jobs.find(number(id)?).await.map_err(broken)?;
        Ok(answer(StatusCode::OK, &Shown::from(&job.ok_or_else(|| unknown(id))?)))
    }

    async fn change(&self, id: &str, body: &[u8]) -> Result<Answer, Answer> {
        let Change { action } = parse(body, CHANGE)?;
        match self.jobs.change(number(id)?, action).await {
            Ok(job) => Ok(answer(StatusCode::OK, &Shown::from(&job))),
            Err(Refusal::Unknown) => Err(unknown(id)),
            Err(Refusal::Impossible(job)) => Err(conflict(&job)),
            Err(Refusal::Store(error)) => Err(broken(error)),
        }
    }
}

/// Parses an id in its only spelling: `+1` and `01` are not ids.
fn number(id: &str) -> Result<i64, Answer> {
    id.parse().ok().filter(|number: &i64| number.to_string() == id).ok_or_else(|| unknown(id))
}

/// Whether a browser sends this on behalf of a page of another site. Browsers name the page's site in `Origin`, and
/// send a POST of plain text without asking the server first.
fn comes_from_another_site(request: &Request) -> bool {
    let text = |name| request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let (Some(origin), host) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    let is_ours = origin.split_once("://").is_some_and(|(_, site)| Some(site) == host.as_deref());
    !is_ours && !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn parse<T: DeserializeOwned>(body: &[u8], what_to_send: &str) -> Result<T, Answer> {
    body::object(body).map_err(|error| bad(format!("{error}: {what_to_send}")))
}

fn answer(status: StatusCode, what: &impl Serialize) -> Answer {
    let mut json = serde_json::to_vec(what).expect("all keys are strings");
    json.push(b'\n');
    Answer::new(status, "application/json", Body::Whole(json))
}

fn error(status: StatusCode, what: impl Into<String>) -> Answer {
    answer(status, &json!({ "error": what.into() }))
}

fn bad(what: String) -> Answer {
    error(StatusCode::BAD_REQUEST, what)
}

fn unknown(id: &str) -> Answer {
    error(StatusCode::NOT_FOUND, format!("there is no task \"{id}\": GET /task lists all"))
}

fn not_allowed(methods: &'static str) -> Answer {
    error(StatusCode::METHOD_NOT_ALLOWED, format!("use one of {methods}")).with("allow", methods)
}

fn conflict(job: &Job) -> Answer {
    let (id, status, actions) = (job.id, job.status.name(), job.status.actions());
    let what = format!("task {id} is {status}: see `possible` for what can be done with it");
    answer(StatusCode::CONFLICT, &json!({ "error": what, "status": status, "possible": actions }))
}

fn broken(why: Error) -> Answer {
    eprintln!("a request failed at the database: {why}");
    error(StatusCode::INTERNAL_SERVER_ERROR, format!("the database can't be used: {why}; try again"))
}
