//! The state that the workers of a crawl share.

use super::args::CrawlArgs;
use super::frontier::{Claim, Frontier};
use super::names::Names;
use super::progress::{Progress, count};
use super::report::{Record, Report};
use super::scope::Scope;
use super::store::Store;
use crate::http::{Limits, Pool};
use crate::{Exit, Failure};
use executor::time::sleep;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;
use url::Url;

/// The state that the workers share.
pub struct Crawl {
    pub args: CrawlArgs,
    pub limits: Limits,
    pub scope: RefCell<Scope>,
    pub frontier: Frontier,
    pub connections: Pool,
    pub store: Store,
    pub report: RefCell<Report>,
    pub progress: Progress,
    /// The target of each redirect, to detect a cycle.
    pub redirects: RefCell<HashMap<Url, Url>>,
    /// The failure that ended the crawl early.
    pub failure: RefCell<Option<Failure>>,
    /// How often in a row no file descriptor was left although no other page was in progress.
    pub starved: Cell<u32>,
    pub interrupted: Cell<bool>,
}

impl Crawl {
    pub async fn new(args: CrawlArgs, starts: &[Url], names: Names) -> Result<Crawl, Failure> {
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
            store: Store::open(&args.directory, names).await?,
            report: RefCell::new(report),
            progress: Progress::new(args.quiet, args.verbose),
            redirects: RefCell::default(),
            failure: RefCell::new(None),
            starved: Cell::new(0),
            interrupted: Cell::new(false),
            args,
        })
    }

    /// Records a page that was fetched or failed.
    pub fn record(&self, record: Record) {
        self.starved.set(0);
        self.progress.record(&record);
        let written = self.report.borrow_mut().write(&record);
        if let Err(failure) = written {
            self.fail(failure);
        }
    }

    /// Ends the crawl: the pages in progress are finished, and no others are begun.
    pub fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
        self.frontier.stop();
    }

    /// Puts the page back and goes on with fewer pages at once.
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
                        "no file descriptor is left: going on with {} at once",
                        count(limit as u64, "page")
                    ));
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
        claim.put_back();
    }

    pub async fn finish(&self) -> Result<Exit, Failure> {
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
