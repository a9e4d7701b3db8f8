//! A job in Redis: each script as a function. Used by `mod.rs` and `feed.rs`.
//!
//! Redis may execute a request twice, if its reply was lost. So a second execution of a script changes nothing, or
//! nothing that matters.

use super::error::SharedError;
use super::purpose::written;
use super::scripts::{Scripts, VERSION};
use super::settings::Settings;
use crate::engine::frontier::Purpose;
use crate::engine::output::JobCounts;
use crate::redis::{Client, Reply, Script};
use executor::test::Network;
use executor::time::Duration;
use serde::Deserialize;
use std::cell::Cell;
use url::Url;

/// A job in Redis.
pub struct Job {
    client: Client,
    name: String,
    /// The prefix of all its keys.
    key: String,
    /// The name of this worker: random, so that no two have the same.
    worker: String,
    scripts: Scripts,
    /// The number of the last request for pages.
    request: Cell<u64>,
    /// Whether that request was sent and not answered.
    is_asking: Cell<bool>,
}

/// The arguments of [`Job::lease`].
pub struct Ask {
    /// Maximum number of pages to lease.
    pub room: usize,
    /// Maximum number of pages of the whole job.
    pub max_pages: Option<u64>,
    /// The worker's own limit on pages at once from a host.
    pub own_limit: Option<usize>,
    /// The limits for all workers together, for a host and for a loopback host. Used if there is no `own_limit`.
    pub common_limits: [usize; 2],
    /// The number of known URLs of the scope.
    pub known_scope: usize,
    /// The hosts of which the worker has pages, and how many.
    pub held: Vec<(String, usize)>,
}

/// The answer to [`Ask`].
#[derive(Debug, Default, Deserialize)]
pub struct Leased {
    /// `running`, or `complete` if no page is left in any queue or with any worker.
    pub status: String,
    /// The pages.
    #[serde(default)]
    pub pages: Vec<LeasedPage>,
    /// URLs that became part of the scope since the last request.
    #[serde(default)]
    pub scope: Vec<String>,
    /// Milliseconds until the next request to a host may begin.
    pub wait: Option<f64>,
}

/// A page that is now leased to this worker.
#[derive(Debug, Deserialize)]
pub struct LeasedPage {
    pub url: String,
    pub depth: u32,
    /// Its purpose, as a letter.
    pub purpose: String,
    /// The page that linked to it first; empty if there is none.
    pub referrer: String,
    /// Identifies this lease.
    pub token: String,
}

/// A page that is done, or is skipped.
pub struct DonePage<'a> {
    pub url: &'a str,
    pub token: &'a str,
    /// Its line of the report; `None` if it does not count as a page.
    pub line: Option<String>,
    pub has_failed: bool,
    /// Its URL after redirects.
    pub final_url: &'a str,
    /// Number of links from the first page to its links.
    pub links_depth: u32,
    pub links: Vec<String>,
    /// URLs that become part of the scope.
    pub scope: Vec<String>,
}

impl Job {
    /// A job of this name. Nothing is sent yet.
    pub fn new(client: Client, name: String) -> Job {
        let random = Network::current().map_or_else(|| fastrand::u64(..), |network| network.random());
        Job {
            client,
            key: format!("demo:{name}:"),
            name,
            worker: format!("{random:016x}"),
            scripts: Scripts::new(),
            request: Cell::new(0),
            is_asking: Cell::new(false),
        }
    }

    /// The name of the job.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The command that removes the job.
    pub fn removal(&self) -> String {
        let address = self.client.address();
        format!("redis-cli -u {address} --scan --pattern '{}*' | xargs redis-cli -u {address} unlink", self.key)
    }

