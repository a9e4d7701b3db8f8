//! The workers of a job together keep the delay of a host and its pauses, and fetch each page once.

use super::redis::SimulatedRedis;
use super::worker;
use demo::Exit;
use demo::http::server::{Answer, Body, Handler, LocalFuture, Request, serve};
use demo::signals::Signals;
use executor::net::TcpListener;
use executor::test::{Link, Network};
use executor::time::{Duration, Instant, now};
use executor::{Runtime, spawn_local};
use http::StatusCode;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tests::redis::RedisServer;

/// Answers by a function of the path and of how often it was requested before.
struct Site<F> {
    script: F,
    start: Instant,
    /// The requests: milliseconds since the start, and the path.
    seen: RefCell<Vec<(u64, String)>>,
    in_progress: Cell<usize>,
    most_at_once: Cell<usize>,
}

impl<F: Fn(&str, usize) -> Answer + 'static> Handler for Site<F> {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        let before = self.seen.borrow().iter().filter(|(_, path)| *path == request.target).count();
        self.seen.borrow_mut().push(((now() - self.start).as_millis() as u64, request.target.clone()));
        self.in_progress.set(self.in_progress.get() + 1);
        self.most_at_once.set(self.most_at_once.get().max(self.in_progress.get()));
        let answer = (self.script)(&request.target, before);
        Box::pin(async move {
            executor::time::sleep(Duration::from_millis(100)).await;
            self.in_progress.set(self.in_progress.get() - 1);
            answer
        })
    }
}

/// Three workers crawl `http://site/`. Returns the requests, and how many were in progress at most; `None` without Redis.
fn crawl(args: &[&str], script: impl Fn(&str, usize) -> Answer + 'static) -> Option<(Vec<(u64, String)>, usize)> {
    crawl_while(args, script, |_| {})
}

/// As [`crawl`]; `meanwhile` starts other actions.
fn crawl_while(
    args: &[&str],
    script: impl Fn(&str, usize) -> Answer + 'static,
    meanwhile: impl FnOnce(Rc<SimulatedRedis>),
) -> Option<(Vec<(u64, String)>, usize)> {
    let server = RedisServer::start()?;
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::builder().deterministic(1).build().unwrap();
    let network: Network = runtime.network().unwrap();
    network.set_default_link(Link { latency: Duration::ZERO, ..Link::default() });
    let site = runtime.block_on(async {
        meanwhile(SimulatedRedis::serve(&server, &network));
        let (seen, in_progress, most_at_once) = (RefCell::default(), Cell::new(0), Cell::new(0));
        let site = Rc::new(Site { script, start: now(), seen, in_progress, most_at_once });
        let (host, serving) = (network.host("site"), site.clone());
        spawn_local(async move {
            host.run(async { serve(TcpListener::bind("0.0.0.0:80").await.unwrap(), serving).await }).await
        });
        executor::time::sleep(Duration::from_millis(1)).await;
        let workers = ["a", "b", "c"].map(|name| {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let args = worker(&folder, &[args, &["http://site/"]].concat());
            let host = network.host(name);
            spawn_local(async move { host.run(Box::pin(demo::crawl::run(args, Signals::None))).await })
        });
        for worker in workers {
            assert_eq!(worker.await.unwrap().unwrap().unwrap(), Exit::Success);
        }
        site
    });
    let seen = site.seen.borrow().clone();
    Some((seen, site.most_at_once.get()))
}

fn html(body: String) -> Answer {
    Answer::new(StatusCode::OK, "text/html", Body::Whole(body.into_bytes()))
}

/// `/` links to this many pages.
fn star(path: &str, pages: usize) -> Answer {
    match path {
        "/" => html((0..pages).map(|page| format!("<a href=/{page}>x</a>")).collect()),
        _ => html("a page".to_owned()),
    }
}

/// The least time between two requests.
fn least_gap(seen: &[(u64, String)]) -> u64 {
    seen.windows(2).map(|two| two[1].0 - two[0].0).min().unwrap()
}

#[test]
fn the_delay_is_kept_between_requests_of_all_workers_including_redirects_retries_and_robots_txt() {
    let script = |path: &str, before: usize| match path {
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        "/3" => Answer::plain(StatusCode::FOUND).with("location", "/elsewhere"),
        "/4" if before == 0 => Answer::plain(StatusCode::INTERNAL_SERVER_ERROR),
        path => star(path, 12),
    };
    let Some((seen, _)) = crawl(&["--delay", "1s"], script) else { return };
    assert!(seen.len() >= 16, "{seen:?}");
    assert!(least_gap(&seen) >= 999, "{seen:?}");
}

#[test]
fn all_workers_together_keep_the_crawl_delay_of_robots_txt() {
    let script = |path: &str, _| match path {
        "/robots.txt" => html("User-agent: *\nCrawl-delay: 2\n".to_owned()),
        path => star(path, 9),
    };
    let Some((seen, _)) = crawl(&[], script) else { return };
    // A worker does not know the delay before it has read robots.txt.
    let first = seen.iter().position(|(_, path)| path != "/" && path != "/robots.txt").unwrap();
    assert!(seen.len() >= 11 && least_gap(&seen[first..]) >= 1999, "{seen:?}");
}

#[test]
fn a_retry_after_that_one_worker_receives_pauses_all_workers() {
    let script = |path: &str, before: usize| match path {
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        "/5" if before == 0 => Answer::plain(StatusCode::SERVICE_UNAVAILABLE).with("retry-after", "20"),
        path => star(path, 60),
    };
    let Some((seen, _)) = crawl(&[], script) else { return };
    let refused = seen.iter().find(|(_, path)| path == "/5").unwrap().0;
    // Requests that had begun before the answer are not cancelled.
    let during: Vec<_> = seen.iter().filter(|(at, _)| (refused + 110..refused + 20_000).contains(at)).collect();
    assert!(during.is_empty(), "{during:?}");
    assert!(seen.iter().filter(|(at, _)| *at >= refused + 20_000).count() > 10, "{seen:?}");
}

#[test]
fn all_workers_together_fetch_four_pages_of_a_host_at_once_unless_each_is_given_a_limit() {
    let script = |path: &str, _| match path {
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        path => star(path, 60),
    };
    let Some((_, most)) = crawl(&[], script) else { return };
    assert_eq!(most, 4);
    let Some((_, most)) = crawl(&["-x", "3"], script) else { return };
    assert_eq!(most, 9);
}

#[test]
fn the_workers_keep_their_pages_although_redis_is_gone_for_longer_than_a_lease() {
    let script = |path: &str, _| match path {
        "/robots.txt" => Answer::plain(StatusCode::NOT_FOUND),
        path => star(path, 60),
    };
    let restart = |redis: Rc<SimulatedRedis>| {
        drop(spawn_local(async move {
            executor::time::sleep(Duration::from_millis(550)).await;
            redis.down.set(Some(Duration::from_secs(10)));
            redis.host().crash();
        }));
    };
    let Some((seen, _)) = crawl_while(&["--lease", "2s"], script, restart) else { return };
    assert!(seen.last().unwrap().0 > 10_000, "Redis was not gone: {seen:?}");
    let mut paths: Vec<_> = seen.iter().map(|(_, path)| path).filter(|path| *path != "/robots.txt").collect();
    paths.sort_unstable();
    let requests = paths.len();
    paths.dedup();
    assert_eq!((requests, paths.len()), (61, 61), "a page was requested twice: {seen:?}");
}
