//! The state that the workers share.

use super::archive::Archive;
use super::chains::{Chains, Duplicate};
use super::frontier::{self, Claim, Frontier, Job};
use super::ledger::{Done, Ledger, Restored, Settings, SharedFrontier};
use super::options::Options;
use super::output::{Ending, Progress, Record, Report, View, count};
use super::pace::{Backoff, Rate};
use super::plan::Plan;
use super::redirects::Redirects;
use super::references::References;
use super::robots::Robots;
use super::save::{Media, SavedFile, Store};
use super::scope::Scope;
use super::skipped::{Skipped, SkippedLinks};
use crate::http::{Limits, Pool, Requests};
use crate::signals::Interrupt;
use crate::{Exit, Failure};
use executor::time::sleep;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use url::Url;

/// The state that the workers share.
pub struct Engine {
    pub options: Options,
    /// What the command asks for. The first pages, the scope and the names are taken out of it.
    pub plan: Plan,
    pub limits: Limits,
    pub scope: RefCell<Scope>,
    pub frontier: Frontier,
    pub ledger: Ledger,
    pub skipped: SkippedLinks,
    pub robots: Robots,
    pub backoff: Backoff,
    pub rate: Rate,
    pub connections: Pool,
    pub requests: Requests,
    pub store: Store,
    pub archive: Option<Archive>,
    pub report: RefCell<Report>,
    pub progress: Rc<Progress>,
    pub redirects: Redirects,
    /// The files that were saved or are still current, if their links will be converted.
    pub saved: RefCell<Option<Vec<SavedFile>>>,
    /// Saved pages that name another canonical page, if such pages are removed.
    pub duplicates: RefCell<Vec<Duplicate>>,
    /// The failure that ended the crawl early.
    pub failure: RefCell<Option<Failure>>,
    /// How many times in a row no file descriptor was left although no other page was in progress.
    pub starved: Cell<u32>,
    pub interrupted: Cell<Option<Interrupt>>,
    /// Pages that were in progress when their workers were cancelled.
    pub cancelled: Cell<usize>,
}

impl Engine {
    /// Opens the directory and the report, and queues the first pages.
    pub async fn new(options: Options, mut plan: Plan) -> Result<Engine, Failure> {
        let report = Report::open(options.report.as_deref())?;
        let mut starts = std::mem::take(&mut plan.starts);
        let (connections, requests) = options.network.open(&mut starts)?;
        let resume = options.save.resume;
        let store =
            Store::open(&options.directory, std::mem::take(&mut plan.names), resume, plan.convert_links).await?;
        let archive = match &options.save.warc {
            Some(path) => Some(Archive::create(path, store.files()).await?),
            None => None,
        };
        let lists_files = plan.convert_links || plan.scope.canonical;
        let mut pages = frontier::Limits {
            jobs: options.jobs as usize,
            per_host: options.pace.per_host.map(|pages| pages as usize),
            delay: options.pace.delay,
            max_pages: plan.scope.max_pages,
            robots: !options.pace.ignore_robots,
        };
        let view = if plan.follow_links { View::Hosts } else { View::Files };
        let progress = Rc::new(Progress::new(options.quiet, options.verbose, view));
        let ledger = open_ledger(&options, &mut plan, &starts, pages, &progress).await?;
        if ledger.is_shared() {
            (pages.max_pages, pages.delay) = (None, Duration::ZERO); // Redis enforces them
        }
        let engine = Engine {
            limits: limits(&options),
            frontier: Frontier::new(pages),
            ledger,
            scope: RefCell::new(Scope::new(&starts, std::mem::take(&mut plan.scope))),
            skipped: SkippedLinks::default(),
            robots: Robots::default(),
            backoff: Backoff::new(),
            rate: Rate::new(options.pace.limit_rate.map(|rate| rate.as_u64())),
            connections,
            requests,
            store,
            archive,
            report: RefCell::new(report),
            progress,
            redirects: Redirects::default(),
            saved: RefCell::new(lists_files.then(Vec::new)),
            duplicates: RefCell::default(),
            failure: RefCell::new(None),
            starved: Cell::new(0),
            interrupted: Cell::new(None),
            cancelled: Cell::new(0),
            options,
            plan,
        };
        if engine.options.network.insecure {
            engine.progress.say("warning: certificates are not verified (--insecure)");
        }
        let mut restored = |restored| engine.restore(restored);
        if let Some(message) = engine.ledger.begin(&engine.frontier, starts, &mut restored).await? {
            engine.progress.say(&message);
        }
        Ok(engine)
    }

