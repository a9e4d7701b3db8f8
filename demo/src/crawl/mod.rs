//! `demo crawl`: a page, what it links to, and so on.
//!
//! A number of workers, each a task, take a page from the frontier, fetch it, save it and
//! put its links back into the frontier; when that is empty and nobody is at work any more, the
//! crawl is over. All of it runs on one thread; files are written and pages parsed on the pool for
//! blocking calls.

mod args;
mod fetch;
mod frontier;
mod links;
mod names;
mod progress;
mod report;
mod scope;
mod store;
mod urls;

pub use args::CrawlArgs;

use crate::http::{Limits, Pool};
use crate::signals::{Interrupts, Signals};
use crate::site::{self, Site};
use crate::{Exit, Failure, descriptors};
use executor::JoinHandle;
use executor::time::sleep;
use fetch::Outcome;
use frontier::{Claim, Frontier};
use futures_lite::FutureExt;
use progress::{Progress, count};
use report::{Record, Report};
use scope::Scope;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use store::Store;
use url::Url;

/// What the workers share.
struct Crawl {
    args: CrawlArgs,
    limits: Limits,
    scope: RefCell<Scope>,
    frontier: Frontier,
    connections: Pool,
    store: Store,
    report: RefCell<Report>,
    progress: Progress,
    /// Where redirects lead, to know a circle when it closes.
    redirects: RefCell<HashMap<Url, Url>>,
    /// What ended the crawl before its time.
    failure: RefCell<Option<Failure>>,
    /// How often, just now, no file descriptor was left though no other page was under way.
    starved: Cell<u32>,
    interrupted: Cell<bool>,
}

/// Crawls until there is nothing left to fetch, or an interrupt comes.
///
/// # Errors
/// What kept it from that; pages that failed are not among it.
pub async fn run(mut args: CrawlArgs, signals: Signals) -> Result<Exit, Failure> {
    let interrupts = signals.interrupts().map_err(Failure::Signals)?;
    let mut starts = urls::parse_all(&args.urls)?;
    if starts.is_empty() {
        starts.push(start_site(&args).await?);
        leave_descriptors_to_site(&mut args);
    }
    let crawl = Rc::new(Crawl::new(args, &starts).await?);
    let crawling = crawl.clone();
    signals.print_tasks_on_request(move |tasks| crawling.progress.print_tasks(&tasks)).map_err(Failure::Signals)?;
    for url in starts {
        crawl.frontier.add(url, 0, None);
    }
    let watching = executor::named("progress").spawn_local(watch(crawl.clone()));
    work(&crawl, interrupts).await?;
    watching.cancel();
    crawl.progress.finish();
    crawl.finish().await
}

/// The site that is crawled if no other is given.
async fn start_site(args: &CrawlArgs) -> Result<Url, Failure> {
    let listener = site::listen(([127, 0, 0, 1], 0).into()).await?;
    let address = listener.local_addr().map_err(|error| Failure::listen(([127, 0, 0, 1], 0).into(), error))?;
    let site = crate::http::server::serve(listener, Rc::new(Site::new(Duration::ZERO)));
    executor::named("built-in site").spawn_local(site);
    if !args.quiet {
        eprintln!("no URL given: crawling the built-in site at http://{address}/");
    }
    Ok(Url::parse(&format!("http://{address}/")).expect("an address makes a URL"))
}

/// Begins no more pages at once than there are descriptors for, at both ends of their connections. Else this end takes
/// what the other one needs for an answer, and both wait until a timeout.
fn leave_descriptors_to_site(args: &mut CrawlArgs) {
    const EACH: u64 = 3; // the two ends, and a file
    descriptors::raise_limit();
    let (enough_for, wanted) = (descriptors::enough_for(EACH), args.jobs.min(args.per_host));
    if enough_for < wanted {
        args.jobs = enough_for;
        if !args.quiet {
            let enough_for = count(enough_for.into(), "page");
            eprintln!("file descriptors are enough for {enough_for} at once, not for {wanted} (see ulimit -n)");
        }
    }
}

