//! `demo crawl`: a page, the pages it links to, and so on.

mod args;
mod kept;

pub use args::CrawlArgs;

use crate::engine::{self, Ledger, Names, Options, PER_LOOPBACK, Plan, SaveOptions, SharedError, count, urls};
use crate::signals::Signals;
use crate::site::{self, Site};
use crate::temporary::Temporary;
use crate::{Exit, Failure, descriptors};
use std::rc::Rc;
use std::time::Duration;
use url::Url;

/// Crawls until nothing is left to fetch, or until an interrupt.
///
/// # Errors
/// Fails if the crawl as a whole can't go on. Pages that fail are reported and are no error.
pub async fn run(args: CrawlArgs, signals: Signals) -> Result<Exit, Failure> {
    let CrawlArgs { urls, state, dry_run, mut scope, convert_links, shared, mut options } = args;
    let (mut starts, mut names) = (urls::parse_all(&urls)?, Names::default());
    if starts.is_empty() && shared.frontier.is_some() {
        return Err(SharedError::NoUrls.into());
    }
    let ledger = match state {
        None => Ledger::InMemory,
        Some(path) => Ledger::State(Box::new(kept::open(path, &mut starts, &mut scope, &mut options).await?)),
    };
    if starts.is_empty() {
        let site = start_site(&options).await?;
        names.name_server(&site, SITE_DIRECTORY);
        starts.push(site);
        options.network.no_proxy = true; // it runs in this process
        leave_descriptors_to_site(&mut options);
    }
    let plan = Plan { scope, names, ledger, convert_links, shared: Some(shared), ..Plan::new(starts) };
    if !dry_run {
        return engine::run(options, plan, signals).await;
    }
    let directory = Temporary::new()?; // for pages that are too large to be searched in memory
    let lists = Some(std::mem::replace(&mut options.directory, directory.path().to_owned()));
    options.save = SaveOptions::default(); // a configuration file may set `resume`, for example
    engine::run(options, Plan { save: false, lists, ..plan }, signals).await
}

/// The directory of the built-in site's pages. Its port differs from run to run.
const SITE_DIRECTORY: &str = "built-in-site";

/// Starts the built-in site, which is crawled if no URL is given.
async fn start_site(options: &Options) -> Result<Url, Failure> {
    let listener = site::listen(([127, 0, 0, 1], 0).into()).await?;
    let address = listener.local_addr().map_err(|error| Failure::listen(([127, 0, 0, 1], 0).into(), error))?;
    let site = crate::http::server::serve(listener, Rc::new(Site::new(Duration::ZERO)));
    executor::named("built-in site").spawn_local(site);
    if !options.quiet {
        crate::stderr::print(format_args!("no URL given: crawling the built-in site at http://{address}/"));
    }
    Ok(Url::parse(&format!("http://{address}/")).expect("an address makes a URL"))
}

/// Limits the number of pages at once, because this process has both ends of their connections. Otherwise the crawl
/// could use up the file descriptors that the site needs to answer, and both would wait until a timeout.
fn leave_descriptors_to_site(options: &mut Options) {
    const EACH: u64 = 3; // the two ends, and a file
    descriptors::raise_limit();
    let (enough_for, wanted) =
        (descriptors::enough_for(EACH), options.jobs.min(options.pace.per_host.unwrap_or(PER_LOOPBACK as u32)));
    if enough_for < wanted {
        options.jobs = enough_for;
        if !options.quiet {
            let enough_for = count(enough_for.into(), "page");
            crate::stderr::print(format_args!(
                "there are enough file descriptors for {enough_for} at once, not for {wanted} (see ulimit -n)"
            ));
        }
    }
}
