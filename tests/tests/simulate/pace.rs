//! When the crawler sends its requests, on a simulated clock: delays, pauses, retries and the limit on bytes per second,
//! to the millisecond.
//!
//! Alone: `cargo test -p tests --test simulate pace`. It needs nothing.

use clap::Parser;
use demo::Exit;
use demo::crawl::CrawlArgs;
use demo::http::server::{Answer, Body, Handler, LocalFuture, Request, serve};
use demo::signals::Signals;
use executor::net::TcpListener;
use executor::test::Link;
use executor::time::{Instant, now};
use executor::{Runtime, named};
use http::StatusCode;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A request that a server received.
#[derive(Clone, Debug)]
struct Seen {
    host: &'static str,
    path: String,
    /// Time since the start of the crawl, in milliseconds.
    at: u64,
}

/// Answers by a function of the host, the path, and how often that was requested before.
struct Site<F> {
    host: &'static str,
    script: F,
    start: Instant,
    seen: Rc<RefCell<Vec<Seen>>>,
}

impl<F: Fn(&str, &str, usize) -> Answer + 'static> Handler for Site<F> {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        let at = (now() - self.start).as_millis() as u64;
        let mut seen = self.seen.borrow_mut();
        let before = seen.iter().filter(|seen| seen.host == self.host && seen.path == request.target).count();
        seen.push(Seen { host: self.host, path: request.target.clone(), at });
        drop(seen);
        let answer = (self.script)(self.host, &request.target, before);
        Box::pin(async { answer })
    }
}

/// The result of a crawl of two hosts, `a` and `b`.
struct Crawled {
    exit: Exit,
    took: u64,
    seen: Vec<Seen>,
}

impl Crawled {
    /// When the requests to a host came, other than for robots.txt.
    fn times(&self, host: &str) -> Vec<u64> {
        self.seen.iter().filter(|seen| seen.host == host && seen.path != "/robots.txt").map(|seen| seen.at).collect()
    }

    fn paths(&self, host: &str) -> Vec<&str> {
        self.seen.iter().filter(|seen| seen.host == host).map(|seen| seen.path.as_str()).collect()
    }
}

/// Crawls `http://a/`, on a network without latency.
fn crawl(seed: u64, args: &[&str], script: impl Fn(&str, &str, usize) -> Answer + Clone + 'static) -> Crawled {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: CrawlArgs,
    }
    let directory = tempfile::tempdir().unwrap();
    let mut args = Cli::parse_from([&["crawl", "--quiet"], args].concat()).args;
    args.options.directory = directory.path().join("saved");
    let runtime = Runtime::builder().deterministic(seed).build().unwrap();
    let network = runtime.network().unwrap();
    network.set_default_link(Link { latency: Duration::ZERO, ..Link::default() });
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (exit, took) = runtime.block_on(async {
        let start = now();
        for host in ["a", "b"] {
            let site = Rc::new(Site { host, script: script.clone(), start, seen: seen.clone() });
            let server = network.host(host);
            named("server").spawn_local(async move {
                server.run(async { serve(TcpListener::bind("0.0.0.0:80").await.unwrap(), site).await }).await
            });
        }
        let exit = demo::crawl::run(args, Signals::None).await.unwrap();
        (exit, (now() - start).as_millis() as u64)
    });
    Crawled { exit, took, seen: seen.take() }
}

fn html(body: impl Into<String>) -> Answer {
    Answer::new(StatusCode::OK, "text/html", Body::Whole(body.into().into_bytes()))
}

