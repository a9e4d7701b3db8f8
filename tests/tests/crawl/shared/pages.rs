//! What the workers of a job share: the targets of redirects, the scope, limits and failures.

use super::kit::{Worker, all, each_is_saved_once, page};
use tests::demo::within_after_build;
use tests::faults::FaultServer;
use tests::redis::RedisServer;

#[test]
fn the_target_of_many_redirects_is_fetched_once() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| match visit.path.as_str() {
            "/" => visit.links((0..20).map(|number| format!("/to/{number}"))),
            "/target" => visit.page("the target"),
            _ => visit.redirect("/target"),
        });
        let args = ["-x", "4", &server.url("/")];
        let workers = ["first", "second"].map(|name| Worker::start(name, &redis, &args));
        for (report, _) in workers.map(|worker| worker.exits(0)) {
            assert_eq!(report.urls().len(), 21);
            assert_eq!(report.0.iter().filter(|line| line.text("path").is_some()).count(), 2);
        }
        assert_eq!(server.hits("/target"), 1);
    });
}

#[test]
fn the_server_to_which_a_first_page_is_redirected_is_in_the_scope_of_all_workers() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| {
            let host = visit.header("host").unwrap_or_default().to_owned();
            match host.strip_prefix("localhost:") {
                Some(port) => visit.redirect(&format!("http://127.0.0.1:{port}/0")),
                None => page(visit, 40),
            }
        });
        let start = format!("http://localhost:{}/", server.port());
        let workers = ["first", "second"].map(|name| Worker::start(name, &redis, &["-x", "2", &start]));
        for (report, _) in workers.map(|worker| worker.exits(0)) {
            assert_eq!(report.urls().len(), 40, "{:?}", report.urls());
        }
    });
}

#[test]
fn a_limit_on_pages_is_that_of_all_workers_together() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| page(visit, 100));
        let args = ["--max-pages", "25", &server.url("/0")];
        let workers = ["first", "second", "third"].map(|name| Worker::start(name, &redis, &args));
        for (report, _) in workers.map(|worker| worker.exits(0)) {
            assert_eq!(report.urls().len(), 25);
        }
        assert_eq!(server.requests().len(), 25);
    });
}

#[test]
fn failed_and_forbidden_pages_belong_to_the_whole_job() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start_with_robots(|visit| match visit.path.as_str() {
            "/robots.txt" => visit.answer("200 OK", "", "User-agent: *\nDisallow: /private\n"),
            "/" => visit.links(["/private/1", "/private/2", "/missing", "/busy"]),
            "/busy" if visit.attempt == 1 => visit.answer("503 Busy", "Retry-After: 0\r\n", ""),
            "/busy" => visit.page("at last"),
            _ => visit.answer("404 Not Found", "", ""),
        });
        let start = server.url("/");
        let workers = ["first", "second"].map(|name| Worker::start(name, &redis, &[&start]));
        for Worker { place, running } in workers {
            running.wait().exits(3).says("the job \"test\": 3 pages by all workers, 1 failed, 0 not fetched");
            let report = place.report();
            assert_eq!(report.urls(), ["/", "/busy", "/missing"]);
            report.of("/missing").failed(Some(404), "404");
            report.of("/busy").is_saved();
        }
        assert_eq!(server.hits("/busy"), 2);
    });
}

#[test]
fn the_links_of_a_large_page_are_recorded_in_one_step() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| match visit.path.as_str() {
            "/" => visit.links((0..50_000).map(|number| format!("/{number}"))),
            _ => visit.page("a page"),
        });
        let worker = Worker::start("only", &redis, &["--max-pages", "20", &server.url("/")]);
        let (report, _) = worker.exits(0);
        assert_eq!(report.urls().len(), 20);
        assert_eq!(redis.number(&["SCARD", "demo:test:seen"]), 50_001);
    });
}

#[test]
fn a_worker_that_comes_when_the_job_is_complete_has_its_report() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| page(visit, 10));
        let start = server.url("/0");
        Worker::start("first", &redis, &[&start]).exits(0);
        let mut late = Worker::start("late", &redis, &[&start]);
        late.running.until_it_says("the job \"test\" is complete; to crawl again, choose another --job");
        late.running.until_it_says("--scan --pattern 'demo:test:*'");
        each_is_saved_once(&late.exits(0).0, &all(10));
        assert_eq!(server.requests().len(), 10);
    });
}
