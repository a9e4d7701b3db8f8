//! The workers: they fetch one page after another until no page is left, or until an interrupt.

use super::convert;
use super::duplicates;
use super::fetch::{self, Outcome};
use super::follow::follow_links;
use super::frontier::Purpose;
use super::options::Options;
use super::output::count;
use super::plan::Plan;
use super::robots;
use super::shared::Engine;
use super::sitemaps;
use super::skipped::Skipped;
use crate::signals::{Interrupts, Signals};
use crate::{Exit, Failure};
use executor::JoinHandle;
use executor::time::{sleep, timeout};
use futures_lite::FutureExt;
use std::rc::Rc;
use std::time::Duration;

/// Fetches pages until none is left, or until an interrupt.
///
/// # Errors
/// Fails if the run as a whole can't continue. A page that fails is reported, but is not an error.
pub async fn run(options: Options, plan: Plan, signals: Signals) -> Result<Exit, Failure> {
    let mut interrupts = signals.interrupts().map_err(Failure::Signals)?;
    if options.save.checksum.is_some() && plan.starts.len() != 1 {
        let given = count(plan.starts.len() as u64, "URL");
        return Err(Failure::Urls(vec![format!("--checksum needs exactly one URL, but {given} were given")]));
    }
    let starts = plan.starts.clone();
    let engine = Rc::new(Box::pin(Engine::new(options, plan)).await?);
    sitemaps::guess(&engine, &starts);
    let running = engine.clone();
    signals.print_tasks_on_request(move |tasks| running.progress.print_tasks(&tasks)).map_err(Failure::Signals)?;
    let watching = executor::named("progress").spawn_local(watch(engine.clone()));
    let outlives = engine.ledger.outlives();
    let keeping = outlives.then(|| executor::named("ledger").spawn_local(keep(engine.clone())));
    let worked = Box::pin(work(&engine, &mut interrupts)).await;
    watching.cancel();
    let _cancelled = watching.await; // otherwise it would draw the progress again
    if let Some(keeping) = keeping {
        keeping.cancel();
        let _cancelled = keeping.await;
    }
    engine.progress.finish();
    worked?;
    if !engine.plan.save {
        // There are no files to remove or to convert.
    } else if engine.interrupted.get().is_none() && engine.failure.borrow().is_none() {
        let interrupt = async { Err(interrupts.next().await) };
        match async { Ok(Box::pin(complete_site(&engine)).await) }.or(interrupt).await {
            Ok(completed) => completed?,
            // Each file is replaced as a whole.
            Err(interrupt) => {
                engine.interrupted.set(Some(interrupt));
                say_what_is_not_converted(&engine);
            }
        }
    } else {
        say_what_is_not_converted(&engine);
    }
    engine.finish().await
}

fn say_what_is_not_converted(engine: &Engine) {
    if engine.plan.convert_links {
        engine.progress.say("not all links are converted; run the command again with -N to complete the site");
    }
}

/// Removes copies of pages and converts links, if the options say so.
async fn complete_site(engine: &Engine) -> Result<(), Failure> {
    let mut redirects = engine.known_redirects();
    duplicates::remove(engine, &mut redirects).await?;
    convert::run(engine, redirects).await
}

/// The time to finish the pages in progress after an interrupt. `docker stop` waits for 10 s.
const GRACE: Duration = Duration::from_secs(5);
/// The time to write what the cancelled pages have received.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Runs the workers until they end. After a first interrupt they finish their pages; a second one cancels them, and so
/// does the end of a grace period.
async fn work(engine: &Rc<Engine>, interrupts: &mut Interrupts) -> Result<(), Failure> {
    let spawn = |_| executor::named("worker").spawn_local(worker(engine.clone()));
    let mut workers: Vec<JoinHandle<()>> = (0..engine.options.jobs).map(spawn).collect();
    let first = async { Err(interrupts.next().await) };
    match async { Ok(join(&mut workers).await) }.or(first).await {
        Ok(result) => return result,
        Err(interrupt) => engine.interrupted.set(Some(interrupt)),
    }
    if engine.options.verbose {
        engine.progress.print_tasks(&executor::tasks());
    }
    engine.frontier.stop();
    engine.progress.say(&format!(
        "interrupted: finishing {} in progress (at most {}); press Ctrl-C again to stop at once",
        count(engine.frontier.active() as u64, "page"),
        humantime::format_duration(GRACE)
    ));
    let second = async {
        interrupts.next().await;
        None
    };
    let late = async {
        sleep(GRACE).await;
        engine.progress.say(&format!("stopping {} in progress", count(engine.frontier.active() as u64, "page")));
        None
    };
    if let Some(result) = async { Some(join(&mut workers).await) }.or(second).or(late).await {
        return result;
    }
    engine.cancelled.set(engine.frontier.active());
    workers.iter().for_each(JoinHandle::cancel);
    let cancelled = async {
        for worker in workers {
            let _cancelled = worker.await; // its unfinished file is removed or kept by then
        }
    };
    let _a_disk_hangs = timeout(LAST_WRITES, cancelled).await;
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

/// Fetches one page after another.
async fn worker(engine: Rc<Engine>) {
    while let Some(claim) = engine.frontier.next().await {
        if !engine.ledger.admits(&claim.job).await {
            claim.skip();
            continue;
        }
        let Some(mut claim) = robots::admit(&engine, claim).await else { continue };
        let in_progress = engine.progress.begin(&claim.job.url, engine.store.name(&claim.job.url));
        // The future of a page takes kilobytes. Boxed, it takes them only while there is a page.
        let outcome = Box::pin(fetch::fetch(&engine, &mut claim)).await;
        drop(in_progress);
        match outcome {
            Outcome::OutOfDescriptors => engine.out_of_descriptors(claim).await,
            Outcome::Again(time) => claim.again(time),
            Outcome::Done(done, mut found) => {
                if done.record.error.is_none() {
                    claim.succeeded();
                } else if engine.gives_back(&done) {
                    continue; // its lease ends with this process
                } else if claim.job.purpose == Purpose::Guess {
                    // The guessed sitemap could not be fetched. It is not requested again, unless the error may be
                    // temporary.
                    let reason = if done.may_pass { Skipped::RobotsUnreadable } else { Skipped::Robots };
                    if let Err(failure) = engine.ledger.skip(&claim.job, &reason).await {
                        engine.fail(failure);
                    }
                    claim.skip();
                    continue;
                }
                duplicates::note(&engine, &done.record, &mut found);
                follow_links(&engine, &claim.job, &done.record, *found).await;
                engine.done(&claim.job, *done).await;
                drop(claim);
            }
            Outcome::Fatal(failure) => engine.fail(failure),
        }
    }
}

/// Keeps the ledger.
async fn keep(engine: Rc<Engine>) {
    let failure = engine.ledger.run(&engine.frontier, &engine.scope).await;
    engine.fail(failure);
}

/// Updates what the terminal shows.
async fn watch(engine: Rc<Engine>) {
    loop {
        engine.progress.show(engine.frontier.queued(), || engine.frontier.hosts());
        sleep(Duration::from_millis(100)).await;
    }
}