fn links(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Answer {
    html(urls.into_iter().map(|url| format!("<a href={}>x</a>", url.as_ref())).collect::<String>())
}

fn text(body: &str) -> Answer {
    Answer::new(StatusCode::OK, "text/plain", Body::Whole(body.as_bytes().to_vec()))
}

fn busy(retry_after: &str) -> Answer {
    Answer::plain(StatusCode::SERVICE_UNAVAILABLE).with("retry-after", retry_after)
}

/// `/` links to five pages; there is no robots.txt.
fn five(path: &str) -> Answer {
    match path {
        "/" => links((1..=5).map(|page| format!("/{page}"))),
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        _ => text("a page"),
    }
}

#[test]
fn a_delay_is_kept_between_all_requests_to_a_host() {
    let crawled = crawl(1, &["--delay", "2s", "http://a/"], |_, path, _| five(path));
    let all: Vec<_> = crawled.seen.iter().map(|seen| seen.at).collect();
    assert_eq!(all, [0, 2000, 4000, 6000, 8000, 10_000, 12_000], "robots.txt is a request too: {:?}", crawled.seen);
    assert_eq!((crawled.exit, crawled.took), (Exit::Success, 12_000));
}

#[test]
fn a_delay_of_one_host_does_not_delay_another() {
    let crawled = crawl(1, &["--delay", "1s", "--span-hosts", "http://a/"], |host, path, _| match (host, path) {
        ("a", "/") => links(["/1", "/2", "/3", "http://b/1", "http://b/2", "http://b/3"]),
        (_, path) => five(path),
    });
    assert_eq!(crawled.times("a"), [0, 2000, 3000, 4000]);
    assert_eq!(crawled.times("b"), [1000, 2000, 3000]);
}

#[test]
fn a_redirect_waits_for_its_turn_too() {
    let crawled = crawl(1, &["--delay", "1s", "--ignore-robots", "http://a/"], |_, path, _| match path {
        "/" => Answer::plain(StatusCode::FOUND).with("location", "/x"),
        "/x" => Answer::plain(StatusCode::FOUND).with("location", "/y"),
        _ => text("a page"),
    });
    assert_eq!(crawled.times("a"), [0, 1000, 2000]);
}

#[test]
fn robots_txt_may_set_a_longer_delay_up_to_a_minute() {
    for (asked, option, delay) in [("3", "0s", 3000), ("3", "5s", 5000), ("86400", "0s", 60_000), ("inf", "0s", 60_000)]
    {
        let crawled = crawl(1, &["--delay", option, "http://a/"], move |_, path, _| match path {
            "/robots.txt" => text(&format!("User-agent: *\nCrawl-delay: {asked}")),
            path => five(path),
        });
        let times = crawled.times("a");
        let between: Vec<_> = times[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(between, [delay; 4], "{asked} {option}: {:?}", crawled.seen);
    }
    let ignored = crawl(1, &["--ignore-robots", "http://a/"], |_, path, _| five(path));
    assert_eq!((ignored.took, ignored.paths("a").contains(&"/robots.txt")), (0, false));
}

#[test]
fn a_retry_after_pauses_all_pages_of_its_host_and_no_other_host() {
    let crawled = crawl(1, &["--span-hosts", "-x", "1", "http://a/"], |host, path, before| match (host, path) {
        ("a", "/") => links(["/1", "/2", "/3", "http://b/"]),
        ("a", "/1") if before == 0 => busy("30"),
        ("b", "/") => links((1..=9).map(|page| format!("/{page}"))),
        (_, path) => five(path),
    });
    assert_eq!(crawled.times("a"), [0, 0, 30_000, 30_050, 30_093], "{:?}", crawled.seen);
    assert_eq!(
        crawled.paths("a"),
        ["/", "/robots.txt", "/1", "/1", "/2", "/3"],
        "the page that failed is the first again"
    );
    assert_eq!(crawled.times("b"), [0; 10]);
    assert_eq!(crawled.exit, Exit::Success);
}

#[test]
fn a_pause_is_limited_to_five_minutes() {
    let crawled = crawl(1, &["http://a/"], |_, path, before| match (path, before) {
        ("/", 0) => busy("86400"),
        ("/", _) => text("a page"),
        _ => Answer::plain(StatusCode::NOT_FOUND),
    });
    assert_eq!(crawled.times("a"), [0, 300_000]);
}

#[test]
fn a_host_that_refuses_is_slowed_down_and_recovers() {
    // Sixteen at once are too many: four are served, and the others are refused.
    let crawled = crawl(1, &["-x", "16", "http://a/"], |_, path, before| match path {
        "/" => links((1..=16).map(|page| format!("/{page}"))),
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        path if before == 0 && path[1..].parse::<u32>().unwrap() > 4 => busy("10"),
        _ => text("a page"),
    });
    let again: Vec<_> = crawled.times("a").into_iter().filter(|at| *at > 0).collect();
    assert_eq!(again, [10_000; 12], "each page once more, after the pause: {:?}", crawled.seen);
    assert_eq!(crawled.exit, Exit::Success);
}

#[test]
fn retries_back_off_and_depend_on_the_seed() {
    tests::alone::passes(module_path!(), "retry_until_all_fail");
}

#[test]
#[ignore = "another test runs it: each crawl prints an error"]
fn retry_until_all_fail() {
    let run = |seed| {
        let script = |_: &str, path: &str, _| match path {
            "/" => Answer::plain(StatusCode::BAD_GATEWAY),
            _ => Answer::plain(StatusCode::NOT_FOUND),
        };
        crawl(seed, &["--retries", "9", "http://a/"], script).times("a")
    };
    let mut sums = [0; 9];
    for seed in 0..20 {
        let times = run(seed);
        assert_eq!(times.len(), 10);
        for (retry, pair) in times.windows(2).enumerate() {
            let (wait, bound) = (pair[1] - pair[0], (500 << retry).min(30_000));
            assert!(wait <= bound, "retry {retry} after {wait} ms");
            sums[retry] += wait * 10 / bound;
        }
    }
    // Full jitter: half of the bound on average.
    assert!(sums.iter().all(|sum| (60..140).contains(sum)), "{sums:?}");
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_rate_holds_for_all_connections_together() {
    let crawled = crawl(1, &["--limit-rate", "100k", "--ignore-robots", "http://a/"], |_, path, _| match path {
        "/" => links((1..=10).map(|page| format!("/{page}"))),
        _ => text(&"x".repeat(100_000)),
    });
    let root = (1..=10).map(|page| format!("<a href=/{page}>x</a>")).collect::<String>().len() as u64;
    assert_eq!(crawled.took, 10_000 + root / 100);
    assert_eq!(crawled.exit, Exit::Success);
}

#[test]
fn a_robots_txt_that_cannot_be_read_is_requested_again_while_other_hosts_continue() {
    let script = |fails: usize| {
        move |host: &str, path: &str, before: usize| match (host, path) {
            ("a", "/") => links(["/1", "/2", "http://b/1"]),
            ("a", "/robots.txt") if before < fails => Answer::plain(StatusCode::BAD_GATEWAY),
            (_, path) => five(path),
        }
    };
    let passing = crawl(1, &["--span-hosts", "http://a/"], script(3));
    assert_eq!(passing.paths("a").iter().filter(|path| **path == "/robots.txt").count(), 4);
    assert_eq!(passing.times("b"), [0]);
    let times = passing.times("a");
    assert!(times.len() == 3 && times[1] > 0 && times[1] == times[2], "{times:?}");
    let lasting = crawl(1, &["--span-hosts", "http://a/"], script(usize::MAX));
    assert_eq!(lasting.paths("a"), ["/", "/robots.txt", "/robots.txt", "/robots.txt", "/robots.txt"]);
    assert_eq!((lasting.times("b"), lasting.exit), (vec![0], Exit::Success));
}

#[test]
fn hosts_take_turns() {
    let crawled =
        crawl(1, &["-j", "1", "--span-hosts", "--ignore-robots", "http://a/"], |host, path, _| match (host, path) {
            ("a", "/") => links((1..=4).flat_map(|page| [format!("/{page}"), format!("http://b/{page}")])),
            (_, _) => text("a page"),
        });
    let hosts: String = crawled.seen[1..].iter().map(|seen| seen.host).collect();
    assert!(hosts == "abababab" || hosts == "babababa", "{hosts}");
}
