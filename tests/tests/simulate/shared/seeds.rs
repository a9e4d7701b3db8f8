//! Three workers of one job, under many seeds. Connections to Redis break between a request and its reply, Redis restarts,
//! a worker crashes, another one is cut off for longer than its lease.

use super::redis::SimulatedRedis;
use super::worker;
use demo::Exit;
use demo::http::server::{Answer, Body, Handler, LocalFuture, Request, serve};
use demo::signals::Signals;
use executor::net::TcpListener;
use executor::spawn_local;
use executor::test::{Link, Network, explore};
use executor::time::{Duration, sleep};
use http::StatusCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use tests::redis::RedisServer;

const PAGES: usize = 16;

/// Pages that link to two others, as in a heap. Each is linked through a redirect, and those with even numbers directly
/// too.
struct Site(Network);

impl Handler for Site {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        Box::pin(async move {
            sleep(Duration::from_millis(self.0.random_below(300))).await;
            let path = request.target.trim_start_matches('/');
            if let Some(page) = path.strip_prefix("to/") {
                return Answer::plain(StatusCode::FOUND).with("location", format!("/{page}"));
            }
            let Ok(page) = path.parse::<usize>() else { return Answer::plain(StatusCode::NOT_FOUND) };
            let children = [2 * page + 1, 2 * page + 2].into_iter().filter(|child| *child < PAGES);
            let links = children.map(|child| match child % 2 {
                0 => format!("<a href=/{child}>x</a><a href=/to/{child}>y</a>"),
                _ => format!("<a href=/to/{child}>y</a>"),
            });
            let html = links.collect::<String>().into_bytes();
            Answer::new(StatusCode::OK, "text/html", Body::Whole(html))
        })
    }
}

/// Runs a worker until its job is complete; `None` if its host crashes.
async fn run(network: &Network, name: &str, folder: &Path) -> Option<Exit> {
    let args = worker(&folder.join(name), &["--lease", "2s", "-x", "3", "http://site/0"]);
    std::fs::create_dir_all(folder.join(name)).unwrap();
    // Boxed: the future of a crawl is large.
    let crawl = Box::pin(async { demo::crawl::run(args, Signals::None).await });
    Some(network.host(name).run(crawl).await.ok()?.unwrap())
}

/// The faults, at times that the seed chooses.
async fn trouble(network: Network, redis: Rc<SimulatedRedis>) {
    let some_time = |most| sleep(Duration::from_millis(network.random_below(most)));
    // A worker does not begin a job at a Redis that it can't reach.
    sleep(Duration::from_millis(50)).await;
    redis.breaks.set([0, 20, 100][network.random_below(3) as usize]);
    if network.random_below(2) == 0 {
        some_time(1500).await;
        network.host("dies").crash();
    }
    if network.random_below(2) == 0 {
        some_time(1000).await;
        let (cut_off, server) = (network.host("cut off"), redis.host());
        network.partition(&cut_off, &server);
        some_time(5000).await;
        network.heal(&cut_off, &server);
    }
    for _ in 0..network.random_below(3) {
        some_time(1500).await;
        redis.host().crash();
    }
}

/// Checks that each URL has one line in the report, and that each page was saved once, under its own URL or as the target
/// of a redirect.
fn check(report: &str) {
    let mut lines = BTreeSet::new();
    let mut saved: BTreeMap<String, usize> = BTreeMap::new();
    for line in report.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let url = record["url"].as_str().unwrap();
        assert!(record["error"].is_null(), "{record}");
        assert!(lines.insert(url.to_owned()), "{url} twice:\n{report}");
        if !record["path"].is_null() {
            *saved.entry(record["final_url"].as_str().unwrap_or(url).to_owned()).or_default() += 1;
        }
    }
    for page in 0..PAGES {
        assert_eq!(saved.get(&format!("http://site/{page}")), Some(&1), "page {page}:\n{report}");
        assert!(page == 0 || lines.contains(&format!("http://site/to/{page}")), "to/{page}:\n{report}");
    }
}

fn under_seeds(seeds: u64) {
    let Some(server) = RedisServer::start() else { return };
    explore(seeds, |network| {
        let server = &server;
        async move {
            let folder = tempfile::tempdir().unwrap();
            let millis = Duration::from_millis;
            network.set_default_link(Link { latency: millis(1), jitter: millis(2), ..Link::default() });
            let redis = SimulatedRedis::serve(server, &network);
            let site = Rc::new(Site(network.clone()));
            let host = network.host("site");
            spawn_local(async move {
                host.run(async { serve(TcpListener::bind("0.0.0.0:80").await.unwrap(), site).await }).await
            });
            sleep(millis(1)).await;
            let troubling = spawn_local(trouble(network.clone(), redis));
            let workers = ["lives", "dies", "cut off"].map(|name| {
                let (network, folder) = (network.clone(), folder.path().to_owned());
                spawn_local(async move { run(&network, name, &folder).await })
            });
            for (name, worker) in ["lives", "dies", "cut off"].into_iter().zip(workers) {
                match worker.await.unwrap() {
                    Some(exit) => {
                        assert_eq!(exit, Exit::Success, "{name}");
                        check(&std::fs::read_to_string(folder.path().join(name).join("report.jsonl")).unwrap());
                    }
                    None => assert_eq!(name, "dies"),
                }
            }
            troubling.cancel();
        }
    });
}

#[test]
fn every_page_is_saved_once_and_none_is_lost() {
    under_seeds(100);
}

#[test]
#[ignore = "some minutes without optimization: see the top of mod.rs"]
fn every_page_is_saved_once_and_none_is_lost_under_a_thousand_seeds() {
    under_seeds(1000);
}
