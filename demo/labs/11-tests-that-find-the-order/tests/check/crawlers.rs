//! Three crawlers, and the faults that one of them can have.

use executor::sync::{Event, Semaphore};
use executor::{JoinHandle, join_all, spawn_local};
use lab_11::{Crawler, Report, Site};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Fetches one page at a time, whatever is allowed.
pub struct OneByOne;

impl Crawler for OneByOne {
    async fn crawl(&self, site: &Site, first: &'static str, _: usize) -> Report {
        let (mut seen, mut report, mut queue) = (BTreeSet::from([first]), Report::default(), vec![first]);
        while let Some(page) = queue.pop() {
            match site.fetch(page).await {
                Ok(links) => {
                    report.pages.push(page);
                    queue.extend(links.into_iter().filter(|link| seen.insert(*link)));
                }
                Err(_) => report.failed.push(page),
            }
        }
        report
    }
}

/// As many workers as fetches are allowed, in one task. They share a queue.
pub struct Workers;

impl Crawler for Workers {
    async fn crawl(&self, site: &Site, first: &'static str, at_most: usize) -> Report {
        let (seen, queue) = (RefCell::new(BTreeSet::from([first])), RefCell::new(vec![first]));
        let (report, left, pages) = (RefCell::new(Report::default()), Cell::new(1), Semaphore::new(1));
        // A permit of `pages` stands for a page in the queue, or, when none is left, for the end of a worker.
        let worker = || async {
            loop {
                pages.acquire().await.forget();
                let Some(page) = queue.borrow_mut().pop() else { return };
                let fetched = site.fetch(page).await;
                match fetched {
                    Ok(links) => {
                        report.borrow_mut().pages.push(page);
                        for link in links {
                            if seen.borrow_mut().insert(link) {
                                queue.borrow_mut().push(link);
                                left.set(left.get() + 1);
                                pages.add_permits(1);
                            }
                        }
                    }
                    Err(_) => report.borrow_mut().failed.push(page),
                }
                left.set(left.get() - 1);
                if left.get() == 0 {
                    pages.add_permits(at_most);
                }
            }
        };
        join_all((0..at_most).map(|_| worker())).await;
        report.into_inner()
    }
}

/// A typical mistake of a crawler with a task for each page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NotesLate,
    TooMany,
    EndsEarly,
    StopsAtFailure,
    LosesPermit,
    GoesOn,
}

/// A task for each page, and a permit for each fetch.
pub struct Tasks(pub Option<Fault>);

struct Crawl {
    site: Site,
    permits: Semaphore,
    seen: RefCell<BTreeSet<&'static str>>,
    report: RefCell<Report>,
    /// The number of pages that were found and whose tasks are not done.
    left: Cell<usize>,
    is_done: Event,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    fault: Option<Fault>,
}

impl Crawl {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn visit(self: &Rc<Self>, page: &'static str) {
        let is_new = match self.has(Fault::NotesLate) {
            true => !self.seen.borrow().contains(page),
            false => self.seen.borrow_mut().insert(page),
        };
        if is_new {
            self.left.set(self.left.get() + 1);
            let task = spawn_local(self.clone().fetch(page));
            self.tasks.borrow_mut().push(task);
        }
    }

    async fn fetch(self: Rc<Self>, page: &'static str) {
        let permit = self.permits.acquire().await;
        let fetched = self.site.fetch(page).await;
        match fetched {
            Err(_) if self.has(Fault::LosesPermit) => permit.forget(),
            _ => drop(permit),
        }
        self.seen.borrow_mut().insert(page);
        if self.has(Fault::EndsEarly) {
            self.is_over();
        }
        match fetched {
            Ok(links) => {
                self.report.borrow_mut().pages.push(page);
                links.into_iter().for_each(|link| self.visit(link));
            }
            Err(_) => {
                self.report.borrow_mut().failed.push(page);
                if self.has(Fault::StopsAtFailure) {
                    self.is_done.set();
                }
            }
        }
        if !self.has(Fault::EndsEarly) {
            self.is_over();
        }
    }

    /// A page's task is done.
    fn is_over(&self) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.is_done.set();
        }
    }
}

/// Cancels the tasks of a crawl when the crawl is dropped.
struct CancelAll(Rc<Crawl>);

impl Drop for CancelAll {
    fn drop(&mut self) {
        let tasks = self.0.tasks.take();
        if !self.0.has(Fault::GoesOn) {
            tasks.iter().for_each(JoinHandle::cancel);
        }
    }
}

impl Crawler for Tasks {
    async fn crawl(&self, site: &Site, first: &'static str, at_most: usize) -> Report {
        let at_most = at_most + usize::from(self.0 == Some(Fault::TooMany));
        let crawl = Rc::new(Crawl {
            site: site.clone(),
            permits: Semaphore::new(at_most),
            seen: RefCell::default(),
            report: RefCell::default(),
            left: Cell::new(0),
            is_done: Event::new(),
            tasks: RefCell::default(),
            fault: self.0,
        });
        let _cancels = CancelAll(crawl.clone());
        crawl.visit(first);
        crawl.is_done.wait().await;
        crawl.report.take()
    }
}
