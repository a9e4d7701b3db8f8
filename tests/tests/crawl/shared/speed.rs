//! How much faster four workers are than one.

use super::kit::{Worker, all, each_is_saved_once, page};
use std::thread;
use std::time::{Duration, Instant};
use tests::demo::within_after_build;
use tests::faults::FaultServer;
use tests::redis::RedisServer;

/// Pages per second of this number of workers, each with four pages at once, at a server that takes 100 ms for a page.
/// The time includes the start, until there are links for all workers, and the end: together less than a second.
fn pages_per_second(workers: usize) -> Option<f64> {
    let redis = RedisServer::start()?;
    let pages = 1_000 * workers;
    let server = FaultServer::start(move |visit| {
        thread::sleep(Duration::from_millis(100));
        page(visit, pages)
    });
    let args = ["--depth", "inf", "-x", "4", &server.url("/0")];
    let names = ["1", "2", "3", "4"];
    let start = Instant::now();
    let workers = names[..workers].iter().map(|name| Worker::start(name, &redis, &args)).collect::<Vec<_>>();
    let reports: Vec<_> = workers.into_iter().map(|worker| worker.exits(0).0).collect();
    let took = start.elapsed().as_secs_f64();
    reports.iter().for_each(|report| each_is_saved_once(report, &all(pages)));
    Some(pages as f64 / took)
}

/// `cargo test --release -p tests --test crawl -- --ignored --nocapture four_workers`
#[test]
#[ignore = "a measurement of a minute, for an idle machine"]
fn four_workers_fetch_nearly_four_times_as_many_pages_as_one() {
    within_after_build(120, || {
        let (Some(one), Some(four)) = (pages_per_second(1), pages_per_second(4)) else { return };
        println!("one worker: {one:.1} pages/s, four: {four:.1} pages/s, {:.2} times as many", four / one);
        assert!(four >= 3.8 * one);
    });
}
