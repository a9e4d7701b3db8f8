//! The crawler on a simulated network: thousands of pages on many hosts, slow links, lost packets, partitions, hosts
//! that crash. The crawler runs the same code as on a real network, and the same seed gives the same report, byte for
//! byte.
//!
//! Alone: `cargo test -p tests --test simulate crawler`. The large one, 100,000 pages on 1,000 hosts, needs
//! optimization: `cargo test --release -p tests --test simulate -- --ignored --nocapture`.

use clap::Parser;
use demo::Exit;
use demo::crawl::CrawlArgs;
use demo::http::server::{Answer, Body, Handler, LocalFuture, Request, serve};
use demo::signals::Signals;
use executor::net::TcpListener;
use executor::test::{Host, Link, Network};
use executor::time::{Duration, now, sleep};
use executor::{Runtime, named};
use http::StatusCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// The number of hosts, and of pages on each.
#[derive(Clone, Copy)]
struct Size {
    hosts: usize,
    pages: usize,
}

/// The pages of one host. Each links to two others, as in a heap, so that all are found, and to one on the next host.
struct Site {
    host: usize,
    size: Size,
}

impl Handler for Site {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        Box::pin(async move {
            let page = request.target.strip_prefix('/').map(|page| if page.is_empty() { Ok(0) } else { page.parse() });
            match page {
                Some(Ok(page)) if page < self.size.pages => self.page(page),
                _ => Answer::plain(StatusCode::NOT_FOUND),
            }
        })
    }
}

impl Site {
    fn page(&self, page: usize) -> Answer {
        let mut html = String::from("<!doctype html><title>a page</title>\n");
        for child in [2 * page + 1, 2 * page + 2].into_iter().filter(|child| *child < self.size.pages) {
            let _ = writeln!(html, "<a href=\"/{child}\">{child}</a>");
        }
        let neighbour = (self.host + 1) % self.size.hosts;
        let there = if page == 0 { String::new() } else { page.to_string() };
        let _ = writeln!(html, "<a href=\"http://{}/{there}\">next door</a>", name(neighbour));
        html.extend(std::iter::repeat_n("<p>text</p>\n", page % 100));
        Answer::new(StatusCode::OK, "text/html; charset=utf-8", Body::Whole(html.into_bytes()))
    }
}

fn name(host: usize) -> String {
    format!("host{host}.example")
}

/// Serves until the host crashes, and starts again 20 ms later.
async fn keep_serving(host: Host, number: usize, size: Size) {
    loop {
        let serving = host.run(async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.expect("the port is free on this host");
            serve(listener, Rc::new(Site { host: number, size })).await
        });
        let _crashed = serving.await;
        sleep(Duration::from_millis(20)).await;
    }
}

/// Creates the hosts and starts their servers. Every tenth host has a slow link, every fifth a link that loses pieces.
fn arrange(network: &Network, size: Size) -> Vec<Host> {
    let main = network.host("main");
    let hosts: Vec<Host> = (0..size.hosts).map(|number| network.host(&name(number))).collect();
    for (number, host) in hosts.iter().enumerate() {
        let far = number % 10 == 9;
        let link = Link {
            latency: Duration::from_millis(if far { 150 } else { 5 }),
            jitter: Duration::from_millis(2),
            bandwidth: Some(if far { 50_000 } else { 10_000_000 }),
            loss: if number % 5 == 3 { 0.05 } else { 0.0 },
        };
        network.set_link(&main, host, link);
        named("server").spawn_local(keep_serving(host.clone(), number, size));
    }
    hosts
}

/// Crashes one host and then partitions another one for a second, again and again.
async fn trouble(network: Network, hosts: Vec<Host>) {
    let main = network.host("main");
    let choose = || &hosts[network.random_below(hosts.len() as u64) as usize];
    loop {
        sleep(Duration::from_millis(100)).await;
        choose().crash();
        let cut_off = choose();
        network.partition(&main, cut_off);
        sleep(Duration::from_secs(1)).await;
        network.heal(&main, cut_off);
    }
}

struct Crawled {
    exit: Exit,
    report: String,
    /// The duration on the simulated clock.
    took: Duration,
}