/// Runs the workers to their end. The first interrupt lets them finish the pages they are at, the
/// second does not.
async fn work(crawl: &Rc<Crawl>, mut interrupts: Interrupts) -> Result<(), Failure> {
    let spawn = |_| executor::named("worker").spawn_local(worker(crawl.clone()));
    let mut workers: Vec<JoinHandle<()>> = (0..crawl.args.jobs).map(spawn).collect();
    let mut interrupted = async || {
        interrupts.next().await;
        None
    };
    if let Some(result) = async { Some(join(&mut workers).await) }.or(interrupted()).await {
        return result;
    }
    if crawl.args.verbose {
        crawl.progress.print_tasks(&executor::tasks());
    }
    crawl.interrupted.set(true);
    crawl.frontier.stop();
    crawl.progress.say(&format!(
        "interrupted: finishing the {} under way; Ctrl-C again to stop at once",
        count(crawl.frontier.active() as u64, "page")
    ));
    if let Some(result) = async { Some(join(&mut workers).await) }.or(interrupted()).await {
        return result;
    }
    workers.iter().for_each(JoinHandle::cancel);
    for worker in workers {
        let _cancelled = worker.await; // what it wrote is removed before we go on
    }
    Ok(())
}

/// Waits for all; those that are done are taken out.
async fn join(workers: &mut Vec<JoinHandle<()>>) -> Result<(), Failure> {
    while let Some(worker) = workers.last_mut() {
        worker.await?;
        workers.pop();
    }
    Ok(())
}

/// Takes one page after the other.
async fn worker(crawl: Rc<Crawl>) {
    while let Some(claim) = crawl.frontier.next().await {
        let under_way = crawl.progress.begin(&claim.job.url);
        let outcome = fetch::fetch(&crawl, &claim.job).await;
        drop(under_way);
        match outcome {
            Outcome::OutOfDescriptors => crawl.out_of_descriptors(claim).await,
            Outcome::Done(record, links) => {
                let depth = claim.job.depth.saturating_add(1);
                if depth <= crawl.args.depth {
                    let referrer = record.final_url.as_deref().unwrap_or(&record.url);
                    for url in links {
                        if crawl.scope.borrow().contains(&url) {
                            crawl.frontier.add(url, depth, Some(referrer));
                        }
                    }
                }
                crawl.record(record);
                drop(claim);
            }
            Outcome::Fatal(failure) => crawl.fail(failure),
        }
    }
}

/// Keeps the line of progress up to date.
async fn watch(crawl: Rc<Crawl>) {
    loop {
        crawl.progress.show(crawl.frontier.queued());
        sleep(Duration::from_millis(100)).await;
    }
}

impl Crawl {
    async fn new(args: CrawlArgs, starts: &[Url]) -> Result<Crawl, Failure> {
        let limits = Limits {
            connect: args.connect_timeout,
            header: args.header_timeout,
            idle: args.idle_timeout,
            body: args.max_size.as_u64(),
        };
        let report = Report::open(args.report.as_deref())?;
        Ok(Crawl {
            limits,
            scope: RefCell::new(Scope::new(starts, args.no_parent)),
            frontier: Frontier::new(args.jobs as usize, args.per_host as usize, args.max_pages),
            connections: Pool::default(),
            store: Store::open(&args.directory).await?,
            report: RefCell::new(report),
            progress: Progress::new(args.quiet, args.verbose),
            redirects: RefCell::default(),
            failure: RefCell::new(None),
            starved: Cell::new(0),
            interrupted: Cell::new(false),
            args,
        })
    }

    /// A page is done, one way or the other.
    fn record(&self, record: Record) {
        self.starved.set(0);
        self.progress.record(&record);
        let written = self.report.borrow_mut().write(&record);
        if let Err(failure) = written {
            self.fail(failure);
        }
    }

    /// Nothing more can be done: the pages under way are finished, and no others begun.
    fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
        self.frontier.stop();
    }

    /// Puts the page back and goes on with fewer at once.
    async fn out_of_descriptors(&self, claim: Claim<'_>) {
        /// Tries of a page that has the program to itself. Others, or the system, may have just a bad moment.
        const PATIENCE: u32 = 10;

        self.connections.clear();
        match self.frontier.active() {
            1 if self.starved.replace(self.starved.get() + 1) == PATIENCE => self.fail(Failure::Descriptors),
            1 if self.starved.get() > 1 => {}
            _ => {
                if let Some(limit) = self.frontier.lower_limit() {
                    self.progress.say(&format!(
                        "no file descriptor is left: going on with {} at once",
                        count(limit as u64, "page")
                    ));
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
        claim.put_back();
    }

    async fn finish(&self) -> Result<Exit, Failure> {
        self.report.borrow_mut().close()?;
        self.store.close().await;
        if !self.args.quiet {
            let left = self.frontier.queued();
            self.progress.summary(&self.args.directory, left);
        }
        if let Some(failure) = self.failure.borrow_mut().take() {
            return Err(failure);
        }
        Ok(match () {
            () if self.interrupted.get() => Exit::Interrupted,
            () if self.progress.failed() > 0 => Exit::SomeFailed,
            () => Exit::Success,
        })
    }
}