    /// Whether a page is requested only to see whether it is there, because a page in scope links to it.
    pub fn is_probe(&self, url: &Url, depth: u32) -> bool {
        self.plan.probe_external && depth > 0 && !self.scope.borrow().contains(url)
    }

    /// The URL after which a page's file is named: where redirects ended or, in a list of files, where they began.
    pub fn named_url<'a>(&self, url: &'a Url, record: &Record) -> Cow<'a, Url> {
        match self.plan.follow_links {
            true => Cow::Borrowed(url),
            false => Url::parse(&record.url).map_or(Cow::Borrowed(url), Cow::Owned),
        }
    }

    /// Counts a link that is not followed. `link` is its text in the page, or its URL.
    pub fn skip_link(&self, reason: Skipped, link: &str) {
        if let Some(hash) = self.skipped.count(&reason, link) {
            self.ledger.skip_link(&reason, hash);
        }
    }

    /// Makes the server and the directory of a URL part of the crawl: a first page was redirected to it.
    pub fn extend_scope(&self, to: &Url) {
        self.scope.borrow_mut().add(to);
        self.ledger.extend_scope(to);
    }

    /// Whether a failed page is left to the other processes of a shared crawl, because this one is stopping and does
    /// not retry it.
    pub fn gives_back(&self, done: &Done) -> bool {
        self.ledger.is_shared() && self.frontier.is_stopped() && done.may_pass
    }

    /// Records a page that was fetched or failed, after its links were added.
    pub async fn done(&self, job: &Job, done: Done) {
        match self.ledger.done(job, &done).await {
            Ok(true) => self.record(done.record),
            Ok(false) => self.progress.say(&format!(
                "{}: discarded, because its lease expired and another worker has the page",
                done.record.url
            )),
            Err(failure) => self.fail(failure),
        }
    }

    /// Restores one item that an earlier run left.
    fn restore(&self, restored: Restored) {
        match restored {
            Restored::Scope(to) => self.scope.borrow_mut().add(&to),
            Restored::SkippedLink(hash, reason) => _ = self.skipped.count_hash(&reason, hash),
            Restored::Done(Done { record, redirects, .. }) => {
                self.progress.restore(&record);
                self.report_line(&record);
                self.restore_redirects(&record, redirects);
            }
        }
    }

    /// The last target of each URL that redirected, whatever the cookies.
    pub fn known_redirects(&self) -> Chains {
        self.redirects.last_targets().into_iter().collect()
    }

    /// Notes a saved file, if a list of them is kept.
    pub fn note_saved(&self, path: &Path, url: &Url, media: Media) {
        if let Some(saved) = &mut *self.saved.borrow_mut() {
            let path = path.to_string_lossy().into_owned(); // names are UTF-8
            saved.push(SavedFile { path, url: url.to_string(), media, converted: None });
        }
    }

    /// Notes the redirects of a page that an earlier run fetched, because two pages may redirect to each other.
    fn restore_redirects(&self, record: &Record, redirects: Vec<Url>) {
        let Some(Ok(end)) = record.final_url.as_deref().map(Url::parse) else { return };
        let Ok(mut from) = Url::parse(&record.url) else { return };
        for to in redirects.into_iter().chain([end]) {
            let cookies = self.requests.cookies(&from);
            self.redirects.note(from, cookies, to.clone());
            from = to;
        }
    }

    /// Records a page that was fetched or failed.
    fn record(&self, record: Record) {
        self.starved.set(0);
        self.progress.record(&record);
        if let (Some(directory), None, Some(path)) = (&self.plan.lists, &record.error, &record.path)
            && let Err(error) = self.progress.list(&record.url, &directory.join(path))
        {
            self.fail(Failure::Output(error));
        }
        // The report of a shared crawl is that of all processes.
        if !self.ledger.is_shared() {
            self.report_line(&record);
        }
    }

    fn report_line(&self, record: &Record) {
        let written = self.report.borrow_mut().write(record);
        if let Err(failure) = written {
            self.fail(failure);
        }
    }

    /// Ends the crawl: the pages in progress are finished, and no others are begun.
    pub fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
        self.frontier.stop();
    }

    /// Puts the page back and continues with fewer pages at once.
    pub async fn out_of_descriptors(&self, claim: Claim<'_>) {
        /// Attempts for the only page in progress: other programs may be holding descriptors for a moment.
        const PATIENCE: u32 = 10;

        self.connections.clear();
        match self.frontier.active() {
            1 if self.starved.replace(self.starved.get() + 1) == PATIENCE => self.fail(Failure::Descriptors),
            1 if self.starved.get() > 1 => {}
            _ => {
                if let Some(limit) = self.frontier.lower_limit() {
                    self.progress.say(&format!(
                        "out of file descriptors: continuing with at most {} at once",
                        count(limit as u64, "page")
                    ));
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
        claim.put_back();
    }

    /// Waits until a request that does not begin a page may begin, for example to the target of a redirect.
    pub async fn turn(&self, url: &Url) {
        self.frontier.turn(url).await;
        self.ledger.turn(url).await; // last: the request must begin at the time that was reserved
    }

    /// Writes the report of all processes that share the crawl.
    async fn write_shared_report(&self) -> Result<(), Failure> {
        let mut from = 0;
        while self.report.borrow().is_wanted() {
            let lines = self.ledger.shared_report(from).await?;
            if lines.is_empty() {
                break;
            }
            from += lines.len();
            lines.iter().try_for_each(|line| self.report.borrow_mut().write_line(line))?;
        }
        Ok(())
    }

    pub async fn finish(&self) -> Result<Exit, Failure> {
        // A crawl that was stopped leaves these: they failed, and wait for another attempt.
        let unfinished = self.frontier.take_unfinished().into_iter().filter_map(|job| job.unfinished);
        // In a shared crawl, they return to their queues.
        unfinished.filter(|_| !self.ledger.is_shared()).for_each(|unfinished| self.record(unfinished.record));
        if let Err(failure) = self.ledger.end().await {
            self.fail(failure);
        }
        if let Err(failure) = self.write_shared_report().await {
            self.fail(failure);
        }
        self.report.borrow_mut().close()?;
        let job = self.ledger.shared_counts().await;
        let unfinished = self.store.close().await;
        let directory = self.plan.lists.as_ref().unwrap_or(&self.options.directory).to_string_lossy();
        let references = self.plan.references.as_deref();
        let broken_anchors =
            references.filter(|_| self.plan.check_anchors).map(References::broken_anchors).unwrap_or_default();
        let has_broken_anchors = !broken_anchors.is_empty();
        let ending = Ending {
            elapsed: Duration::ZERO,
            saved_under: Some(&*directory).filter(|_| self.plan.save || self.plan.lists.is_some()),
            is_list: self.plan.lists.is_some(),
            left: if self.ledger.is_shared() { 0 } else { (self.frontier.queued() + self.cancelled.get()) as u64 },
            job: job.clone(),
            skipped: &self.skipped.counts(),
            what: if self.plan.follow_links { "page" } else { "file" },
            references,
            broken_anchors,
        };
        self.progress.summary(self.options.format, ending).map_err(Failure::Output)?;
        if unfinished > 0 && self.plan.save {
            self.progress.say(&format!("{} kept; resume with -c", count(unfinished as u64, "unfinished file")));
        }
        if let Some(failure) = self.failure.borrow_mut().take() {
            return Err(failure);
        }
        Ok(match self.interrupted.get() {
            Some(interrupt) => interrupt.exit(),
            None if self.progress.failed() > 0 || has_broken_anchors || job.is_some_and(|job| job.failed > 0) => {
                Exit::SomeFailed
            }
            None => Exit::Success,
        })
    }
}

/// The limits of each exchange.
fn limits(options: &Options) -> Limits {
    Limits {
        connect: options.connect_timeout,
        header: options.header_timeout,
        idle: options.idle_timeout,
        body: Some(options.max_size.as_u64()).filter(|size| *size > 0).unwrap_or(u64::MAX),
        total: options.limits.total(),
        speed: options.limits.speed(),
    }
}

/// Connects to the frontier of a shared crawl. For any other crawl, takes the ledger out of the plan.
async fn open_ledger(
    options: &Options,
    plan: &mut Plan,
    starts: &[Url],
    pages: frontier::Limits,
    progress: &Rc<Progress>,
) -> Result<Ledger, Failure> {
    if let Some(shared) = &plan.shared {
        let settings = Settings::new(starts, &plan.scope, pages.delay, options.pace.ignore_robots, shared.lease);
        let progress = progress.clone();
        let say = Rc::new(move |message: &str| progress.say(message));
        if let Some(shared) = SharedFrontier::connect(shared, settings, pages, say).await? {
            return Ok(Ledger::Shared(Box::new(shared)));
        }
    }
    Ok(std::mem::take(&mut plan.ledger))
}
