//! `demo crawl`: a page, the pages it links to, and so on.
//!
//! Each worker is a task. It takes a page from the frontier, fetches it, saves it, and adds its links to the frontier. When
//! the frontier is empty and no page is in progress, the crawl ends. Everything runs on one thread, except that the pool for
//! blocking calls writes files and parses pages.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `urls.rs`, `scope.rs` | one spelling for each URL; the URLs that belong to the crawl |
//! | `frontier.rs` | the pages to fetch, and how many at once |
//! | `fetch.rs` | fetching a page: redirects, retries |
//! | `links.rs` | the links of a page |
//! | `names.rs`, `store.rs` | a file name for each URL; saving |
//! | `shared.rs` | the state that the workers share |
//! | `progress.rs`, `terminal.rs` | output for people |
//! | `report.rs` | output for programs |

mod args;
mod fetch;
mod frontier;
mod links;
mod names;
mod progress;
mod report;
mod scope;
mod shared;
mod store;
mod terminal;
mod urls;

pub use args::CrawlArgs;

use crate::signals::{Interrupts, Signals};
use crate::site::{self, Site};
use crate::{Exit, Failure, descriptors};
use executor::JoinHandle;
use executor::time::sleep;
use fetch::Outcome;
use futures_lite::FutureExt;
use names::Names;
use progress::count;
use shared::Crawl;
use std::rc::Rc;
use std::time::Duration;
use url::Url;

/// Crawls until nothing is left to fetch, or until an interrupt.
///
/// # Errors
/// Fails if the crawl as a whole can't go on. Pages that fail are reported and are no error.
pub async fn run(mut args: CrawlArgs, signals: Signals) -> Result<Exit, Failure> {
    let interrupts = signals.interrupts().map_err(Failure::Signals)?;
    let (mut starts, mut names) = (urls::parse_all(&args.urls)?, Names::default());
    if starts.is_empty() {
        let site = start_site(&args).await?;
        names.name_server(&site, SITE_DIRECTORY);
        starts.push(site);
        leave_descriptors_to_site(&mut args);
    }
    let crawl = Rc::new(Crawl::new(args, &starts, names).await?);
    let crawling = crawl.clone();
    signals.print_tasks_on_request(move |tasks| crawling.progress.print_tasks(&tasks)).map_err(Failure::Signals)?;
    for url in starts {
        crawl.frontier.add(url, 0, None);
    }
    let watching = executor::named("progress").spawn_local(watch(crawl.clone()));
    let worked = work(&crawl, interrupts).await;
    watching.cancel();
    let _cancelled = watching.await; // it would draw the line of progress again
    crawl.progress.finish();
    worked?;
    crawl.finish().await
}

/// The directory of the built-in site's pages. Its port differs from run to run.
const SITE_DIRECTORY: &str = "built-in-site";

/// Starts the built-in site, which is crawled if no URL is given.
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

/// Limits the pages at once to the file descriptors at both ends of their connections. Otherwise the crawl could use up
/// those that the site needs to answer, and both would wait until a timeout.
fn leave_descriptors_to_site(args: &mut CrawlArgs) {
    const EACH: u64 = 3; // the two ends, and a file
    descriptors::raise_limit();
    let (enough_for, wanted) = (descriptors::enough_for(EACH), args.jobs.min(args.per_host));
    if enough_for < wanted {
        args.jobs = enough_for;
        if !args.quiet {
            let enough_for = count(enough_for.into(), "page");
            eprintln!("there are enough file descriptors for {enough_for} at once, not for {wanted} (see ulimit -n)");
        }
    }
}

/// Runs the workers until they end. After a first interrupt they finish their pages; a second one cancels them.
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
        "interrupted: finishing the {} in progress; Ctrl-C again stops at once",
        count(crawl.frontier.active() as u64, "page")
    ));
    if let Some(result) = async { Some(join(&mut workers).await) }.or(interrupted()).await {
        return result;
    }
    workers.iter().for_each(JoinHandle::cancel);
    for worker in workers {
        let _cancelled = worker.await; // its unfinished file is removed by then
    }
    Ok(())
}

/// Joins all workers. Those that have completed are removed, so this can be called again.
async fn join(workers: &mut Vec<JoinHandle<()>>) -> Result<(), Failure> {
    while let Some(worker) = workers.last_mut() {
        worker.await?;
        workers.pop();
    }
    Ok(())
}

/// Fetches one page after the other.
async fn worker(crawl: Rc<Crawl>) {
    while let Some(claim) = crawl.frontier.next().await {
        let in_progress = crawl.progress.begin(&claim.job.url);
        let outcome = fetch::fetch(&crawl, &claim.job).await;
        drop(in_progress);
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

/// Updates the line of progress.
async fn watch(crawl: Rc<Crawl>) {
    loop {
        crawl.progress.show(crawl.frontier.queued());
        sleep(Duration::from_millis(100)).await;
    }
}