fn crawl(seed: u64, size: Size, jobs: u32) -> Crawled {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: CrawlArgs,
    }
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.jsonl");
    let jobs = jobs.to_string();
    let options = ["crawl", "--quiet", "--retries", "4", "--depth", "inf", "--header-timeout", "2s", "--jobs", &jobs];
    let starts = (0..size.hosts).map(|host| format!("http://{}/", name(host)));
    let given = options.into_iter().map(str::to_owned).chain(starts);
    let mut args = Cli::parse_from(given).args;
    (args.options.directory, args.options.report) = (directory.path().join("saved"), Some(report.clone()));

    let runtime = Runtime::builder().deterministic(seed).build().unwrap();
    let network = runtime.network().unwrap();
    let (exit, took) = runtime.block_on(async {
        let hosts = arrange(&network, size);
        named("trouble").spawn_local(trouble(network.clone(), hosts));
        let start = now();
        let exit = demo::crawl::run(args, Signals::None).await.unwrap();
        (exit, now() - start)
    });
    let report = std::fs::read_to_string(report).unwrap();
    saved_as_reported(&report, &directory.path().join("saved"));
    Crawled { exit, report, took }
}

fn records(report: &str) -> impl Iterator<Item = Value> {
    report.lines().map(|line| serde_json::from_str(line).expect(line))
}

/// Checks that each page that is saved according to the report is complete.
fn saved_as_reported(report: &str, directory: &Path) {
    for record in records(report) {
        let Some(path) = record["path"].as_str() else { continue };
        let size = directory.join(path).metadata().unwrap_or_else(|error| panic!("{path}: {error}")).len();
        assert_eq!(record["bytes"].as_u64(), Some(size), "{path}");
    }
}

/// The number of pages for each number of attempts, and the number of pages that failed.
fn attempts(report: &str) -> (BTreeMap<u64, usize>, usize) {
    let mut attempts = BTreeMap::new();
    let mut failed = 0;
    for record in records(report) {
        *attempts.entry(record["attempts"].as_u64().unwrap()).or_default() += 1;
        failed += usize::from(!record["error"].is_null());
    }
    (attempts, failed)
}

#[test]
fn a_crawl_of_a_simulated_network_is_repeatable() {
    let size = Size { hosts: 20, pages: 100 };
    let first = crawl(1, size, 64);
    let (attempts, failed) = attempts(&first.report);
    println!("{:?} by the simulation's clock; by attempts: {attempts:?}; {failed} failed", first.took);
    let retried: usize = attempts.range(2..).map(|(_, pages)| pages).sum();
    assert!(retried > 10, "no fault was retried: {attempts:?}");
    assert!(failed < 100 && first.exit == if failed == 0 { Exit::Success } else { Exit::SomeFailed });
    let urls: BTreeSet<_> = records(&first.report).map(|record| record["url"].to_string()).collect();
    assert_eq!(urls.len(), first.report.lines().count(), "a page twice");
    assert!(urls.len() > 1_900 && urls.len() <= 2_000, "{} pages of 2000", urls.len());

    let again = crawl(1, size, 64);
    for (line, (is, was)) in again.report.lines().zip(first.report.lines()).enumerate() {
        assert_eq!(is, was, "line {}", line + 1);
    }
    assert_eq!((again.report.len(), again.took), (first.report.len(), first.took));
    let few = Size { hosts: 4, pages: 20 };
    assert_ne!(crawl(1, few, 8).report, crawl(2, few, 8).report);
}

#[test]
#[ignore = "takes a minute without optimization: see the top of this file"]
fn a_crawl_of_a_hundred_thousand_pages_on_a_thousand_hosts_is_repeatable() {
    let size = Size { hosts: 1_000, pages: 100 };
    let run = || {
        let start = Instant::now();
        let crawled = crawl(1, size, 500);
        let (attempts, failed) = attempts(&crawled.report);
        println!(
            "{} pages in {:.1?}, {:.1?} by the simulation's clock; by attempts: {attempts:?}; {failed} failed",
            crawled.report.lines().count(),
            start.elapsed(),
            crawled.took
        );
        crawled.report
    };
    let first = run();
    assert_eq!(first.lines().count(), size.hosts * size.pages);
    assert!(run() == first, "another report from the same seed");
}