    /// Joins the job, or creates it with these first pages. Returns whether it is complete already.
    pub async fn open(
        &self,
        starts: &[Url],
        settings: &Settings,
        lease: Duration,
        delay: Duration,
    ) -> Result<bool, SharedError> {
        let [lease, delay] = [lease, delay].map(|time| time.as_millis().to_string());
        let mut arguments = vec![VERSION.to_owned(), settings.text(), lease, delay];
        arguments.extend(starts.iter().map(|url| written(Purpose::Page, url)));
        let reply = self.run(&self.scripts.open, &arguments).await?;
        let job = || self.name.clone();
        match texts(&reply).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["created" | "joined"] => Ok(false),
            ["complete"] => Ok(true),
            ["version", found] => Err(SharedError::Version { job: job(), found: found.to_owned(), expected: VERSION }),
            ["settings", theirs] => Err(SharedError::Settings { job: job(), difference: settings.difference(theirs) }),
            _ => Err(self.unexpected(&reply)),
        }
    }

    /// Adds a page that no page links to. `link` begins with the letter of its purpose.
    pub async fn add(&self, depth: u32, referrer: String, link: String) -> Result<(), SharedError> {
        self.run(&self.scripts.add, &[depth.to_string(), referrer, link]).await.map(drop)
    }

    /// Requests pages.
    ///
    /// # Cancel safety
    /// If it is dropped, Redis may have leased pages to this worker: see [`lost_reply`](Job::lost_reply).
    pub async fn lease(&self, ask: &Ask) -> Result<Leased, SharedError> {
        self.request.set(self.request.get() + 1);
        self.is_asking.set(true);
        let leased = self.send(ask).await?;
        self.is_asking.set(false);
        Ok(leased)
    }

    /// The answer to the last request for pages, if the future that waited for it was dropped.
    pub async fn lost_reply(&self) -> Result<Leased, SharedError> {
        if !self.is_asking.get() {
            return Ok(Leased::default());
        }
        let (max_pages, own_limit, held) = (None, None, Vec::new());
        self.send(&Ask { room: 0, max_pages, own_limit, common_limits: [0, 0], known_scope: 0, held }).await
    }

    async fn send(&self, ask: &Ask) -> Result<Leased, SharedError> {
        let [host, loopback] = ask.common_limits;
        let mut arguments = vec![
            self.worker.clone(),
            self.request.get().to_string(),
            ask.room.to_string(),
            ask.max_pages.unwrap_or(0).to_string(),
            ask.own_limit.unwrap_or(0).to_string(),
            host.to_string(),
            loopback.to_string(),
            ask.known_scope.to_string(),
        ];
        arguments.extend(ask.held.iter().flat_map(|(host, count)| [host.clone(), count.to_string()]));
        let reply = self.run(&self.scripts.lease, &arguments).await?;
        serde_json::from_str(&text(&reply)).map_err(|_| self.unexpected(&reply))
    }

    /// Notes that a page is done. Returns `false` if its lease had expired: then another worker may have the page, and
    /// nothing is noted.
    pub async fn done(&self, page: DonePage<'_>) -> Result<bool, SharedError> {
        let mut arguments = vec![
            page.url.to_owned(),
            page.token.to_owned(),
            page.line.unwrap_or_default(),
            u8::from(page.has_failed).to_string(),
            page.final_url.to_owned(),
            page.links_depth.to_string(),
            page.scope.len().to_string(),
        ];
        arguments.extend(page.scope);
        arguments.extend(page.links);
        let reply = self.run(&self.scripts.done, &arguments).await?;
        match text(&reply).as_str() {
            "done" => Ok(true),
            "lost" => Ok(false),
            _ => Err(self.unexpected(&reply)),
        }
    }

    /// Renews the leases of these URLs and tokens. Returns the tokens of expired leases.
    pub async fn renew(&self, leases: &[(String, String)]) -> Result<Vec<String>, SharedError> {
        Ok(texts(&self.run(&self.scripts.renew, &flat(leases)).await?))
    }

    /// Returns pages to their queues.
    pub async fn release(&self, leases: &[(String, String)]) -> Result<(), SharedError> {
        self.run(&self.scripts.release, &flat(leases)).await.map(drop)
    }

    /// Marks the target of a redirect as seen, as part of `page`. Returns `false` if it was seen before, except as part
    /// of `page`.
    pub async fn see(&self, target: &Url, page: &Url) -> Result<bool, SharedError> {
        let reply = self.run(&self.scripts.see, &[target.to_string(), page.to_string()]).await?;
        self.number(&reply).map(|number| number == 1)
    }

    /// Reserves the time of a request that does not begin a page. Returns how long to wait for it.
    pub async fn turn(&self, url: &Url) -> Result<Duration, SharedError> {
        let reply = self.run(&self.scripts.turn, &[url.to_string()]).await?;
        self.number(&reply).map(Duration::from_millis)
    }

    /// Pauses a host for all workers, from now on, and keeps a delay between two requests.
    pub async fn slow(&self, url: &str, pause: Duration, delay: Duration) -> Result<(), SharedError> {
        let [pause, delay] = [pause, delay].map(|time| time.as_millis().to_string());
        self.run(&self.scripts.slow, &[url.to_owned(), pause, delay]).await.map(drop)
    }

    /// The counts of the job.
    pub async fn counts(&self) -> Result<JobCounts, SharedError> {
        let meta = self.command(&["HMGET", &self.key("meta"), "failed", "queued"]).await?;
        let pages = self.command(&["LLEN", &self.key("report")]).await?;
        let leases = self.command(&["ZCARD", &self.key("leases")]).await?;
        let [failed, queued] = [0, 1].map(|field| texts(&meta).get(field).and_then(|text| text.parse().ok()));
        let (pages, leases) = (self.number(&pages)?, self.number(&leases)?);
        Ok(JobCounts {
            name: self.name.clone(),
            pages,
            failed: failed.unwrap_or(0),
            left: queued.unwrap_or(0) + leases,
        })
    }

    /// The next lines of the report, from this position on. Empty at the end of the report.
    pub async fn report(&self, from: usize) -> Result<Vec<String>, SharedError> {
        /// Maximum number of lines in one reply.
        const PIECE: usize = 100;
        let (first, last) = (from.to_string(), (from + PIECE - 1).to_string());
        Ok(texts(&self.command(&["LRANGE", &self.key("report"), &first, &last]).await?))
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.key)
    }

    async fn command(&self, command: &[&str]) -> Result<Reply, SharedError> {
        let command: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
        Ok(self.client.command(&command).await?)
    }

    async fn run(&self, script: &Script, arguments: &[String]) -> Result<Reply, SharedError> {
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        match self.client.run(script, &self.key, &arguments).await {
            Err(error) if error.has_code("GONE") => {
                Err(SharedError::Gone { job: self.name.clone(), address: self.client.address().to_string() })
            }
            result => Ok(result?),
        }
    }

    fn number(&self, reply: &Reply) -> Result<u64, SharedError> {
        match reply {
            Reply::Integer(number) => Ok(u64::try_from(*number).unwrap_or(0)),
            reply => Err(self.unexpected(reply)),
        }
    }

    fn unexpected(&self, reply: &Reply) -> SharedError {
        let reply: String = format!("{reply:?}").chars().take(200).collect();
        SharedError::Reply { job: self.name.clone(), reply }
    }
}

/// The text of a reply; empty if it is not a text.
fn text(reply: &Reply) -> String {
    match reply {
        Reply::SimpleString(bytes) | Reply::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// The texts of a list.
fn texts(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => items.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

fn flat(pairs: &[(String, String)]) -> Vec<String> {
    pairs.iter().flat_map(|(url, token)| [url.clone(), token.clone()]).collect()
}
